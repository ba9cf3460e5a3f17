"""The runner, over members that answer from a table: what it brings to members that have nothing yet, and how it says what is wrong."""

from __future__ import annotations

import importlib.util
import signal
from types import SimpleNamespace

import pytest
from lab_node import PILLARS
from minion import CODE
from orchestration import survey, working

from hamysql.errors import Refused
from hamysql.master import deployment
from hamysql.master.members import Answer, Members, OldCode
from hamysql.master.status import overview
from support import ROOT

NAMES = ("db1", "db2")
NO_MODULES = "'hamysql_node.survey' is not available."


class Site:
    """Two members, and what they were asked. A member in ``new`` has no module of the formula until it is synchronised."""

    def __init__(self, new=()):
        self.surveys = {name: survey(name) for name in NAMES}
        self.new, self.silent, self.asked = set(new), set(), []
        self.details = {}

    def call(self, minions, function, kwargs, timeout):
        self.asked.append(function)
        if function == "saltutil.sync_all":
            self.new = set()
        answers = {
            "hamysql_node.survey": lambda name: self.surveys[name],
            "hamysql_node.details": lambda name: self.details[name],
        }
        return {
            name: Answer(error=NO_MODULES)
            if function.startswith("hamysql") and name in self.new
            else Answer(answers.get(function, lambda name: True)(name))
            for name in minions
            if name not in self.silent
        }

    def members(self, cluster):
        return Members("galaxy-db", dict(zip(NAMES, NAMES)), self.call, PILLARS)


def load_file(folder, name):
    spec = importlib.util.spec_from_file_location(f"tested_{name}", ROOT / folder / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def runner(monkeypatch):
    """Loads the runner over a site."""

    def load(site):
        module = load_file("_runners", "hamysql")
        module.__opts__ = {}
        monkeypatch.setattr(
            deployment, "Master", lambda opts: SimpleNamespace(opts=opts, code=CODE, members=site.members)
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
    assert set(site.asked) == {"hamysql_node.survey"}


def test_a_member_that_is_down_is_a_finding_and_nothing_is_synchronised(runner):
    site = Site(new=("db1",))
    site.silent = {"db2"}
    assert runner(site).preflight() == ["db2 (minion db2) does not answer; is it up, and is its key accepted?"]
    assert site.asked == ["hamysql_node.survey"]


@pytest.mark.parametrize("function", ["survey", "steps"])
@pytest.mark.parametrize(("code", "synchronised"), [(CODE, 0), ("another", 1)])
def test_of_a_minion_with_older_code_in_memory_no_more_is_known(runner, function, code, synchronised):
    site = Site()
    site.surveys["db2"] = {"code": code, "pillar": PILLARS["db1"], "stale": True}
    with pytest.raises(OldCode, match=r"^db2 \(minion db2\) keeps an older version of hamysql in memory: restart"):
        getattr(runner(site), function)()
    assert site.asked.count("saltutil.sync_all") == synchronised


@pytest.mark.parametrize("old", [("db2",), NAMES], ids=["one", "both"])
def test_the_status_of_the_other_node_is_shown_beside_older_code(runner, old):
    site = Site()
    for node in old:
        site.surveys[node] = {"code": CODE, "pillar": PILLARS["db1"], "stale": True}
    nodes = runner(site).status()["nodes"]
    assert list(nodes) == list(NAMES)
    for node in old:
        assert f"`salt {node} service.restart salt-minion no_block=True`" in nodes[node]["unknown"]
        assert nodes[node]["storage"] is None
    assert all(nodes[node]["unknown"] == "" for node in NAMES if node not in old)
    assert all(nodes[node]["storage"]["state"] for node in NAMES if node not in old)


def test_the_status_of_the_other_node_is_shown_beside_a_silent_and_a_failing_one(runner):
    site = Site(new=("db1",))
    site.silent = {"db2"}
    site.call = failing(site.call, "saltutil.sync_all")
    nodes = runner(site).status()["nodes"]
    assert nodes["db1"]["unknown"] == f"db1 (minion db1): hamysql_node.survey: {NO_MODULES}"
    assert nodes["db2"]["unknown"].startswith("db2 (minion db2) does not answer")
    assert site.asked == ["hamysql_node.survey", "saltutil.refresh_pillar", "hamysql_node.survey"]


def failing(call, function):
    """Members on which a function fails."""

    def answer(minions, name, kwargs, timeout):
        return {m: Answer(error="no") for m in minions} if name == function else call(minions, name, kwargs, timeout)

    return answer


def test_a_member_that_cannot_say_all_of_itself_is_shown_by_what_it_has_said(runner):
    site = Site()
    site.surveys = {name: working(name) for name in NAMES}
    site.call = failing(site.call, "hamysql_node.details")
    found = runner(site).status()
    assert found["nodes"]["db2"]["role"] == "serves"
    assert "hamysql_node.details: no" in found["nodes"]["db2"]["unknown"]
    assert found["service"] == {"node": "db2", "since": None, "why": ""}
    assert [node["fencing"][0]["running"] for node in found["nodes"].values()] == [None, None]


def test_what_is_returned_names_what_prints_it_but_for_a_program(runner, capsys):
    module = runner(Site())
    found = module.status()
    printer = load_file("_output", found.pop("outputter"))
    assert printer.output(found).startswith("galaxy-db is down: the database answers on no node")
    module.__opts__ = {"output": "json"}
    assert module.status() == found
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("watch", "words"), [(0, "no number"), ("x", "no number"), (True, "no number"), (5, "--out")])
def test_a_watch_that_cannot_be_is_refused(runner, watch, words):
    module = runner(Site())
    module.__opts__ = {"output": "json"}
    with pytest.raises(Refused, match=words):
        module.status(watch=watch)


def test_a_watch_looks_again_until_it_is_interrupted(runner, capsys, monkeypatch):
    site = Site(new=NAMES)
    pauses = iter([None, None])

    def sleep(seconds):
        assert seconds == 7
        if next(pauses, "over") == "over":
            raise KeyboardInterrupt

    monkeypatch.setattr(overview.time, "sleep", sleep)
    assert runner(site).status(watch=7)["retcode"] == 2
    assert capsys.readouterr().out.count("galaxy-db is down") == 3
    assert site.asked.count("saltutil.sync_all") == 1


def test_ctrl_c_while_the_members_are_asked_ends_after_their_answer(runner, capsys, monkeypatch):
    """Salt makes an error of it where it waits for minions."""
    site, looked = Site(new=NAMES), overview.look.members
    before = signal.getsignal(signal.SIGINT)

    def members(view, bring=True):
        if not bring:
            signal.raise_signal(signal.SIGINT)
        return looked(view, bring)

    monkeypatch.setattr(overview.look, "members", members)
    monkeypatch.setattr(overview.time, "sleep", lambda _: None)
    assert runner(site).status(watch=7)["retcode"] == 2
    assert capsys.readouterr().out.count("galaxy-db is down") == 1
    assert signal.getsignal(signal.SIGINT) is before


def test_a_minion_with_older_code_in_memory_is_a_finding(runner):
    site = Site()
    site.surveys["db2"]["stale"] = True
    (finding,) = runner(site).preflight()
    assert finding.startswith("db2 (minion db2) keeps an older version of hamysql in memory: restart its minion")
