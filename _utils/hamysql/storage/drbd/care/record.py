"""What a verification has found, in the cluster's configuration: both nodes know it, and it outlives each of them.

The records are attributes of the nodes. Each has the newest verification that this node has begun.
"""

from __future__ import annotations

from datetime import datetime, timezone

from hamysql.cib import live as cib_live
from hamysql.cib import model
from hamysql.storage.copies import Verified
from hamysql.system.command import Run

NAME = "hamysql-verified"
_STAMP = "%Y-%m-%dT%H:%M:%SZ"


def moment(seconds: float) -> str:
    """A moment, seconds since 1970, as a record has it."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime(_STAMP)


def when(found: Verified) -> datetime:
    """When it was begun."""
    return datetime.strptime(found["began"], _STAMP).replace(tzinfo=timezone.utc)


def write(run: Run, found: Verified) -> None:
    """Write it down, in words that cluster shells can show and read again."""
    value = f"{found['began']} {found['seconds']} {found['out_of_sync']} {found['late']}"
    run(["crm_attribute", "--type", "nodes", "--node", found["node"], "--name", NAME, "--update", value])


def last(run: Run) -> Verified | None:
    """The newest one of the cluster, ``None`` where there was none. Raises ``NotReady`` where pacemaker does not run."""
    return newest(cib_live.query(run))


def newest(live_xml: str) -> Verified | None:
    """The same, from a CIB."""
    found = []
    for node in model.parse(live_xml).iterfind("configuration/nodes/node"):
        for pair in node.iterfind("instance_attributes/nvpair"):
            if pair.get("name") == NAME and (known := _read(node.get("uname", ""), pair.get("value", ""))):
                found.append(known)
    return max(found, key=when, default=None)


def _read(node: str, value: str) -> Verified | None:
    try:
        began, seconds, out_of_sync, late = value.split()
        known: Verified = {
            "node": node,
            "began": began,
            "seconds": int(seconds),
            "out_of_sync": int(out_of_sync),
            "late": int(late),
        }
        when(known)
    except ValueError:
        return None  # somebody else has written it
    return known


def text(found: Verified) -> str:
    """It in words, for a status."""
    differ = f"{found['out_of_sync']} KiB differed" if found["out_of_sync"] else "they were equal"
    late = f", {found['late'] / 3600:.0f} h after its time" if found["late"] > 3600 else ""
    return f"the replicas were last compared from {found['node']} at {found['began']}{late}: {differ}"
