"""The latch: a small file on each node that says how far hamysql has come with the node's replica.

It is what makes "do it once" survive a reinstalled master, and it is one of the three witnesses that
:mod:`hamysql.storage.drbd.plan` wants to agree. Only the modules that do a step write it, after the step.

While the data is moved to another kind of storage, the latch of the new one is in a folder of its own, ``next``, and the one of the
data that is in use stays where it is: :mod:`hamysql.storage.move.switch`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final

from hamysql.errors import ParseError
from hamysql.system import files, root
from hamysql.system.files import Unreadable

FOLDER = Path("/var/lib/hamysql")
RESOURCE = "mysql"  # of a latch about other storage than DRBD
LATCH = "/var/lib/hamysql/mysql.json"  # the same as sentences name it
NEXT = "next"
MARK = "backend"  # in that folder: the kind of storage that it is about
FIRST: Final = "drbd"  # the one kind of storage that older versions know, whose latches name none
# The kinds that a latch may be about. They lie above this module: ``backends`` has their one list, and gives it to this name.
kinds: Collection[str] = ()

_ABANDON = "remove it to give up the move that was begun: the data in use is not touched by that"


class Stage(IntEnum):
    """How far a node's replica has come; written to its latch, and never taken back."""

    CLAIMED = 1  # the disk was blank, metadata is about to be written
    METADATA = 2  # hamysql's metadata is on the disk
    SEEDING = 3  # this node was chosen as the source of the first data
    FILESYSTEM = 4  # mkfs has ended
    DATADIR = 5  # the empty database has been made
    INITIALISED = 6  # released to the cluster; from now on DRBD and pacemaker decide


@dataclass(frozen=True)
class Latch:
    """What hamysql has done on a node, kept there in ``/var/lib/hamysql/RESOURCE.json``.

    ``run`` is the job of the orchestration that made the metadata. On other storage than DRBD's the resource is ``mysql``, ``disk``
    the LUN or export, and ``device_uuid`` the UUID of what was made there.
    """

    cluster: str
    resource: str
    disk: str
    stage: Stage
    device_uuid: str = ""
    run: str = ""
    backend: str = FIRST

    @classmethod
    def from_dict(cls, data: Mapping[str, str]) -> Latch:
        """The latch from its file's content; the stage is kept by name."""
        stage = Stage[data["stage"]]
        return cls(stage=stage, **{key: value for key, value in data.items() if key != "stage"})

    def as_dict(self) -> dict[str, str]:
        """The content of the latch's file."""
        fields = {**self.__dict__, "stage": self.stage.name}
        if self.backend == FIRST:  # as it was before there were others: an older version reads it, too
            del fields["backend"]
        return fields


@dataclass(frozen=True)
class Latches:
    """All latches of a node, as its verbs get them; ``name`` is their folder's."""

    name: Path = FOLDER

    @property
    def folder(self) -> Path:
        """The folder, as it is opened."""
        return root.at(self.name)

    def read(self, resource: str, backend: str) -> Latch | None:
        """See :func:`read`."""
        return read(resource, backend, self.folder)

    def write(self, latch: Latch) -> None:
        """See :func:`write`."""
        write(latch, self.folder)


@dataclass(frozen=True, kw_only=True)
class NodeView:
    """What a node sees of storage that both nodes have in turn, and what its latch says of it.

    mounted, serving
        Its file system is mounted on the datadir; pacemaker has it mounted there.
    """

    mounted: bool = False
    serving: bool = False
    latch: Latch | None = None

    @property
    def stage(self) -> int:
        return self.latch.stage if self.latch else 0

    @property
    def uuid(self) -> str:
        """The UUID that the latch has for what is on the storage."""
        return self.latch.device_uuid if self.latch else ""


def read(resource: str, backend: str, folder: Path = FOLDER) -> Latch | None:
    """The latch of ``resource`` on this node, ``None`` when hamysql has done nothing here yet.

    backend
        The kind of storage that is worked on. While the data is moved to that kind, it is the latch in the folder ``next``.
    """
    return load(place(backend, folder) / f"{resource}.json")


def load(path: Path) -> Latch | None:
    """The latch in a file; ``None`` where there is none."""
    try:
        return Latch.from_dict(json.loads(files.text(path)))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, Unreadable) as exc:
        how = "remove it and run again: the disk and the other member decide then whether the replica is taken over"
        raise ParseError(f"{path} is damaged ({exc}); {how}") from exc


def place(backend: str, folder: Path = FOLDER) -> Path:
    """The folder of the latches of a kind of storage: ``next`` from the beginning of a move to it until the switch."""
    if moving_to(folder) != backend:
        return folder
    there = {latch.backend for latch in in_use(folder)}
    return folder / NEXT if there and backend not in there else folder


def in_use(folder: Path = FOLDER) -> list[Latch]:
    """All latches of this node but those in ``next``."""
    found = [load(path) for path in sorted(folder.glob("*.json"))]
    return [latch for latch in found if latch is not None]


def moving_to(folder: Path = FOLDER) -> str:
    """The kind of storage to which a move has begun on this node and not ended; "" without one."""
    path = folder / NEXT / MARK
    try:
        found = (files.text_if_any(path) or "").strip()
    except (Unreadable, NotADirectoryError) as exc:
        raise ParseError(f"{exc}; {_ABANDON}") from exc
    if found not in ("", *kinds):
        raise ParseError(f"{path} is damaged: found {found[:40]!r}, expected one of {', '.join(kinds)}; {_ABANDON}")
    return found


def write(latch: Latch, folder: Path = FOLDER) -> None:
    """Replace the latch; it is on the disk, not only in the page cache, when this returns."""
    folder = place(latch.backend, folder)
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    write_file(folder / f"{latch.resource}.json", json.dumps(latch.as_dict(), indent=2) + "\n")


def write_file(path: Path, text: str) -> None:
    """Replace a file, whole or not at all, and for good."""
    new = path.with_suffix(".new")
    with open(new, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    synchronise(path.parent)


def synchronise(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
