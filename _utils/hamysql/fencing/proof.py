"""What a test of the fence devices has proven, for as long as they are configured as they were then.

The records are attributes of the nodes in the cluster's configuration: those are on all nodes at once, outlive each of them, and go
with the cluster.
"""

from __future__ import annotations

import hashlib
import json
import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from typing import TypedDict

from hamysql.cib import live as cib_live
from hamysql.resolved.cluster import Fencing
from hamysql.system.command import Run

RECORD = "hamysql-fenced-"
_NO_RECORD = 6  # crm_exit_t: there is nothing of that name


class Proven(TypedDict):
    """The devices of one level, and when they have cut the node off as they are configured now."""

    level: int
    devices: Sequence[str]
    proven: str | None


def proofs(found: Sequence[Mapping[str, str]], fencing: Fencing) -> dict[str, list[Proven]]:
    """What is proven of each node's fence devices: ``{node: [{"level", "devices", "proven": time or None}]}``.

    found
        The records: ``{"node", "level", "when", "digest"}``. One of devices that were configured otherwise proves nothing.
    fencing
        The configuration's ``fencing``.
    """
    known = {(record["node"], record["level"]): record for record in found}
    result: dict[str, list[Proven]] = {}
    for node, levels in fencing["levels"].items():
        for level in levels:
            record = known.get((node, str(level["level"])))
            valid = record is not None and record["digest"] == digest(fencing, level["devices"])
            proven = record["when"] if record and valid else None
            result.setdefault(node, []).append({"level": level["level"], "devices": level["devices"], "proven": proven})
    return result


def digest(fencing: Fencing, names: Sequence[str]) -> str:
    """A short hash of how devices are configured, without their secrets: it is stored where everybody can read it."""
    devices = [
        {**{key: device[key] for key in ("id", "node", "agent", "options")}, "secrets": sorted(device["secrets"])}
        for device in fencing["devices"]
        if device["id"] in names
    ]
    reserved = fencing.get("reservations") or {}
    devices += [{key: reserved[key] for key in ("id", "agent", "options")}] if reserved.get("id") in names else []
    return hashlib.sha256(json.dumps(devices, sort_keys=True).encode()).hexdigest()[:12]


def record(run: Run, fencing: Fencing, node: str, level: int) -> None:
    """Write down that the devices of a level have cut a node off, now."""
    names = next(found["devices"] for found in fencing["levels"][node] if found["level"] == level)
    value = f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {digest(fencing, names)}"
    run(["crm_attribute", "--type", "nodes", "--node", node, "--name", f"{RECORD}{level}", "--update", value])


def recorded(run: Run, fencing: Fencing) -> dict[str, list[Proven]]:
    """What the records in the cluster prove, see :func:`proofs`."""
    found = []
    result = run(["cibadmin", "--query", "--scope", "nodes"], accept=(0, _NO_RECORD, *cib_live.NOT_RUNNING))
    for node in ET.fromstring(result.stdout).iter("node") if result.returncode == 0 else ():
        for pair in node.iter("nvpair"):
            if pair.get("name", "").startswith(RECORD):
                when, _, known = pair.get("value", "").partition(" ")
                level = pair.get("name", "").removeprefix(RECORD)
                found.append({"node": node.get("uname", ""), "level": level, "when": when, "digest": known})
    return proofs(found, fencing)
