"""What an operator does to a whole cluster, and when it may be done. Pure: surveys go in, reasons against it come out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from hamysql.errors import Refused
from hamysql.master import health
from hamysql.survey import Surveys


def confirmed(cluster: str, given: str | None, what: str, key: str = "") -> None:
    """Raise ``Refused`` unless the cluster was named once more, with what is about to happen.

    key
        Of the pillar, where an orchestration is given the name there.
    """
    if given != cluster:
        wrong = f" (it says {given!r})" if given else ""
        how = f'"{key}": "{cluster}" in the pillar of this command' if key else f"confirm={cluster}"
        raise Refused(f"{what}\nIf that is what you want, say {how}{wrong}")


# What a cluster needs to lose a node.
_NODES = (
    health.runs,
    health.has_quorum,
    health.is_managed,
    health.sees_each(health.STATES),
    health.storage_is_fit,
)
_CLUSTER = (health.all_start, health.one_serves_named, health.devices_run)


def unhealthy(surveys: Surveys) -> list[str]:
    """Everything that is not as it should be in a cluster, as sentences; none when it could lose a node now.

    surveys
        What every member says (``hamysql_node.survey``).
    """
    return [*unsound(surveys), *health.alike(surveys), *health.can_take_over(surveys)]


def unsound(surveys: Surveys) -> list[str]:
    """The same, but for what matters only where the other node serves afterwards: the data's comparison, the database's series."""
    return health.lacking(surveys, _NODES, _CLUSTER)


@dataclass(frozen=True)
class Shot:
    """One fencing that ``fence_test`` makes: a node, by the devices of one level."""

    node: str
    level: int
    devices: tuple[str, ...]
    reserved: bool = False  # it takes the node's access to the LUN away, and leaves it running


def head_start(surveys: Surveys, taken: Mapping[str, float]) -> list[str]:
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
        f"WARNING: cutting off the nodes took {times}. The head start of {delay} s (hamysql:fencing:delay) is too short: when both "
        f"nodes run and fence each other, both may lose their power. Set it to {needed + 1}"
    ]


def shots(surveys: Surveys, only: str | None = None) -> list[Shot]:
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
