"""A cluster of the 2013 procedure becomes hamysql's: pacemaker stops nothing, and a run that was cut off goes on or goes back."""

from __future__ import annotations

import shutil

import pytest
from adopted_world import PROGRAMS, World

from hamysql.adoption import exchange, turn
from hamysql.cib import drift, model
from hamysql.cib import live as cib_live
from hamysql.cib import plan as cib_plan
from hamysql.config import resolution, resources
from hamysql.errors import NotReady, Refused
from support import load_pillar, parameters

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, PROGRAMS)), reason=f"needs {', '.join(PROGRAMS)} (Debian: pacemaker-cli-utils, crmsh)"
)
OTHERS = {
    "p_fs_mysql": "fs_data",
    "ms_drbd_mysql": "ms_r0",
    "p_drbd_mysql": "r0",
    "g_mysql": "databases",
    "c_mysql_on_drbd": "with-drbd",
}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(turn, "_LOOK", 0)


def site(**more):
    pillar = load_pillar("minimal")
    pillar["vip"] = {"address": "10.1.0.10", "prefix": 24, "interface": "eth0"}
    pillar["storage"] = {"backend": "drbd", "drbd": {**pillar["storage"]["drbd"], "resource": "mysql"}}
    pillar["storage"]["filesystem"] = {"type": "xfs", "options": "noatime"}
    pillar |= more
    return resolution.resolve(resolution.layered(parameters("Debian"), pillar), minion_id="db1", nodename="db1")


@pytest.fixture(scope="module")
def wanted():
    found = resources.desired(site())
    return lambda live: found


@pytest.fixture(params=[{}, OTHERS], ids=["its names", "other names"])
def world(request, tmp_path):
    return World(tmp_path / "world", request.param)


def taken(world, wanted):
    before = world.read()
    turn.hold(world.run)
    return turn.turn(world.run, wanted, before)


def test_the_cluster_has_hamysql_s_configuration_and_pacemaker_would_do_nothing_to_the_service(world, wanted):
    told = taken(world, wanted)
    assert told["interruptions"] == []
    assert not world.maintenance
    assert cib_plan.plan(world.read(), wanted("")).changes == ()
    assert exchange.forgotten(world.read()) == ()
    assert {(item["action"], item["resource"].partition(":")[0]) for item in world.simulated()} == {
        ("start", "p_network_mysql")
    }


def test_the_configuration_changes_while_pacemaker_is_held_and_at_once(world, wanted):
    taken(world, wanted)
    assert world.held == [True, True, False]  # held, all of it in one change, and released


MOMENTS = (
    ("cibadmin --sync-call --patch", 1),
    ("crm_resource --wait", 1),
    ("crm_resource --refresh --force", 2),
    ("crm_resource --refresh --resource p_mysql", 1),
    ("cibadmin --sync-call --patch", 2),
)


@pytest.mark.parametrize(("moment", "nth"), MOMENTS)
def test_killed_at_each_moment_and_run_again_it_gets_there(tmp_path, wanted, moment, nth):
    world = World(tmp_path / "world", OTHERS)
    before = world.read()
    turn.hold(world.run)
    count, run = 0, world.run

    def dying(argv, **options):
        nonlocal count
        count += " ".join(argv).startswith(moment)
        if count == nth:
            raise KeyboardInterrupt
        return run(argv, **options)

    with pytest.raises(KeyboardInterrupt):
        turn.turn(dying, wanted, before)
    assert world.maintenance
    turn.turn(world.run, wanted, before)
    assert not world.maintenance
    assert cib_plan.plan(world.read(), wanted("")).changes == ()
    assert set(world.held[:-1]) == {True}


def test_what_the_new_agent_does_not_find_has_the_cluster_put_back(world, wanted):
    before, configuration = world.read(), world.configuration()
    turn.hold(world.run)
    world.lost = {"p_fs_mysql"} if OTHERS["p_fs_mysql"] in before else set()
    if not world.lost:
        pytest.skip("the same name is lost before and after")
    with pytest.raises(
        Refused, match=r"as it was before: before the change: p_fs_mysql Started on db1; it was not found"
    ):
        turn.turn(world.run, wanted, before)
    assert world.configuration() == configuration
    assert not world.maintenance
    assert world.simulated() == []


def test_what_is_found_neither_way_leaves_the_cluster_held(tmp_path, wanted):
    world = World(tmp_path / "world")
    before = world.read()
    turn.hold(world.run)
    world.lost = {"p_fs_mysql"}
    with pytest.raises(NotReady, match=r"the configuration of before is back.*in maintenance mode"):
        turn.turn(world.run, wanted, before)
    assert world.maintenance


def test_an_action_that_pacemaker_would_take_is_named_and_the_cluster_put_back(world, wanted):
    """Without a score nothing may be promoted: DRBD's agent sets it when it looks."""
    before, configuration, run = world.read(), world.configuration(), world.run

    def scoreless(argv, **options):
        world.without_scores = "ocf:hamysql" in world.read() or 'provider="hamysql"' in world.read()
        return run(argv, **options)

    turn.hold(world.run)
    with pytest.raises(Refused, match=r"would leave alone what runs; seen last: it would \[.*p_mysql"):
        turn.turn(scoreless, wanted, before)
    assert world.configuration() == configuration
    assert world.simulated() == []


def test_a_change_that_would_move_the_service_is_refused_before_anything_is_changed(tmp_path, wanted):
    words = [["location", "l_away", "p_ip_mysql", "-inf:", "db1"]]
    world = World(tmp_path / "world")
    for more in words:
        world._tool("crm", "-F", "configure", *more)
    before, configuration = world.read(), world.configuration()
    turn.hold(world.run)
    with pytest.raises(Refused, match="nothing was changed, because pacemaker would not leave alone what runs"):
        turn.turn(world.run, wanted, before)
    assert world.configuration() == configuration


def test_fence_devices_of_before_are_replaced(tmp_path):
    words = [
        ["primitive", f"st-{node}", "stonith:fence_ipmilan", "params", f"pcmk_host_list={node}"]
        for node in ("db1", "db2")
    ]
    words += [["location", "l-st", "st-db1", "-inf:", "db1"], ["property", "stonith-enabled=false"]]
    world = World(tmp_path / "world", words=words)
    device = {"agent": "fence_ipmilan", "options": {"ip": "192.0.2.9"}}
    found = resources.desired(site(fencing={"devices": {"db1": [device], "db2": [device]}}))
    told = taken(world, lambda live: found)
    assert told["interruptions"] == []
    live = world.read()
    assert "st-db1" not in live
    assert {"p_fence_db1", "p_fence_db2"} <= set(model.index(model.configuration(model.parse(live))))
    assert {item["action"] for item in world.simulated()} == {"start"}


def test_what_belongs_to_somebody_else_stays(tmp_path, wanted):
    words = [["primitive", "p_mail", "ocf:heartbeat:Dummy"], ["location", "l_mail", "p_mail", "100:", "db2"]]
    world = World(tmp_path / "world", words=words)
    taken(world, wanted)
    there = model.index(model.configuration(model.parse(world.read())))
    assert {"p_mail", "l_mail"} <= set(there)
    assert not {"p_mail", "l_mail"} & cib_plan.listed(there, cib_plan.TAG)


def test_a_name_that_something_else_has_is_not_taken(tmp_path, wanted):
    world = World(tmp_path / "world", {"p_fs_mysql": "fs_data"}, [["primitive", "p_fs_mysql", "ocf:heartbeat:Dummy"]])
    with pytest.raises(Refused, match="p_fs_mysql exists in the cluster's configuration and is something else"):
        turn.foreseen(world.run, wanted, world.read())


def test_meanwhile_nobody_else_changes_the_configuration_and_the_reason_is_told(world, wanted):
    turn.hold(world.run)
    with pytest.raises(Refused, match=r"a takeover of this cluster was begun.*hamysql\.orch\.adopt"):
        cib_live.apply(world.run, wanted)
    assert any("a takeover of this cluster was begun" in line for line in drift.interventions(world.read(), "crm"))


def test_a_takeover_that_is_given_up_leaves_the_configuration_as_it_was(world):
    configuration = world.configuration()
    turn.hold(world.run)
    assert turn.release(world.run)
    assert world.configuration() == configuration
    assert not turn.release(world.run)
    assert world.simulated() == []


def test_without_a_hold_nothing_is_changed(world, wanted):
    with pytest.raises(Refused, match="not held by a takeover"):
        turn.turn(world.run, wanted, world.read())
