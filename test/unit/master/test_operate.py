"""fence_test and take_over, carried out on machines that remember what was done to them."""

from __future__ import annotations

import itertools

import pytest

from hamysql.errors import HamysqlError, Refused
from hamysql.master import operate
from hamysql.master.members import Answer, Members

SILENT = object()


class Machines:
    """Two nodes; ``log`` is what was asked that changes something, in its order."""

    def __init__(self, surveys, evidence=None):
        self.surveys, self.evidence = surveys, evidence
        self.boots = {"db1": 1, "db2": 1}
        self.seconds = {"db1": 1.0, "db2": 1.0}  # that each node's device takes
        self.cuts = True  # whether a fence device does what it says
        self.sick = set()
        self.silent = set()
        self.left = []  # devices that a killed test has left out of use
        self.log = []
        self.ids = itertools.count(2)

    def __call__(self, minions, function, kwargs, timeout):
        answers = {}
        for minion in minions:
            if minion not in self.silent:
                value = getattr(self, function.partition(".")[2])(minion, **kwargs)
                answers[minion] = Answer(value)
        return answers

    def survey(self, minion):
        if self.sick:
            self.surveys[minion]["storage"]["status"]["up_to_date"] = False
        return self.surveys[minion]

    def boot_id(self, minion):
        return f"{minion}-{self.boots[minion]}"

    def mend(self, minion):
        self.log += [f"{name} is mended" for name in self.left]
        return self.left

    def prove(self, minion, node, level):
        assert minion != node
        self.log.append(f"{minion} fences {node} by level {level}")
        if self.cuts:
            self.boots[node] = next(self.ids)
        return self.seconds[node]

    def wait_recovered(self, minion, timeout):
        return True

    def record(self, minion, node, level):
        self.log.append(f"proven {node} {level}")
        return {"proofs": len(self.log)}

    def ping(self, minion):
        return True

    def take_over(self, minion, peer_is_off=None):
        self.log.append(f"{minion} takes over, {peer_is_off} is off")
        return True

    def wait_answering(self, minion, timeout):
        return minion


def members(machines):
    return Members("galaxy-db", {"db1": "db1", "db2": "db2"}, machines)


def fence_test(machines, confirm="galaxy-db", only=None, say=lambda _: None):
    return operate.fence_test(members(machines), confirm, only, 60, say)


def test_each_node_is_fenced_by_the_other_and_proven_before_the_next(surveys):
    machines = Machines(surveys)
    fence_test(machines)
    assert machines.log == [
        "db1 fences db2 by level 1",
        "proven db2 1",
        "db2 fences db1 by level 1",
        "proven db1 1",
    ]


def test_what_a_killed_test_has_left_is_put_right_first(surveys):
    machines, said = Machines(surveys), []
    machines.left = ["p_fence_db2_2"]
    fence_test(machines, say=said.append)
    assert machines.log[:2] == ["p_fence_db2_2 is mended", "db1 fences db2 by level 1"]
    assert "p_fence_db2_2 is back in use" in said[0]


@pytest.mark.parametrize(
    ("seconds", "needed"),
    [({"db1": 1.3, "db2": 2.3}, None), ({"db1": 2.4, "db2": 1.3}, 4), ({"db1": 1.0, "db2": 9.5}, 11)],
)
def test_devices_that_differ_by_more_than_the_head_start_are_told_of(surveys, seconds, needed):
    machines, said = Machines(surveys), []
    machines.seconds = seconds
    fence_test(machines, say=said.append)
    told = [text for text in said if "hamysql:fencing:delay" in text]
    assert [f"Set it to {needed}" in text for text in told] == ([True] if needed else [])


def test_one_node_s_devices_alone_say_nothing_of_the_head_start(surveys):
    machines, said = Machines(surveys), []
    machines.seconds = {"db1": 1.0, "db2": 60.0}
    fence_test(machines, only="db2", say=said.append)
    assert not any("hamysql:fencing:delay" in text for text in said)


def test_without_the_clusters_name_nothing_is_fenced_and_all_victims_are_named(surveys):
    machines = Machines(surveys)
    with pytest.raises(Refused, match="db2, by p_fence_db2\n  - db1, by p_fence_db1"):
        fence_test(machines, confirm=None)
    assert machines.log == []


def test_a_cluster_that_is_not_healthy_is_left_alone(surveys):
    machines = Machines(surveys)
    machines.sick.add("db1")
    with pytest.raises(Refused, match="could not stand the loss of a node"):
        fence_test(machines)
    assert machines.log == []


def test_a_device_that_says_so_and_does_nothing_is_found_out(surveys):
    machines = Machines(surveys)
    machines.cuts = False
    with pytest.raises(HamysqlError, match="it has been running all the time"):
        fence_test(machines)
    assert machines.log == ["db1 fences db2 by level 1"], "nothing is proven, and the next one is not tried"


class Alone(Machines):
    """Only db2 has come back."""

    def __init__(self, surveys, evidence):
        super().__init__(surveys)
        self.seen, self.silent = evidence, {"db1"}

    def evidence_of(self, minion):
        return self.seen

    def __call__(self, minions, function, kwargs, timeout):
        if function == "hamysql_fencing.evidence":
            function = "hamysql_fencing.evidence_of"
        return super().__call__(minions, function, kwargs, timeout)


def take_over(machines, node="db2", confirm="galaxy-db", peer_is_off=None):
    return operate.take_over(members(machines), node, confirm, peer_is_off, 60, lambda _: None)


def test_the_node_that_came_back_takes_over(surveys, evidence):
    machines = Alone(surveys, evidence)
    assert list(take_over(machines)) == ["db2"]
    assert machines.log == ["db2 takes over, None is off"]


def test_unconfirmed_it_says_what_to_be_sure_of(surveys, evidence):
    machines = Alone(surveys, evidence)
    with pytest.raises(Refused, match="db1 is off, says p_fence_db1") as caught:
        take_over(machines, confirm=None)
    assert "confirm=galaxy-db" in str(caught.value)
    assert machines.log == []


def test_a_peer_that_answers_is_not_left_out(surveys, evidence):
    machines = Alone(surveys, evidence)
    machines.silent.clear()
    with pytest.raises(Refused, match="db1 answers"):
        take_over(machines)
    assert machines.log == []


def test_a_peer_that_no_device_sees_needs_the_operators_word(surveys, evidence):
    evidence["power"] = {"p_fence_db1": "unknown"}
    machines = Alone(surveys, evidence)
    with pytest.raises(Refused, match="peer_is_off=db1"):
        take_over(machines)
    take_over(machines, peer_is_off="db1")
    assert machines.log == ["db2 takes over, db1 is off"]


def test_a_node_that_there_is_not():
    with pytest.raises(HamysqlError, match="no node 'db3'"):
        take_over(Machines({}), node="db3")
