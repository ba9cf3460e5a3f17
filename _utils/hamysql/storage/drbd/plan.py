"""What must be done to the storage of a cluster, on which node, or why it is refused.

Pure: the surveys of *all* members go in, the steps that are left come out. Nothing here asks a node anything, and nothing
is decided from a static "this node is the master" flag. The orchestration performs the first steps, surveys again, and
plans again, until nothing is left; each step is guarded once more on its node by what that node sees.

Three things have to agree before data is made on a disk: the latch (what hamysql has done here before), DRBD's own
generation identifiers (whether data was ever written), and the signatures on the disk (whose it is). What they say of one disk
is decided in :mod:`hamysql.storage.drbd.evidence`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from hamysql.cib import names as cib_names
from hamysql.errors import Refused
from hamysql.storage.drbd.care.site import differs
from hamysql.storage.drbd.evidence import WIPE, Verdict, Wanted, judge, split_brain, stale_overrides
from hamysql.storage.drbd.replica import Member
from hamysql.storage.drbd.status import StatusSeen
from hamysql.storage.latch import Latch, Stage
from hamysql.storage.steps import Step
from hamysql.survey import Surveys

__all__ = [
    "Latch",
    "Member",
    "Stage",
    "Step",
    "Wanted",
    "apart",
    "behind",
    "differing",
    "from_surveys",
    "storage",
    "warnings",
]

# The resource whose failures say that pacemaker has given up on a replica.
_REPLICA = f"{cib_names.REPLICA}_"


def from_surveys(surveys: Surveys, run: str = "") -> tuple[list[Member], Wanted]:
    """The arguments of ``storage`` from what ``hamysql_node.survey`` returned on every member, in the pillar's order.

    run
        The orchestration's job.
    """
    settings = next(iter(surveys.values()))["settings"]
    drbd = settings["storage"]["drbd"]
    wanted = Wanted(settings["cluster"]["name"], drbd["resource"], drbd["wipe"], drbd["initial_sync"], run)
    failures = {
        (failure["node"], failure["action"])
        for survey in surveys.values()
        for failure in survey["cluster"]["failures"]
        if failure["action"].startswith(_REPLICA)
    }
    members = [
        Member.from_survey(
            name,
            survey["storage"],
            survey["cluster"]["shell"],
            sorted(action for node, action in failures if node == name),
        )
        for name, survey in surveys.items()
    ]
    return members, wanted


def warnings(members: Sequence[Member], wanted: Wanted) -> list[str]:
    """What an operator has to know of the storage, though nothing is refused."""
    return stale_overrides(members, wanted)


def apart(surveys: Surveys) -> list[str]:
    """Why the replicas will not become one by themselves, as sentences; from the surveys of all members."""
    how = "`salt-run hamysql.steps` shows the evidence, and how to keep the data of one side"
    return [f"{text.splitlines()[0]}: {how}" for text in split_brain(*from_surveys(surveys))]


def differing(surveys: Surveys) -> list[str]:
    """Replicas in which a verification has found blocks that differ, as sentences; from the surveys of all members."""
    how = "`salt-run state.orchestrate hamysql.orch.verify pillar='{\"hamysql_resynchronise\": true}'` makes them equal"
    found = {node: differs(survey["storage"]["status"]) for node, survey in surveys.items()}
    most = max(found.values(), default=0)
    return (
        [f"the replicas of {' and '.join(found)} differ by {most} KiB, though both are UpToDate: {how}"] if most else []
    )


def behind(surveys: Surveys) -> dict[str, int]:
    """How many bytes each replica lacks, by what a known primary has marked as out of sync: ``{node: bytes}``."""
    found: dict[str, int] = {}
    for node, survey in surveys.items():
        seen: StatusSeen = survey["storage"]["status"]
        if seen and seen["role"] == "Primary" and seen["out_of_sync"] and not differs(seen):
            others = [name for name in survey["settings"]["cluster"]["nodes"] if name != node]
            lacking = others if seen["disk"] == "UpToDate" else [node]
            found.update(dict.fromkeys(lacking, seen["out_of_sync"] * 1024))
    return found


def storage(members: Sequence[Member], wanted: Wanted) -> tuple[Step, ...]:
    """The steps that are left until the replicated storage can be handed to pacemaker.

    members
        Every member of the cluster in the pillar's order. A partial view is the caller's error.

    Returns an empty tuple when nothing is left. Raises ``Refused`` with all evidence when any disk is not provably
    blank or ours, or both hold different data.
    """
    verdicts = {member.name: judge(member, members, wanted) for member in members}
    reasons = [reason for verdict in verdicts.values() for reason in verdict.reasons]
    reasons += split_brain(members, wanted)
    if reasons:
        raise Refused("the storage is left alone:\n" + "\n".join(f"  - {reason}" for reason in reasons))
    steps = _clear(members, verdicts, wanted)
    # From here on as if that had been done.
    members = [_cleared(member, verdicts[member.name], wanted) for member in members]
    if any(member.stage == Stage.INITIALISED for member in members):
        return (*steps, *_join(members, wanted))
    return (*steps, *_seed(members, wanted))


def _clear(members: Sequence[Member], verdicts: Mapping[str, Verdict], wanted: Wanted) -> list[Step]:
    """Wipe what the pillar gives up, take over what a reinstalled node has forgotten, note a disk's new name."""
    steps = []
    for member in members:
        if verdicts[member.name].wipe:
            why = f"destroys {member.contents} on {member.disk}, because {WIPE} names {wanted.wipe[member.name]}"
            found = [str(signature) for signature in member.signatures]
            held = any(other.holds_data for other in members if other is not member)
            arguments = {"found": found, "held_elsewhere": held}
            steps.append(Step("wipe", (member.name,), why, arguments, fresh=True))
        if verdicts[member.name].adopt:
            why = "this node has forgotten its replica, which is of the same data as the other member's"
            if member.latch is not None:
                why = f"the disk of its replica had the name {member.latch.disk}, and is {member.disk} now"
            steps.append(Step("adopt", (member.name,), why, {"device_uuid": member.device_uuid}, fresh=True))
    return steps


def _cleared(member: Member, verdict: Verdict, wanted: Wanted) -> Member:
    if verdict.wipe:
        return replace(member, signatures=(), partitions=(), generation=None)
    if verdict.adopt and member.latch is not None:
        return replace(member, latch=replace(member.latch, disk=member.disk))
    if verdict.adopt:
        uuid = member.device_uuid or ""
        return replace(
            member, latch=Latch(wanted.cluster, wanted.resource, member.disk, Stage.INITIALISED, uuid, wanted.run)
        )
    return member


def _join(members: Sequence[Member], wanted: Wanted) -> tuple[Step, ...]:
    """The data exists on at least one side: the others get metadata and then all data from DRBD itself."""
    blank = tuple(member.name for member in members if member.blank)
    new = tuple(member.name for member in members if member.blank or member.stage < Stage.INITIALISED)
    steps = _metadata(
        members, blank, "its disk is blank, and the other member holds the data that it will receive", wanted
    )
    if new:
        steps.append(Step("seal", new, "the cluster is initialised: this replica is filled by DRBD's synchronisation"))
    given_up = tuple(
        member.name for member in members if member.untaken or (member.blank and (member.failures or member.status))
    )
    if given_up:
        steps.append(Step("rejoin", given_up, "DRBD or pacemaker gave up on the old disk, and is to try the new one"))
    return tuple(steps)


def _metadata(members: Sequence[Member], blank: tuple[str, ...], why: str, wanted: Wanted) -> list[Step]:
    steps = []
    unrecorded = tuple(member.name for member in members if member.unrecorded)
    run = {"run_id": wanted.run} if wanted.run else {}
    if blank:
        steps.append(Step("create_metadata", blank, why, run))
    if unrecorded:
        steps.append(Step("create_metadata", unrecorded, "the metadata was written, but not yet recorded", run))
    return steps


def _seed(members: Sequence[Member], wanted: Wanted) -> tuple[Step, ...]:
    """No side was ever initialised: make the first data, on one node."""
    seed = next((member for member in members if member.stage >= Stage.SEEDING), members[0])
    everybody = tuple(member.name for member in members)
    blank = tuple(member.name for member in members if member.device_uuid is None)
    steps = _metadata(members, blank, "the disk is blank", wanted)
    down = tuple(member.name for member in members if member.status is None)
    if down:
        steps.append(Step("up", down, "the resource is not configured in the kernel"))
    if not all(member.status is not None and member.status.connected for member in members):
        steps.append(Step("wait_connected", everybody, "both sides must see each other"))
    skip = wanted.initial_sync == "auto" and all(_new_in(member, wanted.run) for member in members)
    if skip:
        why = "both replicas were made in this run and never written to: there is nothing to synchronise"
        steps.append(Step("skip_initial_sync", (seed.name,), why, {"run_id": wanted.run}, fresh=True))
    if seed.stage < Stage.DATADIR:
        role = seed.status.role if seed.status else ""
        if role != "Primary" or seed.stage < Stage.SEEDING:
            steps.append(Step("seed", (seed.name,), _why_seed(seed)))
        if seed.stage < Stage.FILESYSTEM:
            steps.append(Step("make_filesystem", (seed.name,), "the device is new and empty"))
        steps.append(Step("initialise_datadir", (seed.name,), "the file system is new and empty"))
    if seed.stage < Stage.DATADIR or (seed.status and seed.status.role == "Primary"):
        steps.append(Step("release", (seed.name,), "from here on pacemaker promotes"))
    steps.append(Step("seal", everybody, "the first data is complete"))
    return tuple(steps)


def _new_in(member: Member, run: str) -> bool:
    """The replica is made in this very run, or will be, and DRBD has nothing else to say of it."""
    if member.device_uuid is None:
        return member.stage <= Stage.METADATA
    if member.latch is None or member.stage != Stage.METADATA or not run or member.latch.run != run:
        return False
    if member.generation is None or not member.generation.just_created:
        return False
    status = member.status
    return status is None or (status.role, status.disk, status.peer_disk) in _UNTOUCHED


_UNTOUCHED = (("Secondary", "Inconsistent", "Inconsistent"), ("Secondary", "Inconsistent", "DUnknown"))


def _why_seed(seed: Member) -> str:
    if seed.stage >= Stage.SEEDING:
        return "an earlier run chose this node, and did not get to the end"
    return "no member has ever held data; this is the first node of the pillar"
