"""Moving a cluster's data to another kind of storage: where it stands, and what forbids to begin or to go on. Pure.

A run needs no memory but what is on the nodes. Until the first node is switched, the data in use is the old storage's, and a run
begins its copy anew; from then on it only goes forward.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from hamysql.master import health
from hamysql.storage import backends
from hamysql.storage.latch import Latch, Stage
from hamysql.storage.move.copying import PLACE
from hamysql.storage.move.verbs import Seen
from hamysql.storage.pending import BACKEND
from hamysql.storage.steps import Step
from hamysql.survey import Survey, Surveys

COPY = "initialise_datadir"  # the step of a new cluster in whose place the copy is


class State(Enum):
    """How far a move is."""

    OPEN = "the data is on the old storage"
    SWITCHED = "the data is on the new storage, and the cluster does not serve it yet"
    DONE = "the data is on this kind of storage, and served from there"


@dataclass(frozen=True)
class Standing:
    """One node's part of it; the fields are those of ``hamysql_migration.survey``.

    old, new
        The latch in use, where it is about another kind than the pillar's, and where it is about that kind.
    prepared
        The latch of the storage that is being prepared.
    """

    backend: str
    old: Latch | None
    new: Latch | None
    prepared: Latch | None
    moving: str
    cib: str
    datadir: str
    stopped: tuple[str, ...]
    hands: tuple[str, ...]
    replication: str

    @classmethod
    def from_survey(cls, seen: Seen) -> Standing:
        """From the plain dictionary that came over the bus."""
        there = [Latch.from_dict(latch) for latch in seen["in_use"]]
        backend = seen["backend"]
        return cls(
            backend=backend,
            old=next((latch for latch in there if latch.backend != backend), None),
            new=next((latch for latch in there if latch.backend == backend), None),
            prepared=Latch.from_dict(seen["next"]) if seen["next"] else None,
            stopped=tuple(seen["stopped"]),
            hands=tuple(seen["hands"]),
            moving=seen["moving"],
            cib=seen["cib"],
            datadir=seen["datadir"],
            replication=seen["replication"],
        )


def standings(seen: Mapping[str, Seen]) -> dict[str, Standing]:
    """All members', from what ``hamysql_migration.survey`` returned."""
    return {name: Standing.from_survey(survey) for name, survey in seen.items()}


def state(found: Mapping[str, Standing]) -> State:
    """How far the move is."""
    if not any(one.new for one in found.values()):
        return State.OPEN
    served = all(one.new and one.cib in (one.backend, "") and not one.moving for one in found.values())
    return State.DONE if served else State.SWITCHED


def resumable(found: Mapping[str, Standing]) -> bool:
    """Whether an earlier run has stopped the service and not got to the switch: it serves from the old storage again, first."""
    return state(found) is State.OPEN and any(one.moving and one.stopped for one in found.values())


def overtaken(surveys: Surveys, found: Mapping[str, Standing]) -> list[str]:
    """Why a move that was switched must not go on: the old storage was served from again since."""
    serving = [name for name, survey in surveys.items() if survey["database"]]
    behind = [name for name, one in found.items() if one.cib not in (one.backend, "")]
    if not serving or not behind:
        return []
    (old,) = {found[name].cib for name in behind}
    return [
        f"{' and '.join(serving)} serves the database from the old storage ({old}), though the move to {found[behind[0]].backend} "
        "was switched while it was stopped: somebody has started it, and the new storage lacks what was written since. To have it "
        "all: on both nodes put the newest latch of /var/lib/hamysql/before back in place of the one in /var/lib/hamysql, remove "
        "/var/lib/hamysql/next, and begin the move again"
    ]


def obstacles(surveys: Surveys, found: Mapping[str, Standing]) -> list[str]:
    """Why a move cannot begin, or begin its copy anew, as sentences; none where the cluster is whole and serves from one node.

    surveys
        What ``hamysql_node.survey`` returned on every member: of the new storage, since the pillar names that.
    """
    return list(_obstacles(surveys, found))


# What a cluster needs to have its service stopped and started again. Of its storage, each node's standing says that.
_NODES = (health.is_member, health.has_quorum, health.is_managed, health.sees(health.STATES))
_CLUSTER = (health.nothing_failed, health.one_serves)


def _obstacles(surveys: Surveys, found: Mapping[str, Standing]) -> Iterator[str]:
    settings = next(iter(surveys.values()))["settings"]
    for name, one in found.items():
        if one.old is None or one.old.stage != Stage.INITIALISED:
            yield f"{name} knows of no data that could be moved: deploy it with the old storage first (hamysql.orch)"
        elif one.old.cluster != settings["cluster"]["name"]:
            yield f"{name} has the data of cluster {one.old.cluster}, the pillar says {settings['cluster']['name']}"
        if one.moving not in ("", one.backend):
            yield f"{name}: a move to {one.moving} was begun: `salt {name} hamysql_migration.abandon` ends it"
        if one.datadir not in ("", settings["mysql"]["datadir"]):
            said = settings["mysql"]["datadir"]
            yield f"{name}: the data is mounted on {one.datadir}, the pillar says {said}: do not change that"
        if one.replication:
            yield f"{name}: {one.replication}"
    yield from dict.fromkeys(hand for one in found.values() for hand in one.hands)
    yield from health.lacking(surveys, _NODES, _CLUSTER)
    if health.active(surveys) and (reason := elsewhere(surveys, found)):
        yield reason


def chosen(found: Mapping[str, Standing]) -> str | None:
    """The node on which an earlier run has begun to make the new storage; ``None`` where it may be either."""
    first = backends.KINDS[next(iter(found.values())).backend].chosen
    stages = {name: one.prepared.stage for name, one in found.items() if one.prepared}
    begun = [name for name, stage in stages.items() if first <= stage < Stage.INITIALISED]
    sealed = [name for name, stage in stages.items() if stage == Stage.INITIALISED]
    if begun:
        return begun[0]
    return sealed[0] if len(sealed) == 1 else None


def elsewhere(surveys: Surveys, found: Mapping[str, Standing]) -> str:
    """Why the node that serves cannot be the one that copies, as a sentence; "" where it can."""
    active, begun = health.active(surveys), chosen(found)
    return "" if begun in (None, active) else moved(str(active), str(begun))


def moved(active: str, begun: str) -> str:
    """The service is on another node than the new storage."""
    return (
        f"an earlier run has begun to make the new storage on {begun}, and {active} serves: move the service there, `salt {active} "
        f"hamysql_cib.move {begun}`, or give that run up, `salt NODE hamysql_migration.abandon` on both nodes"
    )


def prospective(surveys: Surveys, found: Mapping[str, Standing]) -> dict[str, Survey]:
    """The surveys as the new storage's plan has to see them: the node that serves first, with the latches that a move begins with.

    The old storage's latch is none of it; what a killed copy has left mounted is taken away before anything is done.
    """
    active = health.active(surveys)
    order = sorted(surveys, key=lambda name: name != active)
    return {name: _prospective(surveys[name], found[name], name == active) for name in order}


def _prospective(survey: Survey, one: Standing, seed: bool) -> Survey:
    known = backends.KINDS[one.backend].reset(one.prepared, seed)
    seen = {**survey["storage"], "latch": known.as_dict() if known else {}}
    if "uses" in seen:
        seen["uses"] = [use for use in seen["uses"] if not use.endswith(f" is mounted on {PLACE}")]
    return {**survey, "storage": seen}


def before_copy(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Those steps that make the new storage ready for the data."""
    names = [step.action for step in steps]
    return tuple(steps[: names.index(COPY)] if COPY in names else steps)


def copier(steps: Sequence[Step]) -> str | None:
    """The node that the plan has chosen to have the first data."""
    return next((step.nodes[0] for step in steps if step.action == COPY), None)


def settled_surveys(surveys: Surveys) -> dict[str, Survey]:
    """The surveys without what the pillar asks for and this is about: another kind of storage."""
    return {
        name: {**survey, "pending": [item for item in survey["pending"] if item["path"] != BACKEND]}
        for name, survey in surveys.items()
    }
