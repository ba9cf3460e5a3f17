"""Binary logs in a repository of restic: one snapshot has those of a day, and is replaced by a larger one each minute.

So there are few snapshots, and none of them has to be pruned for the next. restic reads none of the files twice.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hamysql.backup import manifest, restic
from hamysql.backup.logs.chain import Log, Shipped
from hamysql.backup.logs.store import LogStore, alone
from hamysql.backup.restic import NoRepository, Restic, Snapshot
from hamysql.errors import HamysqlError
from hamysql.system import files

TAG, _RUN, _UNTIL, _SIZE = "hamysql-logs", "run", "until", "size"
IDLE = 300  # seconds until a snapshot is replaced by one that has no more logs


class LogSnapshots(LogStore):
    """Logs in snapshots.

    folder
        A folder of this node for a lock.
    """

    def __init__(self, program: Restic, folder: Path) -> None:
        self.restic, self.folder = program, folder

    @contextmanager
    def locked(self) -> Iterator[None]:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with alone(self.folder / ".logs.lock", self.restic.told):
            yield

    def shipped(self) -> Shipped:
        logs: dict[Log, None] = {}
        until: dict[str, int] = {}
        for item in self._snapshots():
            found = _run(item)
            logs.update(dict.fromkeys(found))
            until.update({found[-1].id: _number(item, _UNTIL)} if found else {})
        return Shipped(sorted(logs), until)

    def ship(self, datadir: Path, logs: Sequence[Log], there: Shipped, until: int, point: int | None) -> None:
        missing = set(logs) - set(there.logs)
        if not missing and until - there.until.get(logs[-1].id, 0) < IDLE:
            return
        for run in runs(logs):
            if missing & set(run) or run[-1] == logs[-1]:
                self._replace(datadir, run, until, point)

    def _replace(self, datadir: Path, run: Sequence[Log], until: int, point: int | None) -> None:
        size = 0
        for log in run:
            with files.opened(datadir / log.file) as handle:
                size += os.fstat(handle).st_size
        first = run[0]
        said = f"{first.base} {first.number} {first.before or 0} {' '.join(str(log.stamp) for log in run)}"
        tags = [TAG, restic.tag(_RUN, said), restic.tag(_UNTIL, until), restic.tag(_SIZE, size)]
        tags += [restic.tag(manifest.POINT, point)] if point is not None else []
        before = [item for item in self._snapshots() if (found := _run(item)) and set(found) <= set(run)]
        self.restic.keep(datadir, [log.file for log in run], tags, parent=before[-1]["id"] if before else "")
        self.restic.forget([item["id"] for item in before], prune=False)

    def forget(self, gone: Collection[Log]) -> None:
        if gone:
            old = [item["id"] for item in self._snapshots() if set(_run(item)) <= set(gone)]
            self.restic.forget(old, prune=False)

    def size(self, logs: Sequence[Log]) -> int:
        return sum(_number(item, _SIZE) for item in self._snapshots() if set(_run(item)) & set(logs))

    def fetch(self, logs: Sequence[Log], target: Path) -> list[Path]:
        left = set(logs)
        for item in reversed(self._snapshots()):
            wanted = left & set(_run(item))
            if wanted:
                self.restic.restore(item["id"], sorted(log.file for log in wanted), target)
                left -= wanted
        if left:
            raise HamysqlError(f"{self.restic.told} has the binary log {min(left).id} no more: run this again")
        return [target / log.file for log in logs]

    def _snapshots(self) -> list[Snapshot]:
        try:
            return self.restic.snapshots(TAG)
        except NoRepository:
            return []


def runs(logs: Sequence[Log]) -> list[list[Log]]:
    """Logs that follow each other, of one day (UTC) each."""
    found: list[list[Log]] = []
    for log in logs:
        last = found[-1][-1] if found else None
        if (
            last
            and log.stamp // 86400 == last.stamp // 86400
            and (log.number, log.before) == (last.number + 1, last.stamp)
        ):
            found[-1].append(log)
        else:
            found.append([log])
    return found


def point(listed: Sequence[Snapshot]) -> str | None:
    """The newest second that can be restored, such as ``2026-01-31T03:00:00Z``."""
    found = max((_number(item, manifest.POINT) for item in listed), default=0)
    return manifest.moment_of(found) if found else None


def _run(snapshot: Snapshot) -> list[Log]:
    """The logs of a snapshot."""
    try:
        base, number, before, *stamps = str(restic.value_of(snapshot, _RUN)).split()
        found: list[Log] = []
        for place, stamp in enumerate(map(int, stamps)):
            found.append(Log(stamp, base, int(number) + place, found[-1].stamp if found else int(before) or None))
        return found
    except ValueError:
        return []


def _number(snapshot: Snapshot, name: str) -> int:
    found = restic.value_of(snapshot, name)
    return found if isinstance(found, int) else 0
