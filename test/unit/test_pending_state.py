"""The states and the module over the classes: what is told, what is done, and what is left alone."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from minion import load

from hamysql import pending as pending_changes
from hamysql.errors import CommandFailed, Refused
from hamysql.pending import BOTH, LIVE, MYSQL, REFUSED, RESTART, STORAGE, Pending
from hamysql.system.command import Result

TOKEN = Pending(LIVE, "corosync", "hamysql:corosync:token", "3000", "5000")
OPTION = Pending(RESTART, MYSQL, "hamysql:mysql:config:mysqld:x", "1", "2")
SECRET = Pending(BOTH, STORAGE, "hamysql:storage:drbd:shared_secret", "another secret", "the pillar's")
NAME = Pending(REFUSED, "data", "hamysql:cluster:name", "a", "b", "put it back")
WAITING = "Pending:\n  - hamysql:mysql:config:mysqld:x: 1 -> 2, when the database starts again"


@pytest.fixture
def state():
    """The states; ``looks`` is what is pending at each look, ``applied`` counts."""

    def make(*looks, test=False):
        module = load("_states/hamysql_change.py", "hamysql_change_state")
        seen = list(looks)
        module.applied_calls = []

        def pending():
            return [item.as_dict() for item in (seen.pop(0) if len(seen) > 1 else seen[0])]

        def apply():
            module.applied_calls.append(1)
            return {TOKEN.path: {"old": "3000", "new": "5000"}}

        module.__opts__, module.__pillar__ = {"test": test}, {}
        module.__salt__ = {
            "hamysql_change.pending": pending,
            "hamysql_change.apply": apply,
            "hamysql_change.refused": lambda: [str(item) for item in looks[0] if item.kind == REFUSED],
        }
        return module

    return make


def test_what_is_live_is_applied_and_told_with_what_waits(state):
    module = state([TOKEN, OPTION], [OPTION])
    ret = module.applied("x")
    assert ret["changes"] == {TOKEN.path: {"old": "3000", "new": "5000"}}
    assert ret["result"] is True
    assert WAITING in ret["comment"]


def test_what_waits_for_a_restart_is_no_change(state):
    module = state([OPTION])
    ret = module.applied("x")
    assert (ret["result"], ret["changes"], module.applied_calls) == (True, {}, [])
    assert WAITING in ret["comment"]


@pytest.mark.parametrize("test", [False, True])
def test_what_both_nodes_have_to_do_at_once_is_left_to_the_orchestration(state, test):
    module = state([SECRET], test=test)
    ret = module.applied("x")
    assert (ret["result"], ret["changes"], module.applied_calls) == (True, {}, [])
    assert (
        "Pending:\n  - hamysql:storage:drbd:shared_secret: another secret -> the pillar's, when both nodes"
        in ret["comment"]
    )
    assert "hamysql.orch does that" in ret["comment"]


def test_test_mode_predicts_and_does_nothing(state):
    module = state([TOKEN, OPTION], test=True)
    ret = module.applied("x")
    assert (ret["result"], module.applied_calls) == (None, [])
    assert ret["changes"] == {TOKEN.path: {"old": "3000", "new": "5000"}}


def test_what_was_not_taken_over_is_a_failure_that_keeps_its_changes(state):
    ret = state([TOKEN]).applied("x")
    assert ret["result"] is False
    assert ret["changes"]
    assert "it still differs: hamysql:corosync:token" in ret["comment"]


def test_a_service_s_refusal_is_the_comment_and_what_was_done_before_it_is_kept(state):
    done = Pending(LIVE, MYSQL, "hamysql:mysql:config:mysqld:a", "1", "2")
    module = state([TOKEN, done], [TOKEN])

    def apply():
        raise CommandFailed(["mariadb"], 1, "Variable 'b' can't be set to the value of 'x'")

    module.__salt__["hamysql_change.apply"] = apply
    ret = module.applied("x")
    assert (ret["result"], ret["changes"]) == (False, {done.path: {"old": "1", "new": "2"}})
    assert "can't be set" in ret["comment"]


def test_a_path_is_named_once_by_the_first_who_knows_it():
    other = Pending(REFUSED, "corosync", NAME.path, "a", "b", "stop it")
    assert pending_changes.distinct([NAME, other, TOKEN]) == [NAME, TOKEN]


def test_what_cannot_be_changed_fails_with_every_sentence(state):
    ret = state([NAME, TOKEN]).possible("x")
    assert ret["result"] is False
    assert ret["comment"].endswith("  - hamysql:cluster:name: a is in service, the pillar says b: put it back")


def test_what_can_be_changed_is_possible(state):
    assert state([TOKEN, OPTION]).possible("x")["result"] is True


# --- the module


@pytest.fixture
def module(request):
    """A module of db2; ``module.ran`` are the commands of the cluster's services."""
    name = getattr(request, "param", "hamysql_change")
    loaded = load(f"_modules/{name}.py", f"{name}_module")
    loaded.ran, loaded.resources, loaded.database = [], [], False
    secret = {"resource": "mysql", "shared_secret": "canary"}
    loaded.device = {}
    loaded.__salt__ = {
        "hamysql.config": lambda **_: {
            "self": "db2",
            "peer": "db1",
            "storage": {"drbd": secret},
            "quorum": {"device": loaded.device},
        },
        "hamysql_cluster.status": lambda: {"resources": loaded.resources},
        "hamysql_cluster.stop": lambda timeout: loaded.ran.append("stop"),
        "hamysql_cluster.start": lambda timeout: loaded.ran.append("start"),
        "hamysql_quorum.start": lambda: loaded.ran.append("qdevice"),
        "hamysql_mysql.active": lambda: loaded.database,
    }
    return loaded


@pytest.mark.parametrize("module", ["hamysql_rolling"], indirect=True)
def test_a_standby_is_restarted(module):
    module.resources = [
        {"id": "p_mysql", "node": "db1", "parent": "g_mysql"},
        {"id": "p_drbd_mysql", "node": "db2", "parent": "ms_drbd_mysql"},
    ]
    assert module.restart() is True
    assert module.ran == ["stop", "start"]


@pytest.mark.parametrize("module", ["hamysql_rolling"], indirect=True)
def test_the_third_vote_comes_back_with_a_restarted_node(module):
    module.device = {"address": "192.0.2.13"}
    assert module.restart() is True
    assert module.ran == ["stop", "start", "qdevice"]


@pytest.mark.parametrize("module", ["hamysql_rolling"], indirect=True)
@pytest.mark.parametrize(
    ("resources", "database"),
    [
        ([{"id": "p_fs_mysql", "node": "db2", "parent": "g_mysql"}], False),
        ([{"id": "p_ip_mysql", "node": "db2", "parent": ""}], False),
        ([], True),
    ],
)
def test_the_node_that_serves_is_not_restarted(module, resources, database):
    module.resources, module.database = resources, database
    with pytest.raises(Refused, match=r"db2 runs the service; move it first: `salt db2 hamysql_cib\.move db1`"):
        module.restart()
    assert module.ran == []


def test_drbd_takes_over_what_one_node_may_and_what_both_have_to_at_different_calls(module):
    adjusted = []
    module.run = lambda argv, **_: Result(0, "")
    storage = SimpleNamespace(apply=lambda site, *_: adjusted.append(site))
    module.backends = SimpleNamespace(used=lambda site: storage)
    rate = Pending(LIVE, STORAGE, "hamysql:storage:drbd:rate", "1M", "2M")
    # With one call both nodes adjust, and the peer may have had what was for both from DRBD itself, before this node looks.
    for pending, live, both in (([SECRET], [], [SECRET.path]), ([rate], [rate.path], [rate.path]), ([], [], [])):
        module._pending = lambda site, pending=pending: pending
        for arguments, paths in (({}, live), ({"both": True}, both)):
            adjusted.clear()
            assert list(module.apply(**arguments)) == paths
            assert len(adjusted) == len(paths)


def test_a_reload_before_the_file_is_written_is_refused(module, tmp_path):
    module.COROSYNC_CONF = tmp_path / "corosync.conf"
    module.COROSYNC_CONF.write_text("totem {\n  version: 2\n  token: 1000\n}\n")
    site = {"corosync": {"sections": [{"name": "totem", "options": [["version", "2"]], "sections": []}]}}
    with pytest.raises(Refused, match="is not what the pillar says"):
        module._reload_corosync(site)


@pytest.mark.parametrize(("pillar", "asked"), [({}, {}), ({"hamysql_migration": "shared"}, {"moving": "shared"})])
def test_the_orchestration_that_moves_the_data_may_have_what_a_highstate_may_not(state, pillar, asked):
    module, seen = state([]), []
    module.__pillar__ = pillar
    module.__salt__["hamysql_change.refused"] = lambda **given: seen.append(given) or []
    assert module.possible("x")["result"] is True
    assert seen == [asked]
