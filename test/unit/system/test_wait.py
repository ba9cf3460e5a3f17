"""Waiting, with a clock of the test's own: nothing here takes time."""

from __future__ import annotations

import pytest

from hamysql.errors import NotReady
from hamysql.system import wait


class Clock:
    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


def until(clock, readings, *, timeout, interval=0.5, **options):
    values = iter(readings)
    return wait.until(
        lambda: next(values),
        lambda seen: seen == "up",
        "it is up",
        timeout=timeout,
        interval=interval,
        clock=clock,
        sleep=clock.sleep,
        **options,
    )


def test_a_condition_that_is_met_is_not_waited_for(clock):
    assert until(clock, ["up"], timeout=10) == "up"
    assert clock.slept == []


def test_it_reads_again_after_each_interval_and_returns_what_was_seen(clock):
    assert until(clock, ["down", "starting", "up"], timeout=10, interval=2) == "up"
    assert clock.slept == [2, 2]


def test_the_last_reading_is_at_the_deadline_and_not_after_it(clock):
    assert until(clock, ["down", "down", "up"], timeout=3, interval=2) == "up"
    assert clock.slept == [2, 1]


def test_the_error_says_what_was_waited_for_and_what_was_seen_last(clock):
    with pytest.raises(NotReady, match=r"^waited 3 s until it is up; seen last: STARTING$"):
        until(clock, ["down", "down", "starting"], timeout=3, interval=2, describe=str.upper)


def test_no_time_at_all_still_reads_once(clock):
    with pytest.raises(NotReady, match="seen last: down"):
        until(clock, ["down"], timeout=0)
    assert until(clock, ["up"], timeout=0) == "up"
