"""How a replica is, from what its machine says, and what is wrong with it in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from hamysql.replica.record import PROMOTED as IS_PROMOTED
from hamysql.replica.record import SEEDING as IS_SEEDING
from hamysql.replica.server import Looked, said

Kind = Literal["new", "foreign", "seeding", "promoted", "down", "stopped", "broken", "follows"]
# Nothing is there; data is there that is no copy of this cluster's; a backup is about to be its data; it takes writes of its own.
NEW: Final = "new"
FOREIGN: Final = "foreign"
SEEDING: Final = "seeding"
PROMOTED: Final = "promoted"
# Its server does not answer; somebody has stopped it; it cannot go on; all is well.
DOWN: Final = "down"
STOPPED: Final = "stopped"
BROKEN: Final = "broken"
FOLLOWS: Final = "follows"
ORCHESTRATION = "`salt-run state.orchestrate hamysql.orch.replica`"


@dataclass(frozen=True)
class Situation:
    """A replica: what is the matter, and why, in words. ``databases`` are those that would be replaced."""

    kind: Kind
    why: str
    databases: tuple[str, ...] = ()

    @property
    def replaces(self) -> bool:
        """Whether there is data that a backup would replace, and nobody has said yet that it may."""
        return self.kind in (FOREIGN, PROMOTED, BROKEN, DOWN)

    def seeds(self, confirmed: bool) -> bool:
        """Whether it is to be seeded. A server that does not answer may only have to be started: it is, if that is confirmed."""
        return self.kind in (NEW, FOREIGN, SEEDING, PROMOTED, BROKEN) or (self.kind == DOWN and confirmed)


def of(seen: Looked | None, held: tuple[str, ...], cluster: str, source: str) -> Situation:
    """How a replica is.

    seen
        What its machine says; ``None`` where it was not made a replica yet.
    held
        The databases that are there then.
    cluster, source
        The cluster's name, and the address and port that a replica of it follows.
    """
    noted = seen["record"] if seen else None
    there = tuple(seen["databases"]) if seen else held
    if seen is None or noted is None:
        if there:
            return Situation(FOREIGN, f"it has databases of its own: {_listed(there)}", there)
        return Situation(NEW, "nothing is there yet")
    if noted["cluster"] != cluster:
        return Situation(FOREIGN, f"it is a replica of {noted['cluster']}", there)
    if noted["stage"] == IS_PROMOTED:
        return Situation(PROMOTED, f"it was promoted at {noted['when']}, and goes its own way", there)
    following = seen["following"]
    if noted["stage"] == IS_SEEDING and (following is None or following["source"] != source or not following["ended"]):
        return Situation(SEEDING, f"it is being seeded from the backup {noted['backup']}", there)
    if following is None:
        return Situation(DOWN, "its database does not answer", there)
    if following["source"] != source:
        return Situation(BROKEN, f"it follows {following['source'] or 'nobody'}, expected {source}", there)
    if following["own"]:
        why = f"somebody has written to it ({following['own']}): its data is not the cluster's any more"
        return Situation(BROKEN, why, there)
    if following["ended"]:
        return Situation(BROKEN, f"it has stopped with an error: {said(following)}", there)
    if "No" in (following["receives"], following["applies"]):
        return Situation(STOPPED, "somebody has stopped its replication", there)
    return Situation(FOLLOWS, "it follows", there)


def trouble(name: str, found: Situation, seen: Looked | None, limit: int) -> Iterator[str]:
    """What is wrong with a replica, as sentences.

    limit
        The seconds that it may be behind.
    """
    following = seen["following"] if seen else None
    if found.kind == NEW:
        yield f"replica {name} is not set up: {ORCHESTRATION} does that"
    elif found.kind != FOLLOWS:
        yield f"replica {name}: {found.why} ({ORCHESTRATION})"
    elif following and following["receives"] != "Yes":
        yield f"replica {name} does not reach the virtual IP: {said(following)}"
    elif following and not following["read_only"]:
        yield f"replica {name} takes writes: `SET GLOBAL read_only = ON` ends that"
    elif following and (following["lag"] is None or following["lag"] > limit):
        behind = "nobody knows how far" if following["lag"] is None else f"{following['lag']} s"
        yield f"replica {name} is behind the cluster, {behind}, expected {limit} s at most"


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
