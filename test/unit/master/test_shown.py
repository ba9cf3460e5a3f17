"""A plan as text: states' own test returns, changes to the cluster, whole orchestrations."""

from __future__ import annotations

import json
import re

import pytest

from hamysql.cib import plan as cib_plan
from hamysql.config import resources
from hamysql.master import shown as master_shown
from support import ROOT

LAB = json.loads((ROOT / "test/unit/config/fixtures/lab.json").read_text(encoding="utf-8"))


def entries(module, function, name="x", changes=None, comment="", result=None, id_="hamysql-x"):
    state = {"name": name, "__id__": id_, "changes": changes or {}, "comment": comment, "result": result}
    return master_shown.states({f"{module}_|-{id_}_|-{name}_|-{function}": state})


# What Salt 3008.3 returned for the formula's states with test=True.
SHOWN = [
    ("file", "managed", "/etc/corosync/authkey", {"newfile": "/etc/corosync/authkey"}, ["+ file /etc/corosync/authkey"]),
    ("file", "symlink", "/etc/systemd/system/drbd.service", {"new": "/etc/systemd/system/drbd.service"},
     ["+ link /etc/systemd/system/drbd.service"]),
    ("file", "directory", "/var/log/mysql", {"/var/log/mysql": {"directory": "new"}}, ["+ folder /var/log/mysql"]),
    ("file", "directory", "/var/log/mysql", {"/var/log/mysql": {"user": "mysql"}}, ["~ folder /var/log/mysql"]),
    ("file", "managed", "/etc/a", {"mode": "0640"}, ["~ file /etc/a: mode 0640"]),
    ("file", "managed", "/etc/a", {"diff": "--- \n+++ \n@@ -1 +1 @@\n-token: 1000\n+token: 3000\n"},
     ["~ file /etc/a\n    @@ -1 +1 @@\n    -token: 1000\n    +token: 3000"]),
    ("file", "managed", "/etc/drbd.d/mysql.res", {"diff": "<show_changes=False>"},
     ["~ file /etc/drbd.d/mysql.res\n    (it holds a secret: the difference is not shown)"]),
    ("hamysql_package", "installed", "x", {"corosync": {"new": "installed", "old": ""}, "drbd-utils": {"new": "9.22.0-1", "old": ""}},
     ["+ packages corosync, drbd-utils 9.22.0-1, and what they need"]),
    ("hamysql_package", "installed", "x", {"corosync": {"new": "3.1.8", "old": "3.1.7"}}, ["~ package corosync: 3.1.7 -> 3.1.8"]),
    ("hamysql_package", "borrowed", "x", {"repo": "deb file:/srv/crm ./"}, ["~ repository deb file:/srv/crm ./: disabled"]),
    ("hamysql_repository", "enabled", "deb file:/a ./", {"repo": "deb file:/a ./"}, ["+ repository deb file:/a ./"]),
    ("hamysql_repository", "enabled", "deb file:/a ./", {"disabled": {"old": True, "new": False}}, ["~ repository deb file:/a ./: disabled"]),
    ("service", "enabled", "pacemaker", {}, ["+ pacemaker.service at boot"]),
    ("service", "disabled", "sbd", {}, ["- sbd.service at boot"]),
    ("file", "absent", "/etc/a", {"removed": "/etc/a"}, ["- file /etc/a"]),
    ("hamysql_firewall", "managed", "x", {"ipv4": {"old": [], "new": ["-A HAMYSQL -i lo -j RETURN"]}},
     ["+ packet filter for ipv4\n    + -A HAMYSQL -i lo -j RETURN"]),
    ("hamysql_firewall", "managed", "x", {"ipv4": {"old": ["a", "b"], "new": ["a", "c"]}}, ["~ packet filter for ipv4\n    - b\n    + c"]),
    ("hamysql_mysql", "managed", "x", {"database a": {"old": None, "new": "present"}, "user b": {"old": "c", "new": "d"}},
     ["+ database a: present", "~ user b: c -> d"]),
]  # fmt: skip


@pytest.mark.parametrize(("module", "function", "name", "changes", "expected"), SHOWN, ids=[str(n) for n in range(len(SHOWN))])  # fmt: skip
def test_a_state_that_would_change_something(module, function, name, changes, expected):
    assert entries(module, function, name, changes) == expected


@pytest.mark.parametrize(
    ("comment", "expected"),
    [("Would be set\nNote: more", "~ hamysql-x: Would be set"), (["one", "two"], "~ hamysql-x: one; two"), ("", "~ hamysql-x: set")],
)  # fmt: skip
def test_a_state_that_nobody_knows_is_told_by_its_id_and_comment(comment, expected):
    assert entries("sysctl", "set", comment=comment) == [expected]
    assert entries("sysctl", "set", changes={"a": 1}, comment=comment, result=True) == [expected]


def test_a_state_with_nothing_to_do_is_silent():
    assert entries("file", "managed", result=True, comment="is in the correct state") == []


def test_a_long_difference_is_cut_and_says_so():
    lines = [f"+line {number}" for number in range(200)]
    (entry,) = entries("file", "managed", "/etc/a", {"diff": "\n".join(["--- ", "+++ ", *lines])})
    shown = entry.splitlines()
    assert len(shown) == master_shown.DIFF + 2
    assert shown[-1] == "    (140 more lines)"


# --- the cluster


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("op monitor interval=20s timeout=30s", "op monitor interval=20s timeout=20s", "op monitor timeout 30s -> 20s"),
        ("property a=1", "property a=2", "property a 1 -> 2"),
        ("", "meta migration-threshold=3", "+ meta migration-threshold=3"),
        ("params log=/a", "", "- params log=/a"),
        ('params options="a; b"', "params options=c", 'params options "a; b" -> c'),
        ("op start interval=0s", "op start interval=0s timeout=9s", "op start + timeout=9s"),
        ("op start interval=0s timeout=9s", "op start interval=0s", "op start - timeout=9s"),
        (
            "op monitor interval=29s role=Promoted timeout=20s; op monitor interval=30s role=Unpromoted timeout=20s",
            "op monitor interval=29s role=Promoted timeout=25s; op monitor interval=31s role=Unpromoted timeout=20s",
            "op monitor role=Promoted timeout 20s -> 25s; op monitor role=Unpromoted interval 30s -> 31s",
        ),
        ("op start timeout=1s; params a=1", "params a=2; op stop timeout=1s", "params a 1 -> 2; + op stop timeout=1s; - op start timeout=1s"),
        ("colocation inf: a b", "colocation inf: b a", "+ colocation inf: b a; - colocation inf: a b"),
    ],
)  # fmt: skip
def test_what_differs_is_told_by_the_words_that_do(old, new, expected):
    assert master_shown.difference(old, new) == expected


def test_a_changed_timeout_of_the_real_configuration_is_one_line(fixture_cib):
    live, other = fixture_cib
    other["pacemaker"]["operations"]["p_mysql"]["monitor"]["timeout"] = "21s"
    plan = cib_plan.plan(live, resources.desired(other))
    lines = master_shown.cib([vars(change) for change in plan.changes])
    assert lines == ["~ p_mysql: op monitor timeout 60s -> 21s"]


@pytest.fixture
def fixture_cib():
    """A CIB that has all of the lab's configuration, and that configuration."""
    empty = master_shown._EMPTY.replace("<status/>", "")
    return cib_plan.plan(empty, resources.desired(LAB)).xml, json.loads(json.dumps(LAB))


def test_a_new_cluster_is_listed_whole_and_without_its_tag(fixture_cib):
    lines = master_shown.whole_cib(LAB)
    names = [
        line.split()[2] for line in lines if line.split()[1] in {"primitive", "group", "clone", "colocation", "order"}
    ]
    assert set(names) == {
        *("p_ip_mysql", "p_fs_mysql", "p_mysql", "g_mysql", "p_drbd_mysql", "ms_drbd_mysql"),
        *("c_ip_with_mysql", "o_ip_before_mysql", "c_mysql_on_drbd", "o_drbd_before_mysql", "p_fence_db1", "p_fence_db2"),
        *("p_network_mysql", "cl_network_mysql"),
    }  # fmt: skip
    assert all(line.startswith("+ ") for line in lines)
    assert not any("<" in line or "tag hamysql" in line for line in lines)
    (alert,) = (line for line in lines if line.startswith("+ alert "))
    assert alert.startswith("+ alert a_power_on path=/usr/lib/hamysql/power-on")
    assert "select fencing" in alert
    (mysqld,) = (line for line in lines if line.startswith("+ primitive p_mysql "))
    assert re.fullmatch(r"\+ primitive p_mysql ocf:hamysql:mysql in g_mysql(\n    (params|op) .*)+", mysqld)
    with_text = {**LAB, "pacemaker": {**LAB["pacemaker"], "configure": "**********"}}
    assert master_shown.whole_cib(with_text)[-1] == "+ what the text of hamysql:pacemaker:configure makes"


def test_a_removed_element_and_a_tag_that_alone_changes_are_shown():
    gone = {"kind": "removed", "id": "p_x", "old": "primitive p_x ocf:heartbeat:Dummy op start timeout=1s", "new": ""}
    tag = {"kind": "changed", "id": "hamysql", "old": "tag p_x", "new": ""}
    assert master_shown.cib([gone, tag]) == ["- primitive p_x ocf:heartbeat:Dummy\n    op start timeout=1s"]
    assert master_shown.cib([tag]) == ["~ hamysql: - tag p_x"]


@pytest.mark.parametrize(
    ("planned", "told"),
    [
        ("restart p_mysql on db2", "p_mysql restarts on db2"),
        ("move p_ip_mysql from db1 to db2 (Started -> Started)", "p_ip_mysql moves from db1 to db2 (Started -> Started)"),
        ("Fence db1", "db1 is fenced"),
        ("stop p_x", "p_x stops"),
    ],
)  # fmt: skip
def test_what_pacemaker_would_do_is_a_sentence(planned, told):
    assert master_shown.actions([planned]) == [told]


def test_a_new_database_gets_all_accounts_and_no_password_is_shown():
    assert master_shown.whole_accounts(LAB) == [
        "+ database probe: present CHARACTER SET utf8mb4",
        "+ user probe@%: present, mysql_native_password",
        "+ grants of probe@% on `probe`.*: ALL PRIVILEGES",
    ]


# --- all of it


def phase(number, name, comment, changes=None, result=True):
    return {
        "__run_num__": number, "__id__": f"hamysql-{name}-done", "comment": comment, "changes": changes or {}, "result": result,
    }  # fmt: skip


def test_a_whole_plan_in_its_order():
    done = {
        "b": phase(10, "storage", "2 steps planned", {"storage": ["seed on db1: it is the first node", "seal on db1"]}),
        "a": phase(2, "nodes", "1 changes", {"db1": ["~ file /etc/a\n    +b"]}),
        "c": phase(11, "summary", "cluster x\n  db1: standby"),
    }
    assert master_shown.text(list(master_shown.phases(done))).splitlines() == [
        "nodes: 1 changes",
        "    db1:",
        "        ~ file /etc/a",
        "            +b",
        "storage: 2 steps planned",
        "    storage:",
        "        seed on db1: it is the first node",
        "        seal on db1",
        "summary: cluster x",
        "      db1: standby",
    ]


def test_a_plan_ends_where_it_is_refused():
    done = {
        "a": phase(0, "members", "the disk is not blank", result=False),
        "b": phase(1, "nodes", "One or more requisite failed", result=False),
    }
    assert master_shown.text(list(master_shown.phases(done))) == "members: FAILED: the disk is not blank"
