"""What is done to the storage of a cluster, or refused: every situation that two disks and their nodes can be in."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import pytest
from replicas import (
    ALONE,
    FULL,
    NAME,
    NEW,
    SIZE,
    USED,
    UUID,
    XFS,
    blank,
    connected,
    ours,
    refusal,
    todo,
    without_metadata,
)

from hamysql.storage.drbd import plan as drbd_plan
from hamysql.storage.drbd.plan import Member, Stage
from hamysql.storage.steps import Step
from hamysql.system.disk import Signature

BOTH, FIRST, SECOND = ("db1", "db2"), ("db1",), ("db2",)
FROM_SCRATCH = [
    ("create_metadata", BOTH),
    ("up", BOTH),
    ("wait_connected", BOTH),
    ("seed", FIRST),
    ("make_filesystem", FIRST),
    ("initialise_datadir", FIRST),
    ("release", FIRST),
    ("seal", BOTH),
]


# --- what is done


def test_blank_disks_are_seeded_from_the_first_node_of_the_pillar():
    assert todo(blank("db1"), blank("db2")) == FROM_SCRATCH


def test_the_order_of_the_pillar_decides_and_not_the_names():
    assert ("seed", SECOND) in todo(blank("db2"), blank("db1"))


def test_nothing_is_left_where_both_sides_hold_our_data():
    assert todo(ours("db1", Stage.INITIALISED, USED, XFS), ours("db2", Stage.INITIALISED, USED, XFS)) == []


@pytest.mark.parametrize(
    "status",
    [None, connected(), connected("Primary", "UpToDate"), ALONE],
    ids=["down", "secondary", "primary", "peer away"],
)
def test_the_state_of_the_kernel_is_pacemakers_affair_once_initialised(status):
    # pacemaker merely stopped, roles reversed after a failover, the peer not there: nothing is moved or seeded
    first = ours("db1", Stage.INITIALISED, USED, status=status)
    assert todo(first, ours("db2", Stage.INITIALISED, USED)) == []


def test_data_on_one_side_is_given_to_a_blank_peer_by_drbd_alone():
    expected = [("create_metadata", SECOND), ("seal", SECOND)]
    assert todo(ours("db1", Stage.INITIALISED, USED), blank("db2")) == expected


def test_data_on_the_second_node_is_never_overwritten_by_a_blank_first():
    assert todo(blank("db1"), ours("db2", Stage.INITIALISED, USED)) == [("create_metadata", FIRST), ("seal", FIRST)]


def test_a_member_is_back_after_its_disk_was_replaced():
    first = without_metadata(ours("db1", Stage.INITIALISED, USED))
    second = ours("db2", Stage.INITIALISED, USED)
    assert todo(first, second) == [("create_metadata", FIRST), ("seal", FIRST)]
    # Making the metadata has started the latch again.
    assert todo(ours("db1", Stage.METADATA), second) == [("seal", FIRST)]


def test_a_larger_disk_may_replace_a_broken_one():
    first = without_metadata(ours("db1", Stage.INITIALISED, USED), size=SIZE * 2)
    assert todo(first, ours("db2", Stage.INITIALISED, USED)) == [("create_metadata", FIRST), ("seal", FIRST)]


def test_a_replacement_that_was_cut_off_while_writing_metadata_is_taken_up_again():
    claimed = ours("db1", Stage.CLAIMED)
    assert todo(claimed, ours("db2", Stage.INITIALISED, USED)) == [("create_metadata", FIRST), ("seal", FIRST)]
    assert todo(without_metadata(claimed), ours("db2", Stage.INITIALISED, USED)) == [
        ("create_metadata", FIRST),
        ("seal", FIRST),
    ]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param(
            without_metadata(ours("db1", Stage.CLAIMED)),
            blank("db2"),
            FROM_SCRATCH,
            id="claimed, nothing written",
        ),
        pytest.param(
            ours("db1", Stage.CLAIMED),
            blank("db2"),
            [("create_metadata", SECOND), ("create_metadata", FIRST), *FROM_SCRATCH[1:]],
            id="claimed, metadata not recorded",
        ),
        pytest.param(
            ours("db1", Stage.METADATA),
            blank("db2"),
            [("create_metadata", SECOND), *FROM_SCRATCH[1:]],
            id="metadata on one",
        ),
        pytest.param(ours("db1", Stage.METADATA), ours("db2", Stage.METADATA), FROM_SCRATCH[1:], id="metadata on both"),
        pytest.param(
            ours("db1", Stage.METADATA, status=ALONE),
            ours("db2", Stage.METADATA),
            [("up", SECOND), *FROM_SCRATCH[2:]],
            id="one up",
        ),
        pytest.param(
            ours("db1", Stage.METADATA, status=ALONE),
            ours("db2", Stage.METADATA, status=ALONE),
            FROM_SCRATCH[2:],
            id="up, not connected",
        ),
        pytest.param(
            ours("db1", Stage.METADATA, status=connected()),
            ours("db2", Stage.METADATA, status=connected()),
            FROM_SCRATCH[3:],
            id="connected",
        ),
        pytest.param(
            ours("db1", Stage.SEEDING, NEW, status=connected()),
            ours("db2", Stage.METADATA, status=connected()),
            FROM_SCRATCH[3:],
            id="chosen, not promoted",
        ),
        pytest.param(
            ours("db1", Stage.SEEDING, status=connected("Primary", "UpToDate")),
            ours("db2", Stage.METADATA, USED, status=connected()),
            FROM_SCRATCH[4:],
            id="seeding",
        ),
        pytest.param(
            ours("db1", Stage.SEEDING, USED, XFS),
            ours("db2", Stage.METADATA, USED),
            FROM_SCRATCH[1:],
            id="seeding, both rebooted",
        ),
        pytest.param(
            ours("db1", Stage.FILESYSTEM, USED, XFS, status=connected("Primary", "UpToDate")),
            ours("db2", Stage.METADATA, USED, XFS, status=connected()),
            FROM_SCRATCH[5:],
            id="file system",
        ),
        pytest.param(
            ours("db1", Stage.FILESYSTEM, USED, XFS, status=connected("Secondary", "UpToDate")),
            ours("db2", Stage.METADATA, USED, XFS, status=connected()),
            [("seed", FIRST), *FROM_SCRATCH[5:]],
            id="file system, rebooted",
        ),
        pytest.param(
            ours("db1", Stage.DATADIR, USED, XFS, status=connected("Primary", "UpToDate")),
            ours("db2", Stage.METADATA, USED, XFS, status=connected()),
            FROM_SCRATCH[6:],
            id="datadir",
        ),
        pytest.param(
            ours("db1", Stage.DATADIR, USED, XFS, status=connected("Secondary", "UpToDate")),
            ours("db2", Stage.METADATA, USED, XFS, status=connected()),
            FROM_SCRATCH[7:],
            id="released",
        ),
        pytest.param(
            ours("db1", Stage.INITIALISED, USED, XFS),
            ours("db2", Stage.METADATA, USED, XFS),
            [("seal", SECOND)],
            id="sealed on the seed",
        ),
        pytest.param(
            ours("db1", Stage.DATADIR, USED, XFS),
            ours("db2", Stage.INITIALISED, USED, XFS),
            [("seal", FIRST)],
            id="sealed on the other",
        ),
    ],
)
def test_an_interrupted_deployment_goes_on_where_it_was(first, second, expected):
    assert todo(first, second) == expected


def test_the_node_that_was_chosen_once_stays_the_seed():
    first, second = (
        ours("db1", Stage.METADATA, USED, status=connected()),
        ours("db2", Stage.SEEDING, status=connected()),
    )
    assert [step for step in todo(first, second) if step[0] != "seal"] == [
        ("seed", SECOND),
        ("make_filesystem", SECOND),
        ("initialise_datadir", SECOND),
        ("release", SECOND),
    ]


def test_every_step_says_where_and_why():
    steps = drbd_plan.storage([blank("db1"), blank("db2")], FULL)
    assert str(steps[0]) == "create_metadata on db1, db2: the disk is blank"
    assert str(steps[3]) == "seed on db1: no member has ever held data; this is the first node of the pillar"
    again = drbd_plan.storage([ours("db1", Stage.SEEDING, NEW), ours("db2", Stage.METADATA)], FULL)
    assert "an earlier run chose this node" in next(str(step) for step in again if step.action == "seed")
    assert all(step.why for step in (*steps, *again))


# --- what is refused


@pytest.mark.parametrize(
    "signature",
    [XFS, Signature("dos", 510), Signature("LVM2_member", 536, "OLC1oI")],
    ids=["file system", "partition table", "LVM physical volume"],
)
@pytest.mark.parametrize("peer", [blank("db2"), ours("db2", Stage.METADATA), ours("db2", Stage.INITIALISED)])
def test_a_disk_that_is_not_blank_and_not_ours_is_left_alone(signature, peer):
    reasons = refusal(blank("db1", signatures=(signature,)), peer)
    assert reasons == [
        f"db1, /dev/sdb: not blank, and not made by hamysql: {signature}. If all that is on it may be lost: "
        f"hamysql:storage:drbd:wipe: {{db1: {NAME.format('db1')}}}"
    ]


def test_a_disk_in_use_is_left_alone_though_no_signature_is_on_it():
    reasons = refusal(blank("db1"), blank("db2", uses=("/dev/sdb is mounted on /srv",)))
    assert reasons == ["db2, /dev/sdb: the disk is in use: /dev/sdb is mounted on /srv"]


def test_all_evidence_on_all_members_is_told_at_once():
    first = blank("db1", signatures=(Signature("dos", 510),), uses=("/dev/sdb1 (part) lies on /dev/sdb",))
    reasons = refusal(first, blank("db2", size=None))
    assert [reason.split(":")[0] for reason in reasons] == ["db1, /dev/sdb", "db1, /dev/sdb", "db2, /dev/sdb"]


def test_a_missing_disk_is_named_with_its_pillar_key():
    reasons = refusal(blank("db1", size=None), blank("db2"))
    assert reasons == [
        "db1, /dev/sdb: there is no such block device (hamysql:storage:drbd:disk, or the node's own disk)"
    ]


def test_a_missing_disk_of_an_initialised_member_is_named_too():
    gone = without_metadata(ours("db1", Stage.INITIALISED), size=None)
    assert "there is no such block device" in refusal(gone, ours("db2", Stage.INITIALISED))[0]


def test_a_disk_smaller_than_its_peers_is_refused_from_both_sides():
    for first, second in ((SIZE - 1, SIZE), (SIZE, SIZE - 1)):
        small = "db1" if first < second else "db2"
        reasons = refusal(blank("db1", size=first), blank("db2", size=second))
        assert len(reasons) == 1
        assert reasons[0].startswith(f"{small}, /dev/sdb: {SIZE - 1} bytes, but ")


@pytest.mark.parametrize("replaced", [True, False], ids=["disk replaced", "node new"])
def test_a_disk_that_is_too_small_for_the_peers_data_is_refused(replaced):
    small = without_metadata(ours("db1", Stage.INITIALISED), size=SIZE - 1) if replaced else blank("db1", size=SIZE - 1)
    assert "use equal disks" in refusal(small, ours("db2", Stage.INITIALISED))[0]


def test_sizes_do_not_matter_any_more_once_both_hold_the_data():
    assert todo(ours("db1", Stage.INITIALISED, size=SIZE - 1), ours("db2", Stage.INITIALISED)) == []


@pytest.mark.parametrize(("field", "value"), [("cluster", "other-db"), ("resource", "postgres")])
def test_the_data_of_another_cluster_is_left_alone(field, value):
    first = ours("db1", Stage.INITIALISED)
    first = replace(first, latch=replace(first.latch, **{field: value}))
    reasons = refusal(first, blank("db2"))
    assert len(reasons) == 1
    assert value in reasons[0]
    assert "not mysql of galaxy-db" in reasons[0]


def test_a_disk_that_was_renamed_in_the_pillar_is_refused():
    first = ours("db1", Stage.INITIALISED)
    other = replace(blank("db1"), disk="/dev/sdc", latch=first.latch)
    text = "db1, /dev/sdc: the data is on /dev/sdb; another disk cannot be named in place. Name the old one again"
    gone = "; if it is gone for good, `rm /var/lib/hamysql/mysql.json` here, and this one is filled by DRBD"
    assert refusal(other, ours("db2", Stage.INITIALISED)) == [text + gone]
    assert refusal(other, blank("db2"))[0] == text
    # That advice is followed by what it promises.
    assert todo(replace(other, latch=None), ours("db2", Stage.INITIALISED))[0] == ("create_metadata", FIRST)


def test_another_disk_under_the_old_name_is_refused():
    first = ours("db1", Stage.INITIALISED)
    other = replace(first, signatures=(Signature("drbd", SIZE - 4036, "feedfeedfeedfeed"),))
    assert f"another disk's: drbd at byte {SIZE - 4036}" in refusal(other, ours("db2", Stage.INITIALISED))[0]


def test_the_case_of_a_uuid_is_not_another_disk():
    first = ours("db1", Stage.INITIALISED)
    same = replace(first, signatures=(Signature("drbd", SIZE - 4036, UUID["db1"].upper()),))
    assert todo(same, ours("db2", Stage.INITIALISED)) == []


def test_something_else_in_the_place_of_our_metadata_is_refused():
    first = replace(ours("db1", Stage.INITIALISED), signatures=(XFS,), generation=None)
    assert refusal(first, ours("db2", Stage.INITIALISED)) == [
        f"db1, /dev/sdb: holds {XFS} where hamysql's DRBD metadata was. If all that is on it may be lost: "
        f"hamysql:storage:drbd:wipe: {{db1: {NAME.format('db1')}}}"
    ]


@pytest.mark.parametrize("stage", [Stage.METADATA, Stage.SEEDING, Stage.FILESYSTEM, Stage.DATADIR])
def test_our_metadata_gone_before_any_peer_had_the_data_is_refused(stage):
    gone = without_metadata(ours("db1", stage))
    assert (
        "metadata has gone, and no other member holds the data" in refusal(gone, ours("db2", Stage.METADATA, USED))[0]
    )


def test_both_disks_lost_is_not_made_good_with_an_empty_database():
    gone = [without_metadata(ours(name, Stage.INITIALISED)) for name in ("db1", "db2")]
    reasons = refusal(*gone)
    assert ["metadata has gone" in reason for reason in reasons] == [True, True]


def test_the_other_disk_lost_while_the_first_is_being_replaced_is_refused_too():
    assert refusal(ours("db1", Stage.METADATA), without_metadata(ours("db2", Stage.INITIALISED)))


def test_metadata_in_which_somebody_else_wrote_data_is_not_seeded():
    reasons = refusal(ours("db1", Stage.METADATA, USED), ours("db2", Stage.METADATA))
    assert len(reasons) == 1
    assert reasons[0].startswith(
        f"db1, /dev/sdb: data was written outside hamysql (generation {USED.current:016X}). Nothing was handed to the"
    )


@pytest.mark.parametrize(
    "claimed",
    [
        ours("db1", Stage.CLAIMED, USED),
        replace(ours("db1", Stage.CLAIMED), generation=None),
        ours("db1", Stage.CLAIMED, NEW, XFS),
    ],
    ids=["used", "unreadable", "with a file system"],
)
def test_a_claim_does_not_make_strange_metadata_ours(claimed):
    for peer in (blank("db2"), ours("db2", Stage.INITIALISED)):
        assert "DRBD metadata that hamysql did not make" in refusal(claimed, peer)[0]


# --- members as they come over the bus


def test_a_survey_becomes_a_member():
    survey = {
        "disk": "/dev/sdb",
        "size": SIZE,
        "signatures": [{"type": "drbd", "offset": SIZE - 4036, "uuid": UUID["db1"]}],
        "uses": [],
        "partitions": [],
        "names": [NAME.format("db1")],
        "generation": {
            "current": "949CA4647D747838",
            "bitmap": "0000000000000000",
            "history": ["32C4AE688FE0A052", "0000000000000004"],
            "consistent": True,
            "just_created": False,
        },
        "status": connected().as_dict(),
        "latch": {
            "cluster": "galaxy-db",
            "resource": "mysql",
            "disk": "/dev/sdb",
            "stage": "DATADIR",
            "device_uuid": UUID["db1"],
        },
    }
    assert Member.from_survey("db1", survey, "") == ours("db1", Stage.DATADIR, status=connected())


def test_the_survey_of_a_bare_node_becomes_a_blank_member():
    survey = {
        "disk": "/dev/sdb",
        "size": SIZE,
        "signatures": [],
        "uses": [],
        "partitions": [],
        "names": [NAME.format("db1")],
        "generation": {},
        "status": {},
        "latch": {},
    }
    assert Member.from_survey("db1", survey, "") == blank("db1")


def test_a_step_can_be_performed_by_a_module():
    from support import ROOT

    source = "".join((ROOT / "_modules" / f"hamysql_{name}.py").read_text() for name in ("drbd", "storage"))
    actions = {action for action, _ in (*FROM_SCRATCH, *todo(blank("db1"), ours("db2", Stage.INITIALISED)))}
    assert all(f"\ndef {action}(" in source for action in actions)
    assert [field.name for field in dataclasses.fields(Step)] == ["action", "nodes", "why", "arguments", "fresh"]
