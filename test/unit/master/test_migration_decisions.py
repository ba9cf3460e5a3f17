"""Where a move stands, and what forbids to begin one or to go on, from what the members say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hamysql.master import migration
from hamysql.master.migration import Standing, State
from hamysql.storage.latch import Latch, Stage
from hamysql.storage.move import copying
from hamysql.storage.steps import Step

OLD = Latch("galaxy-db", "mysql", "/dev/sdb", Stage.INITIALISED, "e7c4")
NEW = Latch("galaxy-db", "mysql", "/dev/lun", Stage.INITIALISED, "627a", backend="shared")
ONLINE = {"online": True, "pending": False}
NODE = Standing("shared", OLD, None, None, "", "drbd", "/var/lib/mysql", (), (), "")


def surveys(serving="db1", **cluster):
    seen = {
        "running": True,
        "dc": "db1",
        "quorum": True,
        "maintenance": False,
        "nodes": {"db1": ONLINE, "db2": ONLINE},
        "failures": [],
        "shell": "crm",
    }
    settings = {"cluster": {"name": "galaxy-db"}, "mysql": {"datadir": "/var/lib/mysql"}}
    return {
        name: {
            "settings": settings,
            "cluster": {**seen, **cluster},
            "database": name == serving,
            "storage": {"uses": [], "latch": {}},
        }
        for name in ("db1", "db2")
    }


def both(**fields):
    return dict.fromkeys(("db1", "db2"), replace(NODE, **fields))


SERVED = {"old": None, "new": NEW, "cib": "shared"}


@pytest.mark.parametrize(
    ("one", "two", "state"),
    [
        ({}, {}, State.OPEN),
        ({"moving": "shared", "prepared": NEW}, {}, State.OPEN),
        ({"old": None, "new": NEW, "moving": "shared"}, {"moving": "shared"}, State.SWITCHED),
        ({**SERVED, "moving": "shared"}, SERVED, State.SWITCHED),
        ({**SERVED, "cib": "drbd"}, SERVED, State.SWITCHED),
        (SERVED, SERVED, State.DONE),
    ],
)
def test_how_far_it_is(one, two, state):
    found = {"db1": replace(NODE, **one), "db2": replace(NODE, **two)}
    assert migration.state(found) is state
    assert not migration.resumable(found)


def test_a_service_that_a_killed_run_has_stopped_is_started_again():
    assert migration.resumable(both(moving="shared", stopped=("p_mysql",)))
    assert not migration.resumable(both(stopped=("p_mysql",))), "an operator has"


def test_a_whole_cluster_has_no_obstacles():
    assert migration.obstacles(surveys(), both()) == []


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"old": None}, "db1 knows of no data that could be moved"),
        ({"old": replace(OLD, stage=Stage.DATADIR)}, "db1 knows of no data that could be moved"),
        ({"old": replace(OLD, cluster="other")}, "db1 has the data of cluster other"),
        ({"moving": "nfs"}, "a move to nfs was begun: `salt db1 hamysql_migration.abandon`"),
        ({"datadir": "/srv/mysql"}, "the data is mounted on /srv/mysql"),
        (
            {"replication": "DRBD is UpToDate/Inconsistent, SyncSource, not UpToDate/UpToDate"},
            "db1: DRBD is UpToDate/Inconsistent",
        ),
        ({"hands": ("node db1 is in standby",)}, "node db1 is in standby"),
        ({"prepared": replace(NEW, stage=Stage.FILESYSTEM)}, ""),
    ],
)
def test_what_a_node_says_against_it(fields, said):
    reasons = migration.obstacles(surveys(), {**both(), "db1": replace(NODE, **fields)})
    assert (len(reasons), said in "".join(reasons)) == (1 if said else 0, True)


@pytest.mark.parametrize(
    ("cluster", "said"),
    [
        ({"running": False}, "the cluster does not run there"),
        ({"quorum": False}, "no quorum"),
        ({"maintenance": True}, "maintenance mode"),
        ({"nodes": {"db1": ONLINE, "db2": {"online": False}}}, "sees db2 offline"),
        ({"nodes": {"db1": ONLINE, "db2": {**ONLINE, "unclean": True}}}, "sees db2 unclean"),
        ({"failures": [{"action": "p_mysql_monitor_5000", "node": "db2"}]}, "p_mysql_monitor_5000 has failed on db2"),
    ],
)
def test_a_cluster_that_is_not_whole(cluster, said):
    reasons = migration.obstacles(surveys(**cluster), both())
    assert reasons
    assert all(said in reason for reason in reasons)


def test_no_server_and_two_servers():
    assert migration.obstacles(surveys(serving=None), both()) == [
        "there is not exactly one node whose database answers"
    ]


@pytest.mark.parametrize(
    ("stages", "node"),
    [
        ((None, None), None),
        ((Stage.CLAIMED, None), "db1"),
        ((None, Stage.DATADIR), "db2"),
        ((Stage.INITIALISED, None), "db1"),
        ((Stage.INITIALISED, Stage.INITIALISED), None),
        ((Stage.INITIALISED, Stage.DATADIR), "db2"),
    ],
)
def test_the_node_that_an_earlier_run_has_begun_on(stages, node):
    latches = [replace(NEW, stage=stage) if stage else None for stage in stages]
    found = {name: replace(NODE, prepared=known) for name, known in zip(("db1", "db2"), latches)}
    assert migration.chosen(found) == node


def test_metadata_on_both_sides_of_a_new_drbd_chooses_nobody():
    made = replace(OLD, stage=Stage.METADATA)
    found = both(backend="drbd", old=NEW, prepared=made)
    assert migration.chosen(found) is None
    assert (
        migration.chosen({**found, "db2": replace(found["db2"], prepared=replace(made, stage=Stage.SEEDING))}) == "db2"
    )


def test_the_plan_sees_the_node_that_serves_first_and_nothing_of_the_old_storage():
    seen = surveys(serving="db2")
    seen["db2"]["storage"] = {
        "latch": OLD.as_dict(),
        "uses": [f"/dev/lun is mounted on {copying.PLACE}", "/dev/lun is mounted on /srv"],
    }
    found = migration.prospective(seen, {**both(), "db2": replace(NODE, prepared=NEW)})
    assert list(found) == ["db2", "db1"]
    assert found["db2"]["storage"]["latch"]["stage"] == "FILESYSTEM"
    assert found["db2"]["storage"]["uses"] == ["/dev/lun is mounted on /srv"]


def test_the_copy_takes_the_place_of_the_first_database():
    steps = [Step(action, ("db1",), "") for action in ("claim", "make_filesystem", "initialise_datadir", "seal")]
    assert [step.action for step in migration.before_copy(steps)] == ["claim", "make_filesystem"]
    assert migration.copier(steps) == "db1"
    assert migration.before_copy(steps[:1]) == (steps[0],)
    assert migration.copier(steps[:1]) is None


def test_a_server_on_the_old_storage_behind_the_switch():
    half = {"db1": replace(NODE, old=None, new=NEW, moving="shared"), "db2": replace(NODE, moving="shared")}
    assert migration.overtaken(surveys(serving=None), half) == []
    assert "serves the database from the old storage (drbd)" in migration.overtaken(surveys(), half)[0]
    assert migration.overtaken(surveys(), both(**SERVED)) == []
