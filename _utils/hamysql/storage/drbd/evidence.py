"""What is to be made of each member's disk: it is blank or ours, it may be wiped or taken over, or why it is left alone.

docs/storage/drbd.md has the table of situations; every sentence here that refuses something also says what to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hamysql.storage.drbd.replica import Member
from hamysql.storage.drbd.status import Kinship
from hamysql.storage.latch import Stage
from hamysql.system import shells

WIPE = "hamysql:storage:drbd:wipe"


@dataclass(frozen=True)
class Wanted:
    """What the pillar says about a cluster's storage.

    ``wipe`` names disks by node whose content may be destroyed, ``initial_sync`` is ``auto`` or ``full``, and ``run`` the job
    of the orchestration for which the plan is made.
    """

    cluster: str
    resource: str
    wipe: Mapping[str, str] = field(default_factory=dict)
    initial_sync: str = "full"
    run: str = ""


@dataclass(frozen=True)
class Verdict:
    """About one member's disk: why it is left alone, or that it is to be wiped, or taken over as the replica that it is."""

    reasons: tuple[str, ...] = ()
    wipe: bool = False
    adopt: bool = False


@dataclass(frozen=True)
class _Strange:
    """A disk that is neither blank nor ours: why, what can be done, and whether the pillar may allow to wipe it."""

    why: str
    remedy: str = ""
    wipeable: bool = False


def judge(member: Member, members: Sequence[Member], wanted: Wanted) -> Verdict:
    """The verdict about one member's disk, from what all members see."""
    if member.size is None:
        return Verdict((f"{member.where}: there is no such block device ({_KEYS})",))
    others = [other for other in members if other is not member]
    reasons = [f"{member.where}: the disk is in use: {use}" for use in member.uses]
    reasons += _not_this_cluster(member, others, wanted)
    strange = _strange(member, others, wanted)
    allowed = strange is not None and strange.wipeable and not member.uses and member.status is None
    wipe = allowed and wanted.wipe.get(member.name) in member.names
    if strange and not wipe:
        remedies = [strange.remedy, _override(member, wanted) if strange.wipeable else ""]
        reasons.append(f"{member.where}: {'. '.join([strange.why, *filter(None, remedies)])}")
    reasons += _too_small(member, others)
    adopt = not reasons and (member.renamed or _known_by_a_peer(member, others))
    return Verdict(tuple(reasons), wipe and not reasons, adopt)


_KEYS = "hamysql:storage:drbd:disk, or the node's own disk"


def _not_this_cluster(member: Member, others: Sequence[Member], wanted: Wanted) -> list[str]:
    """The node's latch is about something else than this cluster's disk."""
    latch, reasons = member.latch, []
    if latch is None:
        return []
    if (latch.cluster, latch.resource) != (wanted.cluster, wanted.resource):
        reasons.append(
            f"{member.where}: holds the data of {latch.resource} of cluster {latch.cluster}, not {wanted.resource} of "
            f"{wanted.cluster}. Neither name can be changed in place: give the pillar the old ones back"
        )
    if latch.disk != member.disk and not member.recorded:
        gone = (
            f"if it is gone for good, `rm /var/lib/hamysql/{wanted.resource}.json` here, and this one is filled by DRBD"
        )
        reasons.append(
            f"{member.where}: the data is on {latch.disk}; another disk cannot be named in place. Name the old one again"
            + (f"; {gone}" if any(other.holds_data for other in others) else "")
        )
    return reasons


def _strange(member: Member, others: Sequence[Member], wanted: Wanted) -> _Strange | None:
    if member.latch is None:
        return _strange_without_latch(member, others, wanted)
    holder = any(other.holds_data for other in others)
    kin = any(_related(member, other) for other in others)
    found, stage = member.contents, member.stage
    if stage == Stage.CLAIMED and member.signatures:
        new = member.generation is not None and not member.used
        if member.device_uuid is None:
            return _Strange(f"not blank any more: {found}", wipeable=True)
        if not new or len(member.signatures) > 1:
            why = f"holds DRBD metadata that hamysql did not make: {found}"
            return _Strange(why, *_unless_it_may_be_all(member, holder and not kin))
        return None
    if member.device_uuid is None and member.signatures:
        lost = "" if holder else _lost(member, others, wanted)
        return _Strange(f"holds {found} where hamysql's DRBD metadata was", lost, wipeable=holder)
    if member.device_uuid is None:
        nothing_made = stage <= Stage.METADATA and all(other.stage <= Stage.METADATA for other in others)
        if holder or (nothing_made and not any(other.used for other in others)):
            return None
        return _Strange(
            "hamysql's DRBD metadata has gone, and no other member holds the data", _lost(member, others, wanted)
        )
    if not member.recorded and stage > Stage.CLAIMED:
        uuid = member.latch.device_uuid
        remedy = "Bring this node's own disk back" if not holder or kin else ""
        why = f"the DRBD metadata is another disk's: {found}, expected UUID {uuid}"
        return _Strange(why, remedy, wipeable=holder and not kin)
    seeding = any(other.stage >= Stage.SEEDING for other in others)
    if stage == Stage.METADATA and member.used and not holder and not seeding:
        assert member.generation is not None
        why = f"data was written outside hamysql (generation {member.generation.current:016X})"
        return _Strange(why, _start_over(wanted))
    return None


def _strange_without_latch(member: Member, others: Sequence[Member], wanted: Wanted) -> _Strange | None:
    """The node knows nothing of its disk: hamysql was never here, or the node was installed again."""
    if not member.signatures:
        initialised = any(other.stage == Stage.INITIALISED for other in others)
        if member.partitions:
            why = f"no partition table, but the kernel still has {', '.join(member.partitions)}"
            return _Strange(why, f"Let it look again: `blockdev --rereadpt {member.disk}`")
        if initialised and not any(other.holds_data for other in others):
            return _Strange("blank, and no other member holds the data", _lost(member, others, wanted))
        return None
    if _known_by_a_peer(member, others) or any(_split(member, other) for other in others):
        return None
    kin = next((other for other in others if _related(member, other)), None)
    if kin is not None and kin.stage == 0:
        why = f"holds a replica ({member.generation}) of the same data as {kin.name}, and no member knows whose it is"
        return _Strange(why, _adopt(member))
    if kin is not None:
        why = f"holds a replica of {kin.name}'s, from an unfinished deployment that this node has no record of"
        return _Strange(why, _start_over(wanted))
    why = f"not blank, and not made by hamysql: {member.contents}"
    return _Strange(why, *_unless_it_may_be_all(member, any(other.holds_data for other in others)))


def _unless_it_may_be_all(member: Member, held_elsewhere: bool) -> tuple[str, bool]:
    """Remedy, and whether the pillar may allow to wipe it: not a replica that may be all that is left of the cluster's data.

    A key that was forgotten in the pillar must not destroy it after both nodes were installed again.
    """
    if member.device_uuid is None or held_elsewhere or (member.generation is not None and not member.used):
        return "", True
    by_hand = f"If it may be lost, `wipefs --all {member.disk}` on the node, and run again"
    return f"{_adopt(member)}. {by_hand}", False


def _known_by_a_peer(member: Member, others: Sequence[Member]) -> bool:
    """A replica whose node has forgotten it, of the same data as an initialised member's."""
    if member.latch is not None or not member.device_uuid or member.generation is None:
        return False
    straight = (Kinship.SAME, Kinship.OLDER, Kinship.NEWER)
    return any(
        other.stage == Stage.INITIALISED
        and other.recorded
        and other.generation is not None
        and member.generation.kinship(other.generation) in straight
        for other in others
    )


def _related(member: Member, other: Member) -> bool:
    return bool(member.generation and other.generation and member.generation.related(other.generation))


def _too_small(member: Member, others: Sequence[Member]) -> list[str]:
    """A replica that is smaller than the data cannot take it; a new pair must be equal."""
    if member.size is None or (member.stage >= Stage.METADATA and member.device_uuid is not None):
        return []
    return [
        f"{member.where}: {member.size} bytes, but {peer.name}, {peer.disk} has {peer.size}: use equal disks"
        for peer in others
        if peer.size is not None and member.size < peer.size
    ]


def split_brain(members: Sequence[Member], wanted: Wanted) -> list[str]:
    """Both sides hold data, and neither has all of it."""
    first, *rest = members
    return [
        "\n".join(
            [
                f"{first.name} and {other.name} hold different data (split brain): each was written to without the other",
                f"      {_side(first)}",
                f"      {_side(other)}",
                "    Nothing is touched. Decide whose data is kept; copy what you need of the other's first. Then",
                f"      {_resolve(keep=first, drop=other, resource=wanted.resource)}",
                f"      {_resolve(keep=other, drop=first, resource=wanted.resource)}",
            ]
        )
        for other in rest
        if _split(first, other)
    ]


def _split(one: Member, other: Member) -> bool:
    if one.generation is None or other.generation is None:
        return False
    if any(member.status is not None and member.status.connected for member in (one, other)):
        return False  # DRBD itself has compared them
    initialised = [member.stage == Stage.INITIALISED and member.recorded for member in (one, other)]
    forgotten = [member.latch is None and member.device_uuid is not None for member in (one, other)]
    kinship = one.generation.kinship(other.generation)
    if all(initialised):
        return kinship in (Kinship.DIVERGED, Kinship.UNRELATED)
    return kinship is Kinship.DIVERGED and any(initialised) and any(forgotten)


def _side(member: Member) -> str:
    status = member.status
    state = f"{status.role}, {status.disk}, {status.connection}" if status else "DRBD is down"
    return f"{member.where}: {state}; generation {member.generation}"


def _resolve(keep: Member, drop: Member, resource: str) -> str:
    """How to throw one side's changes away (DRBD user's guide, "Manual split brain recovery").

    The last command waits until both have compared their data: before that, this would be called a split brain still.
    """
    if drop.status is not None and drop.status.role == "Primary":
        away, back = (shells.command(drop.shell, verb, drop.name) for verb in ("standby", "online"))
        first = f"first move the service: `{away}`, later `{back}`; then on "
    else:
        first = "on "
    up = [f"drbdadm up {resource}; " if member.status is None else "" for member in (drop, keep)]
    return (
        f"to keep {keep.name}'s and lose {drop.name}'s: {first}{drop.name} `{up[0]}drbdadm disconnect {resource}; "
        f"drbdadm connect --discard-my-data {resource}`, on {keep.name} `{up[1]}drbdadm connect {resource}; "
        f"drbdadm wait-connect {resource}`"
    )


def _override(member: Member, wanted: Wanted) -> str:
    """The one pillar key that lets this very disk be wiped."""
    if member.uses:
        return ""
    if member.status is not None:
        return f"Take it from DRBD first: `drbdadm down {wanted.resource}`"
    name = member.names[0] if member.names else member.disk
    named = wanted.wipe.get(member.name)
    stale = f" (it names {named} now, which is not this disk)" if named else ""
    return f"If all that is on it may be lost: {WIPE}: {{{member.name}: {name}}}{stale}"


def _adopt(member: Member) -> str:
    return (
        "If it is this cluster's (its nodes were installed again), say so on the node: "
        f"`salt-call hamysql_storage.adopt {member.device_uuid}`"
    )


def _start_over(wanted: Wanted) -> str:
    return (
        f"Nothing was handed to the cluster yet. To start over: `drbdadm down {wanted.resource}; rm "
        f"/var/lib/hamysql/{wanted.resource}.json` on both nodes, and run again: it will ask about each disk"
    )


def _lost(member: Member, others: Sequence[Member], wanted: Wanted) -> str:
    if all(one.stage < Stage.INITIALISED for one in (member, *others)):
        return _start_over(wanted)
    return (
        "Bring the disk that holds the data back. Only to begin anew, with an empty database: "
        f"`rm /var/lib/hamysql/{wanted.resource}.json` on both nodes"
    )


def stale_overrides(members: Sequence[Member], wanted: Wanted) -> list[str]:
    """Overrides in the pillar that have done their work: the disk holds our replica, and is not wiped any more."""
    return [
        f"{WIPE} still names the disk of {member.name}, {wanted.wipe[member.name]}: take the key out of the pillar"
        for member in members
        if member.name in wanted.wipe and member.recorded
    ]
