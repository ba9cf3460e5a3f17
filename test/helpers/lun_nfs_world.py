"""Two nodes that share a LUN, or an NFS export, for the real plan, modules and orchestration state to work on; see ``storage_world``.

The LUN is a file and the export a folder, both real. What may never happen is an ``AssertionError`` at the program that would do it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from storage_world import Folder, Node, World

from hamysql.mysql import datadir
from hamysql.storage import backends
from hamysql.storage.lun import claim as lun_claim
from hamysql.storage.lun.claim import write_claim
from hamysql.storage.nfs import verbs as nfs_verbs
from hamysql.storage.nfs.mark import NFS_FOLDER
from hamysql.system import disk
from hamysql.system.command import Result

SIZE = 2**20
DEVICE = "/dev/disk/by-id/wwn-0x1"
DIRECTORY = "/var/lib/mysql"
XFS = b"XFSB"  # what stands for a file system in the LUN's first block, with its UUID behind it


class InTurn(World):
    """What both kinds have in common."""

    kind = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = ""  # what is in the datadir
        self.rows = 0
        super().__init__()

    def site(self, node: Node) -> dict[str, Any]:
        filesystem = {"type": "xfs", "options": "noatime", "mkfs_options": [], "device": DEVICE, "directory": DIRECTORY}
        shared = {"device": DEVICE, "lvm": {}, "iscsi": {}, "wipe": self.wipe.get("lun")}
        nfs = {"source": "192.0.2.50:/srv/galaxy-db", "version": "4.1", "mount_options": "vers=4.1,hard"}
        return {
            "self": node.name,
            "cluster": {"name": "galaxy-db", "nodes": {name: {} for name in self.nodes}},
            "storage": {"backend": self.kind, "shared": shared, "nfs": nfs, "filesystem": filesystem},
            "mysql": {
                "flavor": "mariadb",
                "user": "mysql",
                "group": "mysql",
                "install_db": "mariadb-install-db",
                "datadir": DIRECTORY,
            },
            "fencing": {"enabled": True},
        }

    def _load(self, node: Node) -> None:
        self._module(node, backends.KINDS[self.kind].module)

    def _execute(self, node: Node, function: str, kwargs: Any) -> Any:
        module, verb = function.split(".")
        if function == "hamysql_node.survey":
            storage = {"backend": self.kind, **node.modules[backends.KINDS[self.kind].module].survey()}
            serving = [{"id": "p_fs_mysql", "role": "Started", "node": node.name}] if node.primary else []
            return {
                "settings": self.site(node),
                "storage": storage,
                "cluster": {"failures": [], "shell": "crm", "resources": serving},
            }
        return getattr(node.modules[module], verb)(**kwargs)

    def serve(self, name: str = "db1") -> bool:
        """What pacemaker does with initialised members: one of them mounts the file system, and lets clients write."""
        if any(node.latch is None or node.latch.stage.name != "INITIALISED" for node in self.nodes.values()):
            return False
        for node in self.nodes.values():
            node.mounted = node.primary = node.name == name
        assert self.database == "complete", "an incomplete database was handed over"
        self.rows += 1
        return True

    def _chown(self, node: Node, argv: list[str]) -> Result:
        return Result(0, "")

    _chmod = _sync = _chown

    def _made(self, node: Node, how: Callable[[str], None]) -> Result:
        assert not self.rows, "a database was made over rows"
        assert not self.database, "a database was made over another one"
        how("half")
        self._moment(node, "half")
        how("complete")
        return Result(0, "")


class Lun(InTurn):
    """db1 and db2 with one LUN."""

    kind = "shared"

    def __init__(self, folder: Path) -> None:
        self.lun = folder / "lun"
        with open(self.lun, "wb") as file:
            file.truncate(SIZE)
        self.given_up = False
        self.source = str(self.lun)  # of what is mounted
        super().__init__(folder)

    def site(self, node: Node) -> dict[str, Any]:
        site = super().site(node)
        site["storage"]["shared"]["device"] = site["storage"]["filesystem"]["device"] = str(self.lun)
        return site

    def _machine(self, node: Node) -> Iterator[tuple[Any, str, Any]]:
        yield from super()._machine(node)
        yield lun_claim, "write_claim", lambda *given: self._claim(node, *given)
        yield disk, "stable_names", lambda _: (DEVICE,)
        yield datadir, "Folder", lambda _: _Mountpoint(self, node)

    def _claim(self, node: Node, device: str, cluster: str, uuid: str) -> None:
        self._moment(node, "before")
        assert not any(one.mounted for one in self.nodes.values())
        assert self.head() == bytes(lun_claim.BLOCK), "a claim was written over something"
        write_claim(device, cluster, uuid)
        self._moment(node, "after")

    def head(self) -> bytes:
        with open(self.lun, "rb") as file:
            return file.read(lun_claim.BLOCK)

    def put(self, block: bytes) -> None:
        with open(self.lun, "r+b") as file:
            file.write(block.ljust(lun_claim.BLOCK, b"\0"))

    def _wipefs(self, node: Node, argv: list[str]) -> Result:
        if argv[0] == "--all":
            assert self.given_up, "a LUN was wiped that nobody gave up"
            assert not self.rows, "rows were wiped"
            self.put(b"")
            return Result(0, "")
        kind, _, uuid = self.head().rstrip(b"\0").partition(b" ")
        known = {XFS: "xfs", b"EXT4": "ext4"}.get(kind)
        rows = [{"type": known, "offset": "0x0", "uuid": uuid.decode()}] if known else []
        return Result(0, json.dumps({"signatures": rows}))

    def _blkdiscard(self, node: Node, argv: list[str]) -> Result:
        assert self.given_up
        return Result(0, "")

    def _blockdev(self, node: Node, argv: list[str]) -> Result:
        return Result(0, f"{2 * SIZE}\n")

    def _lsblk(self, node: Node, argv: list[str]) -> Result:
        if "--json" not in argv:
            return Result(0, "0x1 SERIAL\n")
        return Result(
            0, json.dumps({"blockdevices": [{"name": "/dev/sdb", "type": "disk", "mountpoints": self._mounts(node)}]})
        )

    def _mounts(self, node: Node) -> list[str | None]:
        return [DIRECTORY if node.mounted else None]

    def _findmnt(self, node: Node, argv: list[str]) -> Result:
        return Result(0, f"{self.source}\n") if node.mounted else Result(1, "")

    def _mkfs(self, node: Node, argv: list[str]) -> Result:
        assert argv[-1] == str(self.lun)
        assert not self.rows, f"a file system was made over {self.rows} rows"
        assert not any(one.mounted for one in self.nodes.values()), "a file system was made over one that is mounted"
        uuid = argv[argv.index("-m") + 1].removeprefix("uuid=")
        assert uuid == node.latch.device_uuid
        self.put(b"")
        self.database = ""
        self._moment(node, "half")
        self.put(XFS + b" " + uuid.encode())
        return Result(0, "")

    def _mount(self, node: Node, argv: list[str]) -> Result:
        assert argv[-2:] == [str(self.lun), DIRECTORY]
        assert not any(one.mounted for one in self.nodes.values()), "mounted twice"
        if not self.head().startswith(XFS):
            return Result(32, "", "wrong fs type, bad superblock")
        node.mounted = True
        return Result(0, "")

    def _umount(self, node: Node, argv: list[str]) -> Result:
        node.mounted = False
        return Result(0, "")

    def _mariadb_install_db(self, node: Node, argv: list[str]) -> Result:
        assert node.mounted, "a database was made on the root file system"
        return self._made(node, lambda state: setattr(self, "database", state))


class _Mountpoint(Folder):
    """The same on a LUN or an export, which both nodes see."""

    def names(self) -> set[str]:
        assert self.node.mounted, "the root file system's folder was looked at"
        return {"": set(), "half": {"ibdata1"}, "complete": {"ibdata1", "mysql"}}[self.world.database]


class Nas(InTurn):
    """db1 and db2 with one export; it is a folder that a mount makes accessible."""

    kind = "nfs"

    def __init__(self, folder: Path) -> None:
        self.export = folder / "export"
        self.export.mkdir()
        self.programs_there = folder / "sbin"
        self.programs_there.mkdir()
        (self.programs_there / "mount.nfs").touch(mode=0o755)
        self.at: dict[str, bool] = {}  # the export's root is mounted on these
        self.down = False
        super().__init__(folder)

    def _machine(self, node: Node) -> Iterator[tuple[Any, str, Any]]:
        yield from super()._machine(node)
        yield nfs_verbs, "PLACE", self.export
        yield nfs_verbs, "PATH", str(self.programs_there)
        yield nfs_verbs, "MOUNTS", self._files / f"{node.name}-mounts"
        yield datadir, "Folder", lambda _: SimpleNamespace(mounted=lambda: self.at.get(node.name, False))

    def _refresh(self) -> None:
        super()._refresh()
        for node in self.nodes.values():
            self._put(f"{node.name}-mounts", f"nas {DIRECTORY} nfs4 rw 0 0\n" if node.mounted else "")

    @property
    def database(self) -> str:
        file = self.export / NFS_FOLDER / "ibdata1"
        return file.read_text() if file.exists() else ""

    @database.setter
    def database(self, value: str) -> None:
        pass

    def _mount(self, node: Node, argv: list[str]) -> Result:
        assert not self.at.get(node.name), "mounted twice"
        if self.down:
            return Result(32, "", "mount.nfs: Connection timed out")
        self.at[node.name] = True
        return Result(0, "")

    def _umount(self, node: Node, argv: list[str]) -> Result:
        self.at[node.name] = False
        return Result(0, "")

    def _mariadb_install_db(self, node: Node, argv: list[str]) -> Result:
        assert self.at[node.name]
        assert f"--datadir={self.export / NFS_FOLDER}" in argv
        result = self._made(node, (self.export / NFS_FOLDER / "ibdata1").write_text)
        (self.export / NFS_FOLDER / "mysql").mkdir()
        return result
