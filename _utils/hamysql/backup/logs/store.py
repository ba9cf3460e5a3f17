"""What a place for backups does with binary logs, whichever kind it is."""

from __future__ import annotations

import fcntl
import os
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from hamysql.backup.logs.chain import Log, Shipped
from hamysql.errors import Refused


@contextmanager
def alone(file: Path, told: str) -> Iterator[None]:
    """Hold the lock of a file inside of the ``with`` block. Raises ``Refused`` where somebody else ships to ``told``."""
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(f"somebody else ships binary logs to {told} at this moment") from None
        yield
    finally:
        os.close(handle)


class LogStore(ABC):
    """The binary logs of one cluster in its place for backups."""

    @abstractmethod
    def locked(self) -> AbstractContextManager[None]:
        """One at a time ships; a backup may be made meanwhile."""

    @abstractmethod
    def shipped(self) -> Shipped:
        """What is there."""

    @abstractmethod
    def ship(self, datadir: Path, logs: Sequence[Log], there: Shipped, until: int, point: int | None) -> None:
        """Bring logs here that are not here yet.

        datadir
            Where the server has them: its account may write there.
        logs
            All that the server has and that are needed, in their order; it writes to none of them any more. There is one at least.
        there
            What is here.
        until
            The second up to which they have all that was committed.
        point
            The second to which the newest backup can be brought then, for a glance.
        """

    @abstractmethod
    def forget(self, gone: Collection[Log]) -> None:
        """Take logs away that nobody needs."""

    @abstractmethod
    def size(self, logs: Sequence[Log]) -> int:
        """The bytes of some logs, or a few more."""

    @abstractmethod
    def fetch(self, logs: Sequence[Log], target: Path) -> list[Path]:
        """Bring logs into an empty folder, under their names in the datadir; returns them in that order."""
