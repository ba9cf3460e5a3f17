"""What the timer runs on each node each minute: where this node serves, its binary logs are shipped. It needs no master."""

from __future__ import annotations

import sys
from pathlib import Path

from hamysql.backup import job
from hamysql.backup.logs import ship
from hamysql.system import timers
from hamysql.system.command import run

FILE = Path("/etc/hamysql/logs.json")


def main(file: Path) -> str:
    """Do what the timer's file says; returns what was done, in words."""
    site = job.read(file)
    if not job.serves(run, site):
        return f"{site.node} does not serve: its peer ships the binary logs"
    return ship.ship(run, site)


if __name__ == "__main__":
    sys.exit(timers.main(main, "no binary log was shipped"))
