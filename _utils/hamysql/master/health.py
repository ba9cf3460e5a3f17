"""Is a cluster whole? One definition, in named parts; who asks says which of them it needs. Pure.

Surveys of all members go in. Sentences on what is not as it should be come out: none where the cluster is whole.

| who asks | before what | which parts |
|---|---|---|
| ``operations.unhealthy`` | a node loses its power | all; a failed action counts only where pacemaker has given up a start |
| ``rolling.obstacles`` | a node, or the database, is restarted | not the fence devices; an operator's standby is told elsewhere |
| ``migration.obstacles`` | the service moves to another storage | not the storage, which has rules of its own; any failed action |
| ``status.verdict`` | somebody looks | all; what an operator has left, links and scores are told there as well |
| :func:`lacks` | resources are configured | a controller, and all members online |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from hamysql.cib import status as cib_status
from hamysql.preflight import mixed
from hamysql.storage import backends
from hamysql.survey import Cluster, Survey, Surveys

OfNode = Callable[[str, Survey, Sequence[str]], Iterable[str]]  # of a node's name, its survey, and all members' names
OfAll = Callable[[Surveys], Iterable[str]]

PASSING = ("pending", "unclean", "shutdown")  # states of a member that end without an operator
STATES = ("standby", "maintenance", *PASSING)


def lacking(surveys: Surveys, of_each: Sequence[OfNode], of_all: Sequence[OfAll]) -> list[str]:
    """Why a cluster is not whole, as sentences.

    of_each
        The parts that each node has to meet. Where it does not meet the first one, it knows nothing: the others are passed over.
    of_all
        The parts that are about the cluster.
    """
    found: list[str] = []
    first, *rest = of_each
    for name, survey in surveys.items():
        names = list(surveys)
        found += list(first(name, survey, names)) or [line for part in rest for line in part(name, survey, names)]
    return [*found, *(line for part in of_all for line in part(surveys))]


# --- parts about each node; either of the first two comes first


def runs(name: str, survey: Survey, names: Sequence[str]) -> Iterator[str]:
    """Pacemaker runs on the node."""
    if not survey["cluster"]["running"]:
        yield f"{name}: pacemaker does not run"


def is_member(name: str, survey: Survey, names: Sequence[str]) -> Iterator[str]:
    """The cluster runs on the node, and has a controller."""
    if not cib_status.is_member(survey["cluster"]):
        yield f"{name}: the cluster does not run there, or has no controller"


def has_quorum(name: str, survey: Survey, names: Sequence[str]) -> Iterator[str]:
    """The node has quorum."""
    if not survey["cluster"]["quorum"]:
        yield f"{name}: the cluster has no quorum"


def is_managed(name: str, survey: Survey, names: Sequence[str]) -> Iterator[str]:
    """Pacemaker acts: the cluster is not in maintenance mode."""
    if survey["cluster"]["maintenance"]:
        yield f"{name}: the cluster is in maintenance mode"


def sees(states: Sequence[str]) -> OfNode:
    """The node sees all members online, and none in one of these states; one sentence for each member."""

    def part(name: str, survey: Survey, names: Sequence[str]) -> Iterator[str]:
        for other, online, flags in _seen(survey["cluster"], names, states):
            if not online or flags:
                yield f"{name} sees {other} {', '.join(flags) or 'offline'}"

    return part


def sees_each(states: Sequence[str]) -> OfNode:
    """The same; one sentence for each state."""

    def part(name: str, survey: Survey, names: Sequence[str]) -> Iterator[str]:
        for other, online, flags in _seen(survey["cluster"], names, states):
            if not online:
                yield f"{name} sees {other} offline"
            for flag in flags:
                yield f"{name} sees {other} in state {flag}"

    return part


def _seen(cluster: Cluster, names: Sequence[str], states: Sequence[str]) -> Iterator[tuple[str, bool, list[str]]]:
    """Each member, whether it is online, and which of the states it is in."""
    for name in names:
        state = cluster["nodes"].get(name, {})
        yield name, bool(state.get("online")), [flag for flag in states if state.get(flag)]


def storage_is_fit(name: str, survey: Survey, names: Sequence[str]) -> Iterator[str]:
    """The node could serve, and the other one be lost."""
    if reason := backends.trouble(survey):
        yield f"{name}: {reason}"


# --- parts about the cluster


def all_start(surveys: Surveys) -> list[str]:
    """Pacemaker has given up no start, as any member's pacemaker sees it."""
    found = [line for survey in surveys.values() for line in cib_status.given_up(survey["cluster"])]
    return list(dict.fromkeys(found))


def nothing_failed(surveys: Surveys) -> Iterator[str]:
    """No action has failed, as the first member's pacemaker sees it."""
    cluster = next(iter(surveys.values()))["cluster"]
    for failure in cluster["failures"] if cib_status.is_member(cluster) else ():
        yield f"{failure['action']} has failed on {failure['node']}: see why, then `crm_resource --cleanup`"


def one_serves(surveys: Surveys) -> Iterator[str]:
    """The database answers on one node."""
    if active(surveys) is None:
        yield "there is not exactly one node whose database answers"


def one_serves_named(surveys: Surveys) -> Iterator[str]:
    """The same; the sentence names the nodes on which it answers."""
    if active(surveys) is None:
        yield f"the database answers on {' and '.join(serving(surveys)) or 'no node'}"


def devices_run(surveys: Surveys) -> list[str]:
    """The fence devices that are configured run, as the first member's pacemaker sees it."""
    survey = next(iter(surveys.values()))
    running = {
        item["id"] for item in survey["cluster"]["resources"] if item["role"] == "Started" and not item["failed"]
    }
    levels = survey["settings"]["fencing"]["levels"].values()
    names = dict.fromkeys(name for node in levels for level in node for name in level["devices"])
    return [f"fence device {name} does not run: look at `crm_mon -1rf`" for name in names if name not in running]


def alike(surveys: Surveys) -> list[str]:
    """No comparison has found copies of the data that differ: a node that takes over would serve other data."""
    return backends.seen(next(iter(surveys.values()))).differing(surveys)


def can_take_over(surveys: Surveys) -> list[str]:
    """No node has an older database than the one that serves: its data is not for an older server."""
    return mixed.behind(surveys)


# --- what the parts are made of


def serving(surveys: Surveys) -> list[str]:
    """The nodes whose database answers."""
    return [node for node, survey in surveys.items() if survey["database"]]


def active(surveys: Surveys) -> str | None:
    """The one node whose database answers; ``None`` where that is none, or more than one."""
    found = serving(surveys)
    return found[0] if len(found) == 1 else None


def controllers(surveys: Surveys) -> list[str]:
    """The controllers that the members' pacemakers name; none where pacemaker runs nowhere."""
    return [survey["cluster"]["dc"] for survey in surveys.values() if survey["cluster"]["dc"]]


def lacks(cluster: Cluster, names: Sequence[str]) -> str:
    """What a member's cluster lacks until resources can come, in words; "" where that is nothing."""
    absent = [f"{name} not online" for name in cib_status.absent(cluster, names)]
    return ", ".join([*([] if cluster["dc"] else ["no controller"]), *absent])
