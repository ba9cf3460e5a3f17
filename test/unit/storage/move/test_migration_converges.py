"""Moving a cluster's data, killed at any job and run again: it gets to its end, and no acknowledged row is lost.

Phases, plans, latches and all verbs are the real ones; see ``migration_world``.
"""

from __future__ import annotations

import pytest
from cut_off import Interruption, MasterKilled, MinionKilled, PowerCut
from migration_world import ToDrbd, ToLun, ToNas
from minion import load
from storage_world import Deployment

from hamysql.errors import Refused
from hamysql.storage import latch
from hamysql.storage.latch import Stage
from hamysql.storage.move import switch as move_switch

KINDS = [ToLun, ToNas, ToDrbd]


@pytest.fixture
def world(tmp_path_factory):
    """A new world of a kind, each time."""
    return lambda kind: kind(tmp_path_factory.mktemp("world"))


def moved(made):
    returned = made.migrate()
    assert returned["result"] is True, returned["comment"]
    assert (made.cib, made.serving, made.stopped) == (made.kind, "db1", set())
    assert made.places[made.kind] == made.accepted
    for folder in made.folders.values():
        assert [(one.backend, one.stage) for one in latch.in_use(folder)] == [(made.kind, Stage.INITIALISED)]
        assert not (folder / latch.NEXT).exists()
        assert len(list((folder / move_switch.BEFORE).iterdir())) == 1
    return returned


def again(made):
    returned = made.migrate()
    assert (returned["result"], returned["changes"]) == (True, {}), returned
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_the_data_moves_and_a_second_run_finds_it_there(world, kind):
    made = world(kind)
    returned = moved(made)
    assert set(returned["changes"]) == {"prepared", "copied", "switched"}
    assert "the service was stopped for" in returned["comment"]
    assert made.started_again == 0
    again(made)


@pytest.mark.parametrize("kind", KINDS)
def test_killed_after_any_job_and_run_again(world, kind):
    first = world(kind)
    moved(first)
    for number in range(1, first.jobs + 1):
        made = world(kind)
        made.kill_master_at = number
        try:
            made.migrate()
        except MasterKilled:
            pass
        else:
            raise AssertionError(f"job {number} was not reached")
        made.kill_master_at = None
        moved(made)
        again(made)
    assert first.jobs > 20


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", [MinionKilled, PowerCut])
def test_a_node_lost_after_any_program_of_a_move(world, kind, error):
    """What the cluster has stopped stays stopped, and what a minion has mounted stays mounted; without power the service moves."""
    first = world(kind)
    moved(first)
    for number in range(1, first.programs + 1):
        made = world(kind)
        interruption = made.disturb = Interruption(made, number, "after", error)
        made.migrate()
        assert interruption.happened, number
        made.home = "db1"  # by hand, `hamysql_cib.move`
        moved(made)
    assert first.programs > 15


@pytest.mark.parametrize("kind", KINDS)
def test_killed_twice(world, kind):
    """The second time behind the switch, or while the service is started again."""
    for number in range(15, 40, 3):
        made = world(kind)
        for kill in (number, number + 9):
            made.kill_master_at = made.jobs + kill
            try:
                made.migrate()
            except MasterKilled:
                pass
        made.kill_master_at = None
        moved(made)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("verb", "program"), [("stop_server", "cibadmin"), ("final", "rsync"), ("stop_service", "cibadmin")]
)
def test_what_fails_before_the_switch_has_the_service_started_again(world, kind, verb, program):
    made = world(kind)
    made.fails = (verb, program)
    returned = made.migrate()
    assert returned["result"] is False
    assert "no space left" in returned["comment"]
    assert "started again on the old storage" in returned["comment"]
    assert (made.cib, made.serving, made.stopped) == (made.other, "db1", set())
    made.fails = ("", "")
    moved(made)


@pytest.mark.parametrize("kind", KINDS)
def test_with_test_true_nobody_is_asked_to_do_anything(world, kind):
    made = world(kind)
    before = [sorted(str(path) for path in folder.rglob("*")) for folder in made.folders.values()]
    returned = made.migrate(test=True)
    assert returned["result"] is True
    assert any("claim" in step or "create_metadata" in step for step in returned["changes"]["prepared"]["storage"])
    assert returned["changes"]["switched"]["switch"] == [
        "~ the service stops for the last pass of the copy, and starts on the new storage"
    ]
    assert [sorted(str(path) for path in folder.rglob("*")) for folder in made.folders.values()] == before
    assert (made.cib, made.serving) == (made.other, "db1")
    assert made.kind == "nfs" or made.programs == 0  # a look at an export mounts it


@pytest.mark.parametrize("kind", KINDS)
def test_the_service_on_another_node_than_a_run_that_was_cut_off(world, kind):
    made = world(kind)
    made.kill_master_at = next(n for n in range(8, 99) if _killed_in(world(kind), n, "copied"))
    with pytest.raises(MasterKilled):
        made.migrate()
    made.home = "db2"
    returned = made.migrate()
    assert returned["result"] is False
    assert "`salt db2 hamysql_cib.move db1`" in returned["comment"]
    assert "hamysql_migration.abandon" in returned["comment"]
    made.home = "db1"
    moved(made)


def _killed_in(made, number, phase):
    """Whether the job of that number is one of the copy."""
    made.kill_master_at = number
    try:
        made.migrate()
    except MasterKilled:
        pass
    return made.kind in made.places and phase == "copied"


def test_a_server_that_somebody_started_behind_the_switch_stops_it(world):
    made = world(ToLun)
    real = made._move

    def half(node, verb, kwargs):
        if (node.name, verb) == ("db2", "switch"):
            raise Refused("db2 has lost its power")
        return real(node, verb, kwargs)

    made._move = half
    returned = made.migrate()
    assert returned["result"] is False
    assert "run this again, it goes on where it was" in returned["comment"]
    assert made.serving is None
    made._move = real
    made.client = lambda: None
    made.start()
    returned = made.migrate()
    assert returned["result"] is False
    assert "serves the database from the old storage (drbd)" in returned["comment"]
    made.stop()
    moved(made)


def test_no_data_and_no_second_kind_is_refused(world):
    made = world(ToLun)
    (made.folders["db2"] / "mysql.json").unlink()
    returned = made.migrate()
    assert returned["result"] is False
    assert "db2 knows of no data that could be moved" in returned["comment"]


def test_nothing_is_prepared_while_no_node_serves(world):
    """Which node copies is not known then; a node called ``None`` would be asked."""
    made = world(ToLun)
    made.home = None
    states = load("_states/hamysql_migration.py", "alone_hamysql_migration")
    states.__context__, states.__opts__ = {"hamysql_orch": Deployment(made)}, {"test": False}
    returned = states.prepared("hamysql-migration-prepared")
    assert (returned["result"], returned["changes"]) == (False, {})
    assert "there is not exactly one node whose database answers" in returned["comment"]
