"""What the nodes must not differ in: given to both in one question, after their files and before anything is started."""

from __future__ import annotations

import pytest
from orchestration import Site, working

from hamysql.master.members import Answer
from hamysql.pending import BOTH, LIVE, STORAGE, Pending

SECRET = Pending(BOTH, STORAGE, "hamysql:storage:drbd:shared_secret", "another secret", "the pillar's")
RATE = Pending(LIVE, STORAGE, "hamysql:storage:drbd:rate", "1M", "2M")
TAKEN = {SECRET.path: {"old": SECRET.old, "new": SECRET.new}}
LINE = f"~ {SECRET.path}: another secret -> the pillar's"


class Cluster(Site):
    """A cluster at work, whose members have something to take over."""

    def __init__(self, pending, test=False, fails=""):
        super().__init__(working)
        self.module.__opts__["test"] = test
        self.pending, self.fails = pending, fails

    def call(self, minions, function, kwargs, timeout):
        if function == "hamysql_change.apply":
            self.asked.append((function, sorted(minions), kwargs))
            if self.fails:
                return {**dict.fromkeys(minions, Answer({})), "db2": Answer(error=self.fails)}
            found, self.pending = self.pending, {}
            return {minion: Answer(TAKEN if SECRET in found.get(minion, ()) else {}) for minion in minions}
        for name, seen in self.surveys.items():
            seen["pending"] = [item.as_dict() for item in self.pending.get(name, ())]
        return super().call(minions, function, kwargs, timeout)

    def questions(self):
        return [asked[0] for asked in self.asked]


BOTH_NODES = {"db1": [SECRET], "db2": [SECRET]}


def test_both_are_asked_at_once_when_both_have_it_in_their_files():
    cluster = Cluster(BOTH_NODES)
    ret = cluster.module.nodes_configured("nodes")
    assert (ret["result"], cluster.questions()) == (
        True,
        ["state.apply", "hamysql_node.survey", "hamysql_change.apply", "hamysql_node.survey"],
    )
    assert cluster.asked[2] == ("hamysql_change.apply", ["db1", "db2"], {"both": True})
    assert ret["changes"] == {name: {"hamysql-change-applied-together": TAKEN} for name in ("db1", "db2")}
    assert any(SECRET.path in event["text"] for event in cluster.events)


def test_a_run_that_was_cut_off_between_them_is_made_up_for():
    cluster = Cluster({"db2": [SECRET]})
    ret = cluster.module.nodes_configured("nodes")
    assert ret["changes"] == {"db2": {"hamysql-change-applied-together": TAKEN}}


@pytest.mark.parametrize("pending", [{}, {"db1": [RATE], "db2": [RATE]}])
def test_where_there_is_nothing_of_the_kind_nobody_is_asked(pending):
    cluster = Cluster(pending)
    ret = cluster.module.nodes_configured("nodes")
    assert (ret["result"], ret["changes"]) == (True, {})
    assert "hamysql_change.apply" not in cluster.questions()


def test_the_plan_shows_it_and_does_nothing():
    cluster = Cluster(BOTH_NODES, test=True)
    ret = cluster.module.nodes_configured("nodes")
    assert (ret["result"], ret["changes"]) == (None, {"db1": [LINE], "db2": [LINE]})
    assert "hamysql_change.apply" not in cluster.questions()


def test_a_failure_keeps_what_the_highstates_have_changed():
    cluster = Cluster(BOTH_NODES, fails="`drbdadm adjust` ended with exit code 10")
    written = {
        "file_|-res_|-/etc/drbd.d/mysql.res_|-managed": {"changes": {"diff": "x"}, "result": True, "__id__": "res"}
    }
    cluster.applied = {("hamysql", name): written for name in ("db1", "db2")}
    ret = cluster.module.nodes_configured("nodes")
    assert ret["result"] is False
    assert "db2 (minion db2): hamysql_change.apply: `drbdadm adjust` ended with exit code 10" in ret["comment"]
    assert ret["changes"] == {name: {"res": {"diff": "x"}} for name in ("db1", "db2")}


def test_what_was_not_taken_over_is_a_failure():
    cluster = Cluster(BOTH_NODES)
    call = cluster.call

    def stubborn(minions, function, kwargs, timeout):
        answers = call(minions, function, kwargs, timeout)
        cluster.pending = BOTH_NODES
        return answers

    cluster.call = stubborn
    ret = cluster.module.nodes_configured("nodes")
    assert ret["result"] is False
    assert ret["comment"].startswith(f"not taken over:\ndb1, db2: {SECRET.path}")
    assert ret["changes"]["db1"] == {"hamysql-change-applied-together": TAKEN}
