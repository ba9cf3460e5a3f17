"""The orchestration's states over a cluster's members, which are made of surveys in several states."""

from __future__ import annotations

import copy
import importlib.util
import json
import re
from types import SimpleNamespace

from hamysql.cib.status import Cluster, Node
from hamysql.master import deployment as deployments
from hamysql.master.members import Answer, Members
from hamysql.storage.drbd.status import Status
from support import ROOT

LAB = json.loads((ROOT / "test/unit/config/fixtures/lab.json").read_text(encoding="utf-8"))
PHASES = re.findall(r'\("hamysql-[a-z-]+", "(\w+)"\)', (ROOT / "hamysql" / "orch" / "init.sls").read_text())
# Everything that a member may be asked while nothing may be changed.
READING = {"hamysql_node.survey", "hamysql_node.pending", "state.apply", "hamysql_cib.preview"}
NODE = {"online": True, **dict.fromkeys(("standby", "maintenance", "pending", "unclean", "shutdown"), False)}


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
        "cluster": {
            "running": False, "dc": None, "quorum": False, "maintenance": False, "nodes": {}, "resources": [], "failures": [], "fencing": [], "shell": "crm",
        },
        "database": False,
        "facts": {
            "nodename": name, "system": {"name": "Debian", "release": "12"}, "clock": [0.0, 0.0], "interfaces": links,
            "packages": {}, "unreachable": [], "absent": [], "vip_owner": "", "tls": {},
            "storage": {"reached": {}, "module": {"version": "", "loadable": True}},
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


def running(**fields):
    """The state of a cluster at work whose controller is db1, as ``crm_mon`` is read."""
    nodes = {name: Node(name, str(number), **NODE) for number, name in enumerate(("db1", "db2"), start=1)}
    empty = {"resources": (), "failures": (), "fencing": ()}
    return Cluster(**{"dc": "db1", "quorum": True, "maintenance": False, "nodes": nodes, **empty, **fields})


def working(name):
    """A member of a cluster at work; db1 is the controller, db2 is active."""
    seen = installed(name)
    roles = ("Primary", "Secondary") if name == "db2" else ("Secondary", "Primary")
    seen["storage"]["status"] = Status("Connected", *roles, "UpToDate", "UpToDate").as_dict()
    seen["cluster"] = running().as_dict("crm")
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
        deployments.Master = lambda opts: SimpleNamespace(
            opts=opts, code="same", members=self.members, fire=lambda cluster, data: self.events.append(data)
        )
        deployments.Lock = lambda opts, cluster, jid: SimpleNamespace(release=lambda: None)

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
        if function == "hamysql_checkpoint.keep":
            assert self.module.__opts__["test"] is False
            self.asked.pop()
            return {minion: Answer("20260131T100000Z") for minion in minions}
        assert function == "state.apply", function
        return {minion: Answer(self.applied.get((kwargs["mods"], minion), NOTHING)) for minion in minions}

    def run(self):
        """The phases' returns by name; each needs the one before it."""
        returned = {name: getattr(self.module, name)(name) for name in PHASES}
        assert {function for function, _, _ in self.asked} <= READING
        assert all(test is True for function, _, test in self.asked if function == "state.apply")
        return returned
