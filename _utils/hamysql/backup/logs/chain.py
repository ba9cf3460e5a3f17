"""Which binary logs follow each other, and to which moments a backup and its logs lead. Pure.

A server counts its logs anew in a datadir that was restored, so a number says little. A log is known by the second at which the
server made it, which is in its first event. It names the one before it as well: after an undo the old chain goes on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone

from hamysql.backup import manifest
from hamysql.backup.manifest import Manifest
from hamysql.errors import ParseError, Refused

_NAME = re.compile(
    r"(?P<stamp>[0-9]{8}T[0-9]{6}Z)-(?P<base>[\w.-]+?)\.(?P<number>[0-9]{6,})(?:-after-(?P<before>[0-9]{8}T[0-9]{6}Z))?"
)
_FILE = re.compile(r"(?P<base>[\w.-]+)\.(?P<number>[0-9]{6,})")
MOMENT = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, order=True)
class Log:
    """A binary log: when the server made it (seconds since 1970), its name there, and when the one before it was made, if known."""

    stamp: int
    base: str
    number: int
    before: int | None = field(default=None, compare=False)

    @property
    def file(self) -> str:
        """Its name in the datadir."""
        return f"{self.base}.{self.number:06d}"

    @property
    def id(self) -> str:
        """What it is known by; the rest of its name says what it follows."""
        return f"{manifest.name_of(self.stamp)}-{self.file}"

    @property
    def name(self) -> str:
        """Its name where it is shipped to."""
        return self.id if self.before is None else f"{self.id}-after-{manifest.name_of(self.before)}"


@dataclass(frozen=True)
class Shipped:
    """The logs in a place for backups, and up to which second each has what was committed, by their ids."""

    logs: Sequence[Log] = ()
    until: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Range:
    """From when to when (seconds since 1970) the data can be restored, from a backup and logs that follow each other."""

    begin: int
    end: int
    backup: Manifest
    logs: Sequence[Log]


def of_file(file: str, stamp: int, before: int | None = None) -> Log:
    """A log by its name in the datadir. Raises ``ParseError``."""
    found = _FILE.fullmatch(file)
    if found is None:
        raise ParseError(f"{file!r} is no name of a binary log")
    return Log(stamp, found["base"], int(found["number"]), before)


def of_name(name: str) -> Log | None:
    """A log by its name where it is shipped to; ``None`` where that is the name of something else."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    before = _second(found["before"]) if found["before"] else None
    return Log(_second(found["stamp"]), found["base"], int(found["number"]), before)


def began(said: Manifest) -> int:
    """When a backup began, in seconds since 1970."""
    return _second(said["name"])


def _second(stamp: str) -> int:
    return int(manifest.began(stamp).timestamp())


def followers(logs: Iterable[Log]) -> dict[tuple[str, int, int | None], Log]:
    """The log that follows one, by :func:`_key`."""
    return {(log.base, log.number - 1, log.before): log for log in sorted(logs)}


def follow(first: Log, logs: Iterable[Log]) -> list[Log]:
    """The log ``first`` as it was shipped, and all that follow it without a gap; empty where it is not there."""
    there = set(logs)
    if first not in there:
        return []
    after, found = followers(there), [first]
    while following := after.get((found[-1].base, found[-1].number, found[-1].stamp)):
        found.append(following)
    return found


def ranges(kept: Iterable[Manifest], shipped: Shipped) -> list[Range]:
    """Of each backup that knows its log, the newest first: the moments to which its logs lead."""
    found = []
    for said in kept:
        first = of_name(said["log"]["name"]) if "log" in said else None
        logs = follow(first, shipped.logs) if first else []
        if logs:
            begin = said["log"]["ended"]
            found.append(Range(begin, max(begin, shipped.until.get(logs[-1].id, logs[-1].stamp)), said, logs))
    return sorted(found, key=lambda item: item.begin, reverse=True)


def chosen(found: Sequence[Range], to: int) -> Range:
    """The newest backup before a moment whose logs lead to it. Raises ``Refused`` with the moments that are possible."""
    for item in found:
        if item.begin <= to <= item.end:
            return item
    possible = "; ".join(f"{told(begin)} to {told(end)}" for begin, end in merged(found))
    raise Refused(
        f"no backup and no binary logs lead to {told(to)} UTC; possible is {possible or 'no moment yet: the first backup since '}"
        f"{'' if possible else 'hamysql:backup:binary_logs was set has to be taken, and a minute to pass'}"
    )


def until(way: Range, to: int) -> Range:
    """A range without the logs that begin after a moment."""
    return replace(way, end=to, logs=[way.logs[0], *(log for log in way.logs[1:] if log.stamp <= to)])


def merged(found: Iterable[Range]) -> list[tuple[int, int]]:
    """The ranges, those that overlap as one, the oldest first."""
    listed: list[tuple[int, int]] = []
    for begin, end in sorted((item.begin, item.end) for item in found):
        if listed and begin <= listed[-1][1]:
            listed[-1] = (listed[-1][0], max(end, listed[-1][1]))
        else:
            listed.append((begin, end))
    return listed


def needed(logs: Sequence[Log], until: Mapping[str, int], oldest: int) -> list[Log]:
    """Those that have anything that was committed after a moment: the begin of the oldest backup.

    until
        As :class:`Shipped` has it: a log without a follower, and without an entry there, is needed.
    """
    after = followers(logs)

    def ended(log: Log) -> int:
        following = after.get((log.base, log.number, log.stamp))
        return following.stamp if following else until.get(log.id, oldest)

    return [log for log in logs if ended(log) >= oldest]


def moment(text: str) -> int:
    """Seconds since 1970 of a time in UTC, such as ``2026-05-01 12:00:03``. Raises ``Refused``."""
    try:
        return int(datetime.strptime(text, MOMENT).replace(tzinfo=timezone.utc).timestamp())
    except ValueError:
        raise Refused(
            f"hamysql_restore_to is {text!r}, expected a time in UTC to the second, such as '2026-05-01 12:00:03'"
        ) from None


def told(second: int) -> str:
    """A moment as :func:`moment` takes it."""
    return datetime.fromtimestamp(second, timezone.utc).strftime(MOMENT)
