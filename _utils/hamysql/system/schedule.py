"""When a job should have begun last, by a time of the day in the pillar. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta


def latest(at: str, now: datetime, every: int = 1) -> datetime:
    """The newest moment of a schedule that is not after ``now``.

    at
        The time of a day, ``03:00``, in UTC; ``now`` is in UTC as well.
    every
        How many days lie between two moments, 1 by default. They are counted from a day that is the same for all nodes.
    """
    hour, minute = map(int, at.split(":"))
    moment = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if moment > now:
        moment -= timedelta(days=1)
    return moment - timedelta(days=moment.date().toordinal() % every)
