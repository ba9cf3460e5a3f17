"""What the timer runs on each node: a backup, where this node serves and one is due; on the standby, its test. It needs no master.

The timer comes every quarter of an hour on both nodes. So a backup that was missed, since the node was down or the service moved,
is made up for by whoever serves then, and its manifest says how late it is.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import TypedDict, cast

from hamysql.backup import manifest, restore, take
from hamysql.backup.take import Site
from hamysql.errors import CommandFailed, Refused
from hamysql.mysql.flavours import registry
from hamysql.resolved import Resolved
from hamysql.resolved.software import Mysql
from hamysql.system import schedule, timers
from hamysql.system.command import Run, run

FILE = Path("/etc/hamysql/backup.json")
# What restic is started with, for root alone: the repository and its password.
SECRETS = "backup-repository.json"
_MYSQL = ("flavor", "client", "socket", "datadir", "binary", "user")


class Task(TypedDict):
    """The file's content: a :class:`hamysql.backup.take.Site` without what the tools do not look at. It has no secret.

    ``repository`` says whether the file beside it has the environment of restic.
    """

    cluster: str
    node: str
    mysql: dict[str, str]
    directory: str
    at: str
    keep: int
    throttle: int
    test_at: str
    test_every: int
    mounted: bool
    staging: str
    repository: bool


def task(site: Resolved) -> Task:
    """What the timer's job has to know of a configuration."""
    backup, mysql = site["backup"], cast("dict[str, str]", site["mysql"])
    return {
        "cluster": site["cluster"]["name"],
        "node": site["self"],
        "mysql": {key: mysql[key] for key in _MYSQL},
        "directory": backup["directory"] or "",
        "at": backup["at"],
        "keep": backup["keep"],
        "throttle": backup["throttle"],
        "test_at": backup["test_at"],
        "test_every": backup["test_every"],
        "mounted": backup["mounted"],
        "staging": backup["staging"],
        "repository": bool(backup["repository"]),
    }


def place(said: Task, variables: Mapping[str, str] | None = None) -> Site:
    """The same, for those who back up and restore.

    variables
        The environment of restic.
    """
    given = {key: value for key, value in said.items() if key != "repository"}
    return Site(**{**given, "mysql": cast(Mysql, said["mysql"]), "environment": variables or {}})  # type: ignore[arg-type]


def of(config: Resolved) -> Site:
    """What is backed up, and where to. Raises ``Refused`` where the pillar names no folder."""
    if not config["backup"]["enabled"]:
        raise Refused("the pillar names no place for backups: set hamysql:backup:directory or repository, and apply it")
    return place(task(config), config["backup"]["variables"])


def serves(run: Run, site: Site) -> bool:
    """Whether a database server answers on this node."""
    try:
        return run(registry.of(site.mysql).client(site.mysql), stdin="SELECT 1;").stdout.strip() == "1"
    except CommandFailed:
        return False


def scheduled(run: Run, site: Site) -> str:
    """Take a backup where one is due here, or try one out; returns what was done, in words."""
    if not serves(run, site):
        return f"{site.node} does not serve: its peer takes the backups; {try_out(run, site)}"
    late = take.due(run, site)
    if late is None:
        return "no backup is due"
    said = take.take(run, site, late)
    size, minutes = said["size"] / 1e6, said["late"] / 60
    return f"backup {said['name']}: {size:.0f} MB in {said['seconds']:.0f} s, {minutes:.0f} min after its time"


def try_out(run: Run, site: Site, now: Callable[[], float] = time.time, scratch: Path = restore.SCRATCH) -> str:
    """Try the newest backup out where that is due, on a node that does not have the data; returns what was done, in words."""
    if not site.test_every:
        return "no test is wanted"
    if os.path.ismount(site.mysql["datadir"]):
        return "the data is mounted here, and its server may be starting: nothing is tried out"
    moment = datetime.fromtimestamp(now(), timezone.utc)
    if not manifest.proof_due(site.place(run).kept(), site.test_at, site.test_every, moment):
        return "no test is due"
    stamp = scratch.with_name("restore-tried")
    if stamp.exists() and stamp.stat().st_mtime >= schedule.latest(site.test_at, moment).timestamp():
        return "the newest backup was tried out already, and that has failed: the next attempt is tomorrow"
    stamp.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    stamp.touch()
    proof = restore.tried(run, site, scratch=scratch)
    return f"the newest backup was restored in {proof['seconds']:.0f} s: {proof['tables']} tables are in order"


def main(file: Path) -> str:
    """Do what the timer's file says; returns what was done, in words."""
    return scheduled(run, read(file))


def read(file: Path) -> Site:
    """What a timer's file says, with the secrets beside it."""
    said: Task = json.loads(file.read_text(encoding="utf-8"))
    secrets = json.loads(file.with_name(SECRETS).read_text(encoding="utf-8")) if said["repository"] else {}
    return place(said, secrets)


if __name__ == "__main__":
    sys.exit(timers.main(main, "no backup was taken or tried out"))
