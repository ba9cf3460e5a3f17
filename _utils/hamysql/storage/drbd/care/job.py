"""What the timer runs on each node: a verification, where this node serves and one is due. It needs no master.

The timer comes every quarter of an hour on both nodes. The record of the last one is in the cluster. So a verification that was
missed, since the node was down or the replicas were apart, is made up for by whoever serves then. Its record says how late it is.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from hamysql.storage.drbd.care import record, site, verify
from hamysql.storage.drbd.care.site import Task
from hamysql.system import schedule, timers
from hamysql.system.command import Run, run

FILE = Path("/etc/hamysql/verify.json")
INTERVAL = 5.0  # seconds between two looks


def due(last: datetime | None, since: datetime, every: int, at: str, now: datetime) -> float | None:
    """How many seconds ago a verification should have begun; ``None`` where none is due.

    last, since
        When the last one was begun, ``None`` where there was none; since when there is this schedule.
    """
    moment = schedule.latest(at, now, every)
    return None if max(filter(None, (last, since))) >= moment else (now - moment).total_seconds()


def scheduled(
    run: Run,
    said: Task,
    since: float,
    now: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Verify where that is due here, to its end; returns what was done, in words.

    since
        Since when there is this schedule, in seconds since 1970.
    """
    here = site.place(said)
    seen = site.status(run, here)
    if not verify.under_way(run, here):
        if seen is None or seen.role != "Primary":
            return f"{here.node} does not serve: its peer verifies"
        last = record.last(run)
        late = due(last and record.when(last), _utc(since), said["every"] or 1, said["at"], _utc(now()))
        if late is None:
            return "no verification is due"
        verify.begin(run, here, late, now)
    while verify.look(run, here)["running"]:
        sleep(INTERVAL)
    return record.text(verify.finish(run, here, now))


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


def main(file: Path) -> str:
    """Do what the timer's file says, which is as old as the schedule; returns what was done, in words."""
    said: Task = json.loads(file.read_text(encoding="utf-8"))
    return scheduled(run, said, file.stat().st_mtime)


if __name__ == "__main__":
    sys.exit(timers.main(main, "the replicas were not verified"))
