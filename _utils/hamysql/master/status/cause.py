"""Since when the service runs where it runs, and why: what pacemaker's history has of the time before its start. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone

from hamysql.cib.history import FAILED, STARTED, STOPPED, Event, History, seconds
from hamysql.cib.names import SERVER
from hamysql.config.placement import CARRIER, REACH
from hamysql.master.status.shape import Service
from hamysql.survey import Cluster

WINDOW = 900  # seconds before a start in which its cause is looked for: a recovery of the database may lie between them
SLACK = 2  # seconds by which the nodes' clocks may differ

_NETWORK = {CARRIER: "has lost the carrier of its interface", REACH: "does not reach the addresses of vip:reachable"}


def moment(when: float) -> str:
    """Seconds since 1970 as ``2026-01-31T12:00:00Z``."""
    return datetime.fromtimestamp(when, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _spoken(when: float) -> str:
    return datetime.fromtimestamp(when, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def service(node: str | None, cluster: Cluster | None, history: History | None) -> Service:
    """Since when a node serves, and why.

    node
        The one whose database answers; ``None`` where that is not exactly one.
    cluster, history
        What a member's pacemaker knows; ``None`` where none could be asked.
    """
    if node is None or cluster is None or history is None:
        return {"node": node, "since": None, "why": ""}
    own = [event for event in history["events"] if event["node"] == node and event["resource"] == SERVER]
    last = next((event for event in reversed(own) if event["what"] != FAILED), None)
    if last is None or last["what"] != STARTED:
        why = "pacemaker found it running there, and its history has no start of it"
        return {"node": node, "since": None, "why": why}
    begun = last["when"]
    near = [event for event in history["events"] if begun - WINDOW <= event["when"] <= begun + SLACK]
    reasons = [
        *_fenced_lines(node, cluster, begun),
        *_failed_lines(node, near),
        *_moved_lines(node, near, cluster, history),
    ]
    none = "pacemaker's history has no failure, fencing or move before that: the cluster was started then"
    return {"node": node, "since": moment(begun), "why": reasons[0] if reasons else none}


def _fenced_lines(node: str, cluster: Cluster, begun: int) -> Iterator[str]:
    for event in cluster["fencing"]:
        when = seconds(event["completed"])
        if event["status"] != "success" or event["target"] == node or event["action"] == "on" or when is None:
            continue
        if begun - WINDOW <= when <= begun + SLACK:
            client = event["client"].partition(".")[0] or "an unknown program"
            yield f"{event['target']} was fenced ({event['action']}, asked for by {client}) at {_spoken(when)}"


def _failed_lines(node: str, near: Sequence[Event]) -> Iterator[str]:
    failures = [event for event in near if event["what"] == FAILED]
    for event in sorted(failures, key=lambda event: (event["node"] == node, -event["when"])):
        why = f" ({event['reason']})" if event["reason"] else ""
        again = ", and it was started again there" if event["node"] == node else ""
        yield f"{event['action']} failed on {event['node']}{why} at {_spoken(event['when'])}{again}"


def _moved_lines(node: str, near: Sequence[Event], cluster: Cluster, history: History) -> Iterator[str]:
    for event in reversed(near):
        other = event["node"]
        if event["what"] == STOPPED and event["resource"] == SERVER and other != node:
            attributes = history["attributes"].get(other, {})
            yield f"{other} handed it over in good order at {_spoken(event['when'])}: {_why(other, cluster, attributes)}"


def _why(other: str, cluster: Cluster, attributes: Mapping[str, str]) -> str:
    """What speaks now for the reason of a move in good order."""
    state = cluster["nodes"].get(other, {})
    if state.get("standby"):
        return "it is in standby"
    for name, words in _NETWORK.items():
        if attributes.get(name, "0").startswith("-"):
            return f"it {words}"
    if not state.get("online"):
        return "its cluster services have ended"
    return "a planned move, a reboot, or a stop of its cluster services"
