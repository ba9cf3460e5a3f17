"""A recovered backup is brought to a second: a server of its own replays what the binary logs have since then."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from hamysql.backup.logs import chain, events
from hamysql.backup.logs.chain import Range
from hamysql.backup.manifest import Manifest
from hamysql.backup.take import Site
from hamysql.errors import HamysqlError
from hamysql.mysql.flavours import registry
from hamysql.mysql.flavours.tools import BackupTool, LogTool
from hamysql.system.command import QUIETLY, Run

LIMIT = 86400.0  # seconds
# What the first of two programs prints goes to the second one: $1 words are the first one's. Either's failure is one of both.
_PIPE = 'n=$1; shift; "${@:1:n}" | "${@:n+1}"'


@dataclass(frozen=True)
class Target:
    """A moment (seconds since 1970), and the backup and logs that lead to it."""

    to: int
    way: Range

    @property
    def backup(self) -> Manifest:
        return self.way.backup

    def __str__(self) -> str:
        return f"{chain.told(self.to)}Z, by {len(self.way.logs)} binary logs after the backup of {self.backup['began']}"


class Way(TypedDict):
    """What leads to a moment, over Salt's bus: see ``hamysql_backup.way``."""

    manifest: Manifest
    logs: int


def target(run: Run, site: Site, to: str) -> Target:
    """What leads to a moment. Raises ``Refused`` with the moments that are possible."""
    second = chain.moment(to)
    place = site.place(run)
    found = chain.ranges([item["manifest"] for item in place.kept()], place.logs().shipped())
    way = chain.chosen(found, second)
    return Target(second, chain.until(way, second))


def size(run: Run, site: Site, wanted: Target) -> int:
    """The bytes of the logs."""
    return site.place(run).logs().size(wanted.way.logs)


def fetch(run: Run, site: Site, wanted: Target, folder: Path) -> list[Path]:
    """Bring the logs into a new folder, each as far as it is whole; returns them in their order.

    Raises ``HamysqlError`` where one is damaged. One that the server could not close may end with half an event.
    """
    folder.mkdir(mode=0o700)
    begins = registry.of(site.mysql).logging(site.mysql).begins
    found = site.place(run).logs().fetch(wanted.way.logs, folder)
    for file, log in zip(found, wanted.way.logs):
        with open(file, "r+b") as content:
            found_ends, length = events.ends(content, begins), os.fstat(content.fileno()).st_size
            end, closed = found_ends.event, events.closed(content)
            if end < length and closed:
                raise HamysqlError(
                    f"the binary log {log.id} is damaged at byte {end} of {length}: restore a moment before "
                    f"{chain.told(log.stamp)}, or one after a later backup"
                )
            if not closed:
                content.truncate(found_ends.transaction)
    return found


def replay(
    run: Run, tool: BackupTool, logs: LogTool, wanted: Target, files: Sequence[Path], timeout: float = LIMIT
) -> None:
    """Have the server of a copy replay the logs up to the moment. Raises ``CommandFailed`` with what it does not take."""
    position = wanted.backup["log"]["position"]
    read = [*QUIETLY, *logs.read, f"--start-position={position}", f"--stop-datetime={chain.told(wanted.to)}"]
    read += map(str, files)
    # The tool takes a time for a local one.
    argv = ["bash", "-o", "pipefail", "-c", _PIPE, "bash", str(len(read)), *read, *QUIETLY, *logs.write(tool)]
    run(argv, timeout=timeout, env={"TZ": "UTC"})
