"""The operation "adopt": what forbids it, the order of what is asked, what it tells, and what a run that was cut off leaves."""

from __future__ import annotations

import pytest
from test_phase_switchover import Whole

from hamysql import pending
from hamysql.errors import HamysqlError, Refused
from hamysql.master import progress
from hamysql.master.adoption import operation
from hamysql.pending import Pending

RENAMED = {"kind": "renamed", "id": "p_fs_mysql", "old": "fs_mysql", "new": "p_fs_mysql"}
CHANGED = {"kind": "changed", "id": "p_mysql", "old": "op monitor timeout=44s", "new": "op monitor timeout=10s"}


class Foreign(Whole):
    """A cluster that somebody else has built, and that is whole; db2 serves, db1 is the controller."""

    def __init__(self):
        super().__init__()
        self.state, self.problems, self.interrupting, self.gate = "foreign", [], [], []
        for seen in self.surveys.values():
            seen["facts"]["foreign"] = "pacemaker's configuration has fs_mysql"
        self.answers |= {
            "hamysql_adopt.planned": self.planned,
            "hamysql_adopt.hold": self.hold,
            "hamysql_adopt.prepare": lambda minion: {"done": ["/etc/drbd.conf is /etc/drbd.conf.before-hamysql now"]},
            "hamysql_adopt.record": True,
            "hamysql_adopt.exchange": self.exchange,
            "hamysql_node.spare_foreign": self.spare,
            "state.apply": {},
        }

    def planned(self, minion):
        foreign = self.state in ("foreign", "begun")
        return {
            "state": self.state,
            "problems": self.problems,
            "changes": [RENAMED, CHANGED] if foreign else [],
            "actions": ["start p_fence_db1 on db2", *self.interrupting] if foreign else [],
            "interrupting": self.interrupting,
        }

    def hold(self, minion):
        self.state = "begun"
        for seen in self.surveys.values():
            seen["cluster"]["maintenance"] = True
        return True

    def exchange(self, minion):
        self.state = "done"
        for seen in self.surveys.values():
            seen["cluster"]["maintenance"] = False
        return ["renamed p_fs_mysql, which was fs_mysql"]

    def spare(self, minion):
        if self.gate:
            raise HamysqlError(self.gate.pop())
        return True


def run(cluster, deploy, confirm=None, **options):
    """All phases, in their order."""
    deployment = deploy(cluster, **options)
    phases = (
        lambda: operation.check(deployment, confirm),
        lambda: operation.hold(deployment),
        lambda: operation.lay(deployment),
        lambda: operation.exchange(deployment, 900),
    )
    return [phase() for phase in phases]


def verbs(cluster):
    looks = ("hamysql_adopt.planned", "hamysql_cib.interventions", "hamysql_node.spare_foreign")
    return [name for name in cluster.functions if name not in looks and not name.startswith("hamysql_tracer")]


def test_it_is_held_before_a_file_is_laid_and_exchanged_after(deploy):
    cluster = Foreign()
    checked, held, laid, exchanged = run(cluster, deploy)
    assert "db2 serves" in checked[1]
    assert held == ({"held": ["maintenance mode"]}, "pacemaker is held, by db1: it does nothing, and what runs goes on")
    assert laid[0]["db1"]["hamysql-adopt-prepared"] == ["/etc/drbd.conf is /etc/drbd.conf.before-hamysql now"]
    assert exchanged[0] == {"exchanged": ["renamed p_fs_mysql, which was fs_mysql"]}
    assert "db2 served all the time; longest write gap 2.5 s" in exchanged[1]
    assert verbs(cluster) == [
        "hamysql_adopt.hold",
        *("hamysql_adopt.prepare", "state.apply", "hamysql_adopt.record"),
        *("hamysql_adopt.exchange", "hamysql_mysql.wait_answering", "hamysql_rolling.wait_whole"),
    ]
    ((_, before, asked),) = cluster.checkpoints
    assert before == "a takeover"
    assert "hamysql_adopt.hold" not in cluster.functions[:asked]
    assert {
        on for function, on, _ in cluster.asked if function in ("hamysql_adopt.hold", "hamysql_adopt.exchange")
    } == {("db1",)}
    assert cluster.events[-1]["state"] == "finished"


def test_it_is_shown_before_and_nothing_is_changed(deploy):
    cluster = Foreign()
    live = Pending(pending.LIVE, pending.MYSQL, "hamysql:mysql:config:mysqld:max_connections", "151", "300")
    later = Pending(pending.RESTART, pending.COROSYNC, "hamysql:corosync:options:totem:threads", "0", "1")
    for seen in cluster.surveys.values():
        seen["pending"] = [live.as_dict(), later.as_dict()]
    checked, held, laid, exchanged = run(cluster, deploy, test=True)
    assert (
        "waits: db1, db2: hamysql:corosync:options:totem:threads: 0 -> 1, when this node's cluster services"
        in checked[1]
    )
    assert held[0]["held"][0].startswith("~ maintenance mode begins")
    assert laid[0]["laid"][0].startswith("~ db1, db2: hamysql:mysql:config:mysqld:max_connections: 151 -> 300")
    assert exchanged[0] == {
        "exchanged": ["~ fs_mysql is called p_fs_mysql from then on", "~ p_mysql: op monitor timeout 44s -> 10s"]
    }
    assert "p_fence_db1 starts on db2" in exchanged[1]
    assert verbs(cluster) == []
    assert cluster.checkpoints == []


def test_all_that_forbids_it_is_told(deploy):
    cluster = Foreign()
    cluster.problems, cluster.interrupting = ["ip_mysql has ip 10.0.0.1"], ["restart p_mysql on db2"]
    cluster.interventions = ["node db1 is in standby"]
    cluster.surveys["db1"]["storage"]["status"]["up_to_date"] = False
    cluster.surveys["db2"]["pending"] = [
        Pending(pending.REFUSED, pending.COROSYNC, "hamysql:cluster:name", "a", "b", "no").as_dict()
    ]
    with pytest.raises(Refused) as raised:
        operation.check(deploy(cluster), None)
    told = str(raised.value)
    assert told.startswith("the cluster is not taken over while this is so:\n")
    for line in ("ip_mysql has ip", "pacemaker would restart p_mysql", "db1 is in standby", "hamysql:cluster:name"):
        assert line in told
    assert verbs(cluster) == []


def test_where_nodes_are_not_fenced_it_waits_for_a_word(deploy):
    cluster = Foreign()
    for seen in cluster.surveys.values():
        seen["settings"]["fencing"]["enabled"] = False
    with pytest.raises(Refused, match=r'no fence devices(.|\n)*"hamysql_confirm": "galaxy-db"'):
        operation.check(deploy(cluster), None)
    operation.check(deploy(cluster), "galaxy-db")
    _, said = operation.check(deploy(cluster, test=True), None)
    assert "WARNING: The pillar has no fence devices" in said


def test_both_nodes_have_to_know_before_a_file_is_laid(deploy, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    cluster = Foreign()
    cluster.gate = ["a cluster that hamysql has not made"]
    run(cluster, deploy)
    first = cluster.functions.index("hamysql_adopt.prepare")
    assert cluster.functions[:first].count("hamysql_node.spare_foreign") > 1


@pytest.mark.parametrize(
    ("state", "done"),
    [
        ("begun", ["hamysql_adopt.prepare", "state.apply", "hamysql_adopt.record", "hamysql_adopt.exchange"]),
        ("exchanged", ["hamysql_adopt.prepare", "state.apply", "hamysql_adopt.record", "hamysql_adopt.exchange"]),
        ("done", []),
    ],
)
def test_a_run_that_was_cut_off_is_gone_on_with(deploy, state, done):
    cluster = Foreign()
    cluster.state = state
    for seen in cluster.surveys.values():
        seen["cluster"]["maintenance"] = state != "done"
    run(cluster, deploy)
    assert [name for name in verbs(cluster) if "wait" not in name] == done
    assert cluster.checkpoints == [], "the first run has made it"


def test_it_is_told_where_the_service_is_not_where_it_was(deploy):
    cluster = Foreign()
    exchange = cluster.exchange

    def moved(minion):
        for name, seen in cluster.surveys.items():
            seen["database"] = name == "db1"
        return exchange(minion)

    cluster.answers["hamysql_adopt.exchange"] = moved
    with pytest.raises(HamysqlError, match="does not run on db2 any more"):
        run(cluster, deploy)


def test_each_phase_has_its_words():
    assert list(progress.ORDERS["adopt"]) == ["checked", "held", "laid", "exchanged"]
