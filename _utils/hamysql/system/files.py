"""Reading what somebody else may have put there: the database's account, hacluster, another host.

Root opens a name. The folder's owner can put a link to a secret there at any moment, a pipe that keeps its reader for ever, or a
file without an end. So no link is followed, nothing is waited for, and only regular files of a bounded size are read.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hamysql.errors import HamysqlError

LIMIT = 2**20  # bytes
LARGE = 64 * 2**20  # bytes: of a cluster's whole configuration


class Unreadable(HamysqlError):
    """There is something, and it is not what can be read there; the message says what."""


def read(path: str | os.PathLike[str], limit: int = LIMIT, *, links: bool = False) -> bytes:
    """The content of a regular file.

    limit
        Bytes that it may have at most, 1 MiB by default.
    links
        Whether the last part of the path may be a symbolic link: only where the folder is root's alone.

    Raises ``FileNotFoundError``, and ``Unreadable`` for all else that keeps it from being read.
    """
    content = bytearray()
    with opened(path, links) as handle:
        while len(content) <= limit and (data := os.read(handle, min(limit + 1 - len(content), LIMIT))):
            content += data
    if len(content) > limit:
        raise Unreadable(f"{os.fspath(path)}: found more than {limit} bytes, expected at most that")
    return bytes(content)


@contextmanager
def opened(path: str | os.PathLike[str], links: bool = False) -> Iterator[int]:
    """A descriptor of a regular file inside of the ``with`` block; an error of reading it there is ``Unreadable`` as well."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | (0 if links else os.O_NOFOLLOW)
    try:
        handle = os.open(path, flags)
    except FileNotFoundError:
        raise
    except OSError as exc:
        found = "a symbolic link" if exc.errno == errno.ELOOP else exc.strerror
        raise Unreadable(f"{os.fspath(path)}: found {found}, expected a regular file") from exc
    try:
        mode = os.fstat(handle).st_mode
        if not stat.S_ISREG(mode):
            raise Unreadable(f"{os.fspath(path)}: found {_kind(mode)}, expected a regular file")
        yield handle
    except OSError as exc:
        raise Unreadable(f"{os.fspath(path)}: {exc.strerror}") from exc
    finally:
        os.close(handle)


def tail(path: str | os.PathLike[str], limit: int = LIMIT) -> str:
    """The end of a regular file as text, from a whole line on; no link is followed.

    limit
        Bytes of it at most, 1 MiB by default.

    Raises ``FileNotFoundError``, and ``Unreadable`` for all else that keeps it from being read.
    """
    with opened(path) as handle:
        begin = max(0, os.fstat(handle).st_size - limit)
        data = os.pread(handle, limit, begin).decode(errors="replace")
    return data.partition("\n")[2] if begin else data


def text(path: str | os.PathLike[str], limit: int = LIMIT, *, links: bool = False) -> str:
    """The same as text; what is not UTF-8 in it is replaced, and so equals nothing that anybody wants there."""
    return read(path, limit, links=links).decode(errors="replace")


def text_if_any(path: str | os.PathLike[str], limit: int = LIMIT, *, links: bool = False) -> str | None:
    """The same; ``None`` where there is no file."""
    try:
        return text(path, limit, links=links)
    except FileNotFoundError:
        return None


def create(path: Path, content: str, mode: int = 0o644) -> None:
    """Write a new file, and have it on the disk. What bears its name already, a link say, is removed and not written to."""
    path.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(path, flags, mode), "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def synchronise(folder: Path) -> None:
    """Have the disk keep what was made, renamed or removed in a folder."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISFIFO, "a pipe"), (stat.S_ISDIR, "a folder"), (stat.S_ISSOCK, "a socket"))
    return next((name for test, name in kinds if test(mode)), "a device")
