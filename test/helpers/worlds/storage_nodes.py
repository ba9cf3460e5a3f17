"""The nodes of a storage world: their disks, what the kernel and DRBD have of them, and their files."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import machines

from hamysql.storage import latch as latches
from hamysql.storage.drbd.status import JUST_CREATED
from hamysql.storage.latch import Latch
from hamysql.system.disk import Signature

LAST_BLOCK = struct.Struct(">Q4QQQII")  # of DRBD's metadata, see hamysql.storage.drbd.status
MAGIC = 0x8374026B
DEVICE, DIRECTORY = "/dev/drbd0", "/var/lib/mysql"


@dataclass
class Volume:
    """What the replicated device shows: a file system, a database, and the rows that clients were told are safe."""

    filesystem: str = ""
    database: str = ""
    rows: int = 0


@dataclass
class Metadata:
    """DRBD's metadata on one disk."""

    uuid: str
    current: int = JUST_CREATED
    history: int = 0
    disk: str = "Inconsistent"
    bitmap: int = 0


@dataclass
class Disk:
    size: int = 512 * 2**20
    foreign: Signature | None = None
    metadata: Metadata | None = None
    given_up: bool = False  # the operator's word that what is on it may be lost
    volume: Volume = field(default_factory=Volume)

    def last_block(self) -> bytes:
        """DRBD's metadata as it is at the end of the disk; nothing where there is none."""
        found = self.metadata
        if found is None:
            return b""
        uuid, flags = int(found.uuid or "0", 16), int(found.disk == "UpToDate")
        generation = (found.current, found.bitmap, found.history, 0)
        return LAST_BLOCK.pack(self.size // 512, *generation, uuid, 0, flags, MAGIC)


@dataclass
class Node:
    name: str
    root: Path  # its files
    kind: str  # of storage, whose latch is meant
    disk: Disk | None = field(default_factory=Disk)
    on: bool = True
    up: bool = False
    primary: bool = False
    mounted: bool = False
    serving: bool = False  # pacemaker has started the server there
    source: str = DEVICE  # what is mounted there
    configured: bool = True  # DRBD is installed and has its configuration
    failed: bool = False  # pacemaker runs, and has given up starting the replica
    dead: BaseException | None = None  # the process that works on the present job is gone
    modules: dict[str, ModuleType] = field(default_factory=dict)
    pillar: dict[str, Any] = field(default_factory=dict)  # as its minion has it

    @property
    def latches(self) -> Path:
        """The folder of its latches."""
        return self.root / "var/lib/hamysql"

    @property
    def latch(self) -> Latch | None:
        """What its latch says, of the kind of storage that the world is about."""
        return latches.read("mysql", self.kind, self.latches)

    @latch.setter
    def latch(self, known: Latch | None) -> None:
        path = latches.place(self.kind, self.latches) / "mysql.json"
        machines.put(path, None if known is None else json.dumps(known.as_dict()))

    def boot(self) -> None:
        """Power cycle: what only the kernel knew is gone."""
        self.on, self.up, self.primary, self.mounted, self.serving = True, False, False, False, False
