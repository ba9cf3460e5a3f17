"""The operation "undo": which node's checkpoint, what forbids it, what it tells, and what a run that was cut off leaves."""

from __future__ import annotations

import pytest
from test_phase_switchover import Whole

from hamysql.errors import HamysqlError, Refused
from hamysql.master import checkpoints, progress
from hamysql.master.members import Members
from hamysql.master.second_day import undo

OLD, NEW = "20260131T100000Z", "20260131T110000Z"
CHANGE = {"kind": "changed", "id": "p_mysql", "old": "op monitor timeout=44s", "new": "op monitor timeout=10s"}


def manifest(name, before="a deployment"):
    return {"name": name, "when": 1769853600.0, "job": "20260131100000000000", "before": before, "files": {}}


class Kept(Whole):
    """A cluster that is whole, with a change since its last checkpoint; db2 serves, db1 is the controller."""

    def __init__(self):
        super().__init__()
        self.names = {"db1": [NEW, OLD], "db2": [NEW]}
        self.changes, self.problems, self.begun = [CHANGE], [], False
        self.answers |= {
            "hamysql_checkpoint.list": lambda minion: [manifest(name) for name in self.names[minion]],
            "hamysql_checkpoint.diff": self.diff,
            "hamysql_checkpoint.restore": self.restore,
            "hamysql_checkpoint.show": lambda minion, name: {"/etc/corosync/corosync.conf": f"of {minion}, {name}\n"},
        }

    def diff(self, minion, name):
        seen = {"changes": self.changes, "actions": [], "problems": self.problems, "begun": self.begun}
        return {**seen, "actions": ["restart p_mysql on db2"] if self.changes else []}

    def restore(self, minion, name):
        self.changes, self.begun = [], False
        return self.diff(minion, name)


def verbs(cluster):
    looks = ("hamysql_checkpoint.list", "hamysql_checkpoint.diff", "hamysql_cib.interventions")
    return [name for name in cluster.functions if name not in looks and not name.startswith("hamysql_tracer")]


def test_it_is_put_back_between_writers_after_a_checkpoint_of_what_there_is(deploy):
    cluster = Kept()
    deployment = deploy(cluster)
    undo.check(deployment, OLD)
    changes, said = undo.restore(deployment, OLD, 900)
    assert changes == {"undo": ["~ p_mysql: op monitor timeout 44s -> 10s"]}
    assert said.startswith(f"1 changes were undone, by the checkpoint {OLD}; longest write gap")
    assert "The pillar still says otherwise" in said
    assert verbs(cluster) == [
        *("hamysql_checkpoint.restore", "hamysql_mysql.wait_answering", "hamysql_rolling.wait_whole")
    ]
    ((_, before, asked),) = cluster.checkpoints
    assert before == f"an undo to {OLD}"
    assert "hamysql_checkpoint.restore" not in cluster.functions[:asked]
    (on,) = [on for function, on, _ in cluster.asked if function == "hamysql_checkpoint.restore"]
    assert on == ("db1",), "the only node that has it"
    assert cluster.events[-1]["state"] == "finished"


def test_it_is_shown_before(deploy):
    cluster = Kept()
    deployment = deploy(cluster, test=True)
    undo.check(deployment, NEW)
    changes, said = undo.restore(deployment, NEW, 900)
    assert changes == {"undo": ["~ p_mysql: op monitor timeout 44s -> 10s"]}
    assert "p_mysql restarts on db2" in said
    assert verbs(cluster) == []
    assert cluster.checkpoints == []


def test_run_again_after_it_was_done_it_changes_nothing_and_keeps_nothing(deploy):
    cluster = Kept()
    cluster.changes = []
    deployment = deploy(cluster)
    undo.check(deployment, NEW)
    changes, said = undo.restore(deployment, NEW, 900)
    assert changes == {}
    assert "already" in said
    assert cluster.checkpoints == []
    assert "hamysql_tracer.forget" in cluster.functions


def test_a_run_that_was_cut_off_while_an_agent_changed_is_ended(deploy):
    """It has left maintenance mode, so the cluster is not whole, and nothing differs any more."""
    cluster = Kept()
    cluster.changes, cluster.begun = [], True
    for seen in cluster.surveys.values():
        seen["cluster"]["maintenance"] = True
    deployment = deploy(cluster)
    undo.check(deployment, NEW)
    undo.restore(deployment, NEW, 900)
    assert "hamysql_checkpoint.restore" in cluster.functions


@pytest.mark.parametrize("name", [None, "20200101T000000Z"])
def test_a_checkpoint_has_to_be_named(deploy, name):
    with pytest.raises(Refused, match=rf"say which checkpoint.*{NEW}, {OLD}.*hamysql_checkpoint"):
        undo.check(deploy(Kept()), name)


def test_there_may_be_none_yet(deploy):
    cluster = Kept()
    cluster.names = {"db1": [], "db2": []}
    with pytest.raises(Refused, match="no node has a checkpoint yet"):
        undo.check(deploy(cluster), None)


def test_a_cluster_that_is_not_whole_is_left_alone(deploy):
    cluster = Kept()
    cluster.surveys["db1"]["storage"]["status"]["up_to_date"] = False
    with pytest.raises(Refused, match="nothing is moved while this is so"):
        undo.check(deploy(cluster), NEW)
    assert verbs(cluster) == ["hamysql_rolling.settle"]


def test_all_that_forbids_it_is_told(deploy):
    cluster = Kept()
    cluster.problems = ["fencing was off then", "other data"]
    with pytest.raises(
        Refused, match=rf"the checkpoint {NEW} is not put back:\n  - fencing was off then\n  - other data"
    ):
        undo.check(deploy(cluster), NEW)


def test_nothing_runs_nothing_is_undone(deploy):
    cluster = Kept()
    for seen in cluster.surveys.values():
        seen["cluster"]["running"] = False
    with pytest.raises(Refused, match="pacemaker runs on no node"):
        undo.check(deploy(cluster), NEW)


def test_what_still_differs_is_told(deploy):
    cluster = Kept()
    cluster.answers["hamysql_checkpoint.restore"] = {}
    with pytest.raises(HamysqlError, match="still differs from the checkpoint"):
        undo.restore(deploy(cluster), NEW, 900)


def members(cluster):
    return Members("galaxy-db", {name: name for name in ("db1", "db2")}, cluster.call)


def test_they_are_listed_and_a_node_that_does_not_answer_is_named():
    cluster = Kept()
    first, second = checkpoints.lines(members(cluster))
    assert first == f"{NEW}: 2026-01-31 10:00:00Z, before a deployment, job 20260131100000000000, on db1 and db2"
    assert second.endswith("on db1")
    half = Members("galaxy-db", {"db1": "db1", "db2": "db2"}, lambda minions, *words: cluster.call(["db1"], *words))
    assert "db2 (minion db2) does not answer" in checkpoints.lines(half)[-1]


def test_one_is_exported_from_the_node_that_has_it():
    cluster = Kept()
    assert checkpoints.export(members(cluster), OLD, None) == (
        f"# /etc/corosync/corosync.conf of db1, {OLD}\nof db1, {OLD}\n"
    )
    assert "of db2, now" in checkpoints.export(members(cluster), "now", "db2")
    with pytest.raises(Refused, match="no node that answers has the checkpoint"):
        checkpoints.export(members(cluster), "20200101T000000Z", None)
    with pytest.raises(Refused, match="db3 is no node"):
        checkpoints.export(members(cluster), OLD, "db3")


def test_each_phase_has_its_words():
    assert list(progress.ORDERS["undo"]) == ["checked", "restored"]
