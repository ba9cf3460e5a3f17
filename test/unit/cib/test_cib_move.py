"""Moving the service to a node, with pacemaker's real tools on a file: the constraint comes, and always goes again."""

from __future__ import annotations

import time
from xml.etree import ElementTree as ET

import pytest

from hamysql import cib_move, cib_tools
from hamysql.errors import NotReady, Refused


@pytest.fixture
def module(load_module, tools, site, monkeypatch):
    """The execution module. pacemaker runs the database where ``module.places`` says, one answer a look; the last one stays."""

    def status():
        place = module.places.pop(0) if len(module.places) > 1 else module.places[0]
        return {"resources": [{"id": "p_mysql", "role": "Started", "node": place}] if place else []}

    def flush():
        module.flushed.append(cib_move.ID in tools.read())
        return {"max_dirty_pages_pct": 90.0}

    salt = {"hamysql.config": lambda: site, "hamysql_cluster.status": status, "hamysql_mysql.flush": flush}
    salt["hamysql_mysql.unflush"] = lambda value: module.flushed.append(value)
    module = load_module("_modules", "hamysql_cib", __salt__=salt)
    module.flushed = []
    module.places = ["db1"]
    monkeypatch.setattr(module, "run", tools.run)
    module.apply()
    tools.commands.clear()
    return module


@pytest.fixture
def constraints(tools):
    """What each patch has had of the constraint, in their order."""
    seen = []

    def before(argv):
        if argv[0] == "crm_simulate":
            seen.append(True)

    tools.before = before
    return seen


def test_the_service_is_moved_and_nothing_stays_behind(module, tools, constraints):
    module.places = ["db1", "db1", None, "db2"]
    before = tools.read()
    assert module.move("db2", timeout=30) is True
    assert len(constraints) == 2  # put there, and taken away
    assert cib_move.ID not in tools.read()
    assert module.flushed == [False, 90.0]  # before anything is moved, and ended wherever the server still runs
    assert module.diff()["changes"] == []
    assert before.count("rsc_location") == tools.read().count("rsc_location")


def test_where_it_is_already_nothing_is_done(module, tools):
    module.places = ["db2"]
    assert module.move("db2") is False
    assert tools.commands == []


def test_a_move_that_does_not_end_takes_its_constraint_away_and_says_what_was_seen(module, tools):
    module.places = ["db1", None]
    with pytest.raises(NotReady, match="pacemaker runs the database on db2; seen last: it runs nowhere"):
        module.move("db2", timeout=0)
    assert cib_move.ID not in tools.read()
    assert module.flushed == [False, 90.0]


def test_a_move_that_was_killed_is_cleared_away_by_the_next_run(module, tools, site):
    cib_tools.apply(tools.run, lambda _: cib_move.desired(site, "db2", time.time() + 900))
    assert f'<rsc_location id="{cib_move.ID}" rsc="g_mysql"' in tools.read()
    assert {(change["kind"], change["id"]) for change in module.diff()["changes"]} == {
        ("removed", cib_move.ID),
        ("changed", "hamysql"),
    }
    module.apply()
    assert cib_move.ID not in tools.read()


def test_nothing_is_moved_while_somebody_has_a_hand_on_the_cluster(module, tools):
    ban = '<rsc_location id="cli-ban-g_mysql-on-db2" rsc="g_mysql" role="Started" node="db2" score="-INFINITY"/>'
    tools.edit("</constraints>", f"{ban}</constraints>")
    before = tools.read()
    with pytest.raises(Refused, match="nothing is moved while this is so:\n  - cli-ban-g_mysql-on-db2"):
        module.move("db2")
    assert tools.read() == before
    assert [sentence.split(":")[0] for sentence in module.interventions()] == ["cli-ban-g_mysql-on-db2"]


def test_pacemaker_heeds_it_for_a_while_only(site):
    wanted = cib_move.desired(site, "db2", 1_800_000_000)
    expression = wanted.find(f".//rsc_location[@id='{cib_move.ID}']/rule/date_expression")
    assert (expression.get("operation"), expression.get("end")) == ("lt", "2027-01-15 08:00:00Z")


@pytest.fixture
def simulated(tools, site, fixture):
    """What pacemaker would do about a running cluster (active: db2) with the constraint."""

    def call(node, until):
        running = fixture("cib/cib-2.1.5-running.xml")
        location = cib_move.desired(site, node, until).find(f".//rsc_location[@id='{cib_move.ID}']")
        return cib_tools.simulate(
            tools.run, running.replace("</constraints>", f"{ET.tostring(location, 'unicode')}</constraints>")
        )

    return call


def test_it_changes_roles_and_stops_no_replica(simulated):
    assert simulated("db1", time.time() + 900) == (
        "move p_ip_mysql from db2 to db1",
        "move p_fs_mysql from db2 to db1",
        "move p_mysql from db2 to db1",
        "demote p_drbd_mysql:0 on db2 (Promoted -> Unpromoted)",
        "promote p_drbd_mysql:1 on db1 (Unpromoted -> Promoted)",
    )


def test_a_constraint_that_was_left_behind_moves_nothing_back_later(simulated):
    assert simulated("db1", time.time() - 1) == ()
