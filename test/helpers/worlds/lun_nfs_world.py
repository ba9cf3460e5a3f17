"""Two nodes that share a LUN, or an NFS export, for the real plan, modules and orchestration state to work on; see ``storage_world``.

The LUN is a file and the export a folder, both real. What may never happen is an ``AssertionError`` at the program that would do it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import machines
from minion import named
from printed import crm_mon, resource, running
from storage_nodes import DIRECTORY, Node
from storage_world import World

from hamysql.storage.lun import claim as lun_claim
from hamysql.storage.nfs import verbs as nfs_verbs
from hamysql.storage.nfs.mark import NFS_FOLDER
from hamysql.system.command import Result

SIZE = 2**20
DEVICE = "/dev/disk/by-id/wwn-0x1"
EXPORT = {"server": "192.0.2.50", "export": "/srv/galaxy-db"}
XFS = b"XFSB"  # what stands for a file system in the LUN's first block, with its UUID behind it


class InTurn(World):
    """What both kinds have in common."""

    kind = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = ""  # what is in the datadir
        self.rows = 0
        super().__init__()

    def pillar(self) -> Any:
        return {**named("nfs"), "storage": self.storage()}

    def storage(self) -> dict[str, Any]:
        """The pillar's storage."""
        raise NotImplementedError

    def _have_disk(self, node: Node) -> None:
        pass

    def _crm_mon(self, node: Node, argv: list[str]) -> Result:
        serving = [resource("p_fs_mysql", one.name) for one in self.nodes.values() if one.primary]
        return Result(0, crm_mon(running(resources=serving)))

    def serve(self, name: str = "db1") -> bool:
        """What pacemaker does with initialised members: one of them mounts the file system, and lets clients write."""
        if any(node.latch is None or node.latch.stage.name != "INITIALISED" for node in self.nodes.values()):
            return False
        for node in self.nodes.values():
            node.mounted = node.primary = node.serving = node.name == name
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
    verbs = ("hamysql_lun",)

    def __init__(self, folder: Path) -> None:
        self.lun = folder / "lun"
        with open(self.lun, "wb") as file:
            file.truncate(SIZE)
        self.given_up = False
        self.source = DEVICE  # of what is mounted
        super().__init__(folder)
        for node in self.nodes.values():
            machines.link(node.root / DEVICE.lstrip("/"), self.lun)

    def storage(self) -> dict[str, Any]:
        return {"backend": "shared", "shared": {"device": DEVICE, "wipe": self.wipe.get("lun")}}

    def _seen(self, node: Node, event: str, arguments: Sequence[Any]) -> None:
        super()._seen(node, event, arguments)
        if event == "open" and str(arguments[0]) == str(node.root / DEVICE.lstrip("/")) and arguments[2] & os.O_EXCL:
            self._moment(node, "before")
            assert not any(one.mounted for one in self.nodes.values())
            assert self.head() == bytes(lun_claim.BLOCK), "a claim was written over something"
            self._written = node

    def listing(self, node: Node) -> list[str]:
        return {"": [], "half": ["ibdata1"], "complete": ["ibdata1", "mysql"]}[self.database]

    def _listed(self, node: Node) -> None:
        assert node.mounted, "the root file system's folder was looked at"

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
        there = node.mounted and argv[-1] == DIRECTORY
        return Result(0, f"{self.source}\n") if there else Result(1, "")

    def _mkfs(self, node: Node, argv: list[str]) -> Result:
        assert argv[-1] == DEVICE
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
        assert argv[-2:] == [DEVICE, DIRECTORY]
        assert not any(one.mounted for one in self.nodes.values()), "mounted twice"
        if not self.head().startswith(XFS):
            return Result(32, "", "wrong fs type, bad superblock")
        node.mounted = True
        return Result(0, "")

    def _mariadb_install_db(self, node: Node, argv: list[str]) -> Result:
        assert node.mounted, "a database was made on the root file system"
        return self._made(node, lambda state: setattr(self, "database", state))


class Nas(InTurn):
    """db1 and db2 with one export; it is a folder that a mount makes accessible."""

    kind = "nfs"
    verbs = ("hamysql_nfs",)

    def __init__(self, folder: Path) -> None:
        self.export = folder / "export"
        self.export.mkdir()
        self.down = False
        super().__init__(folder)
        for node in self.nodes.values():
            machines.program(node.root, "mount.nfs")

    def storage(self) -> dict[str, Any]:
        return {"backend": "nfs", "nfs": EXPORT}

    def place(self, node: Node) -> Path:
        """Where a node mounts the export's root for a moment."""
        return node.root / str(nfs_verbs.PLACE).lstrip("/")

    def _refresh(self) -> None:
        super()._refresh()
        for node in self.nodes.values():
            self._put(node, "proc/self/mounts", f"nas {DIRECTORY} nfs4 rw 0 0\n" if node.mounted else "")

    def _have_datadir(self, node: Node) -> None:
        """Nobody looks: the data is in a folder of the export."""

    def _findmnt(self, node: Node, argv: list[str]) -> Result:
        there = argv[-1] == str(nfs_verbs.PLACE) and machines.is_mounted(self.place(node))
        return Result(0, "192.0.2.50:/srv/galaxy-db\n") if there else Result(1, "")

    @property
    def database(self) -> str:
        file = self.export / NFS_FOLDER / "ibdata1"
        return file.read_text() if file.exists() else ""

    @database.setter
    def database(self, value: str) -> None:
        pass

    def _mount(self, node: Node, argv: list[str]) -> Result:
        assert not machines.is_mounted(self.place(node)), "mounted twice"
        if self.down:
            return Result(32, "", "mount.nfs: Connection timed out")
        machines.mount(self.place(node), self.export)
        return Result(0, "")

    def _umount(self, node: Node, argv: list[str]) -> Result:
        machines.umount(self.place(node))
        return Result(0, "")

    def _mariadb_install_db(self, node: Node, argv: list[str]) -> Result:
        assert machines.is_mounted(self.place(node))
        assert f"--datadir={nfs_verbs.PLACE / NFS_FOLDER}" in argv
        result = self._made(node, (self.export / NFS_FOLDER / "ibdata1").write_text)
        (self.export / NFS_FOLDER / "mysql").mkdir()
        return result
