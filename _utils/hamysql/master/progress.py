"""Progress of an orchestration as events, and as the lines that a follower prints. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

# The phases in their order; hamysql/orch/init.sls has one state for each.
PHASES = {
    "members": "the pillar, the members and their disks are checked",
    "nodes": "packages and configuration on all nodes",
    "storage": "replicated storage, file system and an empty database",
    "cluster": "corosync and pacemaker",
    "resources": "the cluster's resources, constraints and properties",
    "changes": "what waits for a restart, the passive node first",
    "service": "the database answers on the virtual IP",
    "accounts": "databases, users and grants",
    "summary": "what runs where",
}

# Those of hamysql/orch/migrate_storage.sls that come before the deployment's own, which follow from "nodes" on.
_MIGRATION = {
    "checked": "the cluster is whole, and the new storage is blank or ours",
    "prepared": "the new storage is made, beside the old one",
    "copied": "the data is copied while the database serves",
    "switched": "the service stops, the rest is copied, and it starts on the new storage",
}
# Those of hamysql/orch/switchover.sls.
_SWITCHOVER = {
    "checked": "the cluster is whole, and no manual intervention is in effect",
    "moved": "the service moves, while a client on each node writes",
}
# Those of hamysql/orch/maintenance.sls.
_CHECKED = "who serves, and whether the other node may be missing"
# The phases of each kind of orchestration.
ORDERS = {
    "": PHASES,
    "switchover": _SWITCHOVER,
    "drain": {"checked": _CHECKED, "drained": "the service leaves the node, and the node is set aside"},
    "backup": {
        "checked": "who serves, and where the backup goes",
        "taken": "a backup is taken, while the database serves",
    },
    "restore_test": {
        "checked": "which backup, and who tries it out",
        "restored": "it is restored into a server of its own",
    },
    "restore": {
        "checked": "the cluster is whole, and the node that serves has the backup",
        "prepared": "the backup is prepared beside the data, and tried out",
        "replaced": "the database stops, gets the backup's data, and starts",
    },
    "restore_undo": {
        "checked": "whether there is a restore to undo",
        "undone": "the database stops, gets the data of before, and starts",
    },
    "restore_confirm": {
        "checked": "which data is kept and not in use",
        "confirmed": "it is taken away",
    },
    "undo": {
        "checked": "the cluster is whole, and the checkpoint can be put back",
        "restored": "the cluster's configuration of the checkpoint comes back",
    },
    "verify": {
        "checked": "both replicas are up to date, and one node serves",
        "verified": "all blocks of both replicas are compared, while the database serves",
        "resynchronised": "blocks that differ come from the node that serves",
    },
    "split_brain": {
        "looked": "what each side has",
        "checked": "whether the named side's changes can be given up",
        "kept": "the named side's disk is copied",
        "resolved": "the named side gets the other one's data",
    },
    "update": {
        "checked": "the cluster is whole, and what there is to update fits together",
        "saved": "a backup, before the database is updated",
        "standby": "the standby is drained, updated and taken back",
        "other": "the service moves, and the other node is updated",
        "finished": "the database's own tables, and what is left",
    },
    "rotate_secrets": {
        "checked": "the cluster is whole, and nothing but secrets is to change",
        "made": "new secrets, where a file of them was named",
        "rotated": "corosync, storage, fence devices and database take them over",
        "verified": "each service uses them, and the old ones go",
    },
    "replace_node": {
        "checked": "who serves, that the named node is out, and that a blank machine is in its place",
        "released": "the node that serves lets the dead one go, and knows the new one",
        "joined": "the new machine is configured, and joins",
        "synchronised": "the new node gets all data, while the database serves",
    },
    "replica": {
        "checked": "who serves, and what is on the replica's machine",
        "configured": "packages and options of the replica, and its account in the cluster",
        "prepared": "a backup is copied to the replica, and tried out there",
        "replaced": "the replica serves the backup's data",
        "follows": "it follows the virtual IP, and has caught up",
    },
    "grow": {
        "checked": "how large each layer is and can be, and whether both copies are up to date",
        "disks": "the volume below DRBD, on each node",
        "grown": "the device and the file system, while the database serves",
    },
    "adopt": {
        "checked": "the cluster is whole, the pillar describes it, and nothing of it would stop",
        "taken": "files come to both nodes, and the cluster's configuration becomes hamysql's",
    },
    "teardown": {
        "checked": "all members answer, and the cluster was named once more",
        "stopped": "the cluster stops, the standby first",
        "removed": "what was laid down goes, and the data stays",
    },
    "maintenance": {"checked": _CHECKED},  # which is refused: it was not said which of both
    "return": {"checked": _CHECKED, "returned": "the node is taken back, and synchronised"},
    "migration": {**_MIGRATION, **{name: PHASES[name] for name in list(PHASES) if name not in ("members", "storage")}},
}

# After one of these an orchestration says nothing more.
LAST = ("finished", "failed")


class Event(TypedDict, total=False):
    """What an orchestration says on the event bus."""

    cluster: str
    jid: str
    pid: int
    state: str
    phase: str
    kind: str
    text: str
    seconds: float
    lines: Sequence[str]
    changes: int


@dataclass
class Followed:
    """The one orchestration that a follower shows: the first that it hears of.

    cluster
        Only an orchestration of this cluster; of any by default. One that was refused before it had a cluster, because it did not
        name one, concerns everybody.
    jid, pid
        Its job and its process, as soon as it has said something.
    """

    cluster: str | None = None
    jid: str = ""
    pid: int = 0

    def has(self, event: Event) -> bool:
        """Whether an event is about it."""
        if self.cluster and event.get("cluster", "") not in ("", self.cluster):
            return False
        jid = str(event.get("jid", ""))
        if not self.jid:
            self.jid, self.pid = jid, int(event.get("pid", 0))
        return jid == self.jid


def is_alive(stat: str) -> bool:
    """Whether a process still works, from its /proc/PID/stat (proc(5)); "" where there is none."""
    return stat.rpartition(")")[2].split()[:1] not in ([], ["Z"], ["X"])


def line(event: Event) -> str:
    """One event as text for a terminal."""
    state, text = event.get("state", ""), str(event.get("text", ""))
    phase = str(event.get("phase", ""))
    order = ORDERS.get(str(event.get("kind", "")), PHASES)
    number = list(order).index(phase) + 1 if phase in order else 0
    head = f"[{number}/{len(order)}] {phase:<9}"
    if state == "start":
        return f"{head} {order.get(phase, '')}"
    if state == "step":
        return f"{'':<15} - {text}"
    if state == "end":
        first, *rest = text.splitlines() or [""]
        below = [f"{'':<16}{item}" for item in (*event.get("lines", ()), *rest)]
        return "\n".join([f"{head} done in {event.get('seconds', 0):.0f} s: {first}", *below])
    if state == "failed":
        return f"{head} FAILED: {text}"
    return text
