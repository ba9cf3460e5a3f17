"""The module that looks at, starts and stops one node's cluster services: exact commands, plain returns."""

from __future__ import annotations

import json

import pytest

from hamysql.errors import CommandFailed, NotReady
from hamysql.system.command import Result


@pytest.fixture
def module(load_module, fake, monkeypatch):
    """The module over a table of answers; `.commands` of what is returned with it lists what it ran."""

    def load(**table):
        loaded = load_module("_modules", "hamysql_cluster")
        answers = fake({name.replace("_", "-"): result for name, result in table.items()})
        monkeypatch.setattr(loaded, "run", answers.run)
        return loaded, answers.commands

    return load


def states(*words, code=0):
    return Result(code, "\n".join(words) + "\n")


def test_the_status_is_plain_data(load_module, fake, fixture, monkeypatch):
    loaded = load_module("_modules", "hamysql_cluster")
    answers = fake({"crm_mon": Result(0, fixture("crm_mon-2.1.5-running.xml"))})
    monkeypatch.setattr(loaded, "run", answers.run)
    status = loaded.status()
    assert answers.commands == [("crm_mon", "--one-shot", "--output-as=xml")]
    assert json.loads(json.dumps(status)) == json.loads(json.dumps(status, default=repr))
    assert (status["running"], status["dc"], status["quorum"]) == (True, "db1", True)
    assert status["nodes"]["db2"]["online"] is True
    assert status["resources"][3]["role"] == "Promoted"
    assert status["resources"][3]["node"] == "db2"


@pytest.mark.parametrize("code", [102, 105])
def test_a_stopped_cluster_has_the_same_shape(load_module, fake, fixture, monkeypatch, code):
    loaded = load_module("_modules", "hamysql_cluster")
    monkeypatch.setattr(loaded, "run", fake({"crm_mon": Result(code, "<pacemaker-result/>")}).run)
    stopped = loaded.status()
    monkeypatch.setattr(loaded, "run", fake({"crm_mon": Result(0, fixture("crm_mon-2.1.5-no-dc.xml"))}).run)
    running = loaded.status()
    assert (stopped["running"], stopped["dc"], stopped["nodes"]) == (False, None, {})
    assert list(stopped) == list(running)
    assert {name: type(value) for name, value in stopped.items() if name != "dc"} == {
        name: list if isinstance(value, tuple) else type(value) for name, value in running.items() if name != "dc"
    }


def test_starting_what_runs_changes_nothing(module):
    loaded, commands = module(systemctl=states("active", "active"))
    assert loaded.start() is False
    assert commands == [("systemctl", "is-active", "corosync", "pacemaker")]


@pytest.mark.parametrize("seen", [("active", "inactive"), ("inactive", "inactive"), ("active", "failed")])
def test_starting_starts_both(module, seen):
    loaded, commands = module(systemctl=states(*seen))
    assert loaded.start() is True
    assert commands[1:] == [("systemctl", "start", "corosync", "pacemaker")]


def test_stopping_stops_pacemaker_first(module):
    loaded, commands = module(systemctl=states("active", "active"))
    assert loaded.stop() is True
    assert commands[1:] == [("systemctl", "stop", "pacemaker", "corosync")]


@pytest.mark.parametrize("seen", [("inactive", "inactive"), ("failed", "inactive")])
def test_stopping_what_is_stopped_changes_nothing(module, seen):
    loaded, commands = module(systemctl=states(*seen, code=0))
    assert loaded.stop() is False
    assert len(commands) == 1


def test_a_unit_that_does_not_start_is_an_error(load_module, monkeypatch):
    loaded = load_module("_modules", "hamysql_cluster")

    def run(argv, **options):
        if argv[1] == "start":
            raise CommandFailed(argv, 1, "A dependency job for pacemaker.service failed")
        if argv[1] == "is-failed":
            return Result(0, "failed\n") if argv[2] == "sbd" else Result(1, "inactive\n")
        if argv[0] == "journalctl":
            assert argv[1:3] == ["--unit", "sbd"]
            return Result(0, "cannot open /dev/watchdog\ngives up\n")
        return states("inactive", "inactive", code=3)

    monkeypatch.setattr(loaded, "run", run)
    with pytest.raises(
        CommandFailed, match=r"for pacemaker\.service failed\nsbd: cannot open /dev/watchdog\nsbd: gives up$"
    ):
        loaded.start()


def test_waiting_ends_when_all_are_online(load_module, fake, fixture, monkeypatch):
    loaded = load_module("_modules", "hamysql_cluster")
    monkeypatch.setattr(loaded, "run", fake({"crm_mon": Result(0, fixture("crm_mon-2.1.5-running.xml"))}).run)
    assert loaded.wait_online(["db1", "db2"], timeout=0)["dc"] == "db1"
    with pytest.raises(NotReady, match=r"db3 are online.*seen last: db1, db2 online, controller db1"):
        loaded.wait_online(["db1", "db3"], timeout=0)


def test_waiting_says_what_was_seen_last(load_module, fake, fixture, monkeypatch):
    loaded = load_module("_modules", "hamysql_cluster")
    for result, seen in (
        (Result(102, ""), "pacemaker does not run here"),
        (Result(0, fixture("crm_mon-2.1.5-no-dc.xml")), "nobody online, controller not elected"),
    ):
        monkeypatch.setattr(loaded, "run", fake({"crm_mon": result}).run)
        with pytest.raises(NotReady, match=f"seen last: {seen}"):
            loaded.wait_online(["db1", "db2"], timeout=0)


def test_the_membership(module, fixture):
    loaded, commands = module(
        systemctl=states("active", "inactive"),
        corosync_quorumtool=Result(0, fixture("../../corosync/fixtures/corosync-quorumtool-3.1.7.txt")),
        corosync_cmapctl=Result(0, fixture("../../corosync/fixtures/corosync-cmapctl-3.1.7-link-down.txt")),
    )
    assert loaded.corosync() == {
        "running": True,
        "quorate": True,
        "node_id": 1,
        "members": [1, 2],
        "expected_votes": 2,
        "total_votes": 2,
        "needed_votes": 1,
        "flags": ["2Node", "Quorate", "WaitForAll"],
        "links": [{"node_id": 2, "link": 0, "connected": True}, {"node_id": 2, "link": 1, "connected": False}],
    }
    assert commands[1:] == [("corosync-quorumtool", "-s", "-i"), ("corosync-cmapctl", "-m", "stats")]


def test_a_node_without_quorum_is_no_error(module, fixture):
    loaded, _ = module(
        systemctl=states("active", "active"),
        corosync_quorumtool=Result(2, fixture("../../corosync/fixtures/corosync-quorumtool-3.1.7-waiting.txt")),
        corosync_cmapctl=Result(0, ""),
    )
    assert (loaded.corosync()["quorate"], loaded.corosync()["links"]) == (False, [])


def test_without_corosync_only_systemd_is_asked(module, fixture):
    loaded, commands = module(systemctl=states("inactive", "inactive", code=3))
    assert loaded.corosync()["running"] is False
    assert len(commands) == 1
    running, _ = module(
        systemctl=states("active", "active"),
        corosync_quorumtool=Result(0, fixture("../../corosync/fixtures/corosync-quorumtool-3.1.7.txt")),
        corosync_cmapctl=Result(0, ""),
    )
    assert list(loaded.corosync()) == list(running.corosync())
