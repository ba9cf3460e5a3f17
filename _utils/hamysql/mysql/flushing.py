"""A note of a server that writes its dirty pages at once, while a move is under way: what it was set to before.

The job that has told the server so holds a lock on the note until it has set the server back. The kernel drops the lock with the
job's process. So a note without a lock was left by a job that was killed. A restart of the server ends it as well.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import TypedDict

from hamysql.system import files

# What flushing is set by, in the order to set them in: the server lowers the second one to the first.
FLUSHING = ("innodb_max_dirty_pages_pct", "innodb_max_dirty_pages_pct_lwm")
DIRTY_PAGES = "SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty';"
FEW_PAGES = 64  # of 16 KiB: less than what a shutdown writes of its own
NOTE = Path("/run/hamysql/flushing.json")
_held: list[int] = []


class Flushed(TypedDict):
    """What ``hamysql_mysql.flush`` has done: dirty pages before and after, and what the variables were set to."""

    before: int
    after: int
    settings: dict[str, float]


def begin(settings: dict[str, float], note: Path | None = None) -> None:
    """Note what the server's variables were, and hold the note's lock."""
    end(note)
    path = note or NOTE
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    files.create(path, json.dumps(settings) + "\n", 0o600)
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    fcntl.flock(handle, fcntl.LOCK_EX)
    _held.append(handle)


def end(note: Path | None = None) -> None:
    """The server is as it was: there is nothing to note any more."""
    (note or NOTE).unlink(missing_ok=True)
    while _held:
        os.close(_held.pop())


def left(note: Path | None = None) -> dict[str, float]:
    """What a move that was killed has left in the note; nothing while a move is under way, or where the note is none."""
    try:
        handle = os.open(note or NOTE, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return {}
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return {str(name): float(value) for name, value in json.loads(os.read(handle, 10_000)).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
    finally:
        os.close(handle)
