"""Moving the service to a node, with pacemaker's real tools on a file: the constraint comes, and always goes again."""

from __future__ import annotations

import time

import pytest

from hamysql.cib import live as cib_live
from hamysql.cib import model as cib_model
from hamysql.cib import move as cib_move
from hamysql.cib.names import MOVE
from hamysql.errors import CommandFailed, NotReady, Refused
from hamysql.storage import lock


@pytest.fixture
def module(load_module, tools, site, monkeypatch):
    """The execution module. pacemaker runs the database where ``module.places`` says, one answer a look; the last one stays."""

    def status():
        place = module.places.pop(0) if len(module.places) > 1 else module.places[0]
        resources = [{"id": "p_mysql", "role": "Started", "node": place}] if place else []
        return {"resources": resources, "failures": module.failures, "shell": "crm"}

    def flush():
        module.flushed.append(MOVE in tools.read())
        module.during_flush()
        return {"settings": {"innodb_max_dirty_pages_pct": 90.0}}

    salt = {"hamysql.config": lambda: site, "hamysql_cluster.status": status, "hamysql_mysql.flush": flush}
    salt["hamysql_mysql.unflush"] = lambda settings: module.flushed.append(settings.get("innodb_max_dirty_pages_pct"))
    salt["hamysql_checkpoint.keep"] = lambda **_: ""
    module = load_module("_modules", "hamysql_cib", __salt__=salt)
    module.flushed = []
    module.during_flush = lambda: None
    module.places, module.failures = ["db1"], []
    monkeypatch.setattr(module, "run", tools.run)
    module.apply()
    tools.commands.clear()
    return module


@pytest.fixture
def constraints(tools):
    """Whether the constraint was there before each patch, in their order."""
    seen = []

    def before(argv):
        if "--patch" in argv:
            seen.append(MOVE in tools.read())

    tools.before = before
    return seen


def test_the_service_is_moved_and_nothing_stays_behind(module, tools, constraints):
    module.places = ["db1", "db1", None, "db2"]
    before = tools.read()
    assert module.move("db2", timeout=30) is True
    assert constraints == [False, True]  # put there, and taken away
    assert MOVE not in tools.read()
    assert module.flushed == [False, 90.0]  # before anything is moved, and ended wherever the server still runs
    assert module.diff()["changes"] == []
    assert _configuration(tools.read()) == _configuration(before)


def _configuration(text):
    """What a configuration says, whatever the order that pacemaker's tools write it in."""
    items = cib_model.index(cib_model.configuration(cib_model.parse(text)))
    return {name: cib_model.clauses(item) for name, item in items.items()}


def test_what_the_pillar_says_meanwhile_is_not_deployed_by_a_move(module, tools, site):
    module.places = ["db1", "db1", "db2"]
    before = tools.read()
    site["pacemaker"]["operations"]["p_mysql"]["monitor"]["timeout"] = "99s"
    site["pacemaker"]["properties"]["pe-input-series-max"] = "7"
    assert {change["id"] for change in module.diff()["changes"]} > {"p_mysql"}
    planned = module.diff()["changes"]
    assert module.move("db2", timeout=30) is True
    assert "99s" not in tools.read()
    assert module.diff()["changes"] == planned, "it is still to be deployed"
    assert _configuration(tools.read()) == _configuration(before)


def test_somebody_who_changes_the_configuration_meanwhile_keeps_his_change(module, tools):
    others = iter(['<rsc_location id="l_other" rsc="g_mysql" node="db1" score="1"/>', None])

    def before(argv):
        if "--patch" in argv and (other := next(others, None)):
            tools.edit("</constraints>", f"{other}</constraints>")

    tools.before = before
    module.places = ["db1", "db1", "db2"]
    assert module.move("db2", timeout=30) is True
    assert 'id="l_other"' in tools.read()
    assert MOVE not in tools.read()


def test_a_cluster_without_the_service_is_told_to_be_deployed(module, tools):
    tools.write(tools.run(["cibadmin", "--empty"]).stdout)
    module.places = [None]
    with pytest.raises(Refused, match="the cluster's configuration has no g_mysql: deploy it first"):
        module.move("db2", timeout=0)


@pytest.mark.parametrize("left", ["nothing", "the constraint", "the constraint without its tag"])
def test_what_a_move_that_was_killed_has_left_is_no_obstacle_to_the_next(module, tools, left):
    if left != "nothing":
        cib_live.edit(tools.run, lambda live: cib_move.begun(live, "db1", time.time() + 900))
    if left == "the constraint without its tag":
        tools.edit(f'<obj_ref id="{MOVE}"/>', "")
    module.places = ["db1", "db1", "db2"]
    assert module.move("db2", timeout=30) is True
    assert MOVE not in tools.read()


def test_where_it_is_already_nothing_is_done(module, tools):
    module.places = ["db2"]
    before = tools.read()
    assert module.move("db2") is False
    assert tools.read() == before
    assert module.flushed == []


def test_where_it_is_already_the_constraint_of_a_killed_move_goes(module, tools):
    before = tools.read()
    cib_live.edit(tools.run, lambda live: cib_move.begun(live, "db2", time.time() + 600))
    module.places = ["db2"]
    assert module.move("db2") is False
    assert MOVE not in tools.read()
    assert cib_live.query(tools.run).count("<rsc_location") == before.count("<rsc_location")


def test_a_move_that_does_not_end_takes_its_constraint_away_and_says_what_was_seen(module, tools):
    module.places = ["db1", None]
    with pytest.raises(NotReady, match="pacemaker runs the database on db2; seen last: it runs nowhere"):
        module.move("db2", timeout=0)
    assert MOVE not in tools.read()
    assert module.flushed == [False, 90.0]


def test_the_server_does_not_go_on_flushing_when_the_constraint_cannot_be_taken_away(module, tools):
    def before(argv):
        if "--patch" in argv and MOVE in tools.read():
            raise CommandFailed(argv, 1, "Connection refused")

    tools.before = before
    with pytest.raises(CommandFailed, match="Connection refused"):
        module.move("db2", timeout=0)
    assert module.flushed == [False, 90.0]


def test_a_move_that_is_cut_off_while_the_server_flushes_leaves_nothing_behind(module, tools):
    def cut_off():
        raise SystemExit

    module.during_flush = cut_off
    before = tools.read()
    with pytest.raises(SystemExit):
        module.move("db2", timeout=0)
    assert tools.read() == before


def test_a_move_waits_for_another_that_is_at_work_here(module, tools):
    """The orchestration of that one was killed. It would stop the server while this one has it flush."""
    before = tools.read()
    with (
        lock.held("move to db2", "service"),
        pytest.raises(Refused, match=r"at work on this node's service .move to db2"),
    ):
        module.move("db2", timeout=0)
    assert tools.read() == before
    assert module.flushed == []


def test_a_move_that_was_killed_is_cleared_away_by_the_next_run(module, tools):
    cib_live.edit(tools.run, lambda live: cib_move.begun(live, "db2", time.time() + 900))
    assert f'<rsc_location id="{MOVE}" rsc="g_mysql"' in tools.read()
    assert {(change["kind"], change["id"]) for change in module.diff()["changes"]} == {
        ("removed", MOVE),
        ("changed", "hamysql"),
    }
    module.apply()
    assert MOVE not in tools.read()


def test_nothing_is_moved_while_somebody_has_a_hand_on_the_cluster(module, tools):
    ban = '<rsc_location id="cli-ban-g_mysql-on-db2" rsc="g_mysql" role="Started" node="db2" score="-INFINITY"/>'
    tools.edit("</constraints>", f"{ban}</constraints>")
    before = tools.read()
    with pytest.raises(Refused, match="nothing is moved while this is so:\n  - cli-ban-g_mysql-on-db2"):
        module.move("db2")
    assert tools.read() == before
    assert [sentence.split(":")[0] for sentence in module.interventions()] == ["cli-ban-g_mysql-on-db2"]


def test_pacemaker_heeds_it_for_a_while_only():
    expression = cib_move.constraint("db2", 1_800_000_000).find("rule/date_expression")
    assert (expression.get("operation"), expression.get("end")) == ("lt", "2027-01-15 08:00:00Z")


@pytest.fixture
def simulated(tools, fixture):
    """What pacemaker would do about a running cluster (active: db2) with the constraint."""

    def call(node, until):
        running = fixture("cib-2.1.5-running.xml")
        return cib_live.simulate(tools.run, cib_move.begun(running, node, until))

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


def test_nothing_is_moved_to_a_node_that_could_not_start_it(module, tools):
    """pacemaker would stop it here, and not start it there."""
    failed = {"action": "p_fs_mysql_start_0", "node": "db2", "status": "error (Error)", "reason": "no path"}
    module.failures = [failed]
    with pytest.raises(
        Refused, match=r"pacemaker does not start p_fs_mysql on db2.*`crm resource cleanup p_fs_mysql db2`"
    ):
        module.move("db2", timeout=30)
    assert tools.commands == [] or not any("--patch" in argv for argv in tools.commands)
    module.failures = [{**failed, "node": "db1"}]
    module.places = ["db1", "db1", "db2"]
    assert module.move("db2", timeout=30) is True
