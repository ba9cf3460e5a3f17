"""What must be done to a LUN that the nodes share, on which node, or why it is left alone. Pure.

Like :mod:`hamysql.storage.drbd.plan`, it takes what all members see, and returns the steps that are left.
Witnesses that have to agree: each node's latch, the **claim** (a mark at the LUN's very beginning, made before anything else is,
and seen by the other node: so it is the same LUN, and nobody else's), and the signature on the LUN. Its UUID is chosen
before the file system or the physical volume is made, and is in latch and claim by then: what a run that was cut off has left
behind is told from anybody else's. docs/storage/lun.md has the table of situations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from hamysql.errors import Refused
from hamysql.storage.latch import LATCH, Latch, NodeView, Stage
from hamysql.storage.lun import NAME
from hamysql.storage.lun.local import Seen
from hamysql.storage.lun.values import PATH
from hamysql.storage.steps import Step, serving
from hamysql.survey import Survey, Surveys
from hamysql.system.disk import Signature

WIPE = f"{PATH}:wipe"


@dataclass(frozen=True)
class Wanted:
    """What the pillar says: ``kind`` is the signature that hamysql makes on the LUN (``xfs``, ``ext4``, ``LVM2_member``)."""

    cluster: str
    kind: str
    wipe: str = ""
    iscsi: bool = False
    directory: str = "/var/lib/mysql"

    @property
    def lvm(self) -> bool:
        return self.kind == "LVM2_member"


@dataclass(frozen=True)
class Lun(NodeView):
    """One node's own view of the LUN; the fields are those of ``hamysql_lun.survey``.

    identity
        Its WWN and serial number, as far as the node knows them.
    claim
        The mark at its beginning: ``{"cluster", "uuid"}``, or empty.
    session
        The node is logged in to the target; ``None`` without iSCSI.
    """

    name: str
    device: str
    size: int | None = None
    identity: str = ""
    signatures: tuple[Signature, ...] = ()
    uses: tuple[str, ...] = ()
    partitions: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    claim: Mapping[str, str] = field(default_factory=dict)
    session: bool | None = None
    error: str = ""  # why it cannot be read

    @classmethod
    def from_survey(cls, name: str, survey: Survey) -> Lun:
        """The view from the plain dictionary that came over the bus (``hamysql_node.survey``)."""
        seen: Seen = survey["storage"]
        return cls(
            name=name,
            device=seen["disk"],
            size=seen["size"],
            identity=seen["identity"],
            claim=seen["claim"],
            mounted=seen["mounted"],
            session=seen["session"],
            error=seen["error"],
            uses=tuple(seen["uses"]),
            partitions=tuple(seen["partitions"]),
            names=tuple(seen["names"]),
            signatures=tuple(Signature(**signature) for signature in seen["signatures"]),
            serving=serving(name, survey),
            latch=Latch.from_dict(seen["latch"]) if seen["latch"] else None,
        )

    @property
    def where(self) -> str:
        return f"{self.name}, {self.device}"

    @property
    def contents(self) -> list[str]:
        """What is on the LUN, in words; empty for a blank one."""
        said = [str(signature) for signature in self.signatures]
        return [
            *([f"the claim of cluster {self.claim['cluster']} ({self.claim['uuid']})"] if self.claim else []),
            *said,
        ]


def from_surveys(surveys: Surveys) -> tuple[list[Lun], Wanted]:
    """The arguments of ``steps`` from what ``hamysql_node.survey`` returned on every member, in the pillar's order."""
    settings = next(iter(surveys.values()))["settings"]
    lun, filesystem = settings["storage"][NAME], settings["storage"]["filesystem"]
    kind = "LVM2_member" if lun["lvm"] else filesystem["type"]
    wanted = Wanted(settings["cluster"]["name"], kind, lun["wipe"] or "", bool(lun["iscsi"]), filesystem["directory"])
    return [Lun.from_survey(name, survey) for name, survey in surveys.items()], wanted


def steps(members: Sequence[Lun], wanted: Wanted) -> tuple[Step, ...]:
    """The steps that are left until the file system can be handed to pacemaker.

    members
        Every member of the cluster in the pillar's order. A partial view is the caller's error.

    Returns an empty tuple when nothing is left. Raises ``Refused`` with all evidence when the LUN is not provably blank or ours.
    """
    there = [member for member in members if member.size is not None]
    away = [member for member in members if member.size is None]
    reasons = [reason for member in members for reason in _alone(member, wanted)]
    reasons += [_missing(member) for member in away if not (wanted.iscsi and not member.session)]
    reasons += [] if reasons else _compared(there)
    what = _on_the_lun(members, there[0], wanted) if there and not reasons else None
    wipe = what is not None and what.wipeable and bool(wanted.wipe) and not away and _given_up(there, wanted)
    if what is not None and not wipe:
        reasons.append(what.text(there, wanted))
    if reasons:
        raise Refused("the storage is left alone:\n" + "\n".join(f"  - {reason}" for reason in reasons))
    if away:
        why = "it is not logged in to the target yet; what is on the LUN is seen when all are"
        return (Step("login", tuple(member.name for member in away), why),)
    if wipe:
        found = there[0].contents
        why = f"destroys {', '.join(found)} on {there[0].device}, because {WIPE} names {wanted.wipe}"
        return (Step("wipe", (there[0].name,), why, {"found": found}, fresh=True), *_make(members, None, wanted))
    if any(member.stage == Stage.INITIALISED for member in members):
        return _adopt(members)
    return _make(members, _seed(members), wanted)


def warnings(members: Sequence[Lun], wanted: Wanted) -> list[str]:
    """What an operator has to know, though nothing is refused."""
    if wanted.wipe and any(member.stage == Stage.INITIALISED for member in members):
        return [f"{WIPE} still names {wanted.wipe}: take the key out of the pillar"]
    return []


def _missing(member: Lun) -> str:
    login = ", though the node is logged in to the target" if member.session else ""
    return f"{member.where}: there is no such block device{login} (hamysql:storage:shared:device)"


def _alone(member: Lun, wanted: Wanted) -> list[str]:
    """What forbids going on whatever is on the LUN."""
    reasons = [f"{member.where}: the LUN is in use: {use}" for use in member.uses]
    reasons += [f"{member.where}: the LUN cannot be read: {member.error}"] if member.error else []
    latch = member.latch
    if latch and (latch.cluster, latch.backend) != (wanted.cluster, NAME):
        old = f"cluster {latch.cluster}, storage:backend: {latch.backend}"
        reasons.append(
            f"{member.where}: this node holds the data of {old}, not of {wanted.cluster} on a shared LUN. Neither can be changed "
            "in place: give the pillar the old values back"
        )
    # A run that was cut off may have left it mounted on the node that makes the first data; it is unmounted there.
    if member.mounted and not member.serving and not 0 < member.stage < Stage.INITIALISED:
        reasons.append(
            f"{member.where}: its file system is mounted on {wanted.directory}, and not by the cluster: mounted on two nodes it is "
            f"destroyed. `umount {wanted.directory}` first; where pacemaker is only just starting it, wait, and run again"
        )
    return reasons


def _compared(there: Sequence[Lun]) -> list[str]:
    """Whether all see the same LUN: its identity, its size, and all that is on it."""
    for one, two in pairwise(there):
        same_name = not (one.identity and two.identity) or one.identity == two.identity
        if not same_name or one.size != two.size:
            seen = "; ".join(
                f"{lun.where}: {lun.size} bytes, {lun.identity or 'no serial number'}" for lun in (one, two)
            )
            return [f"the nodes do not see the same LUN: {seen} (hamysql:storage:shared:device)"]
        if (one.contents, one.partitions) != (two.contents, two.partitions):
            seen = "; ".join(
                f"{lun.where}: {', '.join([*lun.contents, *lun.partitions]) or 'blank'}" for lun in (one, two)
            )
            return [f"the nodes see different LUNs: {seen}"]
    return []


@dataclass(frozen=True)
class _Strange:
    """Something on the LUN that is not ours, or not there: why, what can be done, and whether the pillar may allow to wipe it."""

    why: str
    remedy: str = ""
    wipeable: bool = False

    def text(self, there: Sequence[Lun], wanted: Wanted) -> str:
        lun = there[0]
        said = [f"{' and '.join(member.name for member in there)}, {lun.device}: {self.why}", self.remedy]
        if self.wipeable:
            named = f" (it names {wanted.wipe} now, which is not this LUN)" if wanted.wipe else ""
            name = lun.names[0] if lun.names else lun.device
            said.append(f"If all that is on it may be lost: {WIPE}: {name}{named}")
        return ". ".join(filter(None, said))


def _on_the_lun(members: Sequence[Lun], lun: Lun, wanted: Wanted) -> _Strange | None:
    ours = {member.uuid for member in members if member.stage == Stage.INITIALISED}
    begun = {member.uuid for member in members if 0 < member.stage < Stage.INITIALISED}
    found = {signature.uuid for signature in lun.signatures if signature.type == wanted.kind and signature.uuid}
    contents = ", ".join(lun.contents)
    if ours:
        stray = [member for member in members if member.stage == Stage.INITIALISED and member.uuid not in found]
        if not stray:
            return None
        expected = ", ".join(f"{wanted.kind} with the UUID {member.uuid} ({member.name})" for member in stray)
        remedy = "Bring the LUN with the data back. Only to begin anew, with an empty database: "
        return _Strange(
            f"holds {contents or 'nothing'}, not {expected}, the cluster's data", f"{remedy}`rm {LATCH}` on both nodes"
        )
    if lun.claim and lun.claim.get("uuid") not in begun and not found & begun:
        if lun.claim.get("cluster") == wanted.cluster:
            return _Strange(
                "claimed by an unfinished deployment of this cluster, of which no node has a record", wipeable=True
            )
        return _Strange(f"claimed by another cluster: {contents}", wipeable=True)
    if not lun.signatures:
        rest = ", ".join(lun.partitions)
        reread = f"Let it look again: `blockdev --rereadpt {lun.device}`"
        return _Strange(f"no partition table, but the kernel still has {rest}", reread) if rest else None
    if found & begun and len(lun.signatures) == 1:
        return None
    if len(lun.signatures) == 1 and found:
        (uuid,) = found
        how = f"say so on each node: `salt-call hamysql_lun.adopt {uuid}`"
        return _Strange(
            f"holds {contents}, which no node knows",
            f"If it is this cluster's (its nodes were installed again), {how}",
            True,
        )
    return _Strange(f"not blank, and not made by hamysql: {contents}", wipeable=True)


def _given_up(there: Sequence[Lun], wanted: Wanted) -> bool:
    return all(wanted.wipe in (*lun.names, lun.device) for lun in there) and not any(lun.mounted for lun in there)


def _seed(members: Sequence[Lun]) -> Lun | None:
    """Whoever has begun to make the first data: the one whose latch the LUN agrees with, or else the first that has begun."""
    begun = [member for member in members if 0 < member.stage < Stage.INITIALISED]
    known = [
        member
        for member in begun
        if member.claim.get("uuid") == member.uuid or member.uuid in {signature.uuid for signature in member.signatures}
    ]
    return next(iter([*known, *begun]), None)


def _adopt(members: Sequence[Lun]) -> tuple[Step, ...]:
    """The data is on the LUN: whoever does not know it yet, or has forgotten it, learns of it."""
    uuid = next(member.uuid for member in members if member.stage == Stage.INITIALISED)
    new = tuple(member.name for member in members if member.stage < Stage.INITIALISED)
    why = "the cluster's data is on the LUN, as this node sees it, too"
    return (Step("adopt", new, why, {"uuid": uuid}, fresh=True),) if new else ()


def _make(members: Sequence[Lun], seed: Lun | None, wanted: Wanted) -> tuple[Step, ...]:
    """No data was ever made: one node makes it. Every step but the claim needs that all have seen the claim."""
    node = (seed or members[0]).name
    stage = seed.stage if seed else 0
    found: list[Step] = []
    if seed is None or not (seed.claim or seed.signatures):
        why = (
            "the LUN is blank"
            if seed is None
            else "an earlier run chose this node, and did not get to write to the LUN"
        )
        found.append(Step("claim", (node,), why, fresh=True))
        stage = Stage.CLAIMED
    if wanted.lvm and stage < Stage.METADATA:
        found.append(
            Step("make_volume", (node,), "all nodes see the claim, and nothing else is on the LUN", fresh=True)
        )
    if stage < Stage.FILESYSTEM:
        found.append(Step("make_filesystem", (node,), "all nodes see that it is new and empty", fresh=True))
    if stage < Stage.DATADIR:
        found.append(Step("initialise_datadir", (node,), "the file system is new and empty"))
    found.append(Step("seal", (node,), "the first data is complete"))
    others = tuple(member.name for member in members if member.name != node)
    return (*found, Step("adopt", others, "the cluster's data is on the LUN that this node sees, too", fresh=True))
