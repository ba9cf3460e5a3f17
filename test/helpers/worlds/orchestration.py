"""The orchestration's states over a cluster's members: the lab's nodes in several states, and what each says of itself."""

from __future__ import annotations

import importlib.util
import pickle
import re
from functools import cache
from types import SimpleNamespace

import lab_node
from lab_node import PILLARS
from minion import CODE
from printed import running

from hamysql.master import deployment as deployments
from hamysql.master.members import Answer, Members
from hamysql.storage.drbd.status import Status
from hamysql.storage.latch import Stage
from support import ROOT

PHASES = re.findall(r'\("hamysql-[a-z-]+", "(\w+)"\)', (ROOT / "hamysql" / "orch" / "init.sls").read_text())
# Everything that a member may be asked while nothing may be changed.
READING = {"hamysql_node.survey", "hamysql_node.pending", "state.apply", "hamysql_cib.preview"}


def survey(name):
    """A bare machine of the lab."""
    return _said(name, None)


def installed(name):
    """A member of an initialised cluster whose pacemaker does not run."""
    return _said(name, Stage.INITIALISED)


def working(name, active="db2", resources=()):
    """A member of a cluster at work; db1 is the controller."""
    return _said(name, Stage.INITIALISED, active, resources)


def _said(name, stage, active="", resources=()):
    return pickle.loads(_survey(name, stage, active, resources))


@cache
def _survey(name, stage, active, resources):
    """Pickled, because each who asks gets a copy. ``active`` is the node that serves, "" where the cluster does not run."""
    node = lab_node.Node(name, stage=stage)
    if active:
        roles = ("Primary", "Secondary") if name == active else ("Secondary", "Primary")
        node.replica = Status("Connected", *roles, "UpToDate", "UpToDate")
        node.cluster, node.database = running(resources=resources), name == active
    return pickle.dumps(node.survey())


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
            opts=opts, code=CODE, members=self.members, fire=lambda cluster, data: self.events.append(data)
        )
        deployments.Lock = lambda opts, cluster, jid: SimpleNamespace(release=lambda: None)

    def members(self, cluster):
        return Members("galaxy-db", {"db1": "db1", "db2": "db2"}, self.call, PILLARS)

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
