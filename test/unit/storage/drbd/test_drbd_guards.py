"""The verbs that destroy, take over, or call two replicas equal, called by hand: what each wants to see on its own node."""

from __future__ import annotations

from dataclasses import replace

import pytest
from storage_nodes import Disk, Metadata
from storage_world import World

from hamysql.errors import Refused
from hamysql.storage.latch import Latch, Stage
from hamysql.system.command import Result
from hamysql.system.disk import Signature

RUN = "20260131120000000000"
EXT4 = Signature("ext4", 0x438)


@pytest.fixture
def world():
    return World()


def refused(world: World, verb: str, match: str, name: str = "db1", **arguments) -> None:
    """The verb is refused, and has not started one program that changes anything."""
    before = world.programs
    with pytest.raises(Refused, match=match):
        world.perform(name, verb, **arguments)
    assert world.programs == before


def latched(world: World, stage: Stage, uuid: str = "e7c4c235a46d231d", name: str = "db1") -> None:
    world.nodes[name].latch = Latch("galaxy-db", "mysql", "/dev/sdb", stage, uuid, RUN)


# --- wiping


def given_up(world: World, **disk) -> World:
    world.nodes["db1"].disk = Disk(given_up=True, **disk)
    world.wipe["db1"] = "/dev/sdb"
    return world


def test_a_disk_that_the_pillar_names_is_wiped_once(world):
    given_up(world, foreign=EXT4)
    assert world.perform("db1", "wipe", found=[str(EXT4)]) is True
    assert world.perform("db1", "survey")["signatures"] == []
    programs = world.programs
    assert world.perform("db1", "wipe", found=[str(EXT4)]) is False
    assert world.programs == programs


@pytest.mark.parametrize("named", [{}, {"db2": "/dev/sdb"}, {"db1": "/dev/sdc"}])
def test_no_other_disk_is_wiped(world, named):
    given_up(world, foreign=EXT4).wipe.clear()
    world.wipe.update(named)
    refused(world, "wipe", "hamysql:storage:drbd:wipe names .* for db1, not /dev/sdb", found=[str(EXT4)])


def test_only_what_was_shown_is_wiped(world):
    given_up(world, foreign=EXT4)
    refused(world, "wipe", "holds ext4 at byte 1080, not xfs at byte 0", found=["xfs at byte 0"])


def test_the_nodes_own_replica_is_never_wiped(world):
    given_up(world, metadata=Metadata("E7C4C235A46D231D", 0x1234))
    latched(world, Stage.INITIALISED)
    refused(
        world, "wipe", "holds this node's replica of mysql", found=["drbd at byte 419426364 (UUID E7C4C235A46D231D)"]
    )


@pytest.mark.parametrize("configured", [True, False], ids=["configured", "installed again"])
def test_what_may_be_a_replica_that_the_node_has_forgotten_is_not_wiped_by_hand(world, configured):
    given_up(world, metadata=Metadata("feedfeedfeedfeed", 0x1234)).nodes["db1"].configured = configured
    found = ["drbd at byte 419426364 (UUID feedfeedfeedfeed)"]
    refused(
        world, "wipe", "may be a replica of mysql that this node has forgotten: .*`wipefs --all /dev/sdb`", found=found
    )
    # With the word of the plan, which sees all members; its metadata is another cluster's.
    assert world.perform("db1", "wipe", found=found, held_elsewhere=True) is True


def test_metadata_that_never_carried_data_is_no_replica(world):
    given_up(world, metadata=Metadata("feedfeedfeedfeed"))
    assert world.perform("db1", "wipe", found=["drbd at byte 419426364 (UUID feedfeedfeedfeed)"]) is True


def test_a_disk_in_use_is_not_wiped(world):
    given_up(world, foreign=EXT4)
    node = world.nodes["db1"]
    node.up, node.disk.metadata = True, Metadata("feedfeedfeedfeed", 0x1234)
    found = [signature["type"] for signature in world.perform("db1", "survey")["signatures"]]
    assert found == ["drbd", "ext4"]
    shown = ["drbd at byte 419426364 (UUID feedfeedfeedfeed)", str(EXT4)]
    refused(world, "wipe", "in use: by DRBD", found=shown)
    node.up, node.disk.metadata = False, None
    world.disk_row = {"mountpoints": ["/srv"]}
    refused(world, "wipe", "in use: /dev/sdb is mounted on /srv", found=[str(EXT4)])


def test_what_comes_back_after_wiping_is_told(world):
    given_up(world, foreign=EXT4)
    real = world._wipefs
    world._wipefs = lambda node, argv: Result(0, "") if "--all" in argv else real(node, argv)
    with pytest.raises(Refused, match="/dev/sdb was wiped, and still holds ext4 at byte 1080"):
        world.perform("db1", "wipe", found=[str(EXT4)])


# --- taking over

OURS = Metadata("e7c4c235a46d231d", 0x1234, 0, "UpToDate")


def test_a_forgotten_replica_is_taken_over_once_and_not_changed(world):
    world.nodes["db1"].disk.metadata = OURS
    assert world.perform("db1", "adopt", device_uuid=OURS.uuid.upper()) is True
    assert world.nodes["db1"].latch == Latch("galaxy-db", "mysql", "/dev/sdb", Stage.INITIALISED, OURS.uuid)
    assert world.perform("db1", "adopt", device_uuid=OURS.uuid) is False
    assert world.nodes["db1"].disk.metadata == OURS


def test_it_is_seen_before_drbd_is_installed(world):
    node = world.nodes["db1"]
    node.disk.metadata, node.configured = OURS, False
    assert world.perform("db1", "survey")["generation"]["current"] == f"{OURS.current:016X}"
    assert world.perform("db1", "adopt", device_uuid=OURS.uuid) is True


@pytest.mark.parametrize("metadata", [None, Metadata("feedfeedfeedfeed", 0x1234), Metadata("", 0x1234)])
def test_another_disk_is_not_taken_over(world, metadata):
    world.nodes["db1"].disk.metadata = metadata
    refused(world, "adopt", "not DRBD metadata e7c4c235a46d231d", device_uuid=OURS.uuid)


def test_metadata_without_data_is_not_taken_over(world):
    world.nodes["db1"].disk.metadata = Metadata(OURS.uuid)
    refused(world, "adopt", "has never held data", device_uuid=OURS.uuid)


@pytest.mark.parametrize("stage", list(Stage))
def test_a_latch_about_another_disk_is_not_replaced(world, stage):
    world.nodes["db1"].disk.metadata = OURS
    latched(world, stage, uuid="a9ed857efa422c00")
    refused(world, "adopt", f"already \\({stage.name}\\)", device_uuid=OURS.uuid)


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage != Stage.CLAIMED])
def test_another_name_of_the_node_s_own_disk_is_noted_and_nothing_else(world, stage):
    world.nodes["db1"].disk.metadata = OURS
    latched(world, stage, uuid=OURS.uuid.upper())
    before, world.disk = world.nodes["db1"].latch, "/dev/disk/by-id/ata-GALAXY_1"
    assert world.perform("db1", "adopt", device_uuid=OURS.uuid) is True
    assert world.nodes["db1"].latch == replace(before, disk=world.disk)


def test_the_name_of_another_disk_is_not_noted(world):
    world.nodes["db1"].disk.metadata = Metadata("feedfeedfeedfeed", 0x1234)
    latched(world, Stage.INITIALISED, uuid=OURS.uuid)
    world.disk = "/dev/sdc"
    refused(world, "adopt", "/dev/sdc holds drbd .*feedfeedfeedfeed.*, not DRBD metadata", device_uuid=OURS.uuid)
    refused(world, "adopt", "this node's latch is about mysql on /dev/sdb already", device_uuid="feedfeedfeedfeed")


# --- leaving the first synchronisation out


def both_new(world: World, run: str = RUN) -> World:
    for name in ("db1", "db2"):
        world.perform(name, "create_metadata", run_id=run)
        world.perform(name, "up")
    return world


def test_two_new_replicas_are_declared_equal_once(world):
    both_new(world)
    assert world.perform("db1", "skip_initial_sync", run_id=int(RUN)) is True  # by hand, salt makes it a number
    assert world.perform("db1", "skip_initial_sync", run_id=RUN) is False
    for name in ("db1", "db2"):
        assert world.perform(name, "survey")["status"]["up_to_date"] is True
    assert world.nodes["db1"].latch.stage is Stage.SEEDING
    assert world.perform("db1", "seed") is True


@pytest.mark.parametrize("run", ["", "20260131110000000000"])
def test_metadata_of_another_run_is_not_new(world, run):
    both_new(world, run)
    refused(world, "skip_initial_sync", f"was not made in run {RUN}", run_id=RUN)
    if not run:  # an empty run is not this run either
        refused(world, "skip_initial_sync", "was not made in run", run_id="")


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.METADATA])
def test_only_metadata_without_any_history_is_new(world, stage):
    both_new(world)
    world.nodes["db1"].latch = replace(world.nodes["db1"].latch, stage=stage)
    refused(world, "skip_initial_sync", "was not made in run", run_id=RUN)


def test_a_recovered_claim_keeps_its_run(world):
    world.nodes["db1"].disk.metadata = Metadata("")
    latched(world, Stage.CLAIMED, uuid="")
    world.perform("db1", "create_metadata", run_id="20260131130000000000")
    assert world.nodes["db1"].latch.run == RUN


def test_both_sides_must_be_connected_and_untouched(world):
    both_new(world)
    world.nodes["db2"].boot()
    refused(world, "skip_initial_sync", "WFConnection .* not both new and connected", run_id=RUN)
    world.perform("db2", "up")
    world.nodes["db2"].disk.metadata.disk = "UpToDate"
    refused(world, "skip_initial_sync", "SyncTarget .* not both new and connected", run_id=RUN)
    world.nodes["db1"].boot()
    refused(world, "skip_initial_sync", "not configured", run_id=RUN)


def test_a_generation_with_data_is_not_new_whatever_the_kernel_says(world):
    both_new(world)
    world.nodes["db1"].disk.metadata.current = 0x1234
    refused(world, "skip_initial_sync", "holds data of generation 0000000000001234", run_id=RUN)


# --- joining again


def replaced(world: World) -> World:
    world.nodes["db2"].disk.metadata = Metadata("a9ed857efa422c00")
    latched(world, Stage.INITIALISED, "a9ed857efa422c00", "db2")
    return world


def test_pacemaker_is_told_to_try_the_new_disk(world):
    replaced(world).nodes["db2"].failed = True
    assert world.perform("db2", "rejoin") is True
    assert world.nodes["db2"].failed is False


def test_without_a_failure_there_is_nothing_to_join(world):
    assert replaced(world).perform("db2", "rejoin") is False


def test_a_replica_with_data_or_without_a_latch_does_not_join_again(world):
    replaced(world).nodes["db2"].disk.metadata.current = 0x1234
    refused(world, "rejoin", "no new replica", name="db2")
    world.nodes["db2"].disk.metadata.current = 4
    world.nodes["db2"].latch = None
    refused(world, "rejoin", "no new replica", name="db2")
