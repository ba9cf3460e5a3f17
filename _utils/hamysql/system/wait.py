"""Waiting: polling a condition with a deadline, and a message that says what was seen last."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from hamysql.errors import NotReady

T = TypeVar("T")


def until(
    read: Callable[[], T],
    met: Callable[[T], bool],
    what: str,
    *,
    timeout: float,
    interval: float = 0.5,
    describe: Callable[[T], str] = str,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Read until ``met`` is satisfied and return what was read then.

    what
        The condition in words, for the error: "db1 and db2 are connected".
    timeout, interval
        Seconds; the condition is read at least once, and once more at the deadline.
    describe
        Turns the last reading into words for the error.

    Raises ``NotReady`` after ``timeout``.
    """
    seen = watch(read, met, timeout=timeout, interval=interval, clock=clock, sleep=sleep)
    if not met(seen):
        raise NotReady(f"waited {timeout:g} s until {what}; seen last: {describe(seen)}")
    return seen


def watch(
    read: Callable[[], T],
    met: Callable[[T], bool],
    *,
    timeout: float,
    interval: float = 0.5,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """The same for those who only look: what was read last, whether or not ``met`` is satisfied."""
    deadline = clock() + timeout
    while True:
        seen = read()
        left = deadline - clock()
        if met(seen) or left <= 0:
            return seen
        sleep(min(interval, left))
