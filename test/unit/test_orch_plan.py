"""The orchestration with test=True: what each phase shows of clusters in several states, and what it asks of the members."""

from __future__ import annotations

import copy
import importlib.util
import json
import re
from types import SimpleNamespace

import pytest

from hamysql.master import progress
from hamysql.master.members import Answer, Members
from support import ROOT

LAB = json.loads((ROOT / "test" / "unit" / "fixtures" / "config" / "lab.json").read_text(encoding="utf-8"))
PHASES = re.findall(r'\("hamysql-[a-z-]+", "(\w+)"\)', (ROOT / "hamysql" / "orch" / "init.sls").read_text())
# Everything that a member may be asked while nothing may be changed.
READING = {"hamysql_node.survey", "hamysql_node.pending", "state.apply", "hamysql_cib.preview"}
NODE = {"online": True, "pending": False, "standby": False}


def survey(name):
    """A bare machine of the lab."""
    host = {"db1": 11, "db2": 12}[name]
    links = {f"eth{n}": {"mac": f"02:00:00:00:0{n}:{host}", "addresses": [f"10.77.{n + 1}.{host}/24"]} for n in (0, 1)}
    return {
        "code": "same",
        "pillar": "same",
        "stale": False,
        "pending": [],
        "settings": copy.deepcopy(LAB),
        "storage": {
            "disk": "/dev/ubdb", "size": 2**29, "signatures": [], "uses": [], "partitions": [], "names": [], "generation": {}, "status": {}, "latch": {},
        },
        "cluster": {"running": False, "dc": None, "nodes": {}, "failures": []},
        "database": False,
        "facts": {
            "nodename": name, "system": {"name": "Debian", "release": "12"}, "clock": [0.0, 0.0], "interfaces": links,
            "drbd": {"version": "", "loadable": True}, "packages": {}, "unreachable": [], "absent": [], "vip_owner": "",
            "storage": {"reached": {}, "initiator": ""},
        },
    }  # fmt: skip


def installed(name):
    """A member of an initialised cluster whose pacemaker does not run."""
    seen = survey(name)
    uuid = f"{name}-uuid"
    seen["storage"] |= {
        "signatures": [{"type": "drbd", "offset": 0, "uuid": uuid}],
        "generation": {"current": "AAAA", "bitmap": "0", "history": ["0", "0"], "just_created": False, "consistent": True},
        "latch": {
            "cluster": "galaxy-db", "resource": "mysql", "disk": "/dev/ubdb", "stage": "INITIALISED", "device_uuid": uuid,
        },
    }  # fmt: skip
    return seen


def working(name):
    """A member of a cluster at work; db1 is the controller, db2 is active."""
    seen = installed(name)
    status = {"connection": "Connected", "disk": "UpToDate", "peer_disk": "UpToDate", "out_of_sync": 0, "done": None}
    roles = ("Primary", "Secondary") if name == "db2" else ("Secondary", "Primary")
    seen["storage"]["status"] = {**status, "role": roles[0], "peer_role": roles[1]}
    seen["cluster"] = {"running": True, "dc": "db1", "nodes": {"db1": NODE, "db2": NODE}, "failures": []}
    seen["database"] = name == "db2"
    return seen


def state(changes=None, comment="", result=None, name="/etc/a", id_="hamysql-a"):
    return {"changes": changes or {}, "comment": comment, "result": result, "name": name, "__id__": id_}


NOTHING = {"file_|-hamysql-a_|-/etc/a_|-managed": state(result=True)}
NO_CIB = {"changes": [], "actions": [], "drift": []}


class Site:
    """The orchestration's states over members that answer from a table."""

    def __init__(self, member, applied=None, cib=None):
        self.surveys = {name: member(name) for name in ("db1", "db2")}
        self.applied, self.cib = applied or {}, cib or NO_CIB
        self.asked, self.events = [], []
        spec = importlib.util.spec_from_file_location("hamysql_orch", ROOT / "_states" / "hamysql_orch.py")
        self.module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)
        self.module.__opts__, self.module.__context__ = {"test": True, "jid": "1"}, {}
        self.module.deployments.Master = lambda opts: SimpleNamespace(
            opts=opts, code="same", members=self.members, fire=lambda cluster, data: self.events.append(data)
        )
        self.module.deployments.Lock = lambda opts, cluster, jid: SimpleNamespace(release=lambda: None)

    def members(self, cluster):
        return Members("galaxy-db", {"db1": "db1", "db2": "db2"}, self.call, {"db1": "same", "db2": "same"})

    def call(self, minions, function, kwargs, timeout):
        self.asked.append((function, kwargs.get("mods"), kwargs.get("test")))
        if function == "hamysql_node.survey":
            return {minion: Answer(self.surveys[minion]) for minion in minions}
        if function == "hamysql_cib.preview":
            return {minion: Answer(self.cib) for minion in minions}
        if function == "hamysql_node.pending":
            left = [change["id"] for change in self.cib["changes"]]
            found = {"service": "", "drift": self.cib["drift"]}
            tell = {"db1": {"resources": left, "accounts": None}, "db2": {"resources": None, "accounts": []}}
            return {minion: Answer({**found, **tell[minion]}) for minion in minions}
        assert function == "state.apply", function
        return {minion: Answer(self.applied.get((kwargs["mods"], minion), NOTHING)) for minion in minions}

    def run(self):
        """The phases' returns by name; each needs the one before it."""
        returned = {name: getattr(self.module, name)(name) for name in PHASES}
        assert {function for function, _, _ in self.asked} <= READING
        assert all(test is True for function, _, test in self.asked if function == "state.apply")
        return returned


def changes(returned):
    return {name: ret["changes"] for name, ret in returned.items() if ret["changes"]}


def test_bare_nodes_get_everything():
    package = {"hamysql_package_|-p_|-p_|-installed": state({"corosync": {"old": "", "new": "installed"}})}
    site = Site(survey, {("hamysql", name): package for name in ("db1", "db2")})
    returned = site.run()
    assert all(ret["result"] in (True, None) for ret in returned.values())
    found = changes(returned)
    assert found["nodes_configured"] == {name: ["+ packages corosync, and what they need"] for name in ("db1", "db2")}
    assert (
        "seed on db1: no member has ever held data; this is the first node of the pillar"
        in found["storage_initialised"]["storage"]
    )
    assert found["cluster_online"]["cluster"] == [
        f"+ corosync and pacemaker are started on {name}" for name in ("db1", "db2")
    ]
    assert len(found["resources_managed"]["resources"]) > 10
    assert found["accounts_managed"]["accounts"][0].startswith("+ database probe")
    count = sum(len(entries) for phase in found.values() for entries in phase.values())
    assert f"{count} changes would be made" in returned["summarised"]["comment"]
    # A follower is shown the same.
    shown = "\n".join(progress.line(event) for event in site.events)
    for phase in found.values():
        for entries in phase.values():
            assert all(entry.splitlines()[0] in shown for entry in entries)


def test_a_converged_cluster_has_nothing_to_do():
    site = Site(working)
    returned = site.run()
    assert changes(returned) == {}
    assert all(ret["result"] is True for ret in returned.values())
    assert "no changes would be made" in returned["summarised"]["comment"]
    assert not any(event.get("lines") for event in site.events)


def test_a_drifted_cluster_shows_words_and_not_xml_and_what_pacemaker_would_do():
    timeout = {"old": "op monitor interval=20s timeout=30s", "new": "op monitor interval=20s timeout=20s"}
    cib = {
        "changes": [{"kind": "changed", "id": "p_mysql", **timeout}],
        "actions": ["restart p_mysql on db2"],
        "drift": ["node db1 is in standby; `crm node online db1` ends it"],
    }
    file = {"file_|-hamysql-a_|-/etc/a_|-managed": state({"diff": "<show_changes=False>"})}
    returned = Site(working, {("hamysql", "db2"): file}, cib).run()
    assert changes(returned) == {
        "nodes_configured": {"db2": ["~ file /etc/a\n    (it holds a secret: the difference is not shown)"]},
        "resources_managed": {"resources": ["~ p_mysql: op monitor timeout 30s -> 20s"]},
    }
    assert returned["resources_managed"]["comment"].splitlines() == [
        "1 change",
        "left as somebody has put it: node db1 is in standby; `crm node online db1` ends it",
        "what pacemaker would do about it:",
        "  p_mysql restarts on db2",
    ]
    assert "2 changes would be made" in returned["summarised"]["comment"]


def test_what_cannot_be_known_of_a_stopped_cluster_is_not_guessed():
    returned = Site(installed).run()
    assert set(changes(returned)) == {"cluster_online"}
    for phase in ("resources_managed", "accounts_managed"):
        assert returned[phase]["comment"].startswith("not known: ")


def test_a_cluster_with_a_member_missing_is_planned_and_not_waited_for():
    site = Site(working)
    for seen in site.surveys.values():
        seen["cluster"] |= {"dc": "db1", "nodes": {"db1": NODE, "db2": {**NODE, "pending": True}}}
    site.surveys["db2"]["cluster"]["dc"] = None
    returned = site.run()
    assert changes(returned) == {}
    assert returned["cluster_online"]["comment"] == (
        "would wait until all members are online: db1 sees db2 not online; db2 sees no controller, db2 not online"
    )


@pytest.mark.parametrize("test", [True, False])
def test_accounts_are_not_managed_while_it_is_not_known_which_server_is_the_cluster_s(test):
    site = Site(working)
    site.module.__opts__["test"] = test
    site.surveys["db1"]["database"] = True
    ret = site.module.accounts_managed("accounts")
    assert (ret["result"], ret["changes"]) == (False, {})
    assert "answers on the local socket of db1 and db2" in ret["comment"]
    assert [function for function, _, _ in site.asked] == ["hamysql_node.survey"]


def test_all_that_is_wrong_is_one_refusal_and_no_member_is_asked_more():
    site = Site(survey)
    site.surveys["db1"]["storage"] |= {"size": None}
    site.surveys["db2"]["facts"]["drbd"]["loadable"] = False
    ret = site.module.members_checked("members")
    assert ret["result"] is False
    assert "  - db2: found no kernel module drbd" in ret["comment"]
    assert "  - db1, /dev/ubdb: there is no such block device" in ret["comment"]
    assert [function for function, _, _ in site.asked] == ["hamysql_node.survey"]


def test_a_warning_is_told_and_does_not_stop_a_cluster_at_work():
    site = Site(working)
    site.surveys["db2"]["facts"]["unreachable"] = ["10.77.2.11"]
    ret = site.module.members_checked("members")
    assert ret["result"] is True
    (line,) = (line for line in ret["comment"].splitlines() if "ping" in line)
    assert line.startswith("WARNING: db2: found no answer to a ping from 10.77.2.12 to 10.77.2.11 of db1")
    assert any(line in event["text"] for event in site.events)
