"""What a test of the fence devices has proven, for as long as they are configured as they were then. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TypedDict

from hamysql.resolved.cluster import Fencing


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
