"""The verbs on one node, called by hand: each looks for itself, whatever a plan may say, and can be called twice."""

from __future__ import annotations

from dataclasses import replace

import pytest
from storage_nodes import Disk, Metadata
from storage_world import World

from hamysql.errors import CommandFailed, Refused
from hamysql.storage.latch import Latch, Stage
from hamysql.system.command import Result
from hamysql.system.disk import Signature

STEPS = ("create_metadata", "up", "seed", "make_filesystem", "initialise_datadir", "release", "seal")


@pytest.fixture
def world():
    return World()


def prepared(world: World, until: str) -> World:
    """Everything up to ``until``, which is left out: on both nodes what is for both, on db1 what is for the seed."""
    for step in STEPS[: STEPS.index(until)]:
        for name in ("db1", "db2") if step in ("create_metadata", "up") else ("db1",):
            assert world.perform(name, step) is True
    return world


def refused(world: World, verb: str, match: str, name: str = "db1") -> None:
    """The verb is refused, and has not started one program that changes anything."""
    before = world.programs
    with pytest.raises(Refused, match=match):
        world.perform(name, verb)
    assert world.programs == before


def latched(world: World, stage: Stage, name: str = "db1") -> None:
    node = world.nodes[name]
    node.latch = replace(node.latch or Latch("galaxy-db", "mysql", "/dev/sdb", stage), stage=stage)


@pytest.mark.parametrize("verb", ["create_metadata", "up", "make_filesystem", "initialise_datadir", "release"])
def test_twice_is_once(world, verb):
    prepared(world, verb)
    assert world.perform("db1", verb) is True
    programs = world.programs
    assert world.perform("db1", verb) is False
    assert world.programs == programs


def test_sealing_and_seeding_twice_are_once(world):
    prepared(world, "seed")
    assert [world.perform("db1", "seed"), world.perform("db1", "seed")] == [True, False]
    for step in ("make_filesystem", "initialise_datadir", "release"):
        world.perform("db1", step)
    assert [world.perform("db1", "seal"), world.perform("db1", "seal")] == [True, False]


# --- metadata


def test_metadata_is_claimed_before_and_recorded_after_it_is_written(world):
    seen = []
    world.disturb = lambda node, moment: seen.append((moment, node.latch.stage.name if node.latch else None))
    world.perform("db1", "create_metadata")
    assert seen == [
        ("before", None),
        ("after", "CLAIMED"),
        ("before", "CLAIMED"),
        ("half", "CLAIMED"),
        ("after", "CLAIMED"),
        ("before", "CLAIMED"),
        ("after", "METADATA"),
    ]
    assert world.nodes["db1"].latch.device_uuid == world.nodes["db1"].disk.metadata.uuid


@pytest.mark.parametrize("latch", [None, Stage.CLAIMED, Stage.METADATA, Stage.INITIALISED])
def test_metadata_is_not_written_over_anything(world, latch):
    world.nodes["db1"].disk = Disk(foreign=Signature("LVM2_member", 536))
    if latch:
        latched(world, latch)
    refused(world, "create_metadata", r"/dev/sdb is not blank: LVM2_member at byte 536")


@pytest.mark.parametrize("latch", [None, Stage.METADATA, Stage.INITIALISED])
def test_the_metadata_of_somebody_else_is_not_taken_over(world, latch):
    world.nodes["db1"].disk.metadata = Metadata("feedfeedfeedfeed")
    if latch:
        latched(world, latch)
    refused(world, "create_metadata", "not blank: drbd at byte")


def test_a_claim_does_not_take_over_metadata_with_data(world):
    world.nodes["db1"].disk.metadata = Metadata("feedfeedfeedfeed", current=0x1234)
    latched(world, Stage.CLAIMED)
    refused(world, "create_metadata", "holds DRBD metadata that hamysql did not make")


def test_a_claim_does_not_take_over_a_file_system_under_new_metadata(world):
    world.nodes["db1"].disk = Disk(foreign=Signature("xfs", 0), metadata=Metadata(""))
    latched(world, Stage.CLAIMED)
    refused(world, "create_metadata", "not blank: xfs")


@pytest.mark.parametrize(
    ("row", "use"),
    [
        ({"mountpoints": ["/srv"]}, "/dev/sdb is mounted on /srv"),
        ({"children": [{"name": "/dev/sdb1", "type": "part", "mountpoints": [None]}]}, "/dev/sdb1"),
    ],
)
def test_a_disk_in_use_gets_no_metadata(world, row, use):
    world.disk_row = row
    refused(world, "create_metadata", f"/dev/sdb is in use: {use}$")


# --- seeding


@pytest.mark.parametrize("stage", [Stage.CLAIMED, Stage.INITIALISED])
def test_only_a_replica_in_the_making_is_seeded(world, stage):
    prepared(world, "seed")
    latched(world, stage)
    refused(world, "seed", f"this node's replica of mysql is {stage.name}: not to be seeded")


def test_a_node_that_hamysql_never_touched_is_not_seeded(world):
    prepared(world, "seed")
    world.nodes["db1"].latch = None
    refused(world, "seed", "is unknown: not to be seeded")


def test_without_the_peer_nothing_is_seeded(world):
    prepared(world, "seed")
    world.nodes["db2"].boot()
    refused(world, "seed", "the peer has to be connected and secondary")
    world.nodes["db1"].boot()
    refused(world, "seed", "the peer has to be connected and secondary")


def test_beside_a_primary_peer_nothing_is_seeded(world):
    prepared(world, "make_filesystem")
    refused(world, "seed", "the peer has to be connected and secondary", name="db2")


def test_a_new_side_is_not_seeded_over_a_peer_with_data(world):
    prepared(world, "seed")
    world.nodes["db2"].disk.metadata.disk = "UpToDate"
    refused(world, "seed", "Inconsistent/UpToDate: one side holds data already")


def test_a_side_with_data_is_not_seeded_again(world):
    prepared(world, "seed")
    world.nodes["db1"].disk.metadata.current = 0x1234
    refused(world, "seed", "mysql holds data of generation 0000000000001234")


def test_the_choice_is_recorded_before_it_takes_effect(world):
    prepared(world, "seed")
    roles = []
    world.disturb = lambda node, moment: roles.append((node.latch.stage, node.primary))
    world.perform("db1", "seed")
    assert (Stage.METADATA, True) not in roles
    assert roles[-1] == (Stage.SEEDING, True)


def test_without_metadata_nothing_is_seeded(world):
    prepared(world, "seed")
    world._get_gi, world._metadata_on = lambda *_: Result(255, "", "No valid meta data found"), lambda _: b""
    refused(world, "seed", "mysql has no metadata")


# --- file system and database


@pytest.mark.parametrize("verb", ["make_filesystem", "initialise_datadir"])
@pytest.mark.parametrize("stage", [None, Stage.CLAIMED, Stage.METADATA, Stage.INITIALISED])
def test_data_is_made_only_on_the_node_that_was_chosen(world, verb, stage):
    prepared(world, verb)
    world.nodes["db1"].latch = None
    if stage:
        latched(world, stage)
    refused(world, verb, "this node was not chosen to make the first data of mysql")


@pytest.mark.parametrize("verb", ["make_filesystem", "initialise_datadir"])
def test_data_is_made_only_on_a_primary(world, verb):
    prepared(world, verb)
    world.perform("db1", "release")
    refused(world, verb, "mysql is Secondary here, not Primary")
    world.nodes["db1"].boot()
    refused(world, verb, "mysql is not configured here, not Primary")


def test_there_is_no_database_without_its_file_system(world):
    prepared(world, "make_filesystem")
    refused(world, "initialise_datadir", "file system has not been made yet")


def test_a_mount_point_in_use_is_not_taken(world):
    prepared(world, "initialise_datadir")
    world.nodes["db1"].mounted, world.nodes["db1"].source = True, "/dev/sdc1"
    refused(world, "initialise_datadir", "/var/lib/mysql is a mount point in use already, of /dev/sdc1")


def test_the_mount_of_an_earlier_run_is_taken_back(world):
    prepared(world, "initialise_datadir")
    world.nodes["db1"].mounted = True
    assert world.perform("db1", "initialise_datadir") is True
    assert not world.nodes["db1"].mounted


def test_a_failed_database_leaves_nothing_mounted_and_is_started_again(world):
    prepared(world, "initialise_datadir")
    node, world.no_space = world.nodes["db1"], True
    with pytest.raises(CommandFailed, match="No space left"):
        world.perform("db1", "initialise_datadir")
    assert (node.latch.stage, node.disk.volume.database, node.mounted) == (Stage.FILESYSTEM, "half", False)
    world.no_space = False
    assert world.perform("db1", "initialise_datadir") is True
    assert (node.latch.stage, node.disk.volume.database, node.mounted) == (Stage.DATADIR, "complete", False)


# --- sealing


@pytest.mark.parametrize("stage", [Stage.SEEDING, Stage.FILESYSTEM])
def test_incomplete_data_is_not_handed_over(world, stage):
    prepared(world, "seed")
    latched(world, stage)
    refused(world, "seal", f"first data of mysql is not complete here: {stage.name}")


def test_a_node_without_a_replica_is_not_sealed(world):
    refused(world, "seal", "no replica of mysql yet")
    latched(world, Stage.CLAIMED)
    refused(world, "seal", "no replica of mysql yet")


# --- what is reported


def test_the_survey_of_a_bare_node(world):
    assert world.perform("db1", "survey") == {
        "backend": "drbd",
        "disk": "/dev/sdb",
        "size": 512 * 2**20,
        "signatures": [],
        "uses": [],
        "partitions": [],
        "names": ["/dev/sdb"],
        "generation": {},
        "status": {},
        "latch": {},
    }


def test_the_survey_without_the_disk(world):
    world.nodes["db1"].disk = None
    found = world.perform("db1", "survey")
    assert (found["size"], found["signatures"], found["uses"], found["names"]) == (None, [], [], [])


def test_the_survey_of_a_seeded_node(world):
    prepared(world, "release")
    found = world.perform("db1", "survey")
    assert [signature["type"] for signature in found["signatures"]] == ["drbd", "xfs"]
    assert found["uses"] == []  # its own DRBD device is no foreign use
    assert found["status"]["role"] == "Primary"
    assert found["latch"]["stage"] == "DATADIR"
    assert found["generation"]["just_created"] is False
