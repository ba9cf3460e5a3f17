"""The phase "changes": the order of what is asked, and what ends it before a node is touched."""

from __future__ import annotations

import pytest
from answering import Cluster, fails

from hamysql.errors import NotReady
from hamysql.master.members import NoAnswer
from hamysql.master.orchestration import restarts
from hamysql.pending import COROSYNC, MYSQL, RESTART, Pending

STACK = Pending(RESTART, COROSYNC, "hamysql:corosync:options:totem:token", "1000", "2000")
OPTION = Pending(RESTART, MYSQL, "hamysql:mysql:config:mysqld:port", "3306", "3307")
FIRST = "restart the cluster services of db1: it has to take over hamysql:corosync:options:totem:token"
OVER = "switch the service over to db1: db2 has to change hamysql:corosync:options:totem:token"
LAST = "restart the cluster services of db2: it has to take over hamysql:corosync:options:totem:token"


class Rolling(Cluster):
    """db2 is active, and both have something to take over, which they do."""

    def __init__(self, *pending):
        super().__init__()
        for seen in self.surveys.values():
            there = [item for item in pending if item.scope != MYSQL or seen["database"]]
            seen["pending"] = [item.as_dict() for item in there]
        self.answers = {
            "hamysql_rolling.settle": True, "hamysql_cib.interventions": [], "hamysql_rolling.restart": self.restart,
            "hamysql_rolling.check_options": True, "hamysql_cib.move": self.move, "hamysql_rolling.wait_whole": True,
        }  # fmt: skip

    def restart(self, minion):
        assert not self.surveys[minion]["database"]
        self.surveys[minion]["pending"] = []
        return True

    def move(self, minion, node):
        left = [item for item in self.surveys[minion]["pending"] if item["scope"] != MYSQL]
        self.surveys[minion] |= {"database": False, "pending": left}
        self.surveys[node]["database"] = True
        return True


def test_nothing_pending_is_no_question(deploy):
    cluster = Rolling()
    assert restarts.roll(deploy(cluster), 1800) == ({}, "nothing waits for a restart")
    assert cluster.asked == []


def test_the_standby_the_switchover_and_the_other_node(deploy):
    cluster = Rolling(STACK)
    assert restarts.roll(deploy(cluster), 1800) == ({"changes": [FIRST, OVER, LAST]}, "; ".join([FIRST, OVER, LAST]))
    look = ("hamysql_cib.interventions", ("db1",), {})
    whole = {"nodes": ["db1", "db2"], "timeout": 1800}
    assert cluster.asked == [
        ("hamysql_rolling.settle", ("db1",), {}),
        look,
        ("hamysql_rolling.restart", ("db1",), {}),
        ("hamysql_rolling.wait_whole", ("db1",), whole),
        look,
        ("hamysql_rolling.check_options", ("db1",), {}),
        ("hamysql_cib.move", ("db2",), {"node": "db1"}),
        ("hamysql_rolling.wait_whole", ("db1",), whole),
        look,
        ("hamysql_rolling.restart", ("db2",), {}),
        ("hamysql_rolling.wait_whole", ("db2",), whole),
    ]
    assert cluster.said == [FIRST, OVER, LAST]


def test_a_database_s_option_is_a_switchover_alone(deploy):
    cluster = Rolling(OPTION)
    changes, _ = restarts.roll(deploy(cluster), 1800)
    assert changes == {"changes": [OVER.replace(STACK.path, OPTION.path)]}
    assert "hamysql_rolling.restart" not in cluster.functions


def test_what_an_earlier_phase_changed_is_looked_at_again(deploy):
    cluster = Rolling()
    deployment = deploy(cluster, changed=3)
    assert deployment.survey()["db1"]["pending"] == []
    cluster.surveys["db2"] = {**cluster.surveys["db2"], "pending": [OPTION.as_dict()]}
    changes, _ = restarts.roll(deployment, 1800)
    assert len(changes["changes"]) == 1


def test_a_plan_is_told_and_nobody_is_asked(deploy):
    cluster = Rolling(STACK)
    assert restarts.roll(deploy(cluster, test=True), 1800) == ({"changes": [FIRST, OVER, LAST]}, "3 steps planned")
    assert cluster.asked == []


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda seen: seen["cluster"].update(quorum=False), "db1: the cluster has no quorum"),
        (lambda seen: seen["cluster"]["nodes"]["db2"].update(unclean=True), "db1 sees db2 unclean"),
        (lambda seen: seen["storage"].update(status={}), "db1: DRBD is not configured, not UpToDate/UpToDate"),
        (lambda seen: seen.update(database=True), "there is not exactly one node whose database answers"),
    ],
)
def test_a_cluster_that_is_not_whole_is_left_alone(deploy, spoil, reason):
    cluster = Rolling(STACK)
    spoil(cluster.surveys["db1"])
    with pytest.raises(NotReady) as caught:
        restarts.roll(deploy(cluster), 1800)
    assert f"and nothing is restarted because:\n  - {reason}\n" in str(caught.value)
    assert caught.value.changes == {}
    assert cluster.functions == ["hamysql_rolling.settle", "hamysql_cib.interventions"]


def test_a_manual_intervention_between_two_steps_ends_it_there(deploy):
    cluster = Rolling(STACK)
    hands = iter([[], ["node db2 is in standby; `crm_standby --node db2 --delete` ends it"]])
    cluster.answers["hamysql_cib.interventions"] = lambda minion: next(hands)
    with pytest.raises(NotReady, match="node db2 is in standby") as caught:
        restarts.roll(deploy(cluster), 1800)
    assert caught.value.changes == {"changes": [FIRST]}
    assert cluster.functions.count("hamysql_rolling.restart") == 1
    assert "hamysql_cib.move" not in cluster.functions


def test_options_that_the_server_does_not_accept_keep_the_service_where_it_is(deploy):
    cluster = Rolling(OPTION)
    cluster.answers["hamysql_rolling.check_options"] = fails("unknown variable 'prot=3307'")
    with pytest.raises(NoAnswer, match="unknown variable") as caught:
        restarts.roll(deploy(cluster), 1800)
    assert caught.value.changes == {}
    assert "hamysql_cib.move" not in cluster.functions


@pytest.mark.parametrize("function", ["hamysql_rolling.restart", "hamysql_rolling.wait_whole"])
def test_a_node_that_does_not_come_back_ends_it(deploy, function):
    cluster = Rolling(STACK)
    cluster.answers[function] = fails("it did not come back")
    with pytest.raises(NoAnswer, match="it did not come back"):
        restarts.roll(deploy(cluster), 1800)
    assert "hamysql_cib.move" not in cluster.functions


def test_pacemaker_that_does_not_settle_is_waited_for_first(deploy):
    cluster = Rolling(STACK)
    cluster.answers["hamysql_rolling.settle"] = fails("it did not end in time")
    with pytest.raises(NoAnswer, match="it did not end in time"):
        restarts.roll(deploy(cluster), 1800)
    assert cluster.functions == ["hamysql_rolling.settle"]


def test_what_a_restart_does_not_cure_is_not_tried_for_ever(deploy):
    cluster = Rolling(STACK)
    cluster.answers["hamysql_rolling.restart"] = True
    with pytest.raises(NotReady, match="it is still pending after a restart") as caught:
        restarts.roll(deploy(cluster), 1800)
    assert caught.value.changes == {"changes": [FIRST] * 4}
    assert cluster.functions.count("hamysql_rolling.restart") == 4
