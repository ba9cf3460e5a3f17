"""The phase "resources", where it changes something: what the nodes had for a fence device goes once it is in no configuration."""

from __future__ import annotations

import pytest
from minion import load

from hamysql.master.members import Answer, Members

CHANGED = {
    "hamysql_cib_|-a_|-a_|-managed": {
        "__id__": "a",
        "result": True,
        "changes": {"p_fence_db2_2": {"old": "x", "new": ""}},
    }
}
SAME = {"hamysql_cib_|-a_|-a_|-managed": {"__id__": "a", "result": True, "changes": {}}}


class Deployment:
    """A running cluster whose controller is db1; ``asked`` is what its members were asked."""

    def __init__(self, applied, forgotten):
        self.applied, self.forgotten, self.asked = applied, forgotten, []
        self.members = Members("galaxy-db", {"db1": "db1", "db2": "db2"}, self.call)
        self.test, self.changed, self.unknown, self.jid = False, 0, "", "20260131"

    def call(self, minions, function, kwargs, timeout):
        self.asked.append((function, tuple(minions)))
        if function == "state.apply":
            return {minion: Answer(self.applied) for minion in minions}
        if function == "hamysql_checkpoint.keep":
            return {minion: Answer("20260131T100000Z") for minion in minions}
        assert function == "hamysql_fencing.forget", function
        return {minion: Answer(self.forgotten.get(minion, [])) for minion in minions}

    def survey(self):
        return {name: {"cluster": {"dc": "db1"}} for name in ("db1", "db2")}

    def nothing_left(self, what):
        return False

    def say(self, *_, **__):
        pass


@pytest.fixture
def phase():
    def run(applied, forgotten):
        module = load("_states/hamysql_orch.py", "hamysql_orch_resources")
        deployment = Deployment(applied, forgotten)
        module.__context__, module.__opts__ = {"hamysql_orch": deployment}, {"test": False}
        return module.resources_managed("x"), deployment

    return run


def test_what_left_the_cluster_leaves_all_nodes_in_the_same_run(phase):
    path = "/var/lib/pacemaker/lrm/secrets/p_fence_db2_2/password"
    ret, deployment = phase(CHANGED, {"db1": [path]})
    assert deployment.asked == [
        ("hamysql_checkpoint.keep", ("db1", "db2")),
        ("state.apply", ("db1",)),
        ("hamysql_fencing.forget", ("db1", "db2")),
    ]
    assert ret["changes"]["db1"] == {"a": {"p_fence_db2_2": {"old": "x", "new": ""}}, "hamysql-fencing-unused": [path]}
    assert "db2" not in ret["changes"]


def test_where_nothing_has_changed_nobody_is_asked(phase):
    ret, deployment = phase(SAME, {})
    assert (ret["result"], ret["changes"]) == (True, {})
    assert [function for function, _ in deployment.asked] == ["hamysql_checkpoint.keep", "state.apply"]
