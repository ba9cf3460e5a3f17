"""The phase "changes" on a small world of two nodes: cut off at any question, and run again, it gets to the end.

The world keeps to what the real verbs promise; what it checks at each of them is what an operator would never forgive.
"""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from minion import load

from hamysql.errors import HamysqlError, NotReady
from hamysql.pending import COROSYNC, MYSQL, RESTART, Pending

NODES = ("db1", "db2")


class Cut(HamysqlError):
    """The orchestration ends here."""


class World:
    """Two nodes, what they have to take over, and where the service runs."""

    def __init__(self, stack=True, database=True):
        self.active = "db1"
        self.running = dict.fromkeys(NODES, True)
        self.old_stack = dict.fromkeys(NODES, stack)
        self.old_server = database  # the server that runs was started with the old options
        self.hands: list[str] = []
        self.series = dict.fromkeys(NODES, "1:10.11.6-0")
        self.moves = 0
        self.questions = 0
        self.cut_at: int | None = None
        self.after = False  # whether the verb that is cut off has done its work

    def survey(self, node):
        pending = []
        if self.running[node] and self.old_stack[node]:
            pending.append(Pending(RESTART, COROSYNC, "hamysql:corosync:options:system:a", "1", "2"))
        if node == self.active and self.old_server:
            pending.append(Pending(RESTART, MYSQL, "hamysql:mysql:config:mysqld:b", "1", "2"))
        whole = all(self.running.values())
        states = {
            name: {"online": self.running[name], "pending": False, "unclean": False, "shutdown": False}
            for name in NODES
        }
        return {
            "cluster": {
                "running": self.running[node],
                "dc": self.active,
                "quorum": True,
                "nodes": states,
                "failures": [],
                "shell": "crm",
            },
            "storage": {
                "status": {"up_to_date": whole, "disk": "UpToDate", "peer_disk": "UpToDate", "connection": "Connected"}
            },
            "database": node == self.active,
            "settings": {"package": {"database": ["mariadb-server"]}},
            "facts": {"packages": {"mariadb-server": self.series[node]}},
            "pending": [item.as_dict() for item in pending],
        }

    def ask(self, function, on=(), /, **arguments):
        self.questions += 1
        cut = self.questions == self.cut_at
        if cut and not self.after:
            raise Cut("killed")
        nodes = tuple(on) or NODES
        returned = {node: self._do(function.partition(".")[2], node, arguments) for node in nodes}
        if cut:
            raise Cut("killed")
        return returned

    def _do(self, verb, node, arguments):
        if verb == "survey":
            return self.survey(node)
        if verb == "interventions":
            return list(self.hands)
        if verb == "restart":
            assert node != self.active, "the node that serves was restarted"
            assert all(self.running.values()), "a node was restarted while the other one was down"
            # Cut off between stopping and starting: the node stays down, until somebody starts it.
            self.running[node] = self.questions != self.cut_at
            self.old_stack[node] = not self.running[node] and self.old_stack[node]
        if verb == "move":
            target = arguments["node"]
            assert all(self.running.values())
            assert node == self.active, "the server that is flushed first is another one"
            assert target != self.active
            assert not self.old_stack[target], "the service was moved to a node that has to be restarted still"
            self.active, self.old_server = target, False
            self.moves += 1
        if verb == "wait_whole" and not all(self.running.values()):
            raise NotReady("waited in vain")
        return True


class Deployment:
    """What the phase needs of an orchestration."""

    def __init__(self, world, test=False):
        self.world, self.test, self.changed, self.unknown = world, test, 0, ""
        self.members = SimpleNamespace(minions=dict.fromkeys(NODES), ask=world.ask)
        self.lock = SimpleNamespace(release=lambda: None)
        self._survey = {}

    def survey(self):
        self._survey = self._survey or self.members.ask("hamysql_node.survey")
        return self._survey

    def look_again(self):
        self._survey = {}

    def say(self, *_, **__):
        pass


def run(world, test=False):
    """One orchestration: the phase "cluster", which starts what is stopped, and the phase "changes"."""
    for node in NODES:
        if not world.running[node]:
            world.running[node], world.old_stack[node] = True, False
    states = load("_states/hamysql_orch.py", "hamysql_orch_states")
    states.__context__, states.__opts__ = {"hamysql_orch": Deployment(world, test)}, {}
    return states.changes_rolled("x")


def test_one_run_restarts_both_nodes_with_one_switchover():
    world = World()
    ret = run(world)
    assert ret["result"] is True
    assert [step.split(":")[0] for step in ret["changes"]["changes"]] == [
        "restart the cluster services of db2",
        "switch the service over to db2",
        "restart the cluster services of db1",
    ]
    assert (world.active, world.moves) == ("db2", 1)
    again = run(world)
    assert (again["result"], again["changes"], world.moves) == (True, {}, 1)


def test_where_nothing_waits_one_survey_is_all_that_is_asked():
    world = World(stack=False, database=False)
    assert run(world)["comment"] == "nothing waits for a restart"
    assert world.questions == 1


def test_test_mode_says_the_steps_and_takes_none():
    world = World()
    ret = run(world, test=True)
    assert ret["result"] is None
    assert len(ret["changes"]["changes"]) == 3
    assert (world.active, world.moves, world.questions) == ("db1", 0, 1)


def test_a_hand_on_the_cluster_stops_everything():
    world = World()
    world.hands = ["node db2 is in standby; `crm_standby --node db2 --delete` ends it"]
    ret = run(world)
    assert ret["result"] is False
    assert "node db2 is in standby" in ret["comment"]
    assert (ret["changes"], world.active, world.moves) == ({}, "db1", 0)


def test_nothing_that_would_move_the_service_to_an_older_database_is_restarted():
    world = World()  # db1 serves
    world.series["db1"] = "1:11.8.3-0"
    ret = run(world)
    assert ret["result"] is False
    assert "db2 cannot take over: it has mariadb-server 10.11, and db1 serves with 11.8" in ret["comment"]
    assert (ret["changes"], world.active, world.moves) == ({}, "db1", 0)


def test_what_was_done_before_a_failure_is_reported():
    world = World()
    world.cut_at = 9
    ret = run(world)
    assert ret["result"] is False
    assert ret["changes"]["changes"][0].startswith("restart the cluster services of db2")


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("stack", [True, False], ids=["everything", "database"])
def test_cut_off_at_any_question_it_converges_when_it_is_run_again(stack, after):
    whole = World(stack)
    run(whole)
    assert whole.questions > 5
    for question in range(1, whole.questions + 1):
        world = World(stack)
        world.cut_at, world.after = question, after
        run(world)
        world.cut_at = None
        ret = run(world)
        assert ret["result"] is True, (question, ret["comment"])
        assert run(world)["changes"] == {}, question
        assert (world.active, world.moves) == ("db2", 1), question
        assert not any(world.old_stack.values())
