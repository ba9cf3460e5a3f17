"""The events in the file of a binary log: when it was made, whether it was closed, and where its last whole event ends.

The flavour's tool may end with 0 where a file stops in the middle of an event. So a damaged log would look like a short one.
Sources: "2-Binlog Event Header", "FORMAT_DESCRIPTION_EVENT" and "GTID_EVENT" in the servers' knowledge bases.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from hamysql.errors import ParseError

_MAGIC = b"\xfebin"
_HEADER = struct.Struct("<IBIIIH")  # time, type, server, length, next position, flags
_IN_USE, _DESCRIPTION, _CRC32 = 0x1, 15, 1
_SUM = 5  # bytes before the end of the description: which sum each event ends with
_ALONE = 0x1  # in the flags that a transaction begins with: it is one statement
_COMMITS = (16, 38)  # what it ends with, besides a statement that says so: a commit, an XA PREPARE
_QUERIES = (2, 165)


def made(file: BinaryIO) -> int:
    """When the server made the log, in seconds since 1970. Raises ``ParseError`` where it is none."""
    return int(_first(file)[0])


def closed(file: BinaryIO) -> bool:
    """Whether the server has closed it; one that it could not close, since its node died, may end with half an event."""
    return not _first(file)[5] & _IN_USE


@dataclass(frozen=True)
class Ends:
    """Where the last whole event ends, and the last whole transaction, in bytes."""

    event: int
    transaction: int


def ends(file: BinaryIO, begins: tuple[int, int]) -> Ends:
    """How far the log is whole.

    begins
        The type of the event that a transaction begins with, and where its flags are, in bytes after the header.

    The transaction after that was never committed, and the server gives its number to the next one.
    """
    _first(file)
    place, checked = len(_MAGIC), False
    begun, alone = None, False
    while event := _event(file, place):
        head, kind, body = event
        if kind == _DESCRIPTION:
            checked = body[-_SUM] == _CRC32
        elif checked and zlib.crc32(head + body[:-4]) != int.from_bytes(body[-4:], "little"):
            break
        said = body[:-4] if checked else body
        if kind == begins[0]:
            begun, alone = place, bool(said[begins[1]] & _ALONE)
        elif kind in _COMMITS or (kind in _QUERIES and (alone or said.endswith((b"COMMIT", b"ROLLBACK")))):
            begun = None
        place += len(head) + len(body)
    return Ends(place, place if begun is None else begun)


def _event(file: BinaryIO, place: int) -> tuple[bytes, int, bytes] | None:
    """The event at a place: its header, its type, and the rest; ``None`` where the file ends before it does."""
    file.seek(place)
    head = file.read(_HEADER.size)
    if len(head) < _HEADER.size:
        return None
    _, kind, _, length, _, _ = _HEADER.unpack(head)
    body = file.read(max(length - _HEADER.size, 0))
    return (head, kind, body) if len(body) == length - _HEADER.size else None


def _first(file: BinaryIO) -> tuple[int, ...]:
    file.seek(0)
    if file.read(len(_MAGIC)) != _MAGIC:
        raise ParseError("the file is no binary log, or is encrypted")
    head = file.read(_HEADER.size)
    if len(head) < _HEADER.size:
        raise ParseError("the file ends before its first event")
    return _HEADER.unpack(head)
