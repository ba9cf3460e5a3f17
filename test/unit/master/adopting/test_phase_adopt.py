"""The operation "adopt": what forbids it, the order of what is asked, what waits for a restart, and what a run that was cut off leaves."""

from __future__ import annotations

import pytest
from answering import Cluster, fails

from hamysql.errors import HamysqlError, Refused
from hamysql.master.adopting import takeover

CHANGE = {"kind": "changed", "id": "p_mysql", "old": "op monitor timeout=44s", "new": "op monitor timeout=10s"}
SEEN = {"acknowledged": 40, "number": 41, "failed": 0, "gap": 0.2, "at": 0.0, "began": 0.0, "last": ""}
RESTART = {"kind": "restart", "scope": "mysql", "path": "hamysql:mysql:config:mysqld:x", "old": "1", "new": "2"}


class Foreign(Cluster):
    """A cluster that somebody else has built; db2 serves, db1 is the controller."""

    def __init__(self):
        super().__init__()
        self.ours = self.begun = self.held = False
        self.problems, self.interruptions, self.interventions = {"db1": [], "db2": []}, [], []
        for seen in self.surveys.values():
            seen["facts"]["foreign"] = "pacemaker's configuration has p_mysql"
            seen["storage"]["latch"] = None
        self.answers |= {
            "hamysql_adopt.standing": self.standing,
            "hamysql_adopt.begin": lambda _: self.set(begun=True),
            "hamysql_adopt.hold": self.hold,
            "hamysql_adopt.keep": True,
            "hamysql_adopt.settle": ["/etc/drbd.conf leaves mysql to /etc/drbd.d/mysql.res"],
            "hamysql_adopt.exchange": self.exchange,
            "hamysql_adopt.release": lambda _: self.set(held=False),
            "hamysql_adopt.finish": lambda _: self.set(begun=False),
            "hamysql_cib.interventions": lambda _: self.interventions,
            "hamysql_mysql.wait_answering": True,
            "hamysql_rolling.wait_whole": True,
            "hamysql_tracer.start": lambda minion, limit: f"*{minion}",
            "hamysql_tracer.admit": True,
            "hamysql_tracer.go": SEEN,
            "hamysql_tracer.stop": lambda _: SEEN,
            "hamysql_tracer.forget": lambda _: {"db1": 41, "db2": 41},
        }

    def set(self, **values):
        vars(self).update(values)
        return []

    def standing(self, minion, outcome=True):
        told = {"renamed": ["fs becomes p_fs_mysql"], "changes": [CHANGE], "actions": ["start p_fence_db1 on db2"]}
        told |= {"interruptions": self.interruptions}
        nothing = {"renamed": [], "changes": [], "actions": [], "interruptions": []}
        state = {"ours": self.ours, "begun": self.begun, "held": self.held, "fencing": ""}
        return {**state, "problems": self.problems[minion], **(told if outcome and not self.ours else nothing)}

    def hold(self, minion):
        self.held = True
        for seen in self.surveys.values():
            seen["cluster"]["maintenance"] = True
        return True

    def exchange(self, minion):
        assert self.held
        self.held, self.ours = False, True
        for seen in self.surveys.values():
            seen["cluster"]["maintenance"] = False
        return self.standing(minion) | {"renamed": ["fs becomes p_fs_mysql"], "changes": [CHANGE]}


def verbs(cluster):
    looks = ("hamysql_adopt.standing", "hamysql_cib.interventions")
    return [name for name in cluster.functions if name not in looks and not name.startswith("hamysql_tracer")]


ALL = [
    *("hamysql_adopt.begin", "hamysql_adopt.hold", "hamysql_adopt.keep", "state.apply", "hamysql_adopt.settle"),
    *("hamysql_adopt.exchange", "hamysql_adopt.finish", "hamysql_mysql.wait_answering", "hamysql_rolling.wait_whole"),
]


def test_files_come_while_pacemaker_is_held_and_then_the_configuration_is_exchanged(deploy):
    cluster = Foreign()
    deployment = deploy(cluster)
    _, said = takeover.check(deployment)
    assert said == "the cluster is whole, the pillar describes it, and db2 serves\nnothing waits for a restart"
    changes, said = takeover.take(deployment, 900)
    assert verbs(cluster) == ALL
    assert changes["resources"] == ["fs becomes p_fs_mysql", "~ p_mysql: op monitor timeout 44s -> 10s"]
    assert said.startswith("the cluster is hamysql's, and db2 serves as before; longest write gap 0.2 s")
    on = {function: nodes for function, nodes, _ in cluster.asked}
    assert on["hamysql_adopt.exchange"] == on["hamysql_adopt.hold"] == ("db1",)
    assert on["hamysql_adopt.settle"] == ("db1", "db2")
    assert cluster.events[-1]["state"] == "finished"


def test_run_again_it_changes_nothing(deploy):
    cluster = Foreign()
    cluster.ours = True
    deployment = deploy(cluster)
    assert takeover.check(deployment)[1] == "the cluster is hamysql's already"
    changes, said = takeover.take(deployment, 900)
    assert (changes, verbs(cluster)) == ({}, [])
    assert "nothing was changed" in said


def test_what_waits_for_a_restart_is_named_and_left_to_the_next_deployment(deploy):
    cluster = Foreign()
    cluster.surveys["db2"]["pending"] = [{**RESTART, "advice": ""}]
    deployment = deploy(cluster)
    _, said = takeover.check(deployment)
    assert "this waits for a restart, which the next deployment makes" in said
    assert "db2: hamysql:mysql:config:mysqld:x: 1 -> 2" in said
    assert "hamysql:mysql:config:mysqld:x" in takeover.take(deployment, 900)[1]
    assert not {"hamysql_rolling.restart", "hamysql_cib.move"} & set(cluster.functions)


def test_it_is_shown_before_and_nothing_is_touched(deploy):
    cluster = Foreign()
    deployment = deploy(cluster, test=True)
    takeover.check(deployment)
    changes, said = takeover.take(deployment, 900)
    assert changes == {"resources": ["~ fs becomes p_fs_mysql", "~ p_mysql: op monitor timeout 44s -> 10s"]}
    assert "p_fence_db1 starts on db2" in said
    assert verbs(cluster) == ["state.apply"]
    ((_, _, arguments),) = [asked for asked in cluster.asked if asked[0] == "state.apply"]
    assert (arguments["test"], arguments["pillar"]) == (True, {"hamysql_adopting": True})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda cluster: cluster.problems.update(db2=["the pillar has another VIP"]),
            "db2: the pillar has another VIP",
        ),
        (lambda cluster: cluster.set(interruptions=["stop p_mysql on db2"]), "pacemaker would stop p_mysql on db2"),
        (lambda cluster: cluster.set(interventions=["node db1 is in standby"]), "node db1 is in standby"),
        (lambda cluster: cluster.surveys["db1"]["storage"]["status"].update(up_to_date=False), "db1: "),
        (lambda cluster: cluster.surveys["db1"]["cluster"].update(maintenance=True), "in maintenance mode"),
        (lambda cluster: cluster.surveys["db2"].update(database=False), "the database answers on no node"),
        (
            lambda cluster: cluster.surveys["db1"].update(
                pending=[{**RESTART, "kind": "refused", "advice": "keep it"}]
            ),
            "it cannot be changed in place: db1: hamysql:mysql:config:mysqld:x",
        ),
        (lambda cluster: cluster.surveys["db1"]["facts"].update(nodename="other"), "'other' as `uname -n`"),
    ],
)
def test_what_forbids_it_is_told_and_nothing_is_touched(deploy, change, said):
    cluster = Foreign()
    change(cluster)
    with pytest.raises(Refused, match="the cluster is not taken over while this is so") as raised:
        takeover.check(deploy(cluster))
    assert said in str(raised.value)
    assert verbs(cluster) == []


def test_where_pacemaker_runs_nowhere_there_is_nothing_to_take_over(deploy):
    cluster = Foreign()
    for seen in cluster.surveys.values():
        seen["cluster"]["running"] = False
    with pytest.raises(Refused, match="pacemaker runs on no node"):
        takeover.check(deploy(cluster))


@pytest.mark.parametrize("verb", ["hamysql_adopt.keep", "state.apply", "hamysql_adopt.settle"])
def test_where_the_files_fail_pacemaker_acts_again(deploy, verb):
    cluster = Foreign()
    cluster.answers[verb] = fails("no space left")
    with pytest.raises(HamysqlError, match="no space left"):
        takeover.take(deploy(cluster), 900)
    assert not cluster.held
    assert cluster.begun, "a deployment is refused until it has ended"
    assert "hamysql_adopt.exchange" not in cluster.functions


def test_a_run_that_was_cut_off_while_pacemaker_was_held_goes_on(deploy):
    cluster = Foreign()
    cluster.begun = True
    cluster.hold("db1")
    cluster.interventions = ["the whole cluster has maintenance-mode=true"]
    deployment = deploy(cluster)
    assert "a takeover was begun and goes on" in takeover.check(deployment)[1]
    takeover.take(deployment, 900)
    assert verbs(cluster) == ALL[2:]


def test_a_run_that_was_cut_off_at_its_end_is_ended(deploy):
    cluster = Foreign()
    cluster.ours = cluster.begun = True
    deployment = deploy(cluster)
    assert "the end of its takeover is left" in takeover.check(deployment)[1]
    changes, _ = takeover.take(deployment, 900)
    assert (changes, verbs(cluster)) == ({}, ALL[6:])


def test_a_service_that_has_moved_meanwhile_is_told(deploy):
    cluster = Foreign()

    def exchange(minion):
        cluster.surveys["db1"]["database"], cluster.surveys["db2"]["database"] = True, False
        return cluster.exchange(minion)

    cluster.answers["hamysql_adopt.exchange"] = exchange
    with pytest.raises(HamysqlError, match="the database serves on db1, and not on db2 any more"):
        takeover.take(deploy(cluster), 900)
