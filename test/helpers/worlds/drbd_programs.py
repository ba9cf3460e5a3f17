"""Two replicas, and the programs that make and use them: what each would do to the disks of a world.

What may never happen (a file system made on data, a forced promotion where data exists, metadata written over something)
is an ``AssertionError`` at the program that would do it.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import printed
from printed import crm_mon, running
from storage_nodes import DEVICE, DIRECTORY, Metadata, Node, Volume

from hamysql.cib.status import Failure
from hamysql.storage.drbd.status import JUST_CREATED, Status
from hamysql.system.command import Result


class Replicas:
    """What DRBD does with two nodes' disks."""

    nodes: dict[str, Node]

    def __init__(self) -> None:
        self._uuids = itertools.count(0x1000)

    def peer(self, node: Node) -> Node:
        return next(other for other in self.nodes.values() if other is not node)

    def connected(self) -> bool:
        return all(node.on and node.up for node in self.nodes.values())

    def _pairs(self) -> Iterator[tuple[Metadata, Node, Metadata, Node]]:
        """Who would send data to whom, if connected: each as source and as target."""
        first, second = self.nodes.values()
        if self.connected():
            for source, target in ((first, second), (second, first)):
                yield source.disk.metadata, source, target.disk.metadata, target

    def settle(self) -> None:
        """What DRBD does by itself: a connected replica that is inconsistent or older follows the one that is not."""
        for good, _, bad, _ in self._pairs():
            if good.disk == bad.disk == "UpToDate" and bad.current in (good.bitmap, good.history):
                bad.disk = "Inconsistent"
            if good.disk == "UpToDate" and bad.disk == "Inconsistent":
                good.bitmap = good.bitmap or next(self._uuids) << 8
                bad.current, bad.bitmap, bad.history = good.bitmap, 0, JUST_CREATED

    def synchronise(self) -> None:
        """A running synchronisation comes to its end."""
        self.settle()
        for good, source, bad, target in self._pairs():
            if good.disk == "UpToDate" and bad.disk == "Inconsistent":
                good.history, good.bitmap = good.bitmap, 0
                target.disk.metadata = replace(good, uuid=bad.uuid)
                target.disk.volume = replace(source.disk.volume)

    def change(self, node: Node, **fields: Any) -> None:
        """A write through the replicated device of the primary, on the peer's disk too if it is up to date."""
        assert node.primary, "a write without being primary"
        targets = [node, self.peer(node)] if self.connected() else [node]
        for target in targets:
            if target is node or target.disk.metadata.disk == "UpToDate":
                vars(target.disk.volume).update(fields)
        if len(targets) == 1 and self.peer(node).disk and self.peer(node).disk.metadata:
            mine = node.disk.metadata
            mine.current, mine.bitmap = next(self._uuids) << 8, mine.bitmap or mine.current

    def data(self) -> list[Node]:
        """The nodes whose disks hold rows, powered or not."""
        return [node for node in self.nodes.values() if node.disk and node.disk.volume.rows]

    def _proc(self, node: Node) -> str:
        if not node.up:
            return printed.MODULE
        mine, peer = node.disk.metadata, self.peer(node)
        role = "Primary" if node.primary else "Secondary"
        if not self.connected():
            return printed.MODULE + printed.proc(Status("WFConnection", role, "Unknown", mine.disk, "DUnknown"))
        theirs, other = peer.disk.metadata.disk, "Primary" if peer.primary else "Secondary"
        state = "Connected"
        if {mine.disk, theirs} == {"UpToDate", "Inconsistent"}:
            state = "SyncSource" if mine.disk == "UpToDate" else "SyncTarget"
        return printed.MODULE + printed.proc(Status(state, role, other, mine.disk, theirs))


class Programs(Replicas):
    """The programs, each by its name; see ``World``."""

    disk_row: dict[str, Any]  # what lsblk says otherwise of a disk
    no_space: bool

    def site(self, node: Node) -> Any:
        raise NotImplementedError

    def _moment(self, node: Node, moment: str) -> None:
        raise NotImplementedError

    def _wipefs(self, node: Node, argv: list[str]) -> Result:
        disk, rows = node.disk, []
        if argv[0] == "--all":
            assert disk.given_up, "a disk was wiped that nobody gave up"
            assert not node.up
            assert not node.mounted
            assert not disk.volume.rows, "rows were wiped"
            self._moment(node, "half")
            disk.foreign, disk.metadata, disk.volume = None, None, Volume()
            return Result(0, "")
        if disk.metadata:
            rows.append({"type": "drbd", "offset": "0x18fff03c", "uuid": disk.metadata.uuid or None})
        if disk.foreign:
            rows.append({"type": disk.foreign.type, "offset": hex(disk.foreign.offset), "uuid": None})
        if disk.volume.filesystem == "xfs":
            rows.append({"type": "xfs", "offset": "0x0", "uuid": "dbeced43"})
        return Result(0, json.dumps({"signatures": rows}))

    def _blockdev(self, node: Node, argv: list[str]) -> Result:
        return Result(0, f"{node.disk.size}\n") if node.disk else Result(1, "", "No such file or directory")

    def _lsblk(self, node: Node, argv: list[str]) -> Result:
        children = [{"name": DEVICE, "type": "disk", "mountpoints": [DIRECTORY if node.mounted else None]}]
        top = {"name": "/dev/sdb", "type": "disk", "mountpoints": [None], "children": children if node.up else []}
        return Result(0, json.dumps({"blockdevices": [top | self.disk_row]}))

    def _findmnt(self, node: Node, argv: list[str]) -> Result:
        there = node.mounted and argv[-1] == DIRECTORY
        return Result(0, f"{node.source}\n") if there else Result(1, "")

    def _crm_mon(self, node: Node, argv: list[str]) -> Result:
        """Pacemaker runs where it has something to say."""
        failed = [
            Failure("p_drbd_mysql_start_0", one.name, "error", "", "") for one in self.nodes.values() if one.failed
        ]
        return Result(0, crm_mon(running(failures=failed))) if failed else Result(102, "<pacemaker-result/>")

    def _ip(self, node: Node, argv: list[str]) -> Result:
        own = self.site(node)["cluster"]["nodes"][node.name]["addresses"]
        links = {f"eth{number}": [f"{address}/24"] for number, address in enumerate(own)}
        return Result(0, printed.interfaces(links, node.name))

    def _mariadb(self, node: Node, argv: list[str]) -> Result:
        """The client."""
        return Result(0, "1\n") if self.serves(node) else Result(1, "", printed.NO_SERVER)

    _mysql = _mariadb

    def serves(self, node: Node) -> bool:
        """Whether a server answers there."""
        return node.serving

    def _drbdsetup(self, node: Node, argv: list[str]) -> Result:
        assert argv[0] == "show"
        return Result(0, printed.show(self.site(node), "/dev/sdb"))

    def _adjust(self, node: Node, argv: list[str]) -> Result:
        assert "--dry-run" in argv, "nothing here is adjusted"
        return Result(0, "")

    def _get_gi(self, node: Node, argv: list[str]) -> Result:
        found = node.disk.metadata if node.disk else None
        if not found:
            return Result(255, "", "No valid meta data found")
        consistent = int(found.disk == "UpToDate")
        return Result(
            0, f"{found.current:016X}:{found.bitmap:016X}:{found.history:016X}:{0:016X}:{consistent}:0:0:0:0:0:0\n"
        )

    def _blkdiscard(self, node: Node, argv: list[str]) -> Result:
        assert node.disk.given_up
        assert not node.disk.metadata
        assert not node.up
        return Result(0, "")

    def _new_current_uuid(self, node: Node, argv: list[str]) -> Result:
        sides = [one.disk for one in self.nodes.values()]
        assert argv[:2] == ["--", "--clear-bitmap"]
        assert self.connected(), "the peer does not hear of it"
        for disk in sides:
            assert disk.metadata.current == JUST_CREATED, "a replica was called equal that had a history"
            assert disk.volume == Volume(), "a replica was called equal that was written to"
        current = next(self._uuids) << 8
        for disk in sides:
            disk.metadata = Metadata(disk.metadata.uuid, current, 0, "UpToDate")
        return Result(0, "")

    def _crm_resource(self, node: Node, argv: list[str]) -> Result:
        assert argv == ["--cleanup", "--resource", "p_drbd_mysql", "--node", node.name]
        node.failed = False
        return Result(0, "")

    def _create_md(self, node: Node, argv: list[str]) -> Result:
        disk, force = node.disk, "--force" in argv
        if node.up:
            return Result(20, "", "Device '0' is configured!")
        if not force and (disk.metadata or disk.foreign or disk.volume != Volume()):
            return Result(1, "", "Found some data")
        assert not disk.foreign, "metadata written over foreign data"
        assert disk.volume == Volume(), "metadata written over a replica"
        assert disk.metadata is None or disk.metadata.current == JUST_CREATED, "metadata written over metadata of data"
        disk.metadata = Metadata("")
        self._moment(node, "half")  # drbdadm writes the device's UUID with a second program
        disk.metadata.uuid = f"{next(self._uuids):016x}"
        return Result(0, "")

    def _modprobe(self, node: Node, argv: list[str]) -> Result:
        return Result(0, "")

    def _up(self, node: Node, argv: list[str]) -> Result:
        if not node.disk.metadata:
            return Result(1, "", "No valid meta data found")
        node.up = True
        self.settle()
        return Result(0, "")

    def _primary(self, node: Node, argv: list[str]) -> Result:
        if self.connected() and self.peer(node).primary:
            return Result(11, "", "Multiple primaries not allowed by config")
        if "--force" in argv and node.disk.metadata.disk != "UpToDate":
            assert not self.data(), f"{node.name} was promoted by force while {self.data()[0].name} holds data"
            assert node.disk.metadata.current == JUST_CREATED, "a forced promotion of an old replica"
            node.disk.metadata = Metadata(node.disk.metadata.uuid, next(self._uuids) << 8, JUST_CREATED, "UpToDate")
            self.settle()
        if node.disk.metadata.disk != "UpToDate":
            return Result(17, "", "State change failed: (-2) Need access to UpToDate data")
        node.primary = True
        return Result(0, "")

    def _secondary(self, node: Node, argv: list[str]) -> Result:
        if node.mounted:
            return Result(11, "", "State change failed: (-12) Device is held open by someone")
        node.primary = False
        return Result(0, "")

    def _mkfs(self, node: Node, argv: list[str]) -> Result:
        assert argv[-1] == DEVICE
        assert not node.mounted
        assert not node.disk.volume.rows, f"a file system was made over {node.disk.volume.rows} rows"
        assert not self.data(), f"a file system was made while {self.data()[0].name} holds data"
        self.change(node, filesystem="half", database="")
        self._moment(node, "half")
        self.change(node, filesystem="xfs")
        return Result(0, "")

    def _mount(self, node: Node, argv: list[str]) -> Result:
        assert argv[-2:] == [DEVICE, DIRECTORY]
        assert not node.mounted, "mounted twice: the first one would stay for ever"
        if not node.primary or node.disk.volume.filesystem != "xfs":
            return Result(32, "", "wrong fs type, bad superblock")
        node.mounted = True
        return Result(0, "")

    def _umount(self, node: Node, argv: list[str]) -> Result:
        node.mounted = False
        return Result(0, "")

    def _chown(self, node: Node, argv: list[str]) -> Result:
        assert node.mounted, "the folder below the mount point was changed"
        return Result(0, "")

    _chmod = _sync = _chown

    def _mariadb_install_db(self, node: Node, argv: list[str]) -> Result:
        assert node.mounted, "a database was made on the root file system"
        assert not node.disk.volume.database, "a database was made over another one"
        self.change(node, database="half")
        self._moment(node, "half")
        if self.no_space:
            return Result(1, "", "No space left on device")
        self.change(node, database="complete")
        return Result(0, "")
