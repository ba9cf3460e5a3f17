"""The execution module and the state of the same name, on pacemaker's real tools where that says more than a mock."""

from __future__ import annotations

import json
from unittest.mock import create_autospec

import pytest
import yaml

from hamysql.errors import NotReady

CHANGE = {"kind": "changed", "id": "p_mysql", "old": "params a=1", "new": "params a=2"}
NOTHING = {"changes": [], "actions": [], "drift": []}
SOMETHING = {"changes": [CHANGE], "actions": ["restart p_mysql on db2"], "drift": []}
AS_CHANGES = {"p_mysql": {"old": "params a=1", "new": "params a=2"}}


@pytest.fixture
def module(load_module, tools, site, monkeypatch):
    loaded = load_module(
        "_modules", "hamysql_cib", __salt__={"hamysql.config": lambda: site, "hamysql_checkpoint.keep": lambda **_: ""}
    )
    monkeypatch.setattr(loaded, "run", tools.run)
    return loaded


@pytest.fixture
def state(load_module, module):
    """The state over mocks with the module's own signatures."""

    def load(test, diff=(NOTHING,), apply=NOTHING, configure=(NOTHING,)):
        salt = {name: create_autospec(getattr(module, name)) for name in ("diff", "apply", "configure")}
        salt["diff"].side_effect = list(diff)
        salt["apply"].side_effect = [apply]
        salt["configure"].side_effect = list(configure)
        dunders = {"__salt__": {f"hamysql_cib.{name}": mock for name, mock in salt.items()}, "__opts__": {"test": test}}
        return load_module("_states", "hamysql_cib", **dunders), salt

    return load


def test_the_module_applies_and_reports_in_plain_data(module):
    diff = module.diff()
    done = module.apply()
    assert done == diff
    assert json.loads(json.dumps(done)) == done
    assert next(change for change in done["changes"] if change["id"] == "g_mysql") == {
        "kind": "added",
        "id": "g_mysql",
        "old": "",
        "new": "group g_mysql p_fs_mysql p_mysql",
    }
    assert module.apply() == NOTHING
    assert module.drift() == []
    assert module.owned()["hamysql"]["o_drbd_before_mysql"].startswith("order o_drbd_before_mysql Mandatory:")
    assert module.owned()["hamysql-configure"] == {}


def test_adopting_takes_one_id_or_a_list(module, tools, make_cib):
    tools.write(make_cib('<primitive id="p_mysql" class="ocf" provider="heartbeat" type="Dummy"/>'))
    for adopt in ("p_mysql", ["p_mysql"]):
        assert [change["id"] for change in module.diff(adopt=adopt)["changes"] if change["kind"] == "changed"] == [
            "p_mysql"
        ]


def test_configure_takes_the_pillars_text_and_previews_it_after_apply(module, site, tools):
    before = tools.read()
    site["pacemaker"]["configure"] = "location l_site g_mysql 10: db1\n"  # g_mysql is not there yet
    assert [change["id"] for change in module.configure(test=True)["changes"]] == ["l_site", "hamysql-configure"]
    assert tools.read() == before


def test_configure_carries_out_unless_it_is_a_test(module, tools, make_cib):
    tags = '<tags><tag id="hamysql-configure"><obj_ref id="p_old"/></tag></tags>'
    tools.write(make_cib('<primitive id="p_old" class="ocf" provider="heartbeat" type="Dummy"/>', rest=tags))
    module.apply()
    for test in (True, False):
        removed = module.configure("", test=test)["changes"]
        assert sorted((change["kind"], change["id"]) for change in removed) == [
            ("removed", "hamysql-configure"),
            ("removed", "p_old"),
        ]
    assert module.configure("") == NOTHING


def test_nothing_to_do_is_true_without_changes(state):
    loaded, salt = state(test=False)
    assert loaded.managed("x") == {
        "name": "x",
        "result": True,
        "changes": {},
        "comment": "The cluster is configured as the pillar says.",
    }
    salt["apply"].assert_not_called()


def test_in_test_mode_it_says_what_would_be_and_does_nothing(state):
    loaded, salt = state(test=True, diff=[SOMETHING])
    assert loaded.managed("x") == {
        "name": "x",
        "result": None,
        "changes": AS_CHANGES,
        "comment": "1 change would be made in one step.\nWhat pacemaker would do:\n  - restart p_mysql on db2",
    }
    salt["apply"].assert_not_called()


def test_in_test_mode_with_nothing_to_do_it_is_true(state):
    loaded, _ = state(test=True)
    assert loaded.managed("x")["result"] is True


def test_what_was_done_is_reported_after_reading_again(state):
    left = {**NOTHING, "drift": ["node db2 is in standby"]}
    loaded, salt = state(test=False, diff=[SOMETHING, left], apply=SOMETHING)
    assert loaded.managed("x") == {
        "name": "x",
        "result": True,
        "changes": AS_CHANGES,
        "comment": "1 change made in one step.\nWhat pacemaker does about it:\n  - restart p_mysql on db2\n"
        "Manual changes that stay in effect:\n  - node db2 is in standby",
    }
    assert salt["diff"].call_count == 2


def test_what_somebody_else_did_in_between_is_not_our_change(state):
    loaded, _ = state(test=False, diff=[SOMETHING, NOTHING], apply=NOTHING)
    ret = loaded.managed("x")
    assert (ret["result"], ret["changes"]) == (True, {})


def test_a_difference_that_is_left_is_a_failure_that_keeps_its_changes(state):
    loaded, _ = state(test=False, diff=[SOMETHING, SOMETHING], apply=SOMETHING)
    ret = loaded.managed("x")
    assert (ret["result"], ret["changes"]) == (False, AS_CHANGES)
    assert ret["comment"].startswith("Read again, it still differs in p_mysql.")


def test_an_error_is_the_comment(state):
    loaded, _ = state(test=False, diff=[NotReady("pacemaker is not running on this node")])
    assert loaded.managed("x") == {
        "name": "x",
        "result": False,
        "changes": {},
        "comment": "pacemaker is not running on this node",
    }


def test_an_error_after_the_change_keeps_it(state):
    loaded, _ = state(test=False, diff=[SOMETHING, NotReady("gone")], apply=SOMETHING)
    ret = loaded.managed("x")
    assert (ret["result"], ret["changes"], ret["comment"]) == (False, AS_CHANGES, "gone")


def test_the_text_is_looked_at_in_test_mode_before_it_is_loaded(state):
    loaded, salt = state(test=False, configure=[SOMETHING, SOMETHING, NOTHING])
    assert loaded.configured("x")["changes"] == AS_CHANGES
    assert [call.kwargs for call in salt["configure"].call_args_list] == [{"test": True}, {}, {"test": True}]


def test_the_text_is_not_loaded_in_test_mode(state):
    loaded, salt = state(test=True, configure=[SOMETHING])
    assert loaded.configured("x")["result"] is None
    assert [call.kwargs for call in salt["configure"].call_args_list] == [{"test": True}]


def test_the_sls_passes_nothing_to_the_states(request):
    text = (request.config.rootpath / "hamysql" / "pacemaker" / "resources.sls").read_text(encoding="utf-8")
    states = yaml.safe_load(text)
    arguments = [next(iter(argument)) for state in states.values() for argument in next(iter(state.values()))]
    assert [next(iter(state)) for state in states.values()] == ["hamysql_cib.managed", "hamysql_cib.configured"]
    assert arguments == ["require"]
