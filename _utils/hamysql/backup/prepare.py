"""A backup is made ready to be served: copied into the datadir's own file system, compared, recovered, and tried out there.

The database serves meanwhile. So all that can be wrong with a backup is known before anything stops.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from hamysql.backup import restore
from hamysql.backup.beside import COPY, DATA, READY, RESTORE, STAYS, Beside, Intent
from hamysql.backup.logs import replay
from hamysql.backup.manifest import Manifest
from hamysql.backup.take import Site
from hamysql.errors import CommandFailed, HamysqlError, Refused
from hamysql.mysql.flavours import registry
from hamysql.system.command import Run

# Its version, and where the server keeps files that belong to the data; "" and "./" are the datadir.
ASKED = "SELECT VERSION(), @@innodb_data_home_dir, @@innodb_log_group_home_dir, @@innodb_undo_directory;\n"


def prepared(run: Run, site: Site, name: str, beside: Beside, timeout: float, to: str = "") -> Intent:
    """Make a backup ready to be served; one that is ready already is left as it is.

    to
        A time in UTC, ``2026-05-01 12:00:03``, to which binary logs bring it; none by default.
    timeout
        Seconds for the scratch server to answer.

    Raises ``Refused`` where another restore is not confirmed, the file system has no room, or the server keeps files elsewhere, and
    ``HamysqlError`` with what is wrong with the backup. Then nothing of the copy stays.
    """
    intent = beside.intent()
    if intent is not None and (intent.stage != READY or intent.direction != RESTORE):
        raise Refused(
            f"the {intent.direction} of {intent.name} has not ended, or its data is kept still: confirm or undo it"
        )
    if intent is not None and (intent.name, intent.to) == (name, to):
        return intent
    wanted = replay.target(run, site, to) if to else None
    said = restore.chosen(run, site, name)
    if wanted and wanted.backup["name"] != name:
        raise Refused(f"the backup {wanted.backup['name']} leads to {to}, and not {name}: run this again")
    _fits(run, site, said, beside.datadir)
    beside.forget()
    copy, named = beside.path / COPY, beside.named / COPY
    restore.clear(copy, named)
    _room(beside.datadir, restore.room(run, site, said, wanted), name)
    copy.mkdir(mode=0o700)
    try:
        site.place(run).fetch(run, name, copy)
        tables, _ = restore.recovered(run, site, said, copy, named, timeout, wanted)
    except HamysqlError:
        restore.clear(copy, named)
        raise
    os.chmod(copy, 0o700)
    os.chown(copy, os.geteuid(), os.getegid())
    _without_what_is_not_data(site, copy / DATA)
    run(["sync", "--file-system", str(copy)], timeout=3600)
    point = str(wanted) if wanted else f"{said['began']} ({said['binlog'] or 'no position of a binary log'})"
    return beside.write(Intent(name, RESTORE, READY, point, tables, to))


def _room(datadir: Path, need: float, name: str) -> None:
    free = shutil.disk_usage(datadir).free
    if free < need:
        raise Refused(
            f"{datadir} has {free / 1e6:.0f} MB left, and a copy of the backup {name} beside the data needs {need / 1e6:.0f} MB: "
            f"{(need - free) / 1e6:.0f} MB are missing"
        )


def _fits(run: Run, site: Site, said: Manifest, datadir: Path) -> None:
    """The server can serve the backup, and has all of its data in the datadir; one that does not answer is not asked."""
    try:
        found = run(registry.of(site.mysql).client(site.mysql), stdin=ASKED).stdout.rstrip("\n").split("\t")
    except CommandFailed:
        return
    version, *places = found
    if said["server"] and _series(version) != _series(said["server"]):
        raise Refused(
            f"the backup {said['name']} is of the server {said['server']}, and {version} serves here: the tools recover backups of "
            "their own series alone. Restore it with that series, and upgrade then"
        )
    apart = [item for item in places if item not in ("", "NULL", ".", "./") and Path(item) != datadir]
    if apart:
        raise Refused(
            f"the server keeps a part of its data in {' and '.join(apart)}, and not in {datadir}: a restore would mix it with the "
            "backup's. Restore by hand"
        )


def _series(version: str) -> list[str]:
    return version.split(".")[:2]


def _without_what_is_not_data(site: Site, data: Path) -> None:
    """What the tool has left in the copy, and folders that stay in the datadir and that it took for databases."""
    tool = registry.of(site.mysql).backup(site.mysql, str(data))
    for name in (*tool.own, *STAYS):
        path = data / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
