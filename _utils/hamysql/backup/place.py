"""What a place for backups does, whichever kind it is: it takes them, names them, keeps some, and gives one back."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from hamysql.backup.logs.store import LogStore
from hamysql.backup.manifest import Glance, Kept, Manifest, Proof
from hamysql.errors import Refused
from hamysql.system import root
from hamysql.system.command import Run


class Place(ABC):
    """The backups of one cluster. ``told`` is where they are, in words, without a secret."""

    told: str

    @abstractmethod
    def prepare(self) -> None:
        """Make what is to be there, but for what only an administrator can: raises ``Refused`` where that is missing."""

    @abstractmethod
    def names(self) -> list[str]:
        """The names of the complete backups, the newest first."""

    @abstractmethod
    def kept(self) -> list[Kept]:
        """All complete backups, the newest first; one whose manifest cannot be read is none."""

    @abstractmethod
    def glance(self, run: Run) -> Glance | None:
        """The newest backup and proof; ``None`` where the place is out of reach for some seconds."""

    @abstractmethod
    def locked(self) -> AbstractContextManager[None]:
        """One at a time makes or takes away something. What others have left half done goes first."""

    @abstractmethod
    def room(self, size: Callable[[], int]) -> None:
        """Raise ``Refused`` where this node has no room to make a backup, as far as that can be known.

        size
            Tells the bytes of the data.
        """

    @abstractmethod
    def making(self, name: str) -> Path:
        """The folder on this node in which a backup is made."""

    @abstractmethod
    def complete(self, said: Manifest, sums: Mapping[str, str]) -> None:
        """Make what was made a backup of this place, with its sums and its manifest."""

    @abstractmethod
    def prove(self, name: str, proof: Proof) -> None:
        """Write down that a backup was restored."""

    @abstractmethod
    def forget(self, keep: int) -> list[str]:
        """Take old backups away; returns their names."""

    @abstractmethod
    def fetch(self, run: Run, name: str, parent: Path) -> None:
        """Bring a backup's data to the folder ``data`` in ``parent``, and compare each file with its sum.

        Raises ``HamysqlError`` where a file is not as it was written.
        """

    @abstractmethod
    def logs(self) -> LogStore:
        """The server's binary logs there. Raises ``Refused`` where what is to be mounted is missing."""


def must_be_mounted(folder: Path) -> None:
    """Raise ``Refused`` where a folder is missing, or lies on this node's root file system."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)  # that mounts what is mounted on demand
    except OSError:
        raise Refused(
            f"there is no folder {folder} for the backups on this node: make it, or mount what is to be there"
        ) from None
    try:
        if os.fstat(handle).st_dev == os.stat(root.at("/")).st_dev:
            raise Refused(
                f"nothing is mounted on {folder}: backups would fill this node's root file system. Mount what is to be there, or, "
                "if they are to be on that file system, set hamysql:backup:mounted to false"
            )
    finally:
        os.close(handle)
