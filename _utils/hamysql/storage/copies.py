"""What two copies of the data say of each other, as it goes over Salt's bus, whichever kind of storage they are."""

from __future__ import annotations

from typing import TypedDict

FOLDER = "/var/lib/hamysql/kept"  # where a disk is copied to before its changes are given up


class Verified(TypedDict):
    """One verification: who began it and when (UTC), its seconds, what differs (KiB), and how many seconds late it began."""

    node: str
    began: str
    seconds: int
    out_of_sync: int
    late: int


class Progress(TypedDict):
    """Whether a verification runs, how far it is (percent, or ``None``), and by how much the replicas differ so far (KiB)."""

    running: bool
    done: float | None
    out_of_sync: int


class Image(TypedDict):
    """A copy of a disk: where it is, when it was made (UTC), its bytes, its sum, and which data of the disk it is.

    ``generation`` is DRBD's identifier of the data, ``writes`` says after which write.
    """

    path: str
    made: str
    size: int
    sha256: str
    generation: str
    writes: str


class File(TypedDict):
    """A table's file: its bytes, and when it was written last, in seconds since 1970."""

    size: int
    written: int


Tables = dict[str, File]  # by "database.table"


class Looked(TypedDict):
    """One side: DRBD's words for it, the identifiers of its data, its tables, and why these cannot be told ("" where they can)."""

    state: str
    generation: str
    tables: Tables
    why: str


class Note(TypedDict):
    """The copy that was made, and whether the replica was told to give its changes up."""

    image: Image
    given_up: bool


def compared(sides: dict[str, Tables]) -> list[str]:
    """What two sides have of their own, as sentences: tables that one has alone, and those that were written differently."""
    (one, mine), (other, theirs) = sides.items()
    found = [f"only on {one}: {name}" for name in mine if name not in theirs]
    found += [f"only on {other}: {name}" for name in theirs if name not in mine]
    for name in mine:
        if name in theirs and mine[name] != theirs[name]:
            ahead = one if mine[name]["written"] > theirs[name]["written"] else other
            found.append(f"differs: {name}, written last on {ahead}")
    return found
