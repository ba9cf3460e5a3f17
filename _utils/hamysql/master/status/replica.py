"""A replica of the virtual IP in the status of its cluster. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from hamysql.master.replicas import situation
from hamysql.master.replicas.situation import Situation
from hamysql.master.status.look import Machine
from hamysql.master.status.shape import Replica
from hamysql.replica.server import said


def seen(cluster: str, machine: Machine) -> Replica:
    """How a replica is."""
    found, following = _situation(cluster, machine), machine.looked["following"] if machine.looked else None
    return {
        "minion": machine.replica["minion_id"],
        "unknown": machine.unknown,
        "state": "unknown" if machine.unknown else found.kind,
        "why": machine.unknown or found.why,
        "receives": following["receives"] if following else "",
        "applies": following["applies"] if following else "",
        "lag": following["lag"] if following else None,
        "position": following["position"] if following else "",
        "error": said(following) if following and following["error"] else "",
    }


def trouble(name: str, cluster: str, machine: Machine) -> Iterator[str]:
    """What is wrong with it, as sentences."""
    if machine.unknown:
        yield machine.unknown
    else:
        yield from situation.trouble(name, _situation(cluster, machine), machine.looked, machine.replica["lag"])


def _situation(cluster: str, machine: Machine) -> Situation:
    return situation.of(machine.looked, (), cluster, machine.source)
