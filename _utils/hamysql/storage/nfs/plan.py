"""What must be done to an NFS export, on which node, or why it is left alone. Pure, like :mod:`hamysql.storage.drbd.plan`.

The export's root holds a mark (whose it is, and an id) and beside it the folder that the cluster mounts. A node whose latch says
that the data was made looks no further; all others mount the export for a moment, read-only, to see it. Nothing on an export
is ever deleted: there is no override.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from hamysql.errors import Refused
from hamysql.storage.latch import LATCH, Latch, NodeView, Stage
from hamysql.storage.nfs import NAME
from hamysql.storage.nfs.mark import NFS_FOLDER, NFS_MARK
from hamysql.storage.steps import Step, serving
from hamysql.survey import Survey, Surveys

# What servers and their file systems have in an export that is empty for us.
EMPTY = frozenset({"lost+found", ".snapshot", ".snapshots", ".zfs", ".etc", "@eaDir"})


def foreign(names: Iterable[str]) -> list[str]:
    """Those names in an export's root that are neither ours nor its server's: a mark cut off in the making is ours."""
    return sorted(name for name in set(names) - EMPTY if not name.startswith(NFS_MARK))


@dataclass(frozen=True)
class Wanted:
    """What the pillar says: the cluster's name, the export as it is mounted, and where its data is mounted."""

    cluster: str
    source: str
    directory: str = "/var/lib/mysql"


class ViewSeen(TypedDict):
    """A :class:`View` as it comes over Salt's bus; the mark is empty where there is none."""

    entries: list[str]
    mark: dict[str, str]
    filled: bool
    error: str


class Seen(TypedDict):
    """What ``hamysql_nfs.survey`` says of a node; the latch is as in its file."""

    disk: str
    view: ViewSeen | None
    mounted: bool
    latch: Mapping[str, str]


@dataclass(frozen=True)
class View:
    """What a node has seen on the export: the names in its root, the mark, whether the data's folder has contents; or an error."""

    entries: tuple[str, ...] = ()
    mark: Mapping[str, str] | None = None
    filled: bool = False
    error: str = ""

    @property
    def foreign(self) -> list[str]:
        return foreign(self.entries)


@dataclass(frozen=True)
class Export(NodeView):
    """One node's own view; the fields are those of ``hamysql_nfs.survey``. ``view`` is ``None`` where it has not looked."""

    name: str
    source: str
    view: View | None = None

    @classmethod
    def from_survey(cls, name: str, survey: Survey) -> Export:
        """The view from the plain dictionary that came over the bus (``hamysql_node.survey``)."""
        seen: Seen = survey["storage"]
        view = seen["view"]
        return cls(
            name=name,
            source=seen["disk"],
            view=View(tuple(view["entries"]), view["mark"] or None, view["filled"], view["error"]) if view else None,
            mounted=seen["mounted"],
            serving=serving(name, survey),
            latch=Latch.from_dict(seen["latch"]) if seen["latch"] else None,
        )

    @property
    def where(self) -> str:
        return f"{self.name}, {self.source}"

    @property
    def mark(self) -> Mapping[str, str]:
        return (self.view.mark if self.view else None) or {}


def from_surveys(surveys: Surveys) -> tuple[list[Export], Wanted]:
    """The arguments of ``steps`` from what ``hamysql_node.survey`` returned on every member, in the pillar's order."""
    settings = next(iter(surveys.values()))["settings"]
    storage = settings["storage"]
    wanted = Wanted(settings["cluster"]["name"], storage["nfs"]["source"], storage["filesystem"]["directory"])
    return [Export.from_survey(name, survey) for name, survey in surveys.items()], wanted


def steps(members: Sequence[Export], wanted: Wanted) -> tuple[Step, ...]:
    """The steps that are left until the export can be handed to pacemaker.

    members
        Every member of the cluster in the pillar's order. A partial view is the caller's error.

    Returns an empty tuple when nothing is left. Raises ``Refused`` with all evidence when the export is not provably empty or ours.
    """
    initialised = [member for member in members if member.stage == Stage.INITIALISED]
    others = [member for member in members if member.stage < Stage.INITIALISED]
    reasons = [reason for member in members for reason in _alone(member, wanted)]
    if len({member.uuid for member in initialised}) > 1:
        told = "; ".join(f"{member.name}: {member.uuid}" for member in initialised)
        reasons.append(f"the nodes' latches are about different data ({told}): `rm {LATCH}` where it is the wrong one")
    blind = tuple(member.name for member in others if member.view is None)
    reasons += [
        f"{member.where}: cannot be mounted: {member.view.error}"
        for member in others
        if member.view and member.view.error
    ]
    if not reasons:
        seen = [member for member in others if member.view is not None]
        reasons += [
            _not_the_datas(member, initialised[0])
            for member in seen
            if initialised and member.mark.get("id") != initialised[0].uuid
        ]
        reasons += _not_empty(seen, wanted, {member.uuid for member in others}) if seen and not initialised else []
    if reasons:
        raise Refused("the storage is left alone:\n" + "\n".join(f"  - {reason}" for reason in reasons))
    if blind:
        return (Step("look", blind, "what is on the export is seen when the node has NFS's tools", fresh=True),)
    if initialised:
        new = tuple(member.name for member in others)
        why = "the cluster's data is on the export, as this node sees it, too"
        return (Step("adopt", new, why, {"uuid": initialised[0].uuid}, fresh=True),) if new else ()
    return _make(members)


def _alone(member: Export, wanted: Wanted) -> list[str]:
    """What forbids going on whatever is on the export."""
    reasons, latch = [], member.latch
    if latch and (latch.cluster, latch.backend) != (wanted.cluster, NAME):
        old = f"cluster {latch.cluster}, storage:backend: {latch.backend}"
        reasons.append(
            f"{member.where}: this node holds the data of {old}, not of {wanted.cluster} over NFS. Neither can be changed in "
            "place: give the pillar the old values back"
        )
    elif latch and latch.disk != wanted.source:
        reasons.append(
            f"{member.where}: the data is on {latch.disk}; another export cannot be named in place. Name the old one again"
        )
    if member.mounted and not member.serving:
        reasons.append(
            f"{member.where}: it is mounted on {wanted.directory}, and not by the cluster. `umount {wanted.directory}` first; "
            "where pacemaker is only just starting it, wait, and run again"
        )
    return reasons


def _not_the_datas(member: Export, holder: Export) -> str:
    """A node that is to learn of the data sees another mark, or none."""
    seen = (
        f"the mark of cluster {member.mark.get('cluster')} ({member.mark.get('id')})"
        if member.mark
        else "no mark of hamysql's"
    )
    return (
        f"{member.where}: has {seen}, but {holder.name} knows of {holder.uuid}: not the same export, or its data is gone. Bring it "
        f"back. Only to begin anew, with an empty database: `rm {LATCH}` on both nodes"
    )


def _not_empty(seen: Sequence[Export], wanted: Wanted, known: set[str]) -> list[str]:
    """No node knows of data: the export has to be empty, or to bear the mark that a node (its latch, ``known``) has begun with."""
    first = seen[0]
    for other in seen[1:]:
        if (first.mark.get("id"), first.view) != (other.mark.get("id"), other.view):
            told = "; ".join(f"{member.where}: {_contents(member)}" for member in (first, other))
            return [f"the nodes mount different exports: {told}"]
    names, mark = " and ".join(member.name for member in seen), first.mark
    if mark:
        if mark.get("id") in known:
            return []
        if mark.get("cluster") != wanted.cluster:
            return [
                f"{names}, {first.source}: bears the mark of another cluster, {mark.get('cluster')}: use an export for this "
                "one alone"
            ]
        return [
            f"{names}, {first.source}: bears this cluster's mark ({mark.get('id')}), which no node knows. If its nodes were "
            f"installed again, say so on each: `salt-call hamysql_nfs.adopt {mark.get('id')}`. To begin anew, empty the export"
        ]
    if first.view and first.view.foreign:
        return [
            f"{names}, {first.source}: not empty, and not made by hamysql: {_contents(first)}. hamysql deletes nothing there: use "
            "another export, or empty this one"
        ]
    return []


def _contents(member: Export) -> str:
    found = member.view.foreign if member.view else []
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    marked = [f"the mark {member.mark.get('id')}"] if member.mark else []
    return ", ".join([*marked, *found[:5]]) + more or "empty"


def _make(members: Sequence[Export]) -> tuple[Step, ...]:
    """No data was ever made: one node makes it."""
    begun = [member for member in members if member.stage]
    seed = next((member for member in begun if member.mark.get("id") == member.uuid), begun[0] if begun else members[0])
    found: list[Step] = []
    if not seed.mark:
        why = "an earlier run chose this node, and did not get to mark the export" if begun else "the export is empty"
        found.append(Step("claim", (seed.name,), why, fresh=True))
    if seed.stage < Stage.DATADIR:
        why = f"all nodes see the mark, and {NFS_FOLDER} has no database"
        found.append(Step("initialise_datadir", (seed.name,), why, fresh=True))
    found.append(Step("seal", (seed.name,), "the first data is complete"))
    others = tuple(member.name for member in members if member is not seed)
    return (*found, Step("adopt", others, "the cluster's data is on the export that this node sees, too", fresh=True))
