"""One job at a time works on a node's storage, and one moves the service.

The orchestration's own lock goes with its process on the master, and what it has started here goes on. The next run may then plan
the very step that is at work still; two of them would take the file system from below each other.

The kernel drops the lock with the last process that has it: this one, or a program that it started and that outlives
it (mkfs, when the minion's job is killed). After a power cut there is neither lock nor program, and the latch says how far it came.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hamysql.errors import Refused
from hamysql.system import root
from hamysql.system.command import kept

FOLDER = Path("/run/hamysql")
PATIENCE = 60  # seconds: nearly every verb takes less, and then the next run goes on as if nothing had been


@contextmanager
def held(work: str, what: str = "storage", patience: float | None = None) -> Iterator[None]:
    """Hold this node's lock, inside of a ``with`` block or as a decorator of a verb.

    work
        What is done under it, for those who have to wait.
    what
        What is worked on: ``storage``, the default, or ``service``. Each has a lock of its own.
    patience
        Seconds to wait for another one, ``PATIENCE`` by default.

    Raises ``Refused`` where another one has it for longer than that. It is not re-entrant.
    """
    folder = root.at(FOLDER)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(folder / f"{what}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(handle, work, what, PATIENCE if patience is None else patience)
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{work}, process {os.getpid()}\n".encode(), 0)
        token = kept.set((*kept.get(), handle))
        try:
            yield
        finally:
            kept.reset(token)
    finally:
        os.close(handle)


def _take(handle: int, work: str, what: str, patience: float) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            pass
        if time.monotonic() >= deadline:
            holder = os.pread(handle, 100, 0).decode(errors="replace").strip() or "unknown"
            raise Refused(
                f"{work}: another job is still at work on this node's {what} ({holder}); wait for it to end, and run again"
            )
        time.sleep(0.2)
