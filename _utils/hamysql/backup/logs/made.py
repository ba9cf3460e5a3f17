"""When the server made a binary log that is in its datadir: what it is known by."""

from __future__ import annotations

from pathlib import Path

from hamysql.backup.logs import chain, events
from hamysql.backup.manifest import Position
from hamysql.errors import ParseError
from hamysql.system import files


def made(file: Path) -> int:
    """When the server made a log, in seconds since 1970; its account may write there. Raises ``ParseError`` where it is none."""
    with files.opened(file) as handle, open(handle, "rb", closefd=False) as content:
        return events.made(content)


def first_of(datadir: str, said: str, ended: float) -> Position | None:
    """Where the log stood at the end of a backup; ``None`` where there is no log.

    said
        File, position and GTID, as the tool has written them.
    ended
        When the backup ended, in seconds since 1970.
    """
    try:
        file, position = said.split()[:2]
        log = chain.of_file(file, made(Path(datadir) / file))
        return {"name": log.id, "position": int(position), "ended": int(ended) + 1}
    except (OSError, ValueError, ParseError, files.Unreadable):
        return None
