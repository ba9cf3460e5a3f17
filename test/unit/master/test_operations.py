"""When a node may be fenced for a test."""

from __future__ import annotations

import pytest

from hamysql.errors import Refused
from hamysql.master import operations


def test_a_healthy_cluster_has_no_reasons(surveys):
    assert operations.unhealthy(surveys) == []


def spoil(surveys, *path, value):
    place = surveys
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value


SICK = [
    (("db2", "cluster", "running"), False, "db2: pacemaker does not run"),
    (("db1", "cluster", "quorum"), False, "db1: the cluster has no quorum"),
    (("db1", "cluster", "maintenance"), True, "db1: the cluster is in maintenance mode"),
    (("db2", "cluster", "nodes", "db1", "online"), False, "db2 sees db1 offline"),
    (("db1", "cluster", "nodes", "db2", "standby"), True, "db1 sees db2 in state standby"),
    (("db1", "cluster", "nodes", "db2", "unclean"), True, "db1 sees db2 in state unclean"),
    (("db1", "storage", "status", "up_to_date"), False, "db1: DRBD is"),
    (("db2", "storage", "status"), {}, "db2: DRBD is not configured, not UpToDate"),
    (("db1", "database"), False, "the database answers on no node"),
    (("db2", "database"), True, "the database answers on db1 and db2"),
    (
        ("db1", "cluster", "failures"),
        [{"action": "p_fs_mysql_start_0", "node": "db2", "status": "error", "reason": "no path"}],
        "pacemaker does not start p_fs_mysql on db2, because its start failed there (no path)",
    ),
    (("db1", "cluster", "resources"), [], "fence device p_fence_db1 does not run"),
]


@pytest.mark.parametrize(("path", "value", "reason"), SICK)
def test_what_is_not_healthy_is_said(surveys, path, value, reason):
    spoil(surveys, *path, value=value)
    assert any(reason in found for found in operations.unhealthy(surveys))


def test_a_failed_device_does_not_count_as_running(surveys):
    surveys["db1"]["cluster"]["resources"][1]["failed"] = True
    (reason,) = operations.unhealthy(surveys)
    assert "p_fence_db2" in reason


def test_the_standby_is_shot_first_and_each_level_alone(surveys):
    for name in surveys:
        surveys[name]["settings"]["fencing"]["levels"]["db1"].append({"level": 2, "devices": ["a", "b"]})
    assert operations.shots(surveys) == [
        operations.Shot("db2", 1, ("p_fence_db2",)),
        operations.Shot("db1", 1, ("p_fence_db1",)),
        operations.Shot("db1", 2, ("a", "b")),
    ]
    assert operations.shots(surveys, "db2") == [operations.Shot("db2", 1, ("p_fence_db2",))]


def test_without_devices_or_with_an_unknown_node_there_is_nothing_to_shoot(surveys):
    with pytest.raises(Refused, match="no node 'db3'"):
        operations.shots(surveys, "db3")
    surveys["db1"]["settings"]["fencing"]["levels"] = {}
    with pytest.raises(Refused, match="no fence devices"):
        operations.shots(surveys)


@pytest.mark.parametrize("given", [None, "", "galaxy", "yes", "GALAXY-DB"])
def test_only_the_clusters_own_name_confirms(given):
    with pytest.raises(Refused, match="confirm=galaxy-db"):
        operations.confirmed("galaxy-db", given, "It will hurt.")


def test_the_clusters_name_confirms():
    operations.confirmed("galaxy-db", "galaxy-db", "It will hurt.")
