"""The events in the file of a binary log: when it was made, whether it was closed, and where its last whole event ends.

``mariadb-binlog`` ends with 0 where a file stops in the middle of an event. So a log that is damaged would look like a short one.
Source: MariaDB's knowledge base, "2-Binlog Event Header" and "FORMAT_DESCRIPTION_EVENT"; the same bytes in MySQL's.
"""

from __future__ import annotations

import struct
import zlib
from typing import BinaryIO

from hamysql.errors import ParseError

_MAGIC = b"\xfebin"
_HEADER = struct.Struct("<IBIIIH")  # time, type, server, length, next position, flags
_IN_USE, _DESCRIPTION, _CRC32 = 0x1, 15, 1


def made(file: BinaryIO) -> int:
    """When the server made the log, in seconds since 1970. Raises ``ParseError`` where it is none."""
    return int(_first(file)[0])


def closed(file: BinaryIO) -> bool:
    """Whether the server has closed it; one that it could not close, since its node died, may end with half an event."""
    return not _first(file)[5] & _IN_USE


def whole(file: BinaryIO) -> int:
    """Where the last event ends that is whole, in bytes."""
    _first(file)
    place, checked = len(_MAGIC), False
    while True:
        file.seek(place)
        head = file.read(_HEADER.size)
        if len(head) < _HEADER.size:
            return place
        _, kind, _, length, _, _ = _HEADER.unpack(head)
        if length < _HEADER.size:
            return place
        body = file.read(length - _HEADER.size)
        if len(body) < length - _HEADER.size:
            return place
        if kind == _DESCRIPTION:
            checked = body[-5] == _CRC32
        elif checked and zlib.crc32(head + body[:-4]) != int.from_bytes(body[-4:], "little"):
            return place
        place += length


def _first(file: BinaryIO) -> tuple[int, ...]:
    file.seek(0)
    if file.read(len(_MAGIC)) != _MAGIC:
        raise ParseError("the file is no binary log, or is encrypted")
    head = file.read(_HEADER.size)
    if len(head) < _HEADER.size:
        raise ParseError("the file ends before its first event")
    return _HEADER.unpack(head)
