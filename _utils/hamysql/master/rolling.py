"""What waits for a restart, one node after the other: which step is next, and what stands in its way. Pure.

Like the storage's plan it is made from all members' surveys, performed one step at a time, and made again from what is seen
then. So a run that was cut off needs no memory: stopped services are started by the phase before this one, and what is left
is what a survey still finds pending.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hamysql.master import health
from hamysql.pending import MYSQL, RESTART, STACK, from_dicts, of_kind
from hamysql.survey import Survey, Surveys

RESTART_CLUSTER, SWITCH_OVER = "restart_cluster", "switch_over"


@dataclass(frozen=True)
class Restart:
    """One thing to do: restart the cluster services of ``node``, or switch the service over to ``node``."""

    action: str
    node: str
    why: str

    def __str__(self) -> str:
        what = "restart the cluster services of" if self.action == RESTART_CLUSTER else "switch the service over to"
        return f"{what} {self.node}: {self.why}"


def steps(surveys: Surveys) -> tuple[Restart, ...]:
    """All steps that are left, in their order: the standby, the switchover, the node that was active.

    surveys
        What every member sees (``hamysql_node.survey``).
    """
    return tuple(_steps(surveys))


def _steps(surveys: Surveys) -> Iterator[Restart]:
    waiting = {node: _waiting(survey) for node, survey in surveys.items()}
    serving = health.active(surveys)
    standbys = [node for node in surveys if node != serving]
    for node in standbys:
        if paths := waiting[node].get(True):
            yield Restart(RESTART_CLUSTER, node, _why(paths))
    if serving is not None and waiting[serving]:
        paths = [path for found in waiting[serving].values() for path in found]
        yield Restart(SWITCH_OVER, standbys[0], f"{serving} has to change {', '.join(paths)}")
        if stack := waiting[serving].get(True):
            yield Restart(RESTART_CLUSTER, serving, _why(stack))


def _waiting(survey: Survey) -> dict[bool, list[str]]:
    """The pillar paths that wait on a node, for its cluster services (True) and for its database (False)."""
    found: dict[bool, list[str]] = {}
    for item in of_kind(RESTART, from_dicts(survey["pending"])):
        if item.scope in STACK or item.scope == MYSQL:
            found.setdefault(item.scope in STACK, []).append(item.path)
    return found


def _why(paths: Sequence[str]) -> str:
    return f"it has to take over {', '.join(paths)}"


# What a cluster needs to stand the restart of a node. A standby and a cluster in maintenance mode are interventions.
_NODES = (health.is_member, health.has_quorum, health.sees(health.PASSING), health.storage_is_fit)
_CLUSTER = (health.all_start, health.one_serves, health.alike, health.can_take_over)


def obstacles(surveys: Surveys, drift: Sequence[str] = ()) -> tuple[str, ...]:
    """Why nothing may be restarted now, as sentences; empty where the cluster is whole and no manual intervention is in effect.

    drift
        What somebody has put over the cluster's configuration for the moment (``hamysql_cib.drift``).
    """
    return (*health.lacking(surveys, _NODES, _CLUSTER), *drift)


def unfinished(left: Sequence[Restart], reasons: Sequence[str]) -> str:
    """The error of a run that has to leave steps undone."""
    lines = ["this waits for a restart:", *(f"  - {step}" for step in left), "and nothing is restarted because:"]
    return "\n".join([*lines, *(f"  - {reason}" for reason in reasons), "Put that right, and run hamysql.orch again."])
