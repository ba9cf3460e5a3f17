"""Binary logs in the folder that has the backups: each is a file, which has its name when all of it is there."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hamysql.backup import manifest
from hamysql.backup.logs import chain
from hamysql.backup.logs.chain import Log, Shipped
from hamysql.backup.logs.store import LogStore, alone
from hamysql.system import files

FOLDER, UNTIL = "logs", "until.json"
_MAKING = ".making-"


class LogFolder(LogStore):
    """Logs in a folder.

    parent
        The cluster's folder, which has to be there.
    """

    def __init__(self, parent: Path) -> None:
        self.path = parent / FOLDER

    @contextmanager
    def locked(self) -> Iterator[None]:
        self.path.mkdir(mode=0o700, exist_ok=True)
        with alone(self.path / ".lock", str(self.path)):
            for item in self.path.glob(f"{_MAKING}*"):
                item.unlink()
            yield

    def shipped(self) -> Shipped:
        logs, until = [], {}
        for item in self.path.iterdir() if self.path.is_dir() else ():
            if log := chain.of_name(item.name):
                logs.append(log)
                until[log.id] = int(item.stat().st_mtime)
        try:
            said = json.loads((self.path / UNTIL).read_text(encoding="utf-8"))
            until[str(said["id"])] = int(said["until"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # what the files themselves say is a little older
        return Shipped(sorted(logs), until)

    def ship(self, datadir: Path, logs: Sequence[Log], there: Shipped, until: int, point: int | None) -> None:
        for log in logs:
            if log not in there.logs:
                self._bring(datadir, log)
        new = self.path / f"{_MAKING}{UNTIL}"
        files.create(new, json.dumps({"id": logs[-1].id, "until": until}) + "\n", 0o600)
        new.replace(self.path / UNTIL)
        if point is not None:
            file = self.path / manifest.POINT
            file.touch(mode=0o600)
            os.utime(file, (point, point))
        files.synchronise(self.path)

    def _bring(self, datadir: Path, log: Log) -> None:
        making = self.path / f"{_MAKING}{log.name}"
        with files.opened(datadir / log.file) as source:
            handle, changed = os.dup(source), os.fstat(source).st_mtime
        with open(handle, "rb") as content, open(making, "xb") as target:
            os.chmod(making, 0o600)
            shutil.copyfileobj(content, target, 2**20)
            target.flush()
            os.fsync(target.fileno())
        os.utime(making, (changed, changed))
        making.rename(self.path / log.name)

    def forget(self, gone: Collection[Log]) -> None:
        for log in gone:
            self._file(log).unlink()

    def size(self, logs: Sequence[Log]) -> int:
        return sum(self._file(log).stat().st_size for log in logs)

    def fetch(self, logs: Sequence[Log], target: Path) -> list[Path]:
        for log in logs:
            shutil.copyfile(self._file(log), target / log.file)
        return [target / log.file for log in logs]

    def _file(self, log: Log) -> Path:
        """The log's file: what it follows is in the name, and not in what it is known by."""
        return next(item for item in self.path.glob(f"{log.id}*") if chain.of_name(item.name) == log)
