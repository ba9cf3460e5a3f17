"""Replicas are compared and made equal: who may begin, what is recorded, and what a job that was killed at any moment leaves."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import pytest
from care_world import Replica
from machines import watching

from hamysql.errors import CommandFailed, NotReady, Refused
from hamysql.storage.drbd.care import job, record, resynchronise, verify
from hamysql.system import schedule

THROTTLED = "drbdsetup disk-options 0 --c-plan-ahead=0 --resync-rate=3M"
USUAL = "drbdsetup disk-options 0 --c-plan-ahead=0 --resync-rate=10M"
VERIFY = "drbdadm --start=0 verify mysql"


class Killed(BaseException):
    """The job goes at a program; the kernel stays as it is."""


def killed_at(replica, number):
    """Run programs as the replica does, until the one of this number is to begin, or has ended for a negative one."""
    count = 0

    def run(argv, **options):
        nonlocal count
        count += 1
        if count == abs(number) and number > 0:
            raise Killed
        result = replica.run(argv, **options)
        if count == abs(number):
            raise Killed
        return result

    return run


@pytest.fixture
def primary(tmp_path, monkeypatch):
    found = Replica(tmp_path, monkeypatch)
    with watching(found.looked):
        yield found


@pytest.fixture
def secondary(tmp_path, monkeypatch):
    found = Replica(tmp_path, monkeypatch, "db2", "Secondary")
    found.out_of_sync = 64
    with watching(found.looked):
        yield found


def whole(replica, run=None):
    verify.begin(run or replica.run, replica.here, now=lambda: 1000.0)
    while verify.look(replica.run, replica.here)["running"]:
        pass
    return verify.finish(replica.run, replica.here, now=lambda: 1060.0)


def test_it_is_throttled_recorded_and_the_usual_rate_comes_back(primary):
    primary.differ = 128
    found = whole(primary)
    assert primary.programs[:2] == [THROTTLED, VERIFY]
    assert primary.programs[-2:][1] == USUAL
    assert found == {"node": "db1", "began": "1970-01-01T00:16:40Z", "seconds": 60, "out_of_sync": 128, "late": 0}
    assert primary.recorded == {"db1": found}
    assert "128 KiB differed" in record.text(found)
    assert not list(primary.here.folder.iterdir())


def test_without_a_rate_of_its_own_none_is_touched(primary):
    primary.here = replace(primary.here, rate=None)
    whole(primary)
    assert not [program for program in primary.programs if "disk-options" in program]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"role": "Secondary"}, "expected Primary/Secondary"),
        ({"connection": "WFConnection", "peer_disk": "DUnknown"}, "expected Primary/Secondary, UpToDate/UpToDate"),
        ({"connection": "PausedSyncS"}, "while DRBD is PausedSyncS"),
        ({"connection": "VerifyT"}, "was not begun on db1"),
        ({"alg": ""}, "no digest"),
    ],
)
def test_where_it_may_not_begin_nothing_is_touched(primary, fields, why):
    vars(primary).update(fields)
    with pytest.raises(Refused, match=why):
        verify.begin(primary.run, primary.here)
    assert primary.programs == []


def test_a_second_one_waits_for_the_first(primary):
    assert verify.begin(primary.run, primary.here) is True
    assert verify.begin(primary.run, primary.here) is False
    assert primary.programs.count(VERIFY) == 1


def test_how_far_it_is_is_told(primary):
    verify.begin(primary.run, primary.here)
    assert verify.look(primary.run, primary.here) == {"running": True, "done": 40.0, "out_of_sync": 0}
    primary.left = 9
    with pytest.raises(NotReady, match=r"runs still, 40.0 % are done"):
        verify.finish(primary.run, primary.here)


def test_what_was_cut_off_is_no_verification(primary):
    """The connection was lost meanwhile: the node that serves has begun another generation."""
    verify.begin(primary.run, primary.here)
    primary.connection, primary.current = "Connected", 0x1234
    with pytest.raises(NotReady, match="was cut off"):
        verify.finish(primary.run, primary.here)
    assert primary.records == {}
    assert primary.programs[-1] == USUAL


def test_a_verification_that_drbd_refuses_leaves_nothing(primary):
    primary.fails = "verify"
    with pytest.raises(CommandFailed):
        verify.begin(primary.run, primary.here)
    assert primary.programs == [THROTTLED, USUAL]
    assert not list(primary.here.folder.iterdir())


@pytest.mark.parametrize("number", [1, 2, 3, 4, -1, -2, -3, -4])
def test_killed_at_each_program_and_run_again_all_blocks_are_compared(primary, number):
    with pytest.raises(Killed):
        verify.begin(killed_at(primary, number), primary.here)
    if number != -4:  # the kernel has not begun: nothing is recorded that was not compared
        with pytest.raises(NotReady):
            verify.finish(primary.run, replace(primary.here))
    found = whole(primary)
    assert primary.recorded == {"db1": found}
    assert primary.programs.count(VERIFY) == 1
    assert primary.programs[-1] == USUAL


def test_the_standby_is_made_equal_by_disconnecting_and_connecting(secondary):
    assert resynchronise.standby(secondary.run, secondary.here) == 64
    assert secondary.programs == ["drbdadm disconnect mysql", "drbdadm connect mysql"]
    assert resynchronise.standby(secondary.run, secondary.here) == 0


@pytest.mark.parametrize("number", [1, 2, -1, -2])
def test_a_resynchronisation_that_was_killed_leaves_nobody_alone(secondary, number):
    with pytest.raises(Killed):
        resynchronise.standby(killed_at(secondary, number), secondary.here)
    resynchronise.reconnect(secondary.run, secondary.here)
    resynchronise.standby(secondary.run, secondary.here)
    assert (secondary.connection, secondary.out_of_sync) == ("Connected", 0)


def test_what_an_operator_has_disconnected_stays(secondary):
    secondary.connection = "StandAlone"
    assert resynchronise.reconnect(secondary.run, secondary.here) is False
    assert secondary.programs == []


@pytest.mark.parametrize(
    "fields",
    [
        {"role": "Primary", "peer_role": "Secondary"},
        {"peer_role": "Secondary"},
        {"peer_disk": "Inconsistent"},
        {"disk": "Outdated"},
        {"connection": "StandAlone", "peer_disk": "DUnknown", "peer_role": "Unknown"},
    ],
)
def test_only_a_standby_beside_a_node_that_serves_is_resynchronised(secondary, fields):
    vars(secondary).update(fields)
    with pytest.raises(Refused, match="expected Secondary/Primary"):
        resynchronise.standby(secondary.run, secondary.here)
    assert secondary.programs == []


def test_nobody_is_disconnected_while_blocks_are_compared(secondary):
    secondary.connection = "VerifyT"
    with pytest.raises(Refused, match="being compared"):
        resynchronise.standby(secondary.run, secondary.here)


def test_the_newest_record_of_both_nodes_counts_and_what_somebody_else_wrote_does_not(primary):
    primary.records = {"db1": "2026-01-01T01:00:00Z 60 0 0", "db2": "2026-01-08T01:00:00Z 61 64 0", "db3": "yesterday"}
    assert record.last(primary.run)["node"] == "db2"
    primary.records = {"db3": "yesterday"}
    assert record.last(primary.run) is None


# --- the schedule


def day(number, clock="12:00"):
    hour, minute = map(int, clock.split(":"))
    return datetime(2026, 1, number, hour, minute, tzinfo=timezone.utc)


def test_days_are_counted_from_one_that_all_nodes_have():
    moments = {schedule.latest("03:00", day(number), every=7) for number in range(1, 29)}
    assert len(moments) in (4, 5)
    assert {moment.weekday() for moment in moments} == {next(iter(moments)).weekday()}
    assert schedule.latest("13:00", day(5)) == day(4, "13:00")


def test_one_is_due_that_was_missed_and_not_before_the_schedule_was():
    moment = schedule.latest("03:00", day(20), every=7)
    assert job.due(None, day(1), 7, "03:00", day(20)) == (day(20) - moment).total_seconds()
    assert job.due(day(20, "11:00"), day(1), 7, "03:00", day(20)) is None
    assert job.due(None, day(20, "11:00"), 7, "03:00", day(20)) is None
    assert job.due(day(1), day(20, "11:00"), 7, "03:00", day(20)) is None


def test_the_job_verifies_where_it_serves_and_one_is_due(primary, monkeypatch):
    said = {"node": "db1", "resource": "mysql", "minor": 0, "rate": "3M", "usual": "10M", "every": 1, "at": "03:00"}
    monkeypatch.setattr(job.site, "place", lambda _: primary.here)

    def tick(since=0.0):
        return job.scheduled(primary.run, said, since, now=lambda: day(20).timestamp(), sleep=lambda _: None)

    assert "no verification is due" in tick(day(20, "11:00").timestamp())
    assert "9 h after its time: they were equal" in tick()
    assert primary.recorded["db1"]["late"] == 9 * 3600
    assert "no verification is due" in tick()
    primary.role, primary.peer_role = "Secondary", "Primary"
    assert "db1 does not serve" in tick()


def test_a_job_that_was_killed_is_taken_up_by_the_next(primary, monkeypatch):
    said = {"node": "db1", "resource": "mysql", "minor": 0, "rate": "3M", "usual": "10M", "every": 1, "at": "03:00"}
    monkeypatch.setattr(job.site, "place", lambda _: primary.here)
    primary.runs = 5

    def killed(_):
        raise Killed

    with pytest.raises(Killed):
        job.scheduled(primary.run, said, 0.0, now=lambda: day(20).timestamp(), sleep=killed)
    assert "they were equal" in job.scheduled(primary.run, said, 0.0, sleep=lambda _: None)
    assert primary.programs.count(VERIFY) == 1
