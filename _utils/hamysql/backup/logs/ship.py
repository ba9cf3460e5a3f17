"""The server's binary logs go to the place for backups, from the node that serves; the server begins a new one for that."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hamysql.backup.logs import chain
from hamysql.backup.logs.chain import Log, Shipped
from hamysql.backup.logs.made import made
from hamysql.backup.manifest import Kept
from hamysql.backup.take import Site
from hamysql.errors import CommandFailed, NotReady, Refused
from hamysql.mysql.flavours import registry
from hamysql.mysql.sql import text, without_statements
from hamysql.system.command import Run

_STATE = "SELECT @@log_bin, IFNULL(@@log_bin_basename, '');\n"
_NOW = "SELECT FLOOR(UNIX_TIMESTAMP(SYSDATE(6)));\n"
_LIST = "SHOW BINARY LOGS;\n"
_FIRST = 20  # events: a log without a change has three or four


@dataclass(frozen=True)
class Seen:
    """The logs that the server writes to no more, in their order, and the second up to which they have all that was committed."""

    logs: list[Log]
    until: int


def ship(run: Run, site: Site) -> str:
    """Ship what is not shipped yet, and take away what no backup needs; returns what was done, in words."""
    place = site.place(run)
    store = place.logs()
    kept = place.kept()
    if not kept:
        return "no backup yet: the binary logs are shipped from the first one on"
    with store.locked():
        seen = _seen(run, site)
        if seen is None:
            return f"the server on {site.node} writes no binary logs yet: it has to be restarted, which the deployment says"
        there = store.shipped()
        oldest = min(chain.began(item["manifest"]) for item in kept)
        logs = chain.needed(seen.logs, {}, oldest)
        if not logs:
            return "nothing was written since the first backup"
        after = _with(there, logs, seen.until)
        point = reached(kept, after)
        store.ship(Path(site.mysql["datadir"]), logs, there, seen.until, point)
        needed = set(chain.needed(after.logs, after.until, oldest))
        store.forget([log for log in there.logs if log not in needed])
    new = len(set(logs) - set(there.logs))
    if point is None or point < seen.until:
        return f"{new} binary logs shipped; no backup leads to them: take one, `salt-run state.orchestrate hamysql.orch.backup`"
    return f"{new} binary logs shipped; {chain.told(point)} UTC can be restored"


def reached(kept: Iterable[Kept], shipped: Shipped) -> int | None:
    """The newest second that can be restored; ``None`` where none can."""
    return max((item.end for item in chain.ranges([item["manifest"] for item in kept], shipped)), default=None)


def _with(there: Shipped, logs: list[Log], until: int) -> Shipped:
    return Shipped(sorted({*there.logs, *logs}), {**there.until, logs[-1].id: until})


def _seen(run: Run, site: Site) -> Seen | None:
    """What the server has, which begins a new log where it has written to the last one; ``None`` where it writes none."""
    on, basename = _asked(run, site, _STATE)[0]
    if on != "1":
        return None
    datadir = Path(site.mysql["datadir"])
    if Path(basename).parent != datadir:
        raise Refused(
            f"the server writes its binary logs to {basename}, and not into {datadir}: set log_bin to a plain name"
        )
    listed = _asked(run, site, _LIST)
    (now,), *found = _asked(run, site, f"{_NOW}SHOW BINLOG EVENTS IN {text(listed[-1][0])} LIMIT {_FIRST};\n")
    idle = registry.of(site.mysql).logging(site.mysql).idle
    if len(found) == _FIRST or any(row[2] not in idle for row in found):
        (now,), *listed = _asked(run, site, f"{_NOW}FLUSH BINARY LOGS;\n{_LIST}")
    logs: list[Log] = []
    for file in (row[0] for row in listed[:-1]):
        logs.append(chain.of_file(file, made(datadir / file), logs[-1].stamp if logs else None))
    return Seen(logs, int(now))


def _asked(run: Run, site: Site, sql: str) -> list[list[str]]:
    client = registry.of(site.mysql).client(site.mysql)
    try:
        return [line.split("\t") for line in run(client, stdin=sql, timeout=120).stdout.splitlines()]
    except CommandFailed as exc:
        raise NotReady(
            f"the database on {site.node} does not tell its binary logs: {without_statements(exc.output).strip()}"
        ) from None
