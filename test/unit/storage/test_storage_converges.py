"""The storage phase is cut off anywhere, nodes and disks are lost, and it is run again: it converges or refuses, and no data
is ever overwritten. Plan, verbs and the orchestration's loop are the real ones; see ``storage_world``."""

from __future__ import annotations

import pytest
from cut_off import Interruption, MasterKilled, MinionKilled, PowerCut
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from storage_nodes import Disk, Metadata
from storage_world import World

from hamysql.storage.drbd.status import JUST_CREATED
from hamysql.storage.latch import Stage
from hamysql.system.disk import Signature

MOMENTS = ("before", "half", "after")


def interrupted(world: World, number: int, moment: str, error: type[BaseException]) -> bool:
    """Deploy with an interruption; whether it came before the end."""
    interruption = world.disturb = Interruption(world, number, moment, error)
    try:
        world.deploy()
    finally:
        world.disturb = lambda node, moment: None
    return interruption.happened


def deployed(world: World) -> World:
    returned = world.deploy()
    assert returned["result"] is True, returned["comment"]
    return world


def assert_done(world: World) -> None:
    """Deployed completely, and a further run has nothing to do."""
    assert [node.latch.stage for node in world.nodes.values()] == [Stage.INITIALISED] * 2
    again = world.deploy()
    assert (again["result"], again["changes"], again["comment"]) == (True, {}, "no steps")


def test_a_deployment_makes_one_database_and_hands_it_over_secondary():
    world = World()
    returned = world.deploy()
    assert returned["changes"] == {
        "storage": [
            "create_metadata on db1",
            "create_metadata on db2",
            "up on db1",
            "up on db2",
            "skip_initial_sync on db1",
            "seed on db1",
            "make_filesystem on db1",
            "initialise_datadir on db1",
            "release on db1",
            "seal on db1",
            "seal on db2",
        ]
    }
    assert not any(node.primary or node.mounted for node in world.nodes.values())
    volume = world.nodes["db1"].disk.volume
    assert (volume.filesystem, volume.database) == ("xfs", "complete")
    assert_done(world)
    assert world.serve()


def _programs_of_a_deployment() -> int:
    return deployed(World()).programs


@pytest.mark.parametrize("error", [PowerCut, MinionKilled])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_node_lost_in_any_program_of_a_deployment(moment, error):
    happened = 0
    for number in range(1, _programs_of_a_deployment() + 1):
        world = World()
        if not interrupted(world, number, moment, error):
            continue  # not every program can be cut in half
        happened += 1
        deployed(world)
        assert_done(world)
        assert world.serve()
    assert happened >= (3 if moment == "half" else 20)


def test_both_nodes_without_power_after_any_program():
    for number in range(1, _programs_of_a_deployment() + 1):
        world = World()
        assert interrupted(world, number, "after", PowerCut)
        for node in world.nodes.values():
            node.boot()
        assert_done(deployed(world))
        assert world.serve()


def test_the_orchestration_killed_after_any_job():
    jobs = deployed(World()).jobs
    for number in range(1, jobs + 1):
        world = World()
        world.kill_master_at = number
        with pytest.raises(MasterKilled):
            world.deploy()
        assert_done(deployed(world))
        assert world.serve()


def test_a_replaced_disk_is_filled_and_never_the_source():
    world = deployed(World())
    assert world.serve()
    world.synchronise()
    for name in ("db1", "db2"):
        node = world.nodes[name]
        node.boot()
        node.disk = Disk()
        returned = world.deploy()
        assert returned["changes"] == {"storage": [f"create_metadata on {name}", f"seal on {name}"]}
        assert_done(world)
        assert world.serve()
        world.synchronise()
        assert node.disk.volume.rows == world.acknowledged


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_replacement_of_a_disk_cut_off_anywhere(moment):
    for number in range(1, 6):
        world = deployed(World())
        assert world.serve()
        world.synchronise()
        world.nodes["db1"].boot()
        world.nodes["db1"].disk = Disk()
        interrupted(world, number, moment, PowerCut)
        deployed(world)
        assert_done(world)
        assert world.serve()


def serving(world: World) -> World:
    """Deployed, with acknowledged rows on both sides."""
    assert deployed(world).serve()
    world.synchronise()
    return world


def second_hand(world: World, name: str) -> None:
    """The node's disk is replaced by a used one, and pacemaker has given up on it; the pillar gives up what is on it."""
    node = world.nodes[name]
    node.boot()
    node.disk, node.failed = Disk(foreign=Signature("ext4", 0x438), given_up=True), True
    world.wipe[name] = "/dev/sdb"


@pytest.mark.parametrize("name", ["db1", "db2"])
def test_a_second_hand_disk_is_wiped_once_and_filled(name):
    world = serving(World())
    second_hand(world, name)
    returned = world.deploy()
    steps = ("wipe", "create_metadata", "seal", "rejoin")
    assert returned["changes"] == {"storage": [f"{step} on {name}" for step in steps]}
    assert world.serve()
    world.synchronise()
    assert world.nodes[name].disk.volume.rows == world.acknowledged
    # The key is still in the pillar, and does nothing any more: the disk holds our data.
    world.nodes[name].disk.given_up = False
    assert_done(world)


@pytest.mark.parametrize("error", [PowerCut, MinionKilled])
@pytest.mark.parametrize("moment", MOMENTS)
def test_wiping_and_joining_cut_off_anywhere(moment, error):
    happened = 0
    for number in range(1, 12):
        world = serving(World())
        second_hand(world, "db2")
        happened += interrupted(world, number, moment, error)
        deployed(world)
        assert_done(world)
        assert world.serve()
    assert happened >= (2 if moment == "half" else 6)


def test_a_disk_of_another_cluster_is_wiped_where_the_other_member_holds_the_data():
    world = serving(World())
    second_hand(world, "db2")
    world.nodes["db2"].disk.foreign = None
    world.nodes["db2"].disk.metadata = Metadata("feedfeedfeedfeed", 0xBEEF00, 0, "UpToDate")
    assert world.deploy()["changes"]["storage"][0] == "wipe on db2"
    assert_done(world)
    assert world.serve()


def test_a_new_pair_of_used_disks_is_wiped_before_the_first_data_is_made():
    world = World()
    for name in ("db1", "db2"):
        second_hand(world, name)
        world.nodes[name].failed = False
    done = deployed(world).nodes["db1"].latch
    assert done.stage is Stage.INITIALISED
    assert world.serve()


@pytest.mark.parametrize("name", ["db1", "db2"])
@pytest.mark.parametrize("configured", [True, False], ids=["latch lost", "installed again"])
def test_a_forgotten_replica_is_taken_over_and_keeps_its_rows(name, configured):
    world = serving(World())
    node = world.nodes[name]
    node.boot()
    node.latch, node.configured = None, configured
    before = node.disk.metadata
    returned = world.deploy()
    assert returned["changes"] == {"storage": [f"adopt on {name}"]}
    assert node.disk.metadata == before
    assert_done(world)
    assert world.serve()


def test_another_name_of_the_disks_is_noted_and_a_replaced_disk_is_filled_under_it():
    world = serving(World())
    world.disk = "/dev/disk/by-path/pci-0000:00:1f.2-ata-1"
    before = [node.disk.metadata for node in world.nodes.values()]
    assert world.deploy()["changes"] == {"storage": ["adopt on db1", "adopt on db2"]}
    assert [node.latch.disk for node in world.nodes.values()] == [world.disk] * 2
    assert [node.disk.metadata for node in world.nodes.values()] == before
    assert_done(world)
    assert world.serve()
    world.synchronise()
    world.nodes["db2"].boot()
    world.nodes["db2"].disk = Disk()
    assert world.deploy()["changes"] == {"storage": ["create_metadata on db2", "seal on db2"]}
    assert world.serve()


@pytest.mark.parametrize("moment", MOMENTS)
def test_disks_that_get_another_name_in_the_middle_of_a_deployment(moment):
    for number in range(6, _programs_of_a_deployment() + 1):  # before, the metadata is not recorded on both sides
        world = World()
        interrupted(world, number, moment, PowerCut)
        if any(node.latch is None or node.latch.stage == Stage.CLAIMED for node in world.nodes.values()):
            continue
        world.disk = "/dev/disk/by-id/ata-GALAXY"
        assert_done(deployed(world))
        assert {node.latch.disk for node in world.nodes.values()} == {world.disk}
        assert world.serve()


def test_full_copies_what_auto_does_not():
    for mode, peer in (("auto", "UpToDate"), ("full", "Inconsistent")):
        world = World()
        world.initial_sync = mode
        deployed(world)
        assert world.nodes["db2"].disk.metadata.disk == peer


def test_what_an_interrupted_run_has_made_is_copied_in_full():
    world = World()
    world.kill_master_at = 2  # after the metadata
    with pytest.raises(MasterKilled):
        world.deploy()
    assert [node.latch.stage for node in world.nodes.values()] == [Stage.METADATA] * 2
    deployed(world)
    assert world.nodes["db2"].disk.metadata.disk == "Inconsistent"


def test_a_disk_with_data_is_never_touched():
    world = World()
    world.nodes["db2"].disk = Disk(foreign=Signature("ext4", 0x438))
    returned = world.deploy()
    assert returned["result"] is False
    assert "db2, /dev/sdb: not blank" in returned["comment"]
    assert world.programs == 0
    assert [node.latch for node in world.nodes.values()] == [None, None]


def test_a_disk_that_gets_data_after_the_survey_is_not_touched_either():
    # The verb looks for itself: the plan may be old.
    world = World()
    planned = world.call

    def call(minions, function, kwargs, patience):
        if function == "hamysql_drbd.create_metadata":
            world.nodes["db2"].disk.foreign = Signature("ext4", 0x438)
        return planned(minions, function, kwargs, patience)

    world.call = call
    returned = world.deploy()
    assert returned["result"] is False
    assert "db2 (minion db2): hamysql_drbd.create_metadata: /dev/sdb is not blank: ext4" in returned["comment"]
    assert world.nodes["db2"].latch is None


def test_a_file_system_that_was_being_made_again_is_made_once_more():
    """The latch has known of a whole one since the first attempt."""
    world = World()
    interrupted(world, 16, "before", MinionKilled)
    interrupted(world, 5, "before", PowerCut)
    interrupted(world, 6, "half", PowerCut)
    seed = next(node for node in world.nodes.values() if node.disk.volume.filesystem == "half")
    assert seed.latch.stage == Stage.FILESYSTEM
    assert world.deploy()["result"] is True
    assert_done(world)


class Cluster(RuleBasedStateMachine):
    """Anything in any order, with deployments in between."""

    @initialize(mode=st.sampled_from(["auto", "full"]))
    def start(self, mode) -> None:
        self.world = World()
        self.world.initial_sync = mode
        # Something happened after which a refusal is the right answer: data or its evidence was taken away.
        self.spoilt = False

    @rule()
    def deploy(self) -> None:
        returned = self.world.deploy()
        if all(node.on for node in self.world.nodes.values()) and not self.spoilt:
            assert returned["result"] is True, returned["comment"]

    @rule(number=st.integers(1, 26), moment=st.sampled_from(MOMENTS), error=st.sampled_from([PowerCut, MinionKilled]))
    def deploy_and_lose_a_node(self, number, moment, error) -> None:
        interrupted(self.world, number, moment, error)

    @rule(job=st.integers(1, 12))
    def deploy_and_lose_the_master(self, job) -> None:
        self.world.kill_master_at = self.world.jobs + job
        try:
            self.world.deploy()
        except MasterKilled:
            pass
        self.world.kill_master_at = None

    @rule(name=st.sampled_from(["db1", "db2"]))
    def cut_the_power(self, name) -> None:
        self.world.nodes[name].boot()
        self.world.nodes[name].on = False

    @rule(name=st.sampled_from(["db1", "db2"]))
    def give_power(self, name) -> None:
        self.world.nodes[name].boot()

    @rule()
    def synchronise(self) -> None:
        self.world.synchronise()

    @rule()
    def serve(self) -> None:
        if all(node.on for node in self.world.nodes.values()):
            self.world.serve()

    @rule(name=st.sampled_from(["db1", "db2"]), used=st.booleans())
    def replace_a_disk(self, name, used) -> None:
        node = self.world.nodes[name]
        peer = self.world.peer(node)
        complete = (
            peer.latch is not None
            and peer.latch.stage == Stage.INITIALISED
            and peer.disk.metadata is not None
            and peer.disk.metadata.disk == "UpToDate"
            and peer.disk.volume.rows == self.world.acknowledged
        )
        if not complete and (node.disk.metadata is not None or node.latch is not None):
            if self.world.acknowledged:
                return  # the last copy of acknowledged rows is not thrown away here
            self.spoilt = True
        self.world.wipe.pop(name, None)
        if used:
            second_hand(self.world, name)
        else:
            node.boot()
            node.disk, node.failed = Disk(), False

    @rule(name=st.sampled_from(["db1", "db2"]))
    def reinstall_a_node(self, name) -> None:
        node = self.world.nodes[name]
        peer = self.world.peer(node)
        known = peer.latch is not None and peer.latch.stage == Stage.INITIALISED
        used = [one.disk.metadata is not None and one.disk.metadata.current != JUST_CREATED for one in (node, peer)]
        if node.latch is not None and not (known and all(used)):
            self.spoilt = True
        node.boot()
        node.latch = None

    @precondition(lambda self: self.world.acknowledged)
    @invariant()
    def what_was_acknowledged_is_there(self) -> None:
        assert max(node.disk.volume.rows for node in self.world.nodes.values()) == self.world.acknowledged

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        for node in self.world.nodes.values():
            node.boot()
        returned = self.world.deploy()
        if not self.spoilt:
            assert returned["result"] is True, returned["comment"]
            assert_done(self.world)
            assert self.world.serve()


TestCluster = Cluster.TestCase
TestCluster.settings = settings(max_examples=80, stateful_step_count=20, deadline=None)
