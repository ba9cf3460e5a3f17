"""What the files of ``hamysql/orch`` want of an operation is what ``hamysql_operation`` does and ``hamysql.follow`` tells."""

from __future__ import annotations

import inspect
import json

import jinja2
import pytest
import yaml
from answering import Cluster
from minion import load

from hamysql.master import progress
from support import ROOT

ORCH = ROOT / "hamysql" / "orch"
OPERATIONS = load("_states/hamysql_operation.py", "phases_of_operations").OPERATIONS
# Of each file what an operator says, and the operation with the phases that follow from it.
FILES = [
    ("switchover", {"to": "db1"}, "switchover", 2),
    ("maintenance", {"drain": "db1"}, "drain", 2),
    ("maintenance", {"return": "db1"}, "return", 2),
    ("maintenance", {}, "maintenance", 1),
    ("maintenance", {"drain": "db1", "return": "db1"}, "maintenance", 1),
    ("backup", {}, "backup", 2),
    ("restore_test", {"node": "db1", "backup": "B"}, "restore_test", 2),
    ("restore", {"backup": "B", "confirm": "galaxy-db"}, "restore", 3),
    ("restore_undo", {"confirm": "galaxy-db"}, "restore_undo", 2),
    ("restore_confirm", {"confirm": "galaxy-db"}, "restore_confirm", 2),
    ("undo", {"checkpoint": "C"}, "undo", 2),
    ("verify", {}, "verify", 2),
    ("verify", {"resynchronise": True}, "verify", 3),
    ("split_brain", {}, "split_brain", 1),
    ("split_brain", {"victim": "db1", "keep": "/srv"}, "split_brain", 4),
    ("update", {"confirm": "galaxy-db"}, "update", 5),
    ("rotate_secrets", {"file": "/srv/a.sls", "gpg_key": "K"}, "rotate_secrets", 4),
    ("replace_node", {"replace": "db2"}, "replace_node", 4),
    ("replica", {"replica": "reports", "backup": "B", "confirm": "galaxy-db"}, "replica", 5),
    ("grow", {"size": "200G"}, "grow", 3),
    ("adopt", {}, "adopt", 2),
    ("teardown", {"confirm": "galaxy-db"}, "teardown", 3),
]


def states(file, said):
    """The states of a file, each with its id, its arguments, and what it needs."""

    def source(name):
        return (ROOT / name).read_text(encoding="utf-8")

    environment = jinja2.Environment(loader=jinja2.FunctionLoader(source))
    environment.filters["json"] = json.dumps
    pillar = {f"hamysql_{key}": value for key, value in said.items()}
    found = yaml.safe_load(environment.get_template(f"hamysql/orch/{file}.sls").render(pillar=pillar))
    for id_, state in found.items():
        ((function, items),) = state.items()
        given = {key: value for item in items for key, value in item.items()}
        assert function == "hamysql_operation.done"
        yield id_, given, given.pop("require", None)


@pytest.mark.parametrize(("file", "said", "operation", "count"), FILES)
def test_a_file_has_the_operation_s_phases_each_of_which_needs_the_one_before(file, said, operation, count):
    found = list(states(file, {**said, "cluster": "galaxy-db"}))
    assert [given["phase"] for _, given, _ in found] == list(OPERATIONS[operation])[:count]
    assert {(given["operation"], given["cluster"]) for _, given, _ in found} == {(operation, "galaxy-db")}
    assert [given["last"] for _, given, _ in found] == [False] * (count - 1) + [True]
    assert [needs for *_, needs in found] == [None, *([{"hamysql_operation": id_}] for id_, *_ in found[:-1])]


@pytest.mark.parametrize(("file", "said", "operation", "count"), FILES)
def test_what_an_operator_says_gets_to_a_phase(file, said, operation, count):
    taken = {name for _, arguments in list(OPERATIONS[operation].values())[:count] for name in arguments}
    for _, given, _ in states(file, said):
        wanted = {key: value for key, value in given["arguments"].items() if value}
        assert list(wanted.values()) == ([] if operation == "maintenance" else list(said.values()))
        assert set(wanted) <= taken


def test_each_file_is_looked_at():
    assert {file for file, *_ in FILES} == {path.stem for path in ORCH.glob("*.sls")} - {"init", "migrate_storage"}
    assert {operation for *_, operation, _ in FILES} == set(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_follower_is_told_of_each_phase(operation):
    assert list(OPERATIONS[operation]) == list(progress.ORDERS[operation])


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_phase_takes_what_the_table_gives_it(operation):
    for body, arguments in OPERATIONS[operation].values():
        takes = list(inspect.signature(body).parameters)
        assert takes[0] == "deployment"
        assert len(takes) == 1 + len(arguments), body
        assert ("timeout" in takes, "run" in takes) == ("timeout" in arguments, "run" in arguments)


def test_a_phase_gets_what_was_said_and_the_defaults_of_the_rest(monkeypatch, deploy):
    module = load("_states/hamysql_operation.py", "done")
    cluster, got = Cluster(), []

    def body(deployment, to, timeout):
        got.append((deployment.kind, to, timeout))
        return {"a": ["b"]}, "moved"

    monkeypatch.setitem(module.OPERATIONS["switchover"], "moved", (body, {"to": None, "timeout": 900}))
    module.__opts__, module.__context__ = {"test": False}, {}
    made = deploy(cluster)
    made.kind, made.lock = "switchover", type("Lock", (), {"release": lambda self: None})()
    module.__context__["hamysql_orch"] = made
    said = {"to": "db1", "of another phase": 1}
    ret = module.done("id", "switchover", "moved", last=True, arguments=said, cluster="galaxy-db")
    assert (ret["result"], ret["comment"], ret["changes"]) == (True, "moved", {"a": ["b"]})
    assert got == [("switchover", "db1", 900)]
    assert module.__context__ == {}, "the operation has ended"
