"""The runner, over members that answer from a table: what it brings to members that have nothing yet, and how it says what is wrong."""

from __future__ import annotations

import importlib.util
from types import SimpleNamespace

import pytest
from orchestration import survey

from hamysql.master import deployment
from hamysql.master.members import Answer, Members, OldCode
from support import ROOT

NAMES = ("db1", "db2")
NO_MODULES = "'hamysql_node.survey' is not available."


class Site:
    """Two members, and what they were asked. A member in ``new`` has no module of the formula until it is synchronised."""

    def __init__(self, new=()):
        self.surveys = {name: survey(name) for name in NAMES}
        self.new, self.silent, self.asked = set(new), set(), []

    def call(self, minions, function, kwargs, timeout):
        self.asked.append(function)
        if function == "saltutil.sync_all":
            self.new = set()
        answers = {
            "hamysql_node.survey": lambda name: self.surveys[name],
            "hamysql_fencing.proofs": lambda name: {},
            "hamysql_maintenance.state": lambda name: {"since": {"db2": "2026-01-31 10:00:00Z"}, "others": []},
        }
        return {
            name: Answer(error=NO_MODULES)
            if function.startswith("hamysql") and name in self.new
            else Answer(answers.get(function, lambda name: True)(name))
            for name in minions
            if name not in self.silent
        }

    def members(self, cluster):
        return Members("galaxy-db", dict(zip(NAMES, NAMES)), self.call, dict.fromkeys(NAMES, "same"))


@pytest.fixture
def runner(monkeypatch):
    """Loads the runner over a site."""

    def load(site):
        spec = importlib.util.spec_from_file_location("tested_runner", ROOT / "_runners" / "hamysql.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.__opts__ = {}
        monkeypatch.setattr(
            deployment, "Master", lambda opts: SimpleNamespace(opts=opts, code="same", members=site.members)
        )
        monkeypatch.setattr(module, "Master", deployment.Master)
        return module

    return load


@pytest.mark.parametrize("function", ["preflight", "status", "survey", "steps"])
@pytest.mark.parametrize("new", [NAMES, ("db2",)], ids=["both", "one"])
def test_members_that_never_had_the_formula_get_it_first(runner, function, new):
    site = Site(new)
    returned = getattr(runner(site), function)()
    assert site.asked.count("saltutil.sync_all") == 1
    assert "not available" not in str(returned)
    assert returned == [] or function != "preflight"


@pytest.mark.parametrize("function", ["preflight", "status", "survey", "steps"])
def test_members_that_have_it_are_only_asked(runner, function):
    site = Site()
    getattr(runner(site), function)()
    assert site.asked.count("hamysql_node.survey") == 1
    assert set(site.asked) <= {"hamysql_node.survey", "hamysql_fencing.proofs"}


def test_a_member_that_is_down_is_a_finding_and_nothing_is_synchronised(runner):
    site = Site(new=("db1",))
    site.silent = {"db2"}
    assert runner(site).preflight() == ["db2 (minion db2) does not answer; is it up, and is its key accepted?"]
    assert site.asked == ["hamysql_node.survey"]


@pytest.mark.parametrize("function", ["survey", "steps"])
@pytest.mark.parametrize(("code", "synchronised"), [("same", 0), ("another", 1)])
def test_of_a_minion_with_older_code_in_memory_no_more_is_known(runner, function, code, synchronised):
    site = Site()
    site.surveys["db2"] = {"code": code, "pillar": "same", "stale": True}
    with pytest.raises(OldCode, match=r"^db2 \(minion db2\) keeps an older version of hamysql in memory: restart"):
        getattr(runner(site), function)()
    assert site.asked.count("saltutil.sync_all") == synchronised


@pytest.mark.parametrize("old", [("db2",), NAMES], ids=["one", "both"])
def test_the_status_of_the_other_node_is_shown_beside_older_code(runner, old):
    site = Site()
    for node in old:
        site.surveys[node] = {"code": "same", "pillar": "same", "stale": True}
    shown = runner(site).status()
    assert list(shown) == list(NAMES)
    for node in old:
        assert list(shown[node]) == ["old_code"]
        assert f"`salt {node} service.restart salt-minion no_block=True`" in shown[node]["old_code"]
    assert all("database" in shown[node] for node in NAMES if node not in old)


def test_a_minion_with_older_code_in_memory_is_a_finding(runner):
    site = Site()
    site.surveys["db2"]["stale"] = True
    (finding,) = runner(site).preflight()
    assert finding.startswith("db2 (minion db2) keeps an older version of hamysql in memory: restart its minion")
