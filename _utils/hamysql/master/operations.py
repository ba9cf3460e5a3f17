"""What an operator does to a whole cluster, and when it may be done. Pure: surveys go in, reasons against it come out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hamysql.cib import status as cib_status
from hamysql.errors import ParseError, Refused
from hamysql.storage import backends

Survey = Mapping[str, Any]


def confirmed(cluster: str, given: str | None, what: str) -> None:
    """Raise ``Refused`` unless the cluster was named once more, with what is about to happen."""
    if given != cluster:
        wrong = f" (it says {given!r})" if given else ""
        raise Refused(f"{what}\nIf that is what you want, say confirm={cluster}{wrong}")


def unhealthy(surveys: Mapping[str, Survey]) -> list[str]:
    """Everything that is not as it should be in a cluster, as sentences; none when it could lose a node now.

    surveys
        What every member says (``hamysql_node.survey``).
    """
    reasons = []
    for name, survey in surveys.items():
        cluster = survey["cluster"]
        if not cluster["running"]:
            reasons.append(f"{name}: pacemaker does not run")
            continue
        if not cluster["quorum"]:
            reasons.append(f"{name}: the cluster has no quorum")
        if cluster["maintenance"]:
            reasons.append(f"{name}: the cluster is in maintenance mode")
        for other in surveys:
            state = cluster["nodes"].get(other, {})
            if not state.get("online"):
                reasons.append(f"{name} sees {other} offline")
            flags = ("standby", "maintenance", "pending", "unclean", "shutdown")
            reasons += [f"{name} sees {other} in state {flag}" for flag in flags if state.get(flag)]
        if reason := backends.trouble(survey):
            reasons.append(f"{name}: {reason}")
    reasons += cib_status.not_given(surveys)
    serving = [name for name, survey in surveys.items() if survey["database"]]
    if len(serving) != 1:
        reasons.append(f"the database answers on {' and '.join(serving) or 'no node'}")
    return reasons + _devices_astray(surveys)


def _devices_astray(surveys: Mapping[str, Survey]) -> list[str]:
    """Fence devices that are configured and do not run, as the first member sees it."""
    survey = next(iter(surveys.values()))
    running = {
        item["id"] for item in survey["cluster"]["resources"] if item["role"] == "Started" and not item["failed"]
    }
    levels = survey["settings"]["fencing"]["levels"].values()
    names = dict.fromkeys(name for node in levels for level in node for name in level["devices"])
    return [f"fence device {name} does not run: look at `crm_mon -1rf`" for name in names if name not in running]


@dataclass(frozen=True)
class Shot:
    """One fencing that ``fence_test`` makes: a node, by the devices of one level."""

    node: str
    level: int
    devices: tuple[str, ...]
    reserved: bool = False  # it takes the node's access to the LUN away, and leaves it running


def head_start(surveys: Mapping[str, Survey], taken: Mapping[str, float]) -> list[str]:
    """What is to be said of the favoured node's head start, after the nodes' devices took so many seconds each.

    When both nodes shoot each other, the favoured one has to be done before the other one's command arrives. The other one
    may begin a second sooner: pacemaker's controller waits for one before it looks at a loss, an elected one does not.
    """
    delay = next(iter(surveys.values()))["settings"]["fencing"]["delay"]
    if not delay or len(taken) < 2:
        return []
    needed = math.ceil(max(taken.values()) - min(taken.values()) + 1)
    if needed <= delay:
        return []
    times = ", ".join(f"{node} {seconds} s" for node, seconds in taken.items())
    return [
        f"WARNING: to cut off the nodes took {times}. The head start of {delay} s (hamysql:fencing:delay) is too short for "
        f"that: when both live and shoot each other, both may lose their power. Give it {needed + 1} s"
    ]


def shots(surveys: Mapping[str, Survey], only: str | None = None) -> list[Shot]:
    """Each level of each node's fence devices, the standby's first: the service moves as seldom as it can.

    only
        One node's devices only, all by default.

    Raises ``Refused`` where there is nothing to test.
    """
    survey = next(iter(surveys.values()))
    levels = survey["settings"]["fencing"]["levels"]
    if not levels:
        raise Refused("this cluster has no fence devices: there is nothing to test (hamysql:fencing:devices)")
    if only is not None and only not in levels:
        raise Refused(f"there is no node {only!r} with fence devices, there are: {', '.join(levels)}")
    names = sorted(levels, key=lambda name: bool(surveys[name]["database"]))
    reserved = (survey["settings"]["fencing"].get("reservations") or {}).get("id")
    return [
        Shot(name, level["level"], tuple(level["devices"]), reserved in level["devices"])
        for name in names
        if only in (None, name)
        for level in levels[name]
    ]


@dataclass(frozen=True)
class Flags:
    """What the metadata of a replica remembers of the moment when it was last written (drbdadm show-gi)."""

    consistent: bool
    up_to_date: bool
    primary: bool
    connected: bool
    full_sync: bool
    peer_outdated: bool
    crashed_primary: bool


def parse_flags(text: str) -> Flags:
    """The flags from ``drbdadm get-gi``: seven of them after the four generation identifiers."""
    words = text.strip().splitlines()[-1].split(":")[4:11] if text.strip() else []
    if len(words) != 7 or not set(words) <= {"0", "1"}:
        raise ParseError(f"drbdadm get-gi printed {text.strip()!r}")
    return Flags(*(word == "1" for word in words))


def alone(evidence: Mapping[str, Any]) -> list[str]:
    """Why a node must not serve alone, as sentences; none when only its operator can know better.

    evidence
        What ``hamysql_fencing.evidence`` returns on the node.
    """
    peer, reasons = evidence["peer"], []
    if evidence["database"]:
        reasons.append("the database runs on this node: nothing is to be taken over, see `crm_mon -1`")
    if evidence["members"] > 1:
        reasons.append(f"{peer} is a member of the cluster")
    if evidence["votes"] and (missing := outvoted(**evidence["votes"])):
        reasons.append(missing)
    for device, power in evidence["power"].items():
        if power == "on":
            reasons.append(
                f"{peer} is switched on, says {device}: find out why it does not join, or switch it off and leave it off"
            )
    if not evidence["initialised"]:
        reasons.append("this node has never held the database")
    flags = evidence["flags"]
    if elsewhere := evidence.get("elsewhere"):
        reasons.append(
            f"the data is on {elsewhere}, and the pillar says {evidence['backend']}: what this node's copy is worth cannot be "
            "judged. Put the old storage into the pillar again"
        )
    if evidence.get("backend", "drbd") != "drbd":
        return reasons  # there is only one copy of the data, and so no older one
    if not flags:
        reasons.append("this node has no DRBD metadata to judge its replica by")
    elif not flags["consistent"] or flags["full_sync"]:
        reasons.append(
            f"this node's replica is Inconsistent, it was being synchronised: start {peer}, which has the data"
        )
    elif not flags["up_to_date"]:
        reasons.append(f"this node's replica is Outdated: {peer} has written since, start that node")
    return reasons


def outvoted(total: int, needed: int) -> str:
    """Why this node cannot have quorum alone, as a sentence; "" where it can, once it does not wait for its peer any more."""
    if total >= needed:
        return ""
    return (
        f"this node has {total} of the {needed} votes that are needed, and the quorum device gives none: start its machine "
        "(hamysql:quorum:device). If that is gone for good, take it out of the pillar, and apply that here while the cluster "
        "is stopped: hamysql_cluster.stop, then state.apply hamysql, then this again"
    )


def consider(evidence: Mapping[str, Any]) -> str:
    """What the operator has to be sure of before a node serves alone, with what speaks for it."""
    name, peer, flags = evidence["node"], evidence["peer"], evidence["flags"]
    powers = [f"{peer} is {power}, says {device}" for device, power in evidence["power"].items() if power != "unknown"]
    if evidence.get("backend", "drbd") != "drbd":
        return "\n".join(
            [
                f"{name} is about to serve alone, although it has not seen {peer} since it started. Be sure that {peer} is off, "
                f"and stays off until {name} serves. {'; '.join(powers) or 'No fence device can say so.'}",
                f"If {peer} still has the data mounted, the two of them destroy it.",
            ]
        )
    if flags["peer_outdated"]:
        newest = f"It has: its metadata says that {peer} was out of date when {name} last wrote."
    elif flags["primary"] or flags["crashed_primary"]:
        newest = (
            f"{name} was serving when it went down. Had it been replaced by {peer} before that, it does not know it."
        )
    else:
        newest = f"{name} was passive, and connected, when it went down. If {peer} went on alone, it does not know it."
    return "\n".join(
        [
            f"{name} is about to serve alone, although it has not seen {peer} since it started. Be sure that",
            f"  - {peer} is off, and stays off until {name} serves. {'; '.join(powers) or 'No fence device can say so.'}",
            f"  - {name} has the newest data, or went down together with {peer}. {newest}",
            f"If {peer} has newer data, what it wrote last will be lost when it is overwritten.",
        ]
    )


def unseen(evidence: Mapping[str, Any], off: str | None) -> list[str]:
    """Why it cannot be taken for granted that the peer is off: no device says so, and neither does the operator."""
    if off == evidence["peer"] or "off" in evidence["power"].values():
        return []
    return [
        f"no fence device can say whether {evidence['peer']} is off: go and see, and say peer_is_off={evidence['peer']}"
    ]


def proofs(found: Sequence[Mapping[str, str]], fencing: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """What is proven of each node's fence devices: ``{node: [{"level", "devices", "proven": time or None}]}``.

    found
        The records: ``{"node", "level", "when", "digest"}``. One of devices that were configured otherwise proves nothing.
    fencing
        The configuration's ``fencing``.
    """
    known = {(record["node"], record["level"]): record for record in found}
    result: dict[str, list[dict[str, Any]]] = {}
    for node, levels in fencing["levels"].items():
        for level in levels:
            record = known.get((node, str(level["level"])))
            valid = record is not None and record["digest"] == digest(fencing, level["devices"])
            proven = record["when"] if record and valid else None
            result.setdefault(node, []).append({**level, "proven": proven})
    return result


def digest(fencing: Mapping[str, Any], names: Sequence[str]) -> str:
    """A short hash of how devices are configured, without their secrets: it is stored where everybody can read it."""
    import hashlib
    import json

    devices = [
        {**{key: device[key] for key in ("id", "node", "agent", "options")}, "secrets": sorted(device["secrets"])}
        for device in fencing["devices"]
        if device["id"] in names
    ]
    reserved = fencing.get("reservations") or {}
    devices += [{key: reserved[key] for key in ("id", "agent", "options")}] if reserved.get("id") in names else []
    return hashlib.sha256(json.dumps(devices, sort_keys=True).encode()).hexdigest()[:12]
