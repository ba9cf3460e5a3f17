"""A backup is taken on the node that serves: copied by the flavour's tool, summed up, written down, and old ones go."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from hamysql.backup import folder, manifest, tracer
from hamysql.backup.beside import FOLDER
from hamysql.backup.folder import LIMIT, Folder
from hamysql.backup.logs import made as logs_made
from hamysql.backup.manifest import Manifest
from hamysql.backup.place import Place
from hamysql.backup.repository import Repository
from hamysql.backup.restic import REPOSITORY, Restic
from hamysql.errors import CommandFailed, NotReady, Refused
from hamysql.mysql.flavours import registry
from hamysql.mysql.sql import without_statements
from hamysql.resolved.software import Mysql
from hamysql.system.command import QUIETLY, Run

# The database comes first: the copy waits for the disk and the processor whenever somebody else wants them.


@dataclass(frozen=True)
class Site:
    """What is backed up, and where to. ``at`` is the time of a day (UTC), ``keep`` how many backups stay.

    The newest one is tried out at ``test_at`` (UTC) each ``test_every`` days, 0 for never. ``environment`` is that of restic, where
    backups go into its repository; they are made in the folder ``staging`` then. With ``mounted``, a folder has to be on another
    file system than the node's root.
    """

    cluster: str
    node: str
    mysql: Mysql
    directory: str
    at: str
    keep: int
    throttle: int
    test_at: str = "05:00"
    test_every: int = 0
    mounted: bool = False
    staging: str = ""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def folder(self) -> Folder:
        """The folder that has the backups, where that is no repository."""
        return Folder(self.directory, self.cluster, self.mounted)

    def place(self, run: Run) -> Place:
        """Where the backups are."""
        if REPOSITORY not in self.environment:
            return self.folder
        return Repository(Restic(run, self.environment, self.cluster), self.staging, self.mounted)


def due(run: Run, site: Site, now: Callable[[], float] = time.time) -> float | None:
    """How many seconds ago a backup should have begun; ``None`` where none is due."""
    place = site.place(run)
    place.prepare()
    return manifest.due(place.names(), site.at, datetime.fromtimestamp(now(), timezone.utc))


def take(run: Run, site: Site, late: float | None = None, now: Callable[[], float] = time.time) -> Manifest:
    """Take one backup now.

    late
        How many seconds after its time it begins, where the schedule wants it.

    Raises ``NotReady`` where no server answers on this node, ``Refused`` where another one is at work or the folder is missing,
    ``CommandFailed`` with the tool's last words.
    """
    place = site.place(run)
    with place.locked():
        began = now()
        name = manifest.name_of(began)
        if name in place.names():
            raise Refused(f"a backup of this second is there already: {name}")
        place.room(lambda: _size(run, site.mysql["datadir"]))
        flavour = registry.of(site.mysql)
        path = place.making(name)
        tool = flavour.backup(site.mysql, str(path / manifest.DATA), site.throttle)
        counted = _tracer(run, site, name)
        copying = time.monotonic()
        try:
            run([*QUIETLY, *tool.take], timeout=LIMIT)
        except CommandFailed as exc:
            last = "\n".join(exc.output.strip().splitlines()[-10:])
            raise CommandFailed(exc.argv, exc.returncode, last) from None
        seconds, ended = time.monotonic() - copying, now()
        data = path / manifest.DATA
        sums, size = folder.sums(data), folder.size(data)
        info = manifest.info(_first(data, tool.info))
        binlog = " ".join(_first(data, tool.binlog).split())
        said: Manifest = {
            "name": name,
            "cluster": site.cluster,
            "node": site.node,
            "began": manifest.began(name).strftime("%Y-%m-%d %H:%M:%SZ"),
            "seconds": round(seconds, 1),
            "size": size,
            "files": len(sums),
            "speed": round(size / 1e6 / max(seconds, 0.1), 1),
            "flavor": flavour.name,
            "tool": info.get("tool_version", ""),
            "server": info.get("server_version", ""),
            "binlog": binlog,
            "tracer": counted,
            "scheduled": late is not None,
            "late": round(late or 0.0),
        }
        if log := logs_made.first_of(site.mysql["datadir"], binlog, ended):
            said["log"] = log
        place.complete(said, sums)
        place.forget(site.keep)
        return said


def _tracer(run: Run, site: Site, label: str) -> manifest.Tracer:
    client = registry.of(site.mysql).client(site.mysql)
    try:
        counted, there = tracer.read(run(client, stdin=tracer.written(label) + tracer.asked(label)).stdout, label)
    except CommandFailed as exc:
        raise NotReady(
            f"the database on {site.node} takes no row for the backup: {without_statements(exc.output).strip()}. A backup is taken "
            "on the node that serves"
        ) from None
    assert there
    return counted


def _size(run: Run, datadir: str) -> int:
    """The bytes of the data; files may go while they are counted."""
    argv = ["du", "--bytes", "--summarize", f"--exclude={FOLDER}", datadir]
    return int(run([*QUIETLY, *argv], timeout=3600, accept=(0, 1)).stdout.split()[0])


def _first(data: Path, names: tuple[str, ...]) -> str:
    """The text of the first of these files that is there."""
    return next((text for name in names if (text := _text(data / name))), "")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
