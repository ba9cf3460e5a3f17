"""The first synchronisation is left out only where both replicas are provably new in this very run."""

from __future__ import annotations

from dataclasses import replace

import pytest
from replicas import FULL, NEW, USED, blank, connected, ours, refusal, todo

from hamysql.storage.drbd import plan as drbd_plan
from hamysql.storage.drbd.plan import Member, Stage, Wanted
from hamysql.storage.drbd.status import Status

AUTO = Wanted("galaxy-db", "mysql", initial_sync="auto", run="20260131120000000000")


def made(name: str, run: str = AUTO.run, **fields) -> Member:
    """A member whose metadata was made in a run, connected to another new one."""
    member = ours(name, Stage.METADATA, **{"status": connected(), **fields})
    return replace(member, latch=replace(member.latch, run=run))


def skips(*members: Member, wanted: Wanted = AUTO) -> bool:
    return "skip_initial_sync" in [step for step, _ in todo(*members, wanted=wanted)]


def test_two_disks_that_are_new_in_this_run_are_declared_equal_before_the_seed_is_promoted():
    steps = drbd_plan.storage([made("db1"), made("db2")], AUTO)
    assert [step.action for step in steps[:2]] == ["skip_initial_sync", "seed"]
    assert (steps[0].nodes, steps[0].fresh, steps[0].arguments) == (("db1",), True, {"run_id": AUTO.run})
    assert skips(blank("db1"), blank("db2"))
    assert skips(made("db1", status=None), blank("db2"))


def test_full_never_skips():
    assert not skips(made("db1"), made("db2"), wanted=replace(AUTO, initial_sync="full"))
    assert not skips(blank("db1"), blank("db2"), wanted=FULL)


SYNCING = Status("SyncTarget", "Secondary", "Secondary", "Inconsistent", "UpToDate")


@pytest.mark.parametrize(
    "other",
    [
        made("db2", run="20260131110000000000"),
        made("db2", run=""),
        ours("db2", Stage.METADATA, USED, status=connected()),
        ours("db2", Stage.CLAIMED),
        replace(made("db2"), generation=None),
        made("db2", status=SYNCING),
        made("db2", status=connected("Secondary", "UpToDate")),
        made("db2", status=replace(connected(), peer_disk="UpToDate")),
        made("db2", status=connected("Primary", "Inconsistent")),
        ours("db2", Stage.SEEDING, NEW, status=connected()),
    ],
    ids=[
        "metadata of an earlier run",
        "metadata made by hand",
        "written to",
        "metadata not recorded",
        "generation not readable",
        "synchronising",
        "up to date",
        "peer up to date",
        "primary",
        "chosen by an earlier run",
    ],
)
def test_anything_that_is_not_provably_new_is_synchronised_in_full(other):
    if other.used:  # refused altogether, as data that nobody explains
        assert refusal(made("db1"), other, wanted=AUTO)
    else:
        assert not skips(made("db1"), other)


def test_a_plan_without_a_run_trusts_no_latch():
    nobody = replace(AUTO, run="")
    assert not skips(made("db1", run=""), made("db2", run=""), wanted=nobody)
    assert skips(blank("db1"), blank("db2"), wanted=nobody)


def test_a_joining_member_is_never_declared_equal():
    assert not skips(ours("db1", Stage.INITIALISED, USED), blank("db2"))
    assert not skips(ours("db1", Stage.INITIALISED, USED), made("db2"))
