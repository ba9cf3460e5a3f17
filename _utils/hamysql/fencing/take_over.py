"""Whether a node may serve alone, whose peer it has not seen since it started.

Pure: evidence goes in, reasons against it come out. What a node's own copy of the data says is for its kind of storage to judge,
see ``alone`` and ``consider`` of :class:`hamysql.storage.kind.Kind`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict


class Evidence(TypedDict):
    """What ``hamysql_fencing.evidence`` returns on a node."""

    node: str
    peer: str
    database: bool
    members: int
    votes: Mapping[str, int]  # "total" and "needed", empty where corosync does not run
    power: Mapping[str, str]  # what each fence device of the peer says: on, off or unknown
    initialised: bool
    backend: str
    elsewhere: str
    flags: Mapping[
        str, bool
    ]  # what this node's copy of the data remembers of the other one's, empty where there is only one


def alone(evidence: Evidence) -> list[str]:
    """Why a node must not serve alone whatever its storage is, as sentences.

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
    if elsewhere := evidence.get("elsewhere"):
        reasons.append(
            f"the data is on {elsewhere}, and the pillar says {evidence['backend']}, so hamysql cannot judge this node's copy. "
            "Put the old storage into the pillar again"
        )
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


def powers(evidence: Evidence) -> str:
    """What the fence devices say of the peer."""
    peer = evidence["peer"]
    told = [f"{peer} is {power}, says {device}" for device, power in evidence["power"].items() if power != "unknown"]
    return "; ".join(told) or "No fence device can say so."


def one_copy(evidence: Evidence) -> str:
    """What the operator has to be sure of where both nodes have the data in turn."""
    name, peer = evidence["node"], evidence["peer"]
    return "\n".join(
        [
            f"{name} is about to serve alone, although it has not seen {peer} since it started. Be sure that {peer} is off, "
            f"and stays off until {name} serves. {powers(evidence)}",
            f"If {peer} still has the data mounted, the two of them destroy it.",
        ]
    )


def unseen(evidence: Evidence, off: str | None) -> list[str]:
    """Why it cannot be taken for granted that the peer is off: no device says so, and neither does the operator."""
    if off == evidence["peer"] or "off" in evidence["power"].values():
        return []
    return [
        f"no fence device can say whether {evidence['peer']} is off: check the machine yourself, then add "
        f"peer_is_off={evidence['peer']}"
    ]
