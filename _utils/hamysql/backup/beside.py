"""The folder in the datadir in which a restore keeps the copy, the data of before, and how far it has come.

The datadir is a mount point, so no rename can replace it as a whole, and what is to be renamed into it has to be on its own file
system. The folder moves to the other node with the data, so whoever serves then goes on.

The database's account owns the datadir, and could put a link into the folder's place. So root opens the folder once, looks at who
owns it, and reaches all below it by that descriptor.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, Literal, TypedDict

from hamysql.errors import ParseError, Refused
from hamysql.system import files
from hamysql.system.command import kept

FOLDER, INTENT, COPY, DATA, GOING = ".hamysql", "restore.json", "copy", "data", "going-"
LOGS = "copy-logs"  # the binary logs that are replayed on the copy
# What stays in the datadir: this folder, and what the file system or its server has there.
STAYS = frozenset({FOLDER, "lost+found", ".snapshot"})
RESTORE: Final = "restore"
UNDO: Final = "undo"
# The copy is prepared; what is in the datadir leaves it; the other data enters it; it is the data that is served.
READY: Final = "ready"
LEAVING: Final = "leaving"
ENTERING: Final = "entering"
DONE: Final = "done"
Stage = Literal["ready", "leaving", "entering", "done"]
_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Intent:
    """What is being done, and how far it is; ``point`` is the moment of the data, ``tables`` how many were in order.

    ``to`` is the second that an operator has asked for, "" for that of the backup.
    """

    name: str
    direction: Literal["restore", "undo"]
    stage: Stage
    point: str
    tables: int
    to: str = ""

    @property
    def out(self) -> str:
        """The folder that gets what was in the datadir."""
        return f"{'before' if self.direction == RESTORE else 'after'}-{self.name}"

    @property
    def into(self) -> str:
        """The folder whose content goes into the datadir."""
        return f"{COPY}/{DATA}" if self.direction == RESTORE else f"before-{self.name}"

    @property
    def under_way(self) -> bool:
        """Whether the datadir is neither the old nor the new one."""
        return self.stage in (LEAVING, ENTERING)


class State(TypedDict):
    """How far a restore has come, over Salt's bus: see ``hamysql_restore.state``. ``name`` is "" where nothing is being done."""

    name: str
    direction: str
    stage: str
    point: str
    tables: int
    to: str
    kept: list[str]
    folder: str


@dataclass(frozen=True)
class Beside:
    """The folder, opened; ``data`` and ``handle`` are descriptors of the datadir and of the folder."""

    datadir: Path
    data: int
    handle: int

    @property
    def path(self) -> Path:
        """The folder, whoever has renamed it."""
        return Path(f"/proc/self/fd/{self.handle}")

    @property
    def named(self) -> Path:
        """The folder by its name: for programs that run as the database's account."""
        return self.datadir / FOLDER

    def intent(self) -> Intent | None:
        """What is being done; ``None`` where that is nothing."""
        text = files.text_if_any(self.path / INTENT)
        if text is None:
            return None
        try:
            return Intent(**json.loads(text))
        except (ValueError, TypeError) as exc:
            raise ParseError(
                f"{self.named / INTENT} is damaged ({exc}): the folders beside it have the data of before and the copy. Put the "
                "data into its place by hand, and remove the file"
            ) from exc

    def write(self, intent: Intent) -> Intent:
        """Write it down, for good."""
        new = self.path / f"{INTENT}.new"
        files.create(new, json.dumps(asdict(intent), indent=2) + "\n")
        new.replace(self.path / INTENT)
        os.fsync(self.handle)
        return intent

    def at(self, intent: Intent, stage: Stage) -> Intent:
        """Write down that it has come to a stage."""
        return self.write(replace(intent, stage=stage))

    def forget(self) -> None:
        """From now on nothing is being done."""
        (self.path / INTENT).unlink(missing_ok=True)
        os.fsync(self.handle)

    def kept(self) -> list[str]:
        """The folders that have a whole datadir which is not in use."""
        return sorted(name for name in os.listdir(self.handle) if name.startswith(("before-", "after-")))

    def remove(self, name: str) -> None:
        """Take a folder away: it has another name first, so what is left of it is never taken for data."""
        with suppress(FileNotFoundError):
            os.rename(name, f"{GOING}{name}", src_dir_fd=self.handle, dst_dir_fd=self.handle)
            os.fsync(self.handle)
        for item in os.listdir(self.handle):
            if item.startswith(GOING):
                shutil.rmtree(self.path / item)

    @contextmanager
    def folder(self, name: str, make: bool = False) -> Iterator[int]:
        """A descriptor of a folder below this one, inside of the ``with`` block."""
        if make:
            with suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=self.handle)
            os.fsync(self.handle)
        handle = os.open(self.path / name, _FLAGS)
        try:
            yield handle
        finally:
            os.close(handle)


def state(beside: Beside | None, intent: Intent | None) -> State:
    """What an intent and the folder say."""
    return {
        "name": intent.name if intent else "",
        "direction": intent.direction if intent else "",
        "stage": intent.stage if intent else "",
        "point": intent.point if intent else "",
        "tables": intent.tables if intent else 0,
        "to": intent.to if intent else "",
        "kept": beside.kept() if beside else [],
        "folder": str(beside.named) if beside else "",
    }


@contextmanager
def opened(datadir: Path, make: bool = False) -> Iterator[Beside | None]:
    """The folder, opened inside of the ``with`` block; programs that start there can reach it. ``None`` where there is none.

    make
        Whether it is made.

    Raises ``Refused`` where something else has its name.
    """
    data = os.open(datadir, _FLAGS)
    try:
        if make:
            with suppress(FileExistsError):
                os.mkdir(FOLDER, 0o755, dir_fd=data)
            os.fsync(data)
        try:
            handle = os.open(FOLDER, _FLAGS, dir_fd=data)
        except FileNotFoundError:
            yield None
            return
        except OSError as exc:
            raise Refused(f"{datadir / FOLDER} is no folder ({exc.strerror}): remove it") from exc
        token = kept.set((*kept.get(), handle))
        try:
            found = os.fstat(handle)
            if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o022:
                raise Refused(f"{datadir / FOLDER} is not root's alone: see who has made it, and remove it")
            yield Beside(datadir, data, handle)
        finally:
            kept.reset(token)
            os.close(handle)
    finally:
        os.close(data)


def close(datadir: Path) -> None:
    """Take the folder away where nothing is in it."""
    with suppress(OSError):
        os.rmdir(datadir / FOLDER)
