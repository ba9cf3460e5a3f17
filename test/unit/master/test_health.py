"""What a whole cluster is, part by part, and which of them each one who asks needs."""

from __future__ import annotations

import pytest
from orchestration import working
from printed import running

from hamysql.cib.status import Resource
from hamysql.master import health, migration, operations, rolling
from hamysql.master.migration import Standing
from hamysql.storage.latch import Latch, Stage

OLD = Latch("galaxy-db", "mysql", "/dev/sdb", Stage.INITIALISED, "e7c4")
STANDING = Standing("shared", OLD, None, None, "", "drbd", "/var/lib/mysql", (), (), "")
START = {"action": "p_fs_mysql_start_0", "node": "db1", "status": "error", "reason": "no path"}
FAILED = {**START, "action": "p_mysql_monitor_5000"}


def device(node):
    return Resource(f"p_fence_{node}", "stonith:fence_ipmilan", "Started", "db1", None, True, False, False)


@pytest.fixture
def surveys():
    """A cluster at work; db2 is active."""
    found = {name: working(name) for name in ("db1", "db2")}
    for seen in found.values():
        seen["cluster"] = running(resources=(device("db1"), device("db2"))).as_dict("crm")
    return found


def state(**flags):
    def spoil(seen):
        seen["db2"]["cluster"]["nodes"]["db1"].update(flags)

    return spoil


def cluster(name="db2", **values):
    return lambda seen: seen[name]["cluster"].update(values)


# What is done to a whole cluster, and the sentence of a fence test, of a restart and of a move; None where it is no matter to them.
MEMBER = "db2: the cluster does not run there, or has no controller"
NOBODY = "there is not exactly one node whose database answers"
DRBD = "DRBD is UpToDate/Inconsistent, SyncSource, not UpToDate/UpToDate"
NO_START = (
    "pacemaker does not start p_fs_mysql on db1, because its start failed there (no path): `crm resource cleanup p_fs_mysql db1` "
    "when that is put right"
)
PARTS = {
    "stopped": (cluster(running=False), "db2: pacemaker does not run", MEMBER, MEMBER),
    "no controller": (cluster(dc=None), None, MEMBER, MEMBER),
    "no quorum": (cluster(quorum=False), *["db2: the cluster has no quorum"] * 3),
    "maintenance": (
        cluster(maintenance=True), "db2: the cluster is in maintenance mode", None, "db2: the cluster is in maintenance mode",
    ),
    "offline": (state(online=False), *["db2 sees db1 offline"] * 3),
    "unknown": (lambda seen: seen["db2"]["cluster"]["nodes"].pop("db1"), *["db2 sees db1 offline"] * 3),
    "unclean": (state(unclean=True), "db2 sees db1 in state unclean", *["db2 sees db1 unclean"] * 2),
    "not ready": (state(pending=True), "db2 sees db1 in state pending", *["db2 sees db1 pending"] * 2),
    "leaving": (state(shutdown=True), "db2 sees db1 in state shutdown", *["db2 sees db1 shutdown"] * 2),
    "standby": (state(standby=True), "db2 sees db1 in state standby", None, "db2 sees db1 standby"),
    "node maintenance": (state(maintenance=True), "db2 sees db1 in state maintenance", None, "db2 sees db1 maintenance"),
    "synchronising": (
        lambda seen: seen["db2"]["storage"]["status"].update(
            up_to_date=False, disk="UpToDate", peer_disk="Inconsistent", connection="SyncSource"
        ),
        *[f"db2: {DRBD}"] * 2, None,
    ),
    "given up": (
        lambda seen: [one["cluster"].update(failures=[START]) for one in seen.values()],
        NO_START, NO_START, "p_fs_mysql_start_0 has failed on db1: see why, then `crm_resource --cleanup`",
    ),
    "a failed action": (
        cluster("db1", failures=[FAILED]),
        None, None, "p_mysql_monitor_5000 has failed on db1: see why, then `crm_resource --cleanup`",
    ),
    "no database": (lambda seen: seen["db2"].update(database=False), "the database answers on no node", NOBODY, NOBODY),
    "two databases": (lambda seen: seen["db1"].update(database=True), "the database answers on db1 and db2", NOBODY, NOBODY),
    "a fence device": (
        cluster("db1", resources=[]), ["fence device p_fence_db1 does not run: look at `crm_mon -1rf`",
        "fence device p_fence_db2 does not run: look at `crm_mon -1rf`"], None, None,
    ),
}  # fmt: skip


def asked(surveys):
    standings = dict.fromkeys(surveys, STANDING)
    return [operations.unhealthy(surveys), list(rolling.obstacles(surveys)), migration.obstacles(surveys, standings)]


def test_a_whole_cluster_is_whole_for_everybody(surveys):
    assert asked(surveys) == [[], [], []]


@pytest.mark.parametrize("name", PARTS)
def test_each_part_is_told_to_those_who_need_it(surveys, name):
    spoil, *sentences = PARTS[name]
    spoil(surveys)
    expected = [sentence if isinstance(sentence, list) else [sentence] if sentence else [] for sentence in sentences]
    assert asked(surveys) == expected


def test_a_node_that_knows_nothing_is_asked_for_nothing_more(surveys):
    surveys["db2"]["cluster"].update(running=False, dc=None, quorum=False, nodes={})
    surveys["db2"]["storage"]["status"] = {}
    fence_test, restart, move = asked(surveys)
    assert (fence_test, restart, move) == (["db2: pacemaker does not run"], [MEMBER], [MEMBER])


def test_what_several_states_say(surveys):
    state(online=False, unclean=True, standby=True)(surveys)
    fence_test, restart, move = asked(surveys)
    assert fence_test == ["db2 sees db1 offline", "db2 sees db1 in state standby", "db2 sees db1 in state unclean"]
    assert (restart, move) == (["db2 sees db1 unclean"], ["db2 sees db1 standby, unclean"])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (cluster(), ""),
        (state(standby=True), ""),
        (cluster(dc=None), "no controller"),
        (state(online=False), "db1 not online"),
        (state(pending=True), "db1 not online"),
        (cluster(dc=None, nodes={}), "no controller, db1 not online, db2 not online"),
    ],
)
def test_what_resources_wait_for(surveys, spoil, said):
    spoil(surveys)
    assert health.lacks(surveys["db2"]["cluster"], ["db1", "db2"]) == said


def test_who_serves_and_who_controls(surveys):
    assert (health.serving(surveys), health.active(surveys), health.controllers(surveys)) == (
        ["db2"],
        "db2",
        ["db1"] * 2,
    )
    surveys["db1"]["database"] = True
    cluster(dc=None)(surveys)
    assert (health.serving(surveys), health.active(surveys), health.controllers(surveys)) == (
        ["db1", "db2"],
        None,
        ["db1"],
    )
