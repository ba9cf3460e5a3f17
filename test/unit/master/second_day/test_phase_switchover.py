"""The operation "switchover": what forbids it, the order of what is asked, what it tells, and what a run that was cut off leaves."""

from __future__ import annotations

import pytest
from answering import Cluster, fails

from hamysql.errors import HamysqlError, Refused
from hamysql.master import progress
from hamysql.master.second_day import switchover

SEEN = {"acknowledged": 40, "number": 41, "failed": 2, "gap": 2.5, "at": 0.0, "began": 0.0, "last": ""}


class Whole(Cluster):
    """A cluster that is whole; db2 serves."""

    def __init__(self):
        super().__init__()
        self.interventions, self.kept = [], {"db1": 41, "db2": 41}
        for seen in self.surveys.values():
            seen["settings"]["fencing"]["levels"] = {}
        self.answers = {
            "hamysql_cib.interventions": lambda _: self.interventions,
            "hamysql_rolling.settle": True,
            "hamysql_tracer.start": lambda minion, limit: f"*{minion}",
            "hamysql_tracer.admit": True,
            "hamysql_tracer.go": SEEN,
            "hamysql_tracer.stop": lambda minion: SEEN if minion == "db2" else {**SEEN, "gap": 1.25},
            "hamysql_tracer.forget": lambda _: self.kept,
            "hamysql_cib.move": self.move,
            "hamysql_mysql.wait_answering": True,
            "hamysql_rolling.wait_whole": True,
        }

    def move(self, minion, node, timeout=0):
        for name, seen in self.surveys.items():
            seen["database"] = name == node
        return True


def test_the_service_moves_between_writers_and_the_gap_is_told(deploy):
    cluster = Whole()
    deployment = deploy(cluster)
    switchover.check(deployment, "db1")
    changes, said = switchover.move(deployment, "db1", 900)
    assert changes == {"service": ["moved from db2 to db1"]}
    assert "longest write gap 2.5 s (1.2 s from db1, 2.5 s from db2); 80 writes were acknowledged" in said
    assert cluster.functions == [
        "hamysql_cib.interventions",
        *("hamysql_tracer.start", "hamysql_tracer.admit", "hamysql_tracer.go"),
        *("hamysql_cib.move", "hamysql_mysql.wait_answering", "hamysql_rolling.wait_whole"),
        *("hamysql_tracer.stop", "hamysql_tracer.forget"),
    ]
    asked = {function: (on, arguments) for function, on, arguments in cluster.asked}
    assert asked["hamysql_tracer.admit"] == (("db2",), {"hashes": {"db1": "*db1", "db2": "*db2"}})
    assert asked["hamysql_cib.move"] == (("db2",), {"node": "db1", "timeout": 900})
    assert asked["hamysql_tracer.forget"][0] == ("db1",)
    assert cluster.events[-1]["state"] == "finished"


@pytest.mark.parametrize("node", [None, "db3"])
def test_a_node_has_to_be_named(deploy, node):
    with pytest.raises(Refused, match=r"the nodes are db1 and db2, and db2 serves.*hamysql_to"):
        switchover.check(deploy(Whole()), node)


def test_all_that_is_wrong_is_told_and_nothing_is_asked_to_move(deploy):
    cluster = Whole()
    cluster.surveys["db1"]["cluster"]["nodes"]["db1"]["standby"] = True
    cluster.interventions = ["node db1 is in standby; `crm node online db1` ends it"]
    with pytest.raises(Refused) as caught:
        switchover.check(deploy(cluster), "db1")
    assert "state standby" in str(caught.value)
    assert "crm node online db1" in str(caught.value)
    assert "hamysql_cib.move" not in cluster.functions


def test_where_no_cluster_runs_nothing_is_waited_for(deploy):
    cluster = Whole()
    for seen in cluster.surveys.values():
        seen["cluster"]["running"] = seen["database"] = False
    with pytest.raises(Refused, match="db1: pacemaker does not run"):
        switchover.check(deploy(cluster), "db1")
    assert cluster.functions == []


def test_what_passes_by_itself_is_waited_for(deploy):
    """A run that was killed has left pacemaker at work."""
    cluster = Whole()
    cluster.surveys["db2"]["database"] = False

    def settled(_, timeout):
        cluster.surveys["db2"]["database"] = True
        return True

    cluster.answers["hamysql_rolling.settle"] = settled
    switchover.check(deploy(cluster), "db1")


def test_run_again_where_it_serves_already_it_only_tidies_up(deploy):
    cluster = Whole()
    cluster.interventions = ["node db1 is in standby"]  # of no concern: nothing is moved
    deployment = deploy(cluster)
    switchover.check(deployment, "db2")
    assert switchover.move(deployment, "db2", 900) == ({}, "db2 serves already: nothing was moved")
    assert cluster.functions == ["hamysql_cib.move", "hamysql_tracer.stop", "hamysql_tracer.forget"]


def test_it_is_shown_before(deploy):
    cluster = Whole()
    deployment = deploy(cluster, test=True)
    switchover.check(deployment, "db1")
    changes, _ = switchover.move(deployment, "db1", 900)
    assert changes == {"service": ["~ the service moves from db2 to db1; a client on each node measures the write gap"]}
    assert cluster.functions == ["hamysql_cib.interventions"]


def test_it_moves_without_a_measure_where_there_can_be_none(deploy):
    cluster = Whole()
    cluster.answers["hamysql_tracer.go"] = fails("ERROR 1045: Access denied")
    deployment = deploy(cluster)
    changes, said = switchover.move(deployment, "db1", 900)
    assert changes
    assert "was not measured" in said
    assert "Access denied" in said
    assert cluster.functions.index("hamysql_tracer.forget") < cluster.functions.index("hamysql_cib.move")


def test_a_write_that_was_acknowledged_and_is_not_there_is_an_error(deploy):
    cluster = Whole()
    cluster.kept = {"db1": 41, "db2": 39}
    with pytest.raises(HamysqlError, match=r"writes are lost .* on db2"):
        switchover.move(deploy(cluster), "db1", 900)


def test_the_writers_go_where_the_move_fails(deploy):
    cluster = Whole()
    cluster.answers["hamysql_cib.move"] = fails("waited 900 s")
    with pytest.raises(HamysqlError, match="waited 900 s"):
        switchover.move(deploy(cluster), "db1", 900)
    assert cluster.functions[-2:] == ["hamysql_tracer.stop", "hamysql_tracer.forget"]


def test_each_phase_has_its_words():
    assert list(progress.ORDERS["switchover"]) == ["checked", "moved"]


def older(cluster, node):
    """A node whose database is of an older series than the other one's."""
    for name, seen in cluster.surveys.items():
        version = "1:10.11.6-0+deb12u1" if name == node else "1:11.8.3-0+deb13u1"
        seen["facts"]["packages"] = {**seen["facts"]["packages"], "mariadb-server": version}


def test_after_the_move_to_a_newer_series_the_server_s_own_tables_are_upgraded_at_once(deploy):
    cluster = Whole()
    older(cluster, "db2")
    cluster.answers["hamysql_update.tables"] = lambda minion: {"db1": "mariadb-upgrade"}[minion]
    deployment = deploy(cluster)
    switchover.check(deployment, "db1")
    changes, said = switchover.move(deployment, "db1", 900)
    assert changes == {"service": ["moved from db2 to db1"], "database": ["mariadb-upgrade on db1"]}
    assert "mariadb-upgrade has run on db1" in said
    assert cluster.functions[-1] == "hamysql_update.tables"


def test_run_again_after_a_move_that_was_cut_off_they_are_upgraded_as_well(deploy):
    cluster = Whole()
    older(cluster, "db1")
    cluster.answers["hamysql_update.tables"] = "mariadb-upgrade"
    changes, _ = switchover.move(deploy(cluster), "db2", 900)
    assert changes == {"database": ["mariadb-upgrade on db2"]}


def test_the_service_does_not_go_back_to_an_older_series(deploy):
    cluster = Whole()
    older(cluster, "db1")
    with pytest.raises(Refused, match=r"db1 cannot take over: it has mariadb-server 10\.11, and db2 serves with 11\.8"):
        switchover.check(deploy(cluster), "db1")
    assert "hamysql_cib.move" not in cluster.functions
