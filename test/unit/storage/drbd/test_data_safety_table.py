"""Every row of docs/storage/drbd.md, by its name: what the plan does or refuses, with the evidence and the way out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from replicas import FULL, NAME, NEW, SIZE, USED, UUID, XFS, blank, connected, ours, refusal, todo, without_metadata

from hamysql.storage.drbd import plan as drbd_plan
from hamysql.storage.drbd.plan import Member, Stage
from hamysql.storage.drbd.status import Generation, Status
from hamysql.system.disk import Signature
from support import ROOT

ROWS: dict[str, Callable[[], None]] = {}
KEY = "If all that is on it may be lost: hamysql:storage:drbd:wipe: {{{}: {}}}"
GIVEN_UP = replace(FULL, wipe={"db2": NAME.format("db2")})
STRANGER = Generation(0xFEED0000FEED0000, 0, (0, 0))
WENT_ON = Generation(0x1111111111111110, USED.current, USED.history)
WENT_ON_TOO = Generation(0x2222222222222222, USED.current, USED.history)


def row(name: str):
    def named(test: Callable[[], None]) -> Callable[[], None]:
        ROWS[name] = test
        return test

    return named


def test_the_table_and_its_tests_have_the_same_rows():
    text = (ROOT / "docs" / "storage" / "drbd.md").read_text()
    table = text.partition("## The situations")[2].partition("\n## ")[0]
    rows = [line.split("|")[1].strip(" *") for line in table.splitlines() if line.startswith("| ")]
    assert rows[0] == "situation"
    assert sorted(rows[1:]) == sorted(ROWS)


def db1() -> Member:
    """The member that holds the cluster's data."""
    return ours("db1", Stage.INITIALISED, USED)


def foreign(*signatures: Signature, **fields) -> Member:
    """db2 with a disk that hamysql has not made."""
    return blank("db2", signatures=signatures, **fields)


def assert_only_the_key_helps(member: Member, what: str) -> None:
    """Refused with evidence and key, beside any peer; with the key the disk is wiped, and treated as blank from then on."""
    for peer in (blank("db1"), db1()):
        (reason,) = refusal(peer, member)
        assert reason.startswith(f"db2, /dev/sdb: {what}")
        assert reason.endswith(KEY.format("db2", NAME.format("db2")))
        steps = drbd_plan.storage([peer, member], GIVEN_UP)
        assert (steps[0].action, steps[0].nodes, steps[0].fresh) == ("wipe", ("db2",), True)
        shown = [str(signature) for signature in member.signatures]
        assert steps[0].arguments == {"found": shown, "held_elsewhere": peer.holds_data}
        assert str(member.signatures[0]) in steps[0].why
        assert [(step.action, step.nodes) for step in steps[1:]] == todo(peer, blank("db2"))
        # The key is about this very disk: neither another name, nor the same for another node.
        for wipe in ({"db2": "/dev/sdb"}, {"db2": NAME.format("db1")}, {"db1": NAME.format("db2")}):
            assert refusal(peer, member, wanted=replace(FULL, wipe=wipe))


@row("blank disks")
def blank_disks():
    assert ("seed", ("db1",)) in todo(blank("db1"), blank("db2"))
    assert ("create_metadata", ("db1", "db2")) in todo(blank("db1"), blank("db2"))


@row("a file system on one disk")
def file_system():
    assert_only_the_key_helps(foreign(XFS), f"not blank, and not made by hamysql: {XFS}. ")


@row("a partition table")
def partition_table():
    assert_only_the_key_helps(
        foreign(Signature("gpt", 512), partitions=("/dev/sdb1",)), "not blank, and not made by hamysql: gpt at byte 512"
    )
    (reason,) = refusal(blank("db1"), blank("db2", partitions=("/dev/sdb1",)))
    assert reason.endswith("still has /dev/sdb1. Let it look again: `blockdev --rereadpt /dev/sdb`")


@row("an LVM physical volume")
def lvm():
    volume = Signature("LVM2_member", 536, "OLC1oI")
    assert_only_the_key_helps(foreign(volume), f"not blank, and not made by hamysql: {volume}")
    active = foreign(volume, uses=("/dev/mapper/vg-data (lvm) lies on /dev/sdb",))
    reasons = refusal(db1(), active, wanted=GIVEN_UP)
    assert reasons[0] == "db2, /dev/sdb: the disk is in use: /dev/mapper/vg-data (lvm) lies on /dev/sdb"
    assert "hamysql:storage:drbd:wipe" not in reasons[1]


@row("data without a known signature")
def unknown_data():
    unknown = Signature("data without a known signature", 4096)
    assert_only_the_key_helps(foreign(unknown), f"not blank, and not made by hamysql: {unknown}")


@row("DRBD metadata of another resource")
def other_resource():
    metadata = Signature("drbd", SIZE - 4036, "feedfeedfeedfeed")
    why = f"not blank, and not made by hamysql: {metadata}"
    assert_only_the_key_helps(foreign(metadata, generation=NEW), why)
    for generation in (STRANGER, None):
        other = foreign(metadata, generation=generation)
        assert refusal(db1(), other) == [f"db2, /dev/sdb: {why}. {KEY.format('db2', NAME.format('db2'))}"]
        assert todo(db1(), other, wanted=GIVEN_UP)[0] == ("wipe", ("db2",))
        # Unless another member has the data, this may be all that is left of it, and the key a forgotten one.
        for peer in (blank("db1"), ours("db1", Stage.INITIALISED, NEW), ours("db1", Stage.METADATA)):
            (reason,) = refusal(peer, other, wanted=GIVEN_UP)
            assert f"{why}. If it is this cluster's" in reason
            assert "`salt-call hamysql_storage.adopt feedfeedfeedfeed`" in reason
            assert reason.endswith("If it may be lost, `wipefs --all /dev/sdb` on the node, and run again")
    up = foreign(metadata, generation=STRANGER, status=connected())
    (reason,) = refusal(db1(), up, wanted=GIVEN_UP)
    assert reason.endswith("Take it from DRBD first: `drbdadm down mysql`")


@row("a disk in use")
def in_use():
    use = "/dev/sdb is mounted on /srv"
    for signatures in ((), (XFS,)):
        reasons = refusal(db1(), foreign(*signatures, uses=(use,)), wanted=GIVEN_UP)
        assert reasons[0] == f"db2, /dev/sdb: the disk is in use: {use}"
        assert not any("hamysql:storage:drbd:wipe" in reason for reason in reasons)


@row("ours, with data on one side")
def one_side():
    assert todo(db1(), blank("db2")) == [("create_metadata", ("db2",)), ("seal", ("db2",))]


@row("ours on both sides")
def both_sides():
    assert todo(db1(), ours("db2", Stage.INITIALISED, USED)) == []


@row("different data on both sides")
def split_brain():
    alone = Status("StandAlone", "Primary", "Unknown", "UpToDate", "DUnknown")
    first = replace(ours("db1", Stage.INITIALISED, WENT_ON, status=alone), **{"shell": "pcs"})
    second = ours("db2", Stage.INITIALISED, WENT_ON_TOO)
    for wanted in (FULL, replace(FULL, wipe={name: NAME.format(name) for name in ("db1", "db2")})):
        told = "\n".join(refusal(first, second, wanted=wanted))
        assert told.startswith("db1 and db2 hold different data (split brain)")
        assert f"db1, /dev/sdb: Primary, UpToDate, StandAlone; generation {WENT_ON}" in told
        assert f"db2, /dev/sdb: DRBD is down; generation {WENT_ON_TOO}" in told
        assert (
            "to keep db1's and lose db2's: on db2 `drbdadm up mysql; drbdadm disconnect mysql; drbdadm connect "
            "--discard-my-data mysql`, on db1 `drbdadm connect mysql; drbdadm wait-connect mysql`"
        ) in told
        assert (
            "to keep db2's and lose db1's: first move the service: `pcs node standby db1`, later `pcs node unstandby db1`"
            in told
        )
    # The node that was installed again meanwhile, and replicas that have nothing in common at all.
    assert "split brain" in refusal(first, replace(second, latch=None))[0]
    assert "split brain" in refusal(first, replace(second, generation=STRANGER))[0]
    # DRBD has compared them itself: the survey was taken while identifiers were changing.
    talking = replace(alone, connection="SyncSource", peer_disk="Inconsistent")
    assert todo(replace(first, status=talking), second) == []


@row("a disk smaller than the peer's")
def smaller():
    for peer in (blank("db1"), db1()):
        (reason,) = refusal(peer, blank("db2", size=SIZE - 1), wanted=GIVEN_UP)
        assert reason == f"db2, /dev/sdb: {SIZE - 1} bytes, but db1, /dev/sdb has {SIZE}: use equal disks"
    # The key does not make a small disk large: nothing is wiped in vain.
    assert "use equal disks" in refusal(db1(), foreign(XFS, size=SIZE - 1), wanted=GIVEN_UP)[0]


@row("a member that does not answer")
def silent():
    # The plan is not even made: Members.ask raises, see test_members.py.
    with pytest.raises(KeyError):
        drbd_plan.from_surveys({"db1": {"settings": {}}})


@row("a member back after its disk was replaced")
def replaced():
    second = without_metadata(ours("db2", Stage.INITIALISED, USED))
    join = [("create_metadata", ("db2",)), ("seal", ("db2",))]
    assert todo(db1(), second) == join
    # Pacemaker has given up on it, or DRBD has detached it and is still up.
    rejoin = ("rejoin", ("db2",))
    assert todo(db1(), replace(second, failures=("p_drbd_mysql_start_0",))) == [*join, rejoin]
    diskless = Status("Connected", "Secondary", "Primary", "Diskless", "UpToDate")
    assert todo(db1(), replace(second, status=diskless)) == [*join, rejoin]
    # Cut off before the last step, and at the end: the synchronisation is DRBD's.
    sealed = ours("db2", Stage.INITIALISED, NEW)
    assert todo(db1(), replace(sealed, failures=("p_drbd_mysql_start_0",))) == [rejoin]
    assert todo(db1(), replace(sealed, status=diskless)) == [rejoin]
    assert todo(db1(), sealed) == []
    # A failure of a replica that holds data is the operator's to look at.
    assert todo(db1(), ours("db2", Stage.INITIALISED, USED, failures=("p_drbd_mysql_start_0",))) == []


@row("a second-hand disk in the place of a broken one")
def second_hand():
    second = replace(ours("db2", Stage.INITIALISED), signatures=(XFS,), generation=None)
    (reason,) = refusal(db1(), second)
    assert reason == (
        f"db2, /dev/sdb: holds {XFS} where hamysql's DRBD metadata was. {KEY.format('db2', NAME.format('db2'))}"
    )
    assert todo(db1(), second, wanted=GIVEN_UP) == [
        ("wipe", ("db2",)),
        ("create_metadata", ("db2",)),
        ("seal", ("db2",)),
    ]
    # Unless the other side's data is complete, that file system may be all that is left of ours.
    for generation in (NEW, replace(USED, consistent=False)):
        unsure = ours("db1", Stage.INITIALISED, generation)
        (reason,) = refusal(unsure, second, wanted=GIVEN_UP)
        assert "Bring the disk that holds the data back" in reason
        assert "hamysql:storage:drbd:wipe" not in reason


@row("a node installed again")
def installed_again():
    for generation in (USED, Generation(USED.history[0], 0, (0, 0)), WENT_ON):
        forgetful = ours("db2", Stage.INITIALISED, generation, latch=None)
        for wanted in (FULL, GIVEN_UP):  # a replica is never wiped
            steps = drbd_plan.storage([db1(), forgetful], wanted)
            assert [(step.action, step.nodes) for step in steps] == [("adopt", ("db2",))]
            assert steps[0].arguments == {"device_uuid": UUID["db2"]}
    # It was being filled, and is no use by itself; DRBD goes on.
    unfinished = ours("db2", Stage.INITIALISED, replace(USED, consistent=False), latch=None)
    assert todo(db1(), unfinished) == [("adopt", ("db2",))]
    # It holds the better data: the other one was being filled from it.
    assert todo(ours("db1", Stage.INITIALISED, replace(USED, consistent=False)), forgetful) == [("adopt", ("db2",))]


@row("all nodes installed again")
def all_installed_again():
    members = [ours(name, Stage.INITIALISED, USED, latch=None) for name in ("db1", "db2")]
    both = replace(FULL, wipe={name: NAME.format(name) for name in ("db1", "db2")})
    for wanted in (FULL, both):
        reasons = refusal(*members, wanted=wanted)
        assert [f"`salt-call hamysql_storage.adopt {UUID[name]}`" in reason for name, reason in zip(UUID, reasons)] == [
            True
        ] * 2
        assert not any("hamysql:storage:drbd:wipe" in reason for reason in reasons)
    assert todo(db1(), members[1]) == [("adopt", ("db2",))]  # told on one node, the other one follows


@row("a new master")
def new_master():
    # The plan has no other argument than what the members say and what the pillar wants.
    assert todo(db1(), ours("db2", Stage.INITIALISED, USED), wanted=replace(FULL, run="1", initial_sync="auto")) == []


@row("pacemaker merely stopped")
def pacemaker_stopped():
    alone = Status("WFConnection", "Primary", "Unknown", "UpToDate", "DUnknown")
    gone_on = ours("db1", Stage.INITIALISED, WENT_ON, status=alone)
    assert todo(gone_on, ours("db2", Stage.INITIALISED, USED, status=None)) == []
    assert todo(db1(), ours("db2", Stage.INITIALISED, USED)) == []  # on both nodes


@row("the roles reversed after a failover")
def roles_reversed():
    first = ours(
        "db1", Stage.INITIALISED, USED, status=Status("Connected", "Secondary", "Primary", "UpToDate", "UpToDate")
    )
    second = ours("db2", Stage.INITIALISED, USED, status=connected("Primary", "UpToDate"))
    assert todo(first, second) == []


@row("our disk under another name")
def renamed():
    for stage in Stage:
        first = replace(ours("db1", stage), disk="/dev/disk/by-id/ata-GALAXY_db1")
        if stage == Stage.CLAIMED:  # it has recorded no metadata yet
            assert "another disk cannot be named in place" in refusal(first, blank("db2"))[0]
            continue
        second = ours("db2", stage)
        rest = todo(replace(first, disk="/dev/sdb"), second)
        assert todo(first, second) == [("adopt", ("db1",)), *rest]
    (step,) = drbd_plan.storage([replace(db1(), disk="/dev/disk/by-id/ata-GALAXY_db1"), second], FULL)
    assert step.why == "the disk of its replica had the name /dev/sdb, and is /dev/disk/by-id/ata-GALAXY_db1 now"


@row("another disk is named")
def another_named():
    for disk in ((), (XFS,)):
        second = replace(ours("db2", Stage.INITIALISED), disk="/dev/sdc", signatures=disk, generation=None)
        reason = refusal(db1(), second)[0]
        assert reason.startswith("db2, /dev/sdc: the data is on /dev/sdb; another disk cannot be named in place.")
        assert "if it is gone for good" in reason


@row("another disk under the old name")
def swapped():
    second = ours("db2", Stage.INITIALISED, STRANGER)
    second = replace(second, signatures=(Signature("drbd", SIZE - 4036, "feedfeedfeedfeed"),))
    (reason,) = refusal(db1(), second)
    assert f"another disk's: drbd at byte {SIZE - 4036}" in reason
    assert reason.endswith(KEY.format("db2", NAME.format("db2")))
    assert todo(db1(), second, wanted=GIVEN_UP)[0] == ("wipe", ("db2",))
    # A replica of this data after all (the nodes' disks were swapped), or nobody else has the data.
    for peer, generation in ((db1(), USED), (blank("db1"), STRANGER)):
        (reason,) = refusal(peer, replace(second, generation=generation), wanted=GIVEN_UP)[-1:]
        assert reason.endswith("Bring this node's own disk back")


@row("a deployment cut off anywhere")
def cut_off():
    # In detail: test_plan.py, and with every program cut off in test_storage_converges.py.
    first = ours("db1", Stage.FILESYSTEM, USED, XFS, status=connected("Primary", "UpToDate"))
    second = ours("db2", Stage.METADATA, USED, status=connected())
    assert todo(first, second)[0] == ("initialise_datadir", ("db1",))
    # The other disk was replaced before anything was made.
    again = without_metadata(ours("db2", Stage.METADATA))
    assert todo(ours("db1", Stage.METADATA), again) == [("create_metadata", ("db2",)), *todo(*_metadata())]


def _metadata() -> list[Member]:
    return [ours(name, Stage.METADATA) for name in ("db1", "db2")]


@row("the data of an unfinished deployment")
def unfinished():
    reasons = refusal(*(ours(name, Stage.METADATA, USED) for name in ("db1", "db2")))
    assert [reason.split(": ")[1].split(" (")[0] for reason in reasons] == ["data was written outside hamysql"] * 2
    assert all("`drbdadm down mysql; rm /var/lib/hamysql/mysql.json` on both nodes" in reason for reason in reasons)
    seed = ours("db1", Stage.SEEDING, USED)
    assert "To start over" in refusal(without_metadata(seed), ours("db2", Stage.METADATA, USED))[0]
    forgetful = ours("db2", Stage.METADATA, USED, latch=None)
    assert "that this node has no record of. Nothing was handed to the cluster yet" in refusal(seed, forgetful)[0]


@row("no member holds the data")
def lost():
    gone = without_metadata(ours("db2", Stage.INITIALISED))
    for peer in (
        without_metadata(ours("db1", Stage.INITIALISED)),
        ours("db1", Stage.INITIALISED, NEW),
        ours("db1", Stage.INITIALISED, replace(USED, consistent=False)),
        ours(
            "db1", Stage.INITIALISED, status=Status("Connected", "Secondary", "Secondary", "Inconsistent", "DUnknown")
        ),
    ):
        for member in (gone, blank("db2")):
            reason = refusal(peer, member, wanted=GIVEN_UP)[-1]
            assert "no other member holds the data. Bring the disk that holds the data back" in reason


@row("a stale override")
def stale_override():
    members = [db1(), ours("db2", Stage.INITIALISED, USED)]
    assert todo(*members, wanted=GIVEN_UP) == []
    assert drbd_plan.warnings(members, GIVEN_UP) == [
        f"hamysql:storage:drbd:wipe still names the disk of db2, {NAME.format('db2')}: take the key out of the pillar"
    ]
    assert drbd_plan.warnings(members, FULL) == []
    for stage in (Stage.METADATA, Stage.SEEDING, Stage.DATADIR, Stage.INITIALISED):
        assert "wipe" not in [step for step, _ in todo(db1(), ours("db2", stage), wanted=GIVEN_UP)]


@row("another cluster's data")
def another_cluster():
    second = ours("db2", Stage.INITIALISED)
    second = replace(second, latch=replace(second.latch, cluster="other-db"))
    (reason,) = refusal(blank("db1"), second, wanted=GIVEN_UP)[-1:]
    assert "holds the data of mysql of cluster other-db, not mysql of galaxy-db" in reason
    assert reason.endswith("give the pillar the old ones back")


@pytest.mark.parametrize("name", ROWS)
def test_row(name):
    ROWS[name]()
