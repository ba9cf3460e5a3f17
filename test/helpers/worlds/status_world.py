"""What the members of a cluster say of themselves in several states, for the words of ``hamysql.status``.

db2 serves and db1 stands by; each function below makes one thing of that otherwise.
"""

from __future__ import annotations

import copy
from dataclasses import replace

from lab_node import NAMES, pillar
from lab_node import Node as LabNode
from printed import NODE, resource, running

from hamysql.cib.history import STARTED, STOPPED
from hamysql.cib.status import Failure, Fencing, Node
from hamysql.master.status.look import Seen
from hamysql.storage.drbd.status import Status
from hamysql.storage.latch import Stage

LUN = "/dev/disk/by-id/wwn-0x60014051234567890abcdef012345678"
BEGUN = 1795453827  # 2026-11-23 17:10:27 UTC
NOW = BEGUN + 3 * 3600 + 120.5
GIB = 2**30
PROVEN = "2026-11-20T09:30:00Z"
HEALTHY = {"master-p_drbd_mysql": "10000", "hamysql-carrier": "0", "hamysql-reach": "0"}


def resources(active="db2", passive="db1"):
    group = [resource(name, active) for name in ("p_ip_mysql", "p_fs_mysql", "p_mysql")]
    fences = [resource("p_fence_db1", "db2"), resource("p_fence_db2", "db1")]
    replicas = [resource("p_drbd_mysql", active, "Promoted"), resource("p_drbd_mysql", passive, "Unpromoted")]
    return (*group, *replicas, *fences)


def event(when, node, what, name="p_mysql", action="", reason=""):
    return {
        "when": BEGUN + when,
        "node": node,
        "what": what,
        "resource": name,
        "action": action,
        "reason": reason,
    }


class World:
    """Both nodes of the lab, of which each is asked for its survey; their details, and what is unknown of a node.

    storage
        Of the pillar; the lab's by default.
    """

    def __init__(self, storage=None):
        self.cluster = running(resources=resources())
        given = {**pillar(), "storage": storage} if storage else pillar()
        self.nodes = {
            name: LabNode(name, copy.deepcopy(given), stage=Stage.INITIALISED, database=name == "db2") for name in NAMES
        }
        for name, node in self.nodes.items():
            node.addresses = {"eth0": [f"10.77.1.1{name[-1]}/24"]}
        self.nodes["db2"].addresses["eth0"].append("10.77.1.100/24")
        if not storage:
            self.drbd("db2", "Connected", "Primary", "Secondary", "UpToDate", "UpToDate")
            self.drbd("db1", "Connected", "Secondary", "Primary", "UpToDate", "UpToDate")
        self.events = [event(-4, "db1", STOPPED), event(0, "db2", STARTED)]
        self.attributes = {"db1": dict(HEALTHY), "db2": dict(HEALTHY)}
        self.links = {(name, link): True for name in ("db1", "db2") for link in (0, 1)}
        self.left, self.notes = [], []
        self.proven = {"db1": PROVEN, "db2": None}
        self.stopped, self.unknown = set(), {}
        self.backup = {"db1": None, "db2": None}
        self.room = {"db1": 20 * GIB, "db2": 20 * GIB}

    def details(self, name):
        other = {"db1": 2, "db2": 1}[name]
        proofs = {
            node: [{"level": 1, "devices": [f"p_fence_{node}"], "proven": proven}]
            for node, proven in self.proven.items()
        }
        return {
            "links": [
                {"node_id": other, "link": link, "connected": up} for (at, link), up in self.links.items() if at == name
            ],
            "left": list(self.left),
            "notes": list(self.notes),
            "history": {"events": self.events, "attributes": self.attributes},
            "proofs": proofs,
            "backup": self.backup[name],
            "room": [{"folder": "/", "size": 40 * GIB, "free": self.room[name]}],
        }

    def survey(self, name):
        node = self.nodes[name]
        node.cluster = None if name in self.stopped else self.cluster
        return node.survey()

    def seen(self):
        found = {}
        for name in self.nodes:
            if name in self.unknown:
                found[name] = Seen(name, unknown=self.unknown[name])
            else:
                found[name] = Seen(name, self.survey(name), None if name in self.stopped else self.details(name))
        return found

    def state(self, name, **flags):
        """Other flags of a node, as pacemaker sees it."""
        nodes = {**self.cluster.nodes, name: Node(name, name[-1], **{**NODE, **flags})}
        self.cluster = replace(self.cluster, nodes=nodes)

    def drbd(self, name, *words, **numbers):
        self.nodes[name].replica = Status(*words, **numbers)


def whole():
    return World()


def standby_out_of_date():
    """The replication link is cut: db2 goes on, and db1 knows that it is behind."""
    world = World()
    world.drbd("db2", "WFConnection", "Primary", "Unknown", "UpToDate", "Outdated", out_of_sync=3 * 2**20)
    world.drbd("db1", "WFConnection", "Secondary", "Unknown", "Outdated", "DUnknown")
    world.links |= {("db1", 1): False, ("db2", 1): False}
    del world.attributes["db1"]["master-p_drbd_mysql"]
    world.left = [
        "drbd-fence-by-handler-mysql-ms_drbd_mysql: DRBD keeps a node with outdated data from being promoted, and lifts that "
        "itself after the resync"
    ]
    return world


def writes_held():
    """corosync has died on db2, which serves, while db1 booted: nobody fences anybody."""
    world = standby_out_of_date()
    world.drbd("db2", "WFConnection", "Primary", "Unknown", "UpToDate", "DUnknown", held=True)
    world.stopped = {"db2"}
    return world


def node_off():
    """db1 served, and was fenced; it has not come back."""
    world = World()
    world.unknown = {"db1": "db1 (minion db1) does not answer; is it up, and is its key accepted?"}
    world.state("db1", online=False)
    shot = Fencing("db1", "off", "success", "pacemaker-controld.260", "2026-11-23 17:10:21Z", "")
    left = [item for item in resources() if item.node != "db1"]
    world.cluster = replace(world.cluster, dc="db2", fencing=(shot,), resources=(*left, resource("p_fence_db2", None)))
    world.drbd("db2", "WFConnection", "Primary", "Unknown", "UpToDate", "DUnknown", out_of_sync=700)
    world.links |= {("db2", 0): False, ("db2", 1): False}
    world.events = [event(0, "db2", STARTED)]
    return world


def resource_failed():
    """A start failed on db1, so that the service runs on db2, and cannot go back."""
    world = World()
    failure = Failure("p_fs_mysql_start_0", "db1", "error (complete)", "Couldn't mount device", "2026-11-23 17:10:24Z")
    world.cluster = replace(world.cluster, failures=(failure,))
    world.events.insert(1, event(-3, "db1", "failed", "p_fs_mysql", "p_fs_mysql_start_0", "Couldn't mount device"))
    world.nodes["db2"].pillar["mysql"]["config"]["mysqld"]["back_log"] = 4000
    world.nodes["db2"].started_with = {"back_log": "2000"}
    return world


def moved_by_operator():
    """db1 was put in standby, and the service has moved; a ban is left from an earlier move."""
    world = World()
    world.state("db1", standby=True)
    world.left = [
        "cli-ban-g_mysql-on-db1: `location cli-ban-g_mysql-on-db1 g_mysql role=Started -inf: db1`, from `crm resource move` or "
        "`ban`; `crm resource clear RESOURCE` ends it",
        "node db1 is in standby; `crm node online db1` ends it",
    ]
    world.drbd("db2", "WFConnection", "Primary", "Unknown", "UpToDate", "Outdated", out_of_sync=10**7)
    world.nodes["db1"].replica = None
    world.cluster = replace(
        world.cluster,
        resources=tuple(item for item in resources() if (item.id, item.node) != ("p_drbd_mysql", "db1")),
    )
    return world


def split_brain():
    """Both replicas were written to without the other, and have refused to connect."""
    world = World()
    world.drbd("db2", "StandAlone", "Primary", "Unknown", "UpToDate", "DUnknown", out_of_sync=4096)
    world.drbd("db1", "StandAlone", "Secondary", "Unknown", "UpToDate", "DUnknown", out_of_sync=512)
    for name, current in (("db1", "B" * 16), ("db2", "C" * 16)):
        world.nodes[name].generation = f"{current}:{'A' * 16}:{0:016X}:{0:016X}:1:1:0:1:0:0:0"
    return world


def both_down():
    """Both nodes run, and pacemaker on neither of them."""
    world = World()
    world.stopped = {"db1", "db2"}
    world.nodes["db2"].database = False
    world.nodes["db2"].addresses["eth0"].pop()
    for node in world.nodes.values():
        node.replica = None
    return world


def _without_replicas(storage):
    world = World(storage)
    kept = [item for item in resources() if not item.id.startswith("p_drbd")]
    world.cluster = replace(world.cluster, resources=tuple(kept))
    for attributes in world.attributes.values():
        del attributes["master-p_drbd_mysql"]
    return world


def lun():
    session = {"portal": "192.0.2.40:3260", "target": "iqn.2026-01.org.example.san:galaxy-db"}
    return _without_replicas({"backend": "shared", "shared": {"device": LUN, "iscsi": session}})


def nfs():
    world = _without_replicas({"backend": "nfs", "nfs": {"server": "192.0.2.50", "export": "/srv/galaxy-db"}})
    world.nodes["db1"].away = ("192.0.2.50:2049",)
    return world


WORLDS = {
    function.__name__: function
    for function in (
        whole,
        standby_out_of_date,
        writes_held,
        node_off,
        resource_failed,
        moved_by_operator,
        split_brain,
        both_down,
        lun,
        nfs,
    )
}
