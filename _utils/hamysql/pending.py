"""A setting whose value in the pillar is not (yet) the one in service, and what it takes to change it there. Pure.

Each setting belongs to one of four classes:

``live``
    The running service takes it over without an interruption. A highstate does that.
``both``
    The same, if both nodes do so at the same moment: alone, a node could not connect to the other one any more. A highstate
    tells it as pending, the orchestration does it.
``restart``
    It takes effect when its daemon starts: pending until the orchestration has gone round, standby first.
``refused``
    It cannot be changed under a running cluster, or not at all while the data stays where it is. Nothing is touched.

What is in service is read from the daemons, not from their files: :mod:`hamysql.corosync.pending`,
the kind of storage (:class:`hamysql.storage.kind.Kind`), :mod:`hamysql.mysql.pending`, and :mod:`hamysql.storage.pending` for what
the data itself dictates. :mod:`hamysql.fencing.sbd` says why it may trust a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from hamysql.survey import Surveys

LIVE, BOTH, RESTART, REFUSED = "live", "both", "restart", "refused"

# What has to be restarted: the daemons of a node's cluster and storage, or the database, which is moved to the other node.
COROSYNC, STORAGE, MYSQL, DATA = "corosync", "storage", "mysql", "data"
STACK = frozenset({COROSYNC, STORAGE})

DEFAULT = "the default"

STOPPED = (
    "stop the cluster on both nodes (`salt NODE hamysql_cluster.stop`, the standby first; the database is down from then on) and "
    "run hamysql.orch again"
)
TOGETHER = f"both nodes have to change it at the same moment. Put the old value back, or {STOPPED}"
REPLACE = (
    "where that node died for good, and a blank machine takes its place: `salt-run state.orchestrate hamysql.orch.replace_node`. "
    f"Otherwise {TOGETHER}"
)
KEEP = (
    "this value describes the data that is there. Put the old value back. For other storage, deploy a new cluster, and "
    "move the data by a dump"
)
MIGRATE = "`salt-run state.orchestrate hamysql.orch.migrate_storage`"
MOVE = (
    f"the data is there. Put the old value back, or have the data moved, which stops the service for a while: {MIGRATE}"
)
MIDDLE = (
    f"a move of the data was begun and is not finished. Finish it: {MIGRATE}, with the new storage in the pillar. Or go back: the "
    "old storage in the pillar, and `salt NODE hamysql_migration.abandon` on both nodes"
)


@dataclass(frozen=True)
class Pending:
    """One setting: its class, what it belongs to, its path in the pillar, the value in service and the pillar's."""

    kind: str
    scope: str
    path: str
    old: str
    new: str
    advice: str = ""

    def __str__(self) -> str:
        if self.kind == REFUSED:
            return f"{self.path}: {self.old} is in service, the pillar says {self.new}: {self.advice}"
        how = _HOW.get(self.kind) or _RESTARTS[self.scope in STACK]
        return f"{self.path}: {self.old} -> {self.new}, {how}"

    def as_dict(self) -> dict[str, str]:
        """For a return over Salt's bus; :func:`from_dicts` reads it back."""
        return asdict(self)


_HOW = {
    LIVE: "takes effect at once",
    BOTH: "when both nodes take it over at the same moment (hamysql.orch does that, without an interruption); a node that starts "
    "before it cannot connect to the other one",
}
_RESTARTS = {
    True: "when this node's cluster services start again (hamysql.orch does that, the standby first)",
    False: "when the database starts again (hamysql.orch moves it to the other node for that)",
}


def from_dicts(found: Iterable[Mapping[str, str]]) -> tuple[Pending, ...]:
    """What a member has returned."""
    return tuple(Pending(**item) for item in found)


def of_kind(kind: str, found: Iterable[Pending]) -> tuple[Pending, ...]:
    """Those of one class."""
    return tuple(item for item in found if item.kind == kind)


def distinct(found: Iterable[Pending]) -> list[Pending]:
    """Each path once, as the first to name it has it: the data comes first, and knows best why something has to stay."""
    first: dict[str, Pending] = {}
    for item in found:
        first.setdefault(item.path, item)
    return list(first.values())


def by_members(kind: str, surveys: Surveys) -> tuple[str, ...]:
    """What the members' surveys (``pending``) have of one class, as sentences: each once, with the nodes that say so."""
    sentences: dict[str, list[str]] = {}
    for node, survey in surveys.items():
        for item in of_kind(kind, from_dicts(survey["pending"])):
            sentences.setdefault(str(item), []).append(node)
    return tuple(f"{', '.join(nodes)}: {sentence}" for sentence, nodes in sentences.items())


def show(values: Sequence[str]) -> str:
    """The values of one option in words; none is the default."""
    return ", ".join(value or "(set)" for value in values) or DEFAULT
