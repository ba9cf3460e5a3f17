"""What waits for a restart, one node after the other: which step is next, and what stands in its way. Pure.

Like the storage's plan it is made from all members' surveys, performed one step at a time, and made again from what is seen
then. So a run that was cut off needs no memory: stopped services are started by the phase before this one, and what is left
is what a survey still finds pending.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from hamysql.cib import status as cib_status
from hamysql.pending import MYSQL, RESTART, STACK, from_dicts, of_kind
from hamysql.storage import backends
from hamysql.survey import Cluster, Survey, Surveys

RESTART_CLUSTER, SWITCH_OVER = "restart_cluster", "switch_over"


@dataclass(frozen=True)
class Step:
    """One thing to do: restart the cluster services of ``node``, or switch the service over to ``node``."""

    action: str
    node: str
    why: str

    def __str__(self) -> str:
        what = "restart the cluster services of" if self.action == RESTART_CLUSTER else "switch the service over to"
        return f"{what} {self.node}: {self.why}"


def steps(surveys: Surveys) -> tuple[Step, ...]:
    """All steps that are left, in their order: the standby, the switchover, the node that was active.

    surveys
        What every member sees (``hamysql_node.survey``).
    """
    return tuple(_steps(surveys))


def _steps(surveys: Surveys) -> Iterator[Step]:
    waiting = {node: _waiting(survey) for node, survey in surveys.items()}
    serving = active(surveys)
    standbys = [node for node in surveys if node != serving]
    for node in standbys:
        if paths := waiting[node].get(True):
            yield Step(RESTART_CLUSTER, node, _why(paths))
    if serving is not None and waiting[serving]:
        paths = [path for found in waiting[serving].values() for path in found]
        yield Step(SWITCH_OVER, standbys[0], f"{serving} has to change {', '.join(paths)}")
        if stack := waiting[serving].get(True):
            yield Step(RESTART_CLUSTER, serving, _why(stack))


def _waiting(survey: Survey) -> dict[bool, list[str]]:
    """The pillar paths that wait on a node, for its cluster services (True) and for its database (False)."""
    found: dict[bool, list[str]] = {}
    for item in of_kind(RESTART, from_dicts(survey["pending"])):
        if item.scope in STACK or item.scope == MYSQL:
            found.setdefault(item.scope in STACK, []).append(item.path)
    return found


def _why(paths: Sequence[str]) -> str:
    return f"it has to take over {', '.join(paths)}"


def active(surveys: Surveys) -> str | None:
    """The one node whose database answers; ``None`` where that is none, or more than one."""
    serving = [node for node, survey in surveys.items() if survey["database"]]
    return serving[0] if len(serving) == 1 else None


def obstacles(surveys: Surveys, drift: Sequence[str] = ()) -> tuple[str, ...]:
    """Why nothing may be restarted now, as sentences; empty where the cluster is whole and no manual intervention is in effect.

    drift
        What somebody has put over the cluster's configuration for the moment (``hamysql_cib.drift``).
    """
    return (*_obstacles(surveys), *drift)


def unfinished(left: Sequence[Step], reasons: Sequence[str]) -> str:
    """The error of a run that has to leave steps undone."""
    lines = ["this waits for a restart:", *(f"  - {step}" for step in left), "and nothing is restarted because:"]
    return "\n".join([*lines, *(f"  - {reason}" for reason in reasons), "Put that right, and run hamysql.orch again."])


def _obstacles(surveys: Surveys) -> Iterator[str]:
    for node, survey in surveys.items():
        yield from apart(node, survey["cluster"], surveys)
        if is_member(survey["cluster"]) and (reason := backends.trouble(survey)):
            yield f"{node}: {reason}"
    yield from cib_status.not_given(surveys)
    if active(surveys) is None:
        yield "there is not exactly one node whose database answers"


def is_member(cluster: Cluster) -> bool:
    """Whether the cluster runs on a node and has a controller, from what ``hamysql_cluster.status`` returned there."""
    return bool(cluster["running"] and cluster["dc"])


def apart(node: str, cluster: Cluster, names: Iterable[str], also: Sequence[str] = ()) -> Iterator[str]:
    """Why a node's cluster is not whole, as sentences.

    cluster
        What ``hamysql_cluster.status`` returned on that node.
    names
        The members that it has to see online.
    also
        Further states of a member, besides those that pass by themselves, that it must not be in ("standby").
    """
    if not is_member(cluster):
        yield f"{node}: the cluster does not run there, or has no controller"
        return
    if not cluster["quorum"]:
        yield f"{node}: the cluster has no quorum"
    for name in names:
        state = cluster["nodes"].get(name, {})
        flags = [flag for flag in (*also, "pending", "unclean", "shutdown") if state.get(flag)]
        if not state.get("online") or flags:
            yield f"{node} sees {name} {', '.join(flags) or 'offline'}"
