"""The iSCSI record: what becomes of the file that iscsiadm has made, and what a node's session looks like."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from minion import load

from hamysql.errors import CommandFailed, NotReady
from hamysql.storage.lun import iscsi
from hamysql.system import root, wait
from hamysql.system.command import Result

RECORD = (Path(__file__).parent / "fixtures" / "node-open-iscsi-2.1.8.txt").read_text(encoding="ascii")
TARGET, SECRET = "iqn.2026-01.org.example:t", "canary-chap-password"
DEVICE = "/dev/disk/by-id/wwn-0x1"
OPTIONS = {
    "portal": "192.0.2.40:3260",
    "target": TARGET,
    "username": "galaxy",
    "password": SECRET,
    "replacement_timeout": 60,
}


def test_the_record_gets_our_values_and_keeps_all_others():
    want = iscsi.wanted(OPTIONS)
    before, text = iscsi.parse_record(RECORD), iscsi.merged(RECORD, want)
    after = iscsi.parse_record(text)
    assert {name: after[name] for name in want} == dict(want)
    assert {name: value for name, value in after.items() if name not in want} == {
        name: value for name, value in before.items() if name not in want
    }
    assert text.startswith("# BEGIN RECORD 2.1.8\n")
    assert text.rstrip().endswith("# END RECORD")
    assert after["node.startup"] == "automatic"
    assert after["node.session.timeo.replacement_timeout"] == "60"
    assert iscsi.merged(text, want) == text


def test_a_record_without_an_end_is_completed():
    assert iscsi.merged("node.name = a\n", {"node.startup": "automatic"}) == "node.name = a\nnode.startup = automatic\n"


def test_without_a_user_there_is_no_chap():
    want = iscsi.wanted({**OPTIONS, "username": None, "password": None})
    assert want["node.session.auth.authmethod"] == "None"
    assert not [name for name in want if "password" in name or "username" in name]


def test_differences_hide_the_password_in_both_directions():
    want = iscsi.wanted(OPTIONS)
    record = {**iscsi.parse_record(iscsi.merged(RECORD, want)), "node.session.auth.password": "canary-old-password"}
    assert iscsi.differences(record, want) == {
        "node.session.auth.password": {"old": "(another one)", "new": "(the pillar's)"}
    }
    assert iscsi.differences(iscsi.parse_record(iscsi.merged(RECORD, want)), want) == {}


@pytest.mark.parametrize(
    ("portal", "name"),
    [
        ("192.0.2.40:3260", "192.0.2.40,3260"),
        ("192.0.2.40:3260", "192.0.2.40,3260,1/default"),
        ("[2001:db8::40]:3261", "2001:db8::40,3261"),
    ],
)
def test_the_records_file_is_found_with_and_without_the_portal_groups_number(tmp_path, portal, name):
    options, folder = {**OPTIONS, "portal": portal}, tmp_path / "var/lib/iscsi/nodes" / TARGET
    with root.below(tmp_path):
        assert iscsi.record_file(options) is None
        file = folder / name
        file.parent.mkdir(parents=True)
        file.write_text(RECORD)
        (folder / "192.0.2.41,3260").write_text("another portal's")
        assert iscsi.record_file(options) == file


def test_a_session_that_waits_for_its_path_is_a_session(tmp_path):
    for number, (target, state) in enumerate([("other", "LOGGED_IN"), (TARGET, "FAILED")]):
        folder = tmp_path / "sys/class/iscsi_session" / f"session{number}"
        folder.mkdir(parents=True)
        (folder / "targetname").write_text(f"{target}\n")
        (folder / "state").write_text(f"{state}\n")
    with root.below(tmp_path):
        assert iscsi.has_session(TARGET)
        assert not iscsi.logged_in(TARGET)
        assert iscsi.logged_in("other")
    with root.below(tmp_path / "none"):
        assert not iscsi.has_session(TARGET)


def test_the_initiator_name(tmp_path):
    file = tmp_path / "etc/iscsi/initiatorname.iscsi"
    file.parent.mkdir(parents=True)
    with root.below(tmp_path):
        assert iscsi.initiator_name() == ""
        file.write_text("## DO NOT EDIT\nInitiatorName=iqn.1993-08.org.debian:01:f00d\n")
        assert iscsi.initiator_name() == "iqn.1993-08.org.debian:01:f00d"


@pytest.fixture
def node(tmp_path):
    """A node with open-iscsi's files and a kernel's sessions below a folder; ``programs`` is what was started."""
    with root.below(tmp_path):
        yield on(*map(root.at, (iscsi.FOLDERS[0], iscsi.SESSIONS, DEVICE)))


def on(records, sessions, device):
    state = SimpleNamespace(programs=[], login=True, lun=True, options=OPTIONS, device=device)

    def run(argv, **_):
        state.programs.append(argv)
        if "new" in argv:
            file = records / TARGET / "192.0.2.40,3260"
            file.parent.mkdir(parents=True)
            file.write_text(RECORD)
        if "--login" in argv:
            if not state.login:
                raise CommandFailed(
                    argv,
                    24,
                    "iscsiadm: initiator reported error (24 - iSCSI login failed due to authorization failure)",
                )
            (sessions / "session1").mkdir(parents=True)
            (sessions / "session1" / "targetname").write_text(TARGET)
            (sessions / "session1" / "recovery_tmo").write_text("120")
            if state.lun:
                device.parent.mkdir(parents=True)
                device.touch()
        return Result(0, "")

    module = load("_modules/hamysql_iscsi.py", "node_hamysql_iscsi")
    module.run, module.WAIT = run, 0
    module.wait = SimpleNamespace(until=wait.until)
    module.__salt__ = {
        "hamysql.config": lambda **_: {"storage": {"shared": {"iscsi": state.options, "device": DEVICE}}}
    }
    states = load("_states/hamysql_iscsi.py", "node_state_hamysql_iscsi")
    states.__salt__ = {"hamysql_iscsi.pending": module.pending, "hamysql_iscsi.apply": module.apply}
    states.__opts__ = {"test": False}
    state.module, state.states, state.records, state.sessions = module, states, records, sessions
    return state


def test_a_first_run_logs_in_and_a_second_changes_nothing(node):
    first = node.states.logged_in("x")
    assert (first["result"], sorted(first["changes"])) == (True, ["record", "session"])
    file = node.records / TARGET / "192.0.2.40,3260"
    assert iscsi.parse_record(file.read_text())["node.session.auth.password"] == SECRET
    assert file.stat().st_mode & 0o777 == 0o600
    started = len(node.programs)
    again = node.states.logged_in("x")
    assert (again["result"], again["changes"], len(node.programs)) == (True, {}, started)


def test_no_secret_is_in_an_argument_in_changes_or_in_a_comment(node):
    said = [node.states.logged_in("x")]
    node.options = {**OPTIONS, "password": "canary-another-password"}
    said.append(node.states.logged_in("x"))
    assert said[1]["changes"] == {"node.session.auth.password": {"old": "(another one)", "new": "(the pillar's)"}}
    assert "canary" not in json.dumps([said, node.programs])


def test_test_mode_says_what_would_be_done_and_does_nothing(node):
    node.states.__opts__ = {"test": True}
    returned = node.states.logged_in("x")
    assert (returned["result"], sorted(returned["changes"])) == (None, ["record", "session"])
    assert node.programs == []
    assert not node.records.exists()


def test_a_changed_timeout_counts_in_the_session_at_once_and_the_session_is_kept(node):
    node.states.logged_in("x")
    node.programs.clear()
    node.options = {**OPTIONS, "replacement_timeout": 15}
    returned = node.states.logged_in("x")
    assert returned["changes"] == {"node.session.timeo.replacement_timeout": {"old": "60", "new": "15"}}
    assert (node.sessions / "session1" / "recovery_tmo").read_text() == "15"
    assert node.programs == []


def test_a_login_that_fails_keeps_what_was_done(node):
    node.login = False
    returned = node.states.logged_in("x")
    assert returned["result"] is False
    assert "authorization failure" in returned["comment"]
    assert sorted(returned["changes"]) == ["record"]


def test_a_lun_that_does_not_appear_is_told_with_its_name(node):
    node.lun = False
    with pytest.raises(NotReady, match=rf"the LUN {DEVICE} is there; seen last: logged in, and there is no disk"):
        node.module.apply()
