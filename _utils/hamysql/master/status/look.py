"""What is known of each member of a cluster. One that does not answer, or works with older code, is unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from hamysql.backup.manifest import Glance
from hamysql.cib.history import History
from hamysql.fencing.proof import Proven
from hamysql.master.deployment import View
from hamysql.master.members import Answers
from hamysql.master.replicas import seeding
from hamysql.replica.server import Looked
from hamysql.resolved.software import Replica
from hamysql.survey import Survey
from hamysql.system.mounts import Room


class LinkSeen(TypedDict):
    """A link to another node, by corosync's id of that node."""

    node_id: int
    link: int
    connected: bool


class Details(TypedDict):
    """What a node whose cluster runs knows of it beyond its survey: ``hamysql_node.details``."""

    links: list[LinkSeen]
    left: list[str]
    notes: list[str]
    history: History
    proofs: Mapping[str, list[Proven]]
    backup: Glance | None
    room: list[Room]


@dataclass(frozen=True)
class Seen:
    """A member: its survey, and its details where the cluster runs there; ``unknown`` says why the one or the other is missing."""

    minion: str
    survey: Survey | None = None
    details: Details | None = None
    unknown: str = ""


@dataclass(frozen=True)
class Machine:
    """A replica: what the pillar has of it, what it follows, and what its machine says; ``unknown`` says why that says nothing."""

    replica: Replica
    source: str
    looked: Looked | None = None
    unknown: str = ""


def members(view: View, bring: bool = True) -> dict[str, Seen]:
    """All members of a cluster, in the pillar's order.

    bring
        Bring the formula's modules and the pillar to members that answer and have others (default: true).
    """
    surveys = view.members.answers("hamysql_node.survey")
    behind = [*surveys.failed, *(node for node, survey in surveys.values.items() if _is_behind(view, node, survey))]
    if behind and bring:
        view.members.answers("saltutil.sync_all", behind, refresh=False)
        view.members.answers("saltutil.refresh_pillar", behind, wait=True, timeout=30)
        again = view.members.answers("hamysql_node.survey", behind)
        known = {node: value for node, value in surveys.values.items() if node not in behind}
        surveys = Answers({**known, **again.values}, {**surveys.silent, **again.silent}, again.failed)
    unknown = {**surveys.silent, **surveys.failed}
    for node, survey in surveys.values.items():
        if survey.get("stale"):
            minion = view.members.minions[node]
            unknown[node] = (
                f"{node} (minion {minion}) keeps an older version of hamysql in memory: {view.members.restart(node)}"
            )
    running = [node for node, survey in surveys.values.items() if node not in unknown and survey["cluster"]["running"]]
    details = view.members.answers("hamysql_node.details", running) if running else Answers({}, {}, {})
    partly = {**details.silent, **details.failed}
    return {
        node: Seen(minion, unknown=unknown[node])
        if node in unknown
        else Seen(minion, surveys.values[node], details.values.get(node), partly.get(node, ""))
        for node, minion in view.members.minions.items()
    }


def replicas(view: View, seen: Mapping[str, Seen]) -> dict[str, Machine]:
    """What the replicas' machines say, by the replicas' names; none where no member could be asked for the pillar."""
    known = [member.survey["settings"] for member in seen.values() if member.survey]
    if not known:
        return {}
    first, found = known[0], {}
    for name, replica in first["replicas"].items():
        third = seeding.of(view.members, name, replica)
        # It fails alone on a machine on which the formula never was: there is no replica yet, either.
        there = third.answers("hamysql_replica.there", patience=10)
        is_one = any(there.values.values())
        answers = third.answers("hamysql_replica.look", patience=10) if is_one else Answers({}, there.silent, {})
        looked = next(iter(answers.values.values()), None)
        unknown = next(iter((*answers.silent.values(), *answers.failed.values())), "")
        found[name] = Machine(replica, seeding.source(first), looked, unknown)
    return found


def _is_behind(view: View, node: str, survey: Mapping[str, Any]) -> bool:
    return survey.get("code") != view.master.code or survey.get("pillar") != view.members.pillars[node]
