"""What must be done to the storage of a cluster, on which node, or why it is refused.

Pure: the surveys of *all* members go in, the steps that are left come out. Nothing here asks a node anything, and nothing
is decided from a static "this node is the master" flag. The orchestration performs the first step, surveys again, and
plans again, until nothing is left; each step is guarded once more on its node by what that node sees.

Three things have to agree before data is made on a disk: the latch (what hamysql has done here before), DRBD's own
generation identifiers (whether data was ever written), and the signatures on the disk (whose it is).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from hamysql.disk import Signature
from hamysql.drbd import Generation, Status
from hamysql.errors import Refused


class Stage(IntEnum):
    """How far a node's replica has come; written to its latch, and never taken back."""

    CLAIMED = 1  # the disk was blank, metadata is about to be written
    METADATA = 2  # hamysql's metadata is on the disk
    SEEDING = 3  # this node was chosen as the source of the first data
    FILESYSTEM = 4  # mkfs has ended
    DATADIR = 5  # the empty database has been made
    INITIALISED = 6  # released to the cluster; from now on DRBD and pacemaker decide


@dataclass(frozen=True)
class Latch:
    """What hamysql has done on a node, kept there in ``/var/lib/hamysql/RESOURCE.json``."""

    cluster: str
    resource: str
    disk: str
    stage: Stage
    device_uuid: str = ""

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Latch:
        """The latch from its file's content; the stage is kept by name."""
        return cls(**{**data, "stage": Stage[data["stage"]]})

    def as_dict(self) -> dict[str, str]:
        """The content of the latch's file."""
        return {**self.__dict__, "stage": self.stage.name}


@dataclass(frozen=True)
class Member:
    """One node's own view of its replica; the fields are those of ``hamysql_storage.survey``."""

    name: str
    disk: str
    size: int | None = None
    signatures: tuple[Signature, ...] = ()
    uses: tuple[str, ...] = ()
    generation: Generation | None = None
    status: Status | None = None
    latch: Latch | None = None

    @classmethod
    def from_survey(cls, name: str, survey: Mapping[str, Any]) -> Member:
        """A member from the plain dictionary that came over the bus."""
        generation, status, latch = survey["generation"], survey["status"], survey["latch"]
        if generation:
            generation = Generation(
                int(generation["current"], 16), int(generation["bitmap"], 16), _hex(generation["history"])
            )
        return cls(
            name=name,
            disk=survey["disk"],
            size=survey["size"],
            signatures=tuple(Signature(**signature) for signature in survey["signatures"]),
            uses=tuple(survey["uses"]),
            generation=generation or None,
            status=Status(**{key: status[key] for key in Status.__dataclass_fields__}) if status else None,
            latch=Latch.from_dict(latch) if latch else None,
        )

    @property
    def stage(self) -> int:
        """The latch's stage, 0 without a latch."""
        return self.latch.stage if self.latch else 0

    @property
    def device_uuid(self) -> str | None:
        """The device UUID of the DRBD metadata on the disk, ``None`` when there is none."""
        return next((signature.uuid for signature in self.signatures if signature.type == "drbd"), None)

    @property
    def blank(self) -> bool:
        """Nothing at all is on the disk."""
        return self.size is not None and not self.signatures and not self.uses

    @property
    def unrecorded(self) -> bool:
        """Cut off between writing the metadata and recording it."""
        return self.stage == Stage.CLAIMED and self.device_uuid is not None

    @property
    def initialised(self) -> bool:
        """The replica belongs to an initialised cluster, and its disk is still there."""
        return self.stage == Stage.INITIALISED and self.device_uuid is not None


@dataclass(frozen=True)
class Step:
    """One thing to do: a function of ``hamysql_drbd`` or ``hamysql_storage``, where, and the reason for it."""

    action: str
    nodes: tuple[str, ...]
    why: str

    def __str__(self) -> str:
        return f"{self.action} on {', '.join(self.nodes)}: {self.why}"


def storage(members: Sequence[Member], cluster: str, resource: str) -> tuple[Step, ...]:
    """The steps that are left until the replicated storage can be handed to pacemaker.

    members
        Every member of the cluster in the pillar's order. A partial view is the caller's error.
    cluster, resource
        The names that a latch must carry to be ours.

    Returns an empty tuple when nothing is left. Raises ``Refused`` with all evidence when any disk is not provably
    blank or ours.
    """
    evidence = [reason for member in members for reason in _objections(member, members, cluster, resource)]
    if evidence:
        raise Refused("the storage is left alone:\n" + "\n".join(f"  - {reason}" for reason in evidence))
    if any(member.stage == Stage.INITIALISED for member in members):
        return _join(members)
    return _seed(members)


def _join(members: Sequence[Member]) -> tuple[Step, ...]:
    """The data exists on at least one side: the others get metadata and then all data from DRBD itself."""
    steps: list[Step] = []
    blank = tuple(member.name for member in members if member.blank)
    unclaimed = tuple(member.name for member in members if member.unrecorded)
    new = tuple(member.name for member in members if member.blank or member.stage < Stage.INITIALISED)
    if blank:
        why = "its disk is blank, and the other member holds the data that it will receive"
        steps.append(Step("create_metadata", blank, why))
    if unclaimed:
        steps.append(Step("create_metadata", unclaimed, "the metadata was written, but not yet recorded"))
    if new:
        steps.append(Step("seal", new, "the cluster is initialised: this replica is filled by DRBD's synchronisation"))
    return tuple(steps)


def _seed(members: Sequence[Member]) -> tuple[Step, ...]:
    """No side was ever initialised: make the first data, on one node."""
    seed = next((member for member in members if member.stage >= Stage.SEEDING), members[0])
    steps: list[Step] = []
    blank = tuple(member.name for member in members if member.device_uuid is None)
    if blank:
        steps.append(Step("create_metadata", blank, "the disk is blank"))
    unclaimed = tuple(member.name for member in members if member.unrecorded)
    if unclaimed:
        steps.append(Step("create_metadata", unclaimed, "the metadata was written, but not yet recorded"))
    down = tuple(member.name for member in members if member.status is None)
    if down:
        steps.append(Step("up", down, "the resource is not configured in the kernel"))
    if not all(member.status is not None and member.status.connected for member in members):
        steps.append(Step("wait_connected", tuple(member.name for member in members), "both sides must see each other"))
    if seed.stage < Stage.DATADIR:
        role = seed.status.role if seed.status else ""
        if role != "Primary" or seed.stage < Stage.SEEDING:
            steps.append(Step("seed", (seed.name,), _why_seed(seed)))
        if seed.stage < Stage.FILESYSTEM:
            steps.append(Step("make_filesystem", (seed.name,), "the device is new and empty"))
        steps.append(Step("initialise_datadir", (seed.name,), "the file system is new and empty"))
    if seed.stage < Stage.DATADIR or (seed.status and seed.status.role == "Primary"):
        steps.append(Step("release", (seed.name,), "from here on pacemaker promotes"))
    steps.append(Step("seal", tuple(member.name for member in members), "the first data is complete"))
    return tuple(steps)


def _why_seed(seed: Member) -> str:
    if seed.stage >= Stage.SEEDING:
        return "an earlier run chose this node, and did not get to the end"
    return "no member has ever held data; this is the first node of the pillar"


def _objections(member: Member, members: Sequence[Member], cluster: str, resource: str) -> list[str]:
    """Everything about one member's disk that forbids going on, each as a sentence with its evidence."""
    where = f"{member.name}, {member.disk}"
    if member.size is None:
        return [f"{where}: there is no such block device (hamysql:storage:drbd:disk, or the node's own disk)"]
    reasons = [f"{where}: the disk is in use: {use}" for use in member.uses]
    latch = member.latch
    others_data = any(other.initialised for other in members if other is not member)
    found = ", ".join(str(signature) for signature in member.signatures)
    if latch is None:
        if member.signatures:
            reasons.append(f"{where}: not blank, and not made by hamysql: {found}. Wipe it yourself if it may be lost")
        return [*reasons, *_size_objections(member, members)]
    if (latch.cluster, latch.resource) != (cluster, resource):
        reasons.append(
            f"{where}: holds the data of {latch.resource} of cluster {latch.cluster}, not {resource} of {cluster}"
        )
    if latch.disk != member.disk:
        reasons.append(f"{where}: the data is on {latch.disk}; another disk cannot be named in place")
    if member.device_uuid is None:
        if member.signatures:
            reasons.append(f"{where}: holds {found} where hamysql's DRBD metadata was")
        elif latch.stage > Stage.CLAIMED and not others_data:
            reasons.append(f"{where}: hamysql's DRBD metadata has gone, and no other member holds the data")
    elif latch.stage == Stage.CLAIMED:
        if member.generation is None or not member.generation.just_created or len(member.signatures) > 1:
            reasons.append(f"{where}: holds DRBD metadata that hamysql did not make: {found}")
    elif latch.device_uuid.lower() != member.device_uuid.lower():
        reasons.append(f"{where}: the DRBD metadata is another disk's: {found}, expected UUID {latch.device_uuid}")
    if latch.stage == Stage.METADATA and not others_data and member.generation and not member.generation.just_created:
        seeding = any(other.stage >= Stage.SEEDING for other in members)
        if not seeding:
            reasons.append(f"{where}: data was written outside hamysql (generation {member.generation.current:016X})")
    return [*reasons, *_size_objections(member, members)]


def _size_objections(member: Member, members: Sequence[Member]) -> list[str]:
    """A replica that is smaller than the data cannot take it; a new pair must be equal."""
    peers = [other for other in members if other is not member and other.size is not None]
    if member.stage >= Stage.METADATA and member.device_uuid is not None or member.size is None:
        return []
    return [
        f"{member.name}, {member.disk}: {member.size} bytes, but {peer.name}, {peer.disk} has {peer.size}: use equal disks"
        for peer in peers
        if peer.size is not None and member.size < peer.size
    ]


def _hex(values: Sequence[str]) -> tuple[int, ...]:
    return tuple(int(value, 16) for value in values)
