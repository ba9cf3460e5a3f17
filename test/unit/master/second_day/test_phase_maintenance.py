"""The operation "maintenance": drained and taken back, in each state in which a run that was killed can have left the cluster."""

from __future__ import annotations

import pytest
from test_phase_switchover import Whole

from hamysql.errors import Refused
from hamysql.master import progress
from hamysql.master.second_day import maintenance

WHEN = "2026-01-31 10:00:00Z"


class Maintained(Whole):
    """A cluster that is whole, with db2 serving, and what its configuration knows of maintenance."""

    def __init__(self):
        super().__init__()
        self.since, self.others = {}, []
        self.answers |= {
            "hamysql_maintenance.state": lambda _: {"since": dict(self.since), "others": self.others},
            "hamysql_maintenance.begin": self.begin,
            "hamysql_maintenance.end": self.end,
            "hamysql_cluster.start": self.started,
            "hamysql_cluster.wait_online": {},
        }

    def begin(self, minion, node, timeout):
        assert not self.surveys[node]["database"], "it still serves"
        assert minion != node, "it may be about to be switched off"
        return self.since.setdefault(node, WHEN)

    def end(self, minion, node):
        return self.since.pop(node, None) is not None

    def started(self, minion):
        self.surveys[minion]["cluster"]["running"] = True
        return True


def verbs(cluster):
    """What was done, without what was only looked at."""
    looks = ("hamysql_maintenance.state", "hamysql_cib.interventions")
    return [name for name in cluster.functions if name not in looks and not name.startswith("hamysql_tracer")]


def test_the_standby_is_set_aside_and_nothing_moves(deploy):
    cluster = Maintained()
    deployment = deploy(cluster)
    maintenance.check_drain(deployment, "db1")
    changes, said = maintenance.drain(deployment, "db1", 900)
    assert changes == {"maintenance": [f"db1 is in maintenance since {WHEN}, and db2 serves alone"]}
    assert "longest write gap" in said
    assert verbs(cluster) == ["hamysql_maintenance.begin"]


def test_the_service_leaves_the_node_first(deploy):
    cluster = Maintained()
    deployment = deploy(cluster)
    maintenance.check_drain(deployment, "db2")
    changes, _ = maintenance.drain(deployment, "db2", 900)
    moved, aside = changes["maintenance"]
    assert moved.startswith("the service moved from db2 to db1")
    assert aside.startswith("db2 is in maintenance")
    assert verbs(cluster) == [
        *("hamysql_cib.move", "hamysql_mysql.wait_answering", "hamysql_rolling.wait_whole"),
        "hamysql_maintenance.begin",
    ]


def test_drained_already_it_says_so(deploy):
    """A run that was killed at its end; the node is in standby, which is no obstacle."""
    cluster = Maintained()
    cluster.since = {"db1": WHEN}
    cluster.surveys["db1"]["cluster"]["nodes"]["db1"]["standby"] = True
    deployment = deploy(cluster)
    _, checked = maintenance.check_drain(deployment, "db1")
    assert WHEN in checked
    changes, said = maintenance.drain(deployment, "db1", 900)
    assert changes == {}
    assert "drained already" in said


def test_the_last_node_stays(deploy):
    cluster = Maintained()
    cluster.since = {"db1": WHEN}
    with pytest.raises(Refused, match=f"db1 is in maintenance since {WHEN}"):
        maintenance.check_drain(deploy(cluster), "db2")


def test_nothing_is_drained_where_the_other_one_could_not_serve(deploy):
    cluster = Maintained()
    cluster.surveys["db1"]["storage"]["status"]["up_to_date"] = False
    with pytest.raises(Refused, match="nothing is moved while this is so"):
        maintenance.check_drain(deploy(cluster), "db2")
    assert "hamysql_maintenance.begin" not in cluster.functions


def test_it_is_shown_before(deploy):
    cluster = Maintained()
    changes, _ = maintenance.drain(deploy(cluster, test=True), "db2", 900)
    assert changes == {
        "maintenance": ["~ the service moves from db2 to db1", "~ db2 goes into standby, marked as in maintenance"]
    }
    cluster.since = {"db1": WHEN}
    changes, _ = maintenance.take_back(deploy(cluster, test=True), "db1", 900)
    assert changes == {"maintenance": [f"~ the standby of db1 ends, since {WHEN}"]}
    assert verbs(cluster) == []


def test_it_is_taken_back_when_it_has_booted_and_is_waited_for(deploy):
    cluster = Maintained()
    cluster.since = {"db1": WHEN}
    cluster.surveys["db1"]["cluster"]["running"] = False
    deployment = deploy(cluster)
    maintenance.check_return(deployment, "db1")
    changes, said = maintenance.take_back(deployment, "db1", 900)
    assert changes == {"maintenance": [f"db1 was taken back, from maintenance since {WHEN}"]}
    assert "the cluster is whole" in said
    assert verbs(cluster) == [
        *("hamysql_cluster.start", "hamysql_cluster.wait_online"),
        *("hamysql_maintenance.end", "hamysql_rolling.wait_whole"),
    ]


def test_taken_back_already_it_says_so(deploy):
    deployment = deploy(Maintained())
    changes, said = maintenance.take_back(deployment, "db1", 900)
    assert changes == {}
    assert "db1 was not in maintenance" in said


def test_what_somebody_else_has_left_keeps_it_out(deploy):
    cluster = Maintained()
    cluster.since, cluster.others = {"db1": WHEN}, ["cli-ban-g_mysql-on-db1: ..."]
    with pytest.raises(Refused, match=r"db1 is not taken back while this is so(.|\n)*cli-ban"):
        maintenance.check_return(deploy(cluster), "db1")


def test_nobody_knows_anything_where_pacemaker_runs_nowhere(deploy):
    cluster = Maintained()
    for seen in cluster.surveys.values():
        seen["cluster"]["running"] = False
    with pytest.raises(Refused, match="pacemaker runs on no node"):
        maintenance.check_return(deploy(cluster), "db1")


def test_one_of_the_two_has_to_be_said(deploy):
    with pytest.raises(Refused, match="hamysql_drain"):
        maintenance.refused(deploy(Maintained()))


def test_each_phase_has_its_words():
    assert list(progress.ORDERS["drain"]) == ["checked", "drained"]
    assert list(progress.ORDERS["return"]) == ["checked", "returned"]
