"""The order in which nodes are restarted, and what stands in the way."""

from __future__ import annotations

import copy

import pytest
from orchestration import working

from hamysql.master import rolling
from hamysql.pending import BOTH, COROSYNC, LIVE, MYSQL, REFUSED, RESTART, Pending


def item(scope, kind=RESTART):
    return Pending(kind, scope, f"hamysql:{scope}:x", "1", "2").as_dict()


def member(database=False, pending=()):
    seen = working("db2" if database else "db1")
    return {**seen, "database": database, "pending": list(pending)}


def steps(db1, db2):
    return [(step.action, step.node) for step in rolling.steps({"db1": db1, "db2": db2})]


def test_nothing_pending_moves_nothing():
    assert steps(member(True), member()) == []


@pytest.mark.parametrize("kind", [LIVE, BOTH, REFUSED])
def test_what_needs_no_restart_moves_nothing(kind):
    assert steps(member(True, [item(COROSYNC, kind), item(MYSQL, kind)]), member()) == []


def test_a_database_s_option_needs_one_switchover_and_no_restart_of_a_node():
    assert steps(member(True, [item(MYSQL)]), member()) == [("switch_over", "db2")]
    assert steps(member(), member(True, [item(MYSQL)])) == [("switch_over", "db1")]


def test_the_standby_is_first_then_the_switchover_then_the_other():
    both = [item(COROSYNC)]
    assert steps(member(True, both), member(False, both)) == [
        ("restart_cluster", "db2"),
        ("switch_over", "db2"),
        ("restart_cluster", "db1"),
    ]


def test_a_run_that_was_cut_off_goes_on_where_it_was():
    left = [item(COROSYNC)]
    assert steps(member(True, left), member()) == [("switch_over", "db2"), ("restart_cluster", "db1")]
    assert steps(member(False, left), member(True)) == [("restart_cluster", "db1")]


def test_nothing_is_moved_for_a_node_that_does_not_serve():
    assert steps(member(False, [item(MYSQL)]), member(False)) == []


def test_a_step_says_why():
    (step,) = rolling.steps({"db1": member(True, [item(MYSQL)]), "db2": member()})
    assert str(step) == "switch the service over to db2: db1 has to change hamysql:mysql:x"


def test_a_whole_cluster_has_no_obstacles():
    assert rolling.obstacles({"db1": member(True), "db2": member()}) == ()


def test_somebody_s_hand_on_the_cluster_is_one():
    sentence = "node db2 is in standby; `crm_standby --node db2 --delete` ends it"
    assert rolling.obstacles({"db1": member(True), "db2": member()}, [sentence]) == (sentence,)


def test_what_is_left_undone_is_told_with_its_reasons():
    left = rolling.steps({"db1": member(True, [item(MYSQL)]), "db2": member()})
    assert rolling.unfinished(left, ["db2 sees db1 offline"]).splitlines() == [
        "this waits for a restart:",
        "  - switch the service over to db2: db1 has to change hamysql:mysql:x",
        "and nothing is restarted because:",
        "  - db2 sees db1 offline",
        "Put that right, and run hamysql.orch again.",
    ]


BROKEN = {
    "stopped": (
        lambda m: m["cluster"].update(running=False),
        "db2: the cluster does not run there, or has no controller",
    ),
    "no controller": (
        lambda m: m["cluster"].update(dc=None),
        "db2: the cluster does not run there, or has no controller",
    ),
    "start failed": (
        lambda m: m["cluster"]["failures"].append(
            {"action": "p_fs_mysql_start_0", "node": "db1", "status": "error", "reason": "no path"}
        ),
        "pacemaker does not start p_fs_mysql on db1, because its start failed there (no path): `crm resource cleanup p_fs_mysql db1` when that is put "
        "right",
    ),
    "no quorum": (lambda m: m["cluster"].update(quorum=False), "db2: the cluster has no quorum"),
    "offline": (lambda m: m["cluster"]["nodes"]["db1"].update(online=False), "db2 sees db1 offline"),
    "unknown": (lambda m: m["cluster"]["nodes"].pop("db1"), "db2 sees db1 offline"),
    "unclean": (lambda m: m["cluster"]["nodes"]["db1"].update(unclean=True), "db2 sees db1 unclean"),
    "no replica": (lambda m: m["storage"].update(status={}), "db2: DRBD is not configured, not UpToDate/UpToDate"),
    "synchronising": (
        lambda m: m["storage"]["status"].update(up_to_date=False, peer_disk="Inconsistent", connection="SyncSource"),
        "db2: DRBD is UpToDate/Inconsistent, SyncSource, not UpToDate/UpToDate",
    ),
    "two databases": (lambda m: m.update(database=True), "there is not exactly one node whose database answers"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_lack_is_named(name):
    spoil, sentence = BROKEN[name]
    db2 = copy.deepcopy(member())
    spoil(db2)
    assert rolling.obstacles({"db1": member(True), "db2": db2}) == (sentence,)
