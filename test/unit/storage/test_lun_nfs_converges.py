"""The storage phase on a LUN and on an export, cut off anywhere and run again: it converges or refuses, and never makes data over
data. Plan, verbs and the orchestration's loop are the real ones; see ``lun_nfs_world``."""

from __future__ import annotations

import pytest
from cut_off import MasterKilled, MinionKilled, PowerCut
from lun_nfs_world import DEVICE, InTurn, Lun, Nas
from test_storage_converges import interrupted

from hamysql.storage import backends
from hamysql.storage.latch import Stage
from hamysql.storage.lun import claim as lun_claim
from hamysql.storage.nfs.mark import NFS_FOLDER

KINDS = [Lun, Nas]
MOMENTS = ("before", "half", "after")


@pytest.fixture
def world(tmp_path_factory):
    """A new world of a kind, each time."""
    return lambda kind: kind(tmp_path_factory.mktemp("world"))


def deployed(world: InTurn) -> InTurn:
    returned = world.deploy()
    assert returned["result"] is True, returned["comment"]
    return world


def assert_done(world: InTurn) -> None:
    """Deployed completely, and a further run has nothing to do."""
    assert [node.latch.stage for node in world.nodes.values()] == [Stage.INITIALISED] * 2
    assert len({node.latch.device_uuid for node in world.nodes.values()}) == 1
    again = world.deploy()
    assert (again["result"], again["changes"], again["comment"]) == (True, {}, "no steps")


@pytest.mark.parametrize(
    ("kind", "steps"),
    [
        (Lun, ["claim", "make_filesystem", "initialise_datadir", "seal"]),
        (Nas, ["claim", "initialise_datadir", "seal"]),
    ],
)
def test_one_node_makes_the_first_data_and_both_know_of_it(world, kind, steps):
    made = world(kind)
    assert made.deploy()["changes"] == {"storage": [*(f"{step} on db1" for step in steps), "adopt on db2"]}
    assert not any(node.mounted for node in made.nodes.values())
    assert_done(made)
    for name in ("db1", "db2"):
        assert made.serve(name)
        assert_done(made)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", [PowerCut, MinionKilled])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_node_lost_in_any_program_of_a_deployment(world, kind, moment, error):
    happened = 0
    for number in range(1, deployed(world(kind)).programs + 1):
        made = world(kind)
        if not interrupted(made, number, moment, error):
            continue  # not every program can be cut in half
        happened += 1
        deployed(made)
        assert_done(made)
        assert made.serve()
    assert happened >= (1 if moment == "half" else 10)


@pytest.mark.parametrize("kind", KINDS)
def test_the_orchestration_killed_after_any_job(world, kind):
    for number in range(1, deployed(world(kind)).jobs + 1):
        made = world(kind)
        made.kill_master_at = number
        with pytest.raises(MasterKilled):
            made.deploy()
        assert_done(deployed(made))
        assert made.serve()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["db1", "db2"])
def test_a_node_that_is_installed_again_learns_of_the_data_while_the_other_serves(world, kind, name):
    made = deployed(world(kind))
    other = made.peer(made.nodes[name]).name
    assert made.serve(other)
    made.nodes[name].latch = None
    assert made.deploy()["changes"] == {"storage": [f"adopt on {name}"]}
    assert_done(made)
    assert made.serve(name)


@pytest.mark.parametrize("kind", KINDS)
def test_both_nodes_installed_again_are_told_how_to_say_whose_it_is(world, kind):
    made = deployed(world(kind))
    assert made.serve()
    uuid = made.nodes["db1"].latch.device_uuid
    for node in made.nodes.values():
        node.latch, node.mounted, node.primary = None, False, False
    returned = made.deploy()
    assert returned["result"] is False
    assert f"`salt-call {backends.KINDS[made.kind].module}.adopt {uuid}`" in returned["comment"]
    assert made.rows == 1
    for name in made.nodes:
        assert made.perform(name, "adopt", uuid=uuid) is True
        assert made.perform(name, "adopt", uuid=uuid) is False
    assert_done(made)


def test_a_foreign_lun_is_left_alone_until_it_is_named(world):
    made = world(Lun)
    made.put(b"EXT4 f00d")
    before = made.head()
    returned = made.deploy()
    assert returned["result"] is False
    assert f"hamysql:storage:shared:wipe: {DEVICE}" in returned["comment"]
    assert made.head() == before
    assert not any(node.latch for node in made.nodes.values())
    made.wipe["lun"], made.given_up = DEVICE, True
    assert made.deploy()["changes"]["storage"][:2] == ["wipe on db1", "claim on db1"]
    made.given_up = False
    assert_done(made)  # the key is still there, and does nothing any more


@pytest.mark.parametrize("moment", MOMENTS)
def test_wiping_cut_off_anywhere(world, moment):
    for number in range(1, 8):
        made = world(Lun)
        made.put(b"EXT4 f00d")
        made.wipe["lun"], made.given_up = DEVICE, True
        interrupted(made, number, moment, PowerCut)
        assert_done(deployed(made))


def test_another_cluster_that_claims_the_same_lun_is_noticed_before_a_file_system_is_made(world):
    """Two clusters that both saw it blank: the later claim is what is there, and the earlier one finds that it is not its own."""
    made = world(Lun)
    interrupted(made, 2, "after", MinionKilled)  # db1's latch and claim are written
    made.put(b"")
    lun_claim.write_claim(str(made.lun), "other", "feed")
    returned = made.deploy()
    assert returned["result"] is False
    assert "claimed by another cluster" in returned["comment"]
    assert b"feed" in made.head()


def test_an_export_with_anything_on_it_is_left_alone(world):
    made = world(Nas)
    (made.export / "letters").mkdir()
    returned = made.deploy()
    assert returned["result"] is False
    assert "not empty, and not made by hamysql: letters" in returned["comment"]
    assert [path.name for path in made.export.iterdir()] == ["letters"]


def test_an_unfinished_database_on_an_export_is_put_aside(world):
    made = world(Nas)
    number = next(n for n in range(1, 99) if interrupted(world(Nas), n, "half", PowerCut))
    assert interrupted(made, number, "half", PowerCut)
    assert made.database == "half"
    assert_done(deployed(made))
    aside = [path for path in made.export.iterdir() if path.name.startswith(f"{NFS_FOLDER}-unfinished-")]
    assert [(path / "ibdata1").read_text() for path in aside] == ["half"]


def test_a_server_that_does_not_answer_refuses_and_changes_nothing(world):
    made = world(Nas)
    made.down = True
    returned = made.deploy()
    assert returned["result"] is False
    assert returned["comment"].count("Connection timed out") == 2
    made.down = False
    assert_done(deployed(made))
