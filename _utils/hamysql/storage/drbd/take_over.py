"""Whether a node's replica may serve without its peer, which it has not seen since it started. Pure.

See :mod:`hamysql.fencing.take_over` for what holds with any storage.
"""

from __future__ import annotations

from hamysql.fencing.take_over import Evidence, powers


def alone(evidence: Evidence) -> list[str]:
    """Why a node's replica must not serve alone, as sentences.

    evidence
        What ``hamysql_fencing.evidence`` returns on the node.
    """
    peer, flags = evidence["peer"], evidence["flags"]
    if not flags:
        return ["this node has no DRBD metadata, so hamysql cannot judge its replica"]
    if not flags["consistent"] or flags["full_sync"]:
        return [f"this node's replica is Inconsistent, it was being synchronised: start {peer}, which has the data"]
    if not flags["up_to_date"]:
        return [f"this node's replica is Outdated: {peer} has written since, start that node"]
    return []


def consider(evidence: Evidence) -> str:
    """What the operator has to be sure of before a node serves alone, with what speaks for it."""
    name, peer, flags = evidence["node"], evidence["peer"], evidence["flags"]
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
            f"  - {peer} is off, and stays off until {name} serves. {powers(evidence)}",
            f"  - {name} has the newest data, or went down together with {peer}. {newest}",
            f"If {peer} has newer data, what it wrote last will be lost when it is overwritten.",
        ]
    )
