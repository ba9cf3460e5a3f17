"""The members of a cluster asked together, and how a cluster is found in the pillars of a master."""

from __future__ import annotations

import pytest

from hamysql.errors import HamysqlError
from hamysql.master.members import Answer, Members, NoAnswer, OldCode, choose, clusters

MINIONS = {"db1": "db1.example.org", "db2": "db2.example.org"}


class Minions:
    """Answers from a table by minion id, and remembers what it was asked."""

    def __init__(self, **answers: Answer) -> None:
        self.answers = {f"{name}.example.org": answer for name, answer in answers.items()}
        self.asked: list[tuple] = []

    def __call__(self, minions, function, kwargs, timeout):
        self.asked.append((list(minions), function, dict(kwargs), timeout))
        return {minion: self.answers[minion] for minion in minions if minion in self.answers}


def test_all_members_are_asked_at_once_and_answer_by_node():
    call = Minions(db1=Answer(1), db2=Answer(0))
    assert Members("c", MINIONS, call).ask("test.count", patience=7, timeout=3, on="disks") == {"db1": 1, "db2": 0}
    assert call.asked == [(["db1.example.org", "db2.example.org"], "test.count", {"timeout": 3, "on": "disks"}, 7)]


def test_a_node_can_be_asked_alone():
    call = Minions(db1=Answer("one"), db2=Answer("two"))
    assert Members("c", MINIONS, call).ask("test.ping", ["db2"]) == {"db2": "two"}
    assert call.asked[0][0] == ["db2.example.org"]


@pytest.mark.parametrize("value", [None, False, {}, [], ""])
def test_an_empty_answer_is_an_answer(value):
    assert Members("c", MINIONS, Minions(db1=Answer(value), db2=Answer(value))).ask("x.y")["db1"] == value


def test_a_partial_answer_is_an_error_that_names_node_and_minion():
    with pytest.raises(NoAnswer, match=r"^db2 \(minion db2\.example\.org\) does not answer") as error:
        Members("c", MINIONS, Minions(db1=Answer(True))).ask("test.ping")
    assert "db1" not in str(error.value)
    assert list(error.value.silent) == ["db2"]


def test_a_failure_is_told_with_its_function_and_its_own_words():
    call = Minions(db1=Answer(True), db2=Answer(error="no such disk"))
    with pytest.raises(NoAnswer, match=r"^db2 \(minion db2\.example\.org\): hamysql_storage\.survey: no such disk$"):
        Members("c", MINIONS, call).ask("hamysql_storage.survey")


def test_a_survey_of_older_code_is_an_error_that_keeps_what_all_have_said():
    seen = {"db1": {"code": "a", "stale": False, "database": True}, "db2": {"code": "b", "pillar": "c", "stale": True}}
    call = Minions(**{name: Answer(survey) for name, survey in seen.items()})
    with pytest.raises(OldCode) as error:
        Members("c", MINIONS, call).survey()
    assert str(error.value) == (
        "db2 (minion db2.example.org) keeps an older version of hamysql in memory: restart its minion with "
        "`salt db2.example.org service.restart salt-minion no_block=True`, and run hamysql.orch again"
    )
    assert error.value.surveys == seen
    assert Members("c", MINIONS, call).survey(["db1"]) == {"db1": seen["db1"]}
    assert {function for _, function, _, _ in call.asked} == {"hamysql_node.survey"}


def test_every_member_that_fails_is_named():
    with pytest.raises(NoAnswer) as error:
        Members("c", MINIONS, Minions(db1=Answer(error="broken"))).ask("x.y")
    assert str(error.value).splitlines() == [
        "db2 (minion db2.example.org) does not answer; is it up, and is its key accepted?",
        "db1 (minion db1.example.org): x.y: broken",
    ]
    assert (list(error.value.silent), list(error.value.failed)) == (["db2"], ["db1"])


def pillar(name="galaxy-db", **nodes):
    return {"cluster": {"name": name, "nodes": nodes or {"db1": {"minion_id": "db1.example.org"}, "db2": {}}}}


def test_the_members_of_one_cluster_have_the_same_pillar():
    found = clusters({"db1.example.org": pillar(), "db2": pillar()})
    assert found == {"galaxy-db": {"db1": "db1.example.org", "db2": "db2"}}


def test_a_node_is_its_own_minion_unless_the_pillar_says_otherwise():
    assert clusters({"x": pillar(a=None, b={"minion_id": "b.example.org"})}) == {
        "galaxy-db": {"a": "a", "b": "b.example.org"}
    }


def test_the_order_of_the_nodes_is_the_pillars():
    assert list(clusters({"x": pillar(zulu={}, alpha={})})["galaxy-db"]) == ["zulu", "alpha"]


def test_clusters_of_one_master_are_told_apart_by_name():
    found = clusters({"a": pillar("one", a={}), "b": pillar("two", b={})})
    assert found == {"one": {"a": "a"}, "two": {"b": "b"}}


@pytest.mark.parametrize(
    "wrong", [{}, {"cluster": None}, {"cluster": []}, {"cluster": {"nodes": None}}, {"cluster": {"nodes": [1]}}]
)
def test_a_pillar_without_nodes_makes_no_cluster_and_no_crash(wrong):
    assert clusters({"broken": wrong, "db1": pillar()}) == clusters({"db1": pillar()})


TWO = {"one": {"a": "a"}, "two": {"b": "b"}}


def test_the_only_cluster_needs_no_name():
    assert choose({"one": {"a": "a"}}, None) == ("one", {"a": "a"})


def test_a_cluster_is_chosen_by_its_name():
    assert choose(TWO, "two") == ("two", {"b": "b"})


def test_more_than_one_cluster_needs_a_name():
    with pytest.raises(
        HamysqlError, match=r"more than one cluster \(one, two\): name one with pillar='\{\"hamysql_cluster\""
    ):
        choose(TWO, None)


def test_a_name_that_nobody_has_is_refused_with_the_names_there_are():
    with pytest.raises(HamysqlError, match=r"'three'; there is: one, two"):
        choose(TWO, "three")


def test_no_cluster_at_all_points_to_the_pillar():
    with pytest.raises(HamysqlError, match=r"pillar\.example"):
        choose({}, None)
    with pytest.raises(HamysqlError, match="there is: none"):
        choose({}, "one")
