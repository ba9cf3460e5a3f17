"""The phases of a move to another storage: the order of what is asked, and what ends them; see ``migration_world``."""

from __future__ import annotations

from contextlib import suppress

import pytest
from migration_world import ToDrbd, ToLun, ToNas
from storage_world import Deployment

from hamysql.errors import HamysqlError, NotReady, Refused
from hamysql.master import deployment as deployments
from hamysql.master.members import NoAnswer
from hamysql.master.orchestration import move, switch
from hamysql.storage import latch
from hamysql.storage.latch import Stage

SEEN = ("hamysql_node.survey", "hamysql_migration.survey")


class Watched:
    """A world whose questions are written down, and may be answered with an error or otherwise.

    ``fails`` has the error of a function, or of a function on a node; ``instead`` what makes a function's answer.
    """

    def __init__(self, world):
        self.world, self.asked, self.fails, self.instead = world, [], {}, {}
        self.deployment = self.another()
        real = world._execute

        def execute(node, function, kwargs):
            if function not in SEEN:
                self.asked.append((function, node.name))
            for key in (function, (function, node.name)):
                if key in self.fails:
                    raise self.fails[key]
            found = real(node, function, kwargs)
            return self.instead[function]() if function in self.instead else found

        world._execute = execute

    def another(self, test=False):
        """One more run."""
        return Deployment(self.world, test)

    def verbs(self, module="hamysql_migration"):
        return [(function.partition(".")[2], node) for function, node in self.asked if function.startswith(module)]


@pytest.fixture
def watched(tmp_path):
    return lambda kind=ToLun: Watched(kind(tmp_path))


def up_to_switch(seen):
    move.prepare(seen.deployment)
    move.copy(seen.deployment, 60)
    seen.asked.clear()
    seen.instead["hamysql_migration.final"] = lambda: passed(1.0)
    return seen


def passed(seconds):
    """What a pass of the copy returns."""
    return {"seconds": seconds, "files": 9, "read": 1}


def test_the_new_configuration_is_tried_before_anything_is_begun(watched):
    seen = watched()
    assert move.check(seen.deployment) == (
        {}, "from drbd to shared: the cluster is whole, and the new storage is blank or ours",
    )  # fmt: skip
    assert seen.asked == [("hamysql_cib.preview", "db1")]


def test_a_configuration_that_pacemaker_refuses_is_found_out_in_time(watched):
    seen = watched()
    seen.fails["hamysql_cib.preview"] = Refused("an element of somebody else's has this id")
    with pytest.raises(NoAnswer, match="somebody else's"):
        move.check(seen.deployment)


def test_what_forbids_the_move_is_told_at_once(watched):
    seen = watched()
    seen.world.home = None
    with pytest.raises(
        Refused, match=r"the data stays where it is:\n  - there is not exactly one node whose database answers"
    ):
        move.check(seen.deployment)
    assert seen.asked == []


def test_the_node_that_serves_begins_first_then_the_new_storage_is_made(watched):
    seen = watched()
    changes, comment = move.prepare(seen.deployment)
    assert seen.asked[:4] == [
        ("hamysql_migration.begin", "db1"), ("hamysql_migration.begin", "db2"), ("state.apply", "db1"), ("state.apply", "db2"),
    ]  # fmt: skip
    assert changes["migration"] == ["begun on db1", "begun on db2"]
    assert changes["storage"][0] == "claim on db1"
    assert comment == f"{len(changes['migration']) + len(changes['storage'])} changes"


def test_nothing_is_prepared_where_no_node_serves(watched):
    seen = watched()
    seen.world.home = None
    with pytest.raises(
        NotReady, match="there is not exactly one node whose database answers: run this again when there is"
    ):
        move.prepare(seen.deployment)
    assert seen.asked == []
    assert move.prepare(seen.another(test=True)) == ({}, "planned when the service runs again")


@pytest.mark.parametrize(("kind", "mods"), [(ToLun, False), (ToDrbd, True)])
def test_the_firewall_opens_for_a_new_drbd_only(watched, kind, mods, monkeypatch):
    applied = []

    def apply(deployment, sls, *_, **options):
        applied.append((sls.split(","), options))
        return {}

    monkeypatch.setattr(deployments, "apply", apply)
    seen = watched(kind)
    move.prepare(seen.deployment)
    ((states, options),) = applied
    assert ("hamysql.firewall" in states) is mods
    assert options == {"pillar": {"hamysql_migration": seen.world.kind}}


def test_a_short_pass_is_the_last_and_a_long_one_is_not(watched):
    seen = watched()
    move.prepare(seen.deployment)
    seconds = iter([900.0, 60.0, 20.0])
    seen.instead["hamysql_migration.copy"] = lambda: passed(next(seconds))
    changes, comment = move.copy(seen.deployment, 60)
    assert changes["copy"] == ["1 of 9 files in 900 s", "1 of 9 files in 60 s", "1 of 9 files in 20 s"]
    assert comment == changes["copy"][-1]
    assert list(seconds) == []


def test_passes_that_get_no_shorter_end(watched):
    seen = watched()
    move.prepare(seen.deployment)
    seen.instead["hamysql_migration.copy"] = lambda: passed(900.0)
    assert len(move.copy(seen.deployment, 60)[0]["copy"]) == 4


def test_only_a_new_drbd_is_waited_for(watched, tmp_path):
    for kind, waits in ((ToLun, False), (ToDrbd, True)):
        (tmp_path / kind.kind).mkdir()
        seen = Watched(kind(tmp_path / kind.kind))
        move.prepare(seen.deployment)
        move.copy(seen.deployment, 60)
        assert (("wait_synchronised", "db1") in seen.verbs()) is waits


@pytest.mark.parametrize("kind", [ToLun, ToNas, ToDrbd])
def test_the_order_of_the_switch(watched, kind):
    seen = up_to_switch(watched(kind))
    changes, said = switch.switch(seen.deployment, 900)
    assert seen.verbs() == [
        ("stop_server", "db1"), ("final", "db1"), ("stop_service", "db1"), ("switch", "db1"), ("switch", "db2"),
        ("start", "db1"), ("finish", "db1"), ("finish", "db2"),
    ]  # fmt: skip
    order = [function for function, _ in seen.asked]
    assert order[0] == "hamysql_cib.preview", "the configuration is tried while the database still serves"
    assert order.index("hamysql_migration.switch") < order.index("state.apply") < order.index("hamysql_migration.start")
    assert order.index("hamysql_mysql.wait_answering") < order.index("hamysql_migration.finish")
    restored = [number for number, function in enumerate(order) if function == "hamysql_fencing.restore"]
    assert bool(restored) is (kind is ToDrbd)
    assert all(order.index("hamysql_migration.switch") < number < order.index("state.apply") for number in restored)
    assert "the service was stopped for" in said
    assert changes["migration"][0] == "the last pass: 1 of 9 files in 1 s"
    assert changes["migration"][-5:] == [
        "switched on db1", "switched on db2", "the service started", "finished on db1", "finished on db2",
    ]  # fmt: skip


def test_the_service_is_not_stopped_where_the_cluster_is_not_whole_any_more(watched):
    seen = up_to_switch(watched())
    seen.world.home = None
    with pytest.raises(
        Refused, match="the service is not stopped while this is so:\n  - there is not exactly one node"
    ):
        switch.switch(seen.deployment, 900)
    assert seen.asked == []


def test_the_service_is_not_stopped_for_a_configuration_that_pacemaker_refuses(watched):
    seen = up_to_switch(watched())
    seen.fails["hamysql_cib.preview"] = Refused("pacemaker would not accept the new configuration")
    with pytest.raises(NoAnswer, match="would not accept"):
        switch.switch(seen.deployment, 900)
    assert seen.verbs() == []


@pytest.mark.parametrize("verb", ["stop_server", "final", "stop_service"])
def test_what_fails_before_the_switch_starts_the_service_again(watched, verb):
    seen = up_to_switch(watched())
    seen.fails[f"hamysql_migration.{verb}"] = Refused("no space left")
    with pytest.raises(
        HamysqlError, match="no space left\nNothing was switched: the service is started again on the old storage"
    ):
        switch.switch(seen.deployment, 900)
    assert seen.verbs()[-2:] == [(verb, "db1"), ("start", "db1")]
    assert seen.world.serving == "db1"


def test_the_other_node_starts_it_where_the_first_one_cannot(watched):
    seen = up_to_switch(watched())
    seen.fails |= {
        "hamysql_migration.final": Refused("no space left"),
        "hamysql_migration.start": Refused("pacemaker is down"),
    }
    with pytest.raises(
        HamysqlError, match=r"the service is still stopped, and could not be started \(db1 .*pacemaker is down"
    ):
        switch.switch(seen.deployment, 900)
    assert seen.verbs()[-2:] == [("start", "db1"), ("start", "db2")]


def test_a_run_that_is_cut_off_has_the_service_started_as_well(watched):
    seen = up_to_switch(watched())
    seen.fails["hamysql_migration.final"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        switch.switch(seen.deployment, 900)
    assert seen.verbs()[-1] == ("start", "db1")


def half_switched(seen):
    """Only db1's latch is switched; the service is stopped."""
    seen.fails["hamysql_migration.switch", "db2"] = Refused("db2 has lost its power")
    with pytest.raises(HamysqlError, match="run this again, it goes on where it was") as caught:
        switch.switch(seen.deployment, 900)
    assert caught.value.changes["migration"][0] == "the last pass: 1 of 9 files in 1 s"
    assert ("start", "db1") not in seen.verbs(), "from the first switch on there is only forward"
    seen.fails.clear()
    seen.asked.clear()
    return seen


def test_behind_the_first_latch_there_is_only_forward(watched):
    seen = half_switched(up_to_switch(watched()))
    changes, said = switch.switch(seen.another(), 900)
    assert ("stop_server", "db1") not in seen.verbs()
    assert said == "the service serves from the new storage"
    assert "switched on db2" in changes["migration"]
    for folder in seen.world.folders.values():
        assert [(one.backend, one.stage) for one in latch.in_use(folder)] == [("shared", Stage.INITIALISED)]
    assert switch.switch(seen.another(), 900) == ({}, move.NOTHING)
    assert move.prepare(seen.another()) == move.copy(seen.another(), 60) == ({}, move.NOTHING)


def test_a_switched_move_is_not_begun_anew(watched):
    seen = half_switched(up_to_switch(watched()))
    said = "an earlier run has switched to shared and was cut off: it is finished"
    assert move.check(seen.another()) == ({}, said)
    assert seen.asked == []


@pytest.mark.parametrize("phase", [move.check, lambda deployment: switch.switch(deployment, 900)])
def test_a_server_on_the_old_storage_behind_the_switch_is_not_overrun(watched, phase):
    seen = half_switched(up_to_switch(watched()))
    seen.world.client = lambda: None
    seen.world.start()
    with pytest.raises(Refused, match=r"serves the database from the old storage \(drbd\)"):
        phase(seen.another())
    assert seen.asked == []


def test_a_service_that_a_killed_run_has_stopped_comes_back_first(watched):
    seen = up_to_switch(watched())
    seen.fails |= {"hamysql_migration.final": KeyboardInterrupt(), "hamysql_migration.start": KeyboardInterrupt()}
    with suppress(KeyboardInterrupt):
        switch.switch(seen.deployment, 900)
    seen.fails.clear()
    seen.asked.clear()
    planned, said = move.check(seen.another(test=True))
    assert planned == {"service": ["~ the service, stopped by an earlier run, is started again on the old storage"]}
    assert said.startswith("the rest is planned when it runs")
    assert seen.asked == []
    changes, _ = move.check(seen.another())
    assert changes == {"service": ["started again on the old storage"]}
    assert [function for function, _ in seen.asked] == [
        "hamysql_migration.start", "hamysql_mysql.wait_answering", "hamysql_mysql.wait_answering", "hamysql_cib.preview",
    ]  # fmt: skip


def test_the_data_that_is_there_already_is_a_check_alone(watched):
    seen = up_to_switch(watched())
    switch.switch(seen.deployment, 900)
    seen.asked.clear()
    changes, said = move.check(seen.another())
    assert (changes, seen.asked) == ({}, [])
    assert said.startswith("the data is on this kind of storage already: shared")


def test_a_plan_changes_nothing(watched):
    seen = watched()
    planned = [phase(seen.another(test=True)) for phase in (move.check, move.prepare)]
    planned.append(move.copy(seen.another(test=True), 60))
    planned.append(switch.switch(seen.another(test=True), 900))
    assert planned[2] == ({"copy": ["+ the data, while the database serves"]}, "it is copied once, and once more")
    assert planned[3][0] == {
        "switch": ["~ the service stops for the last pass of the copy, and starts on the new storage"]
    }
    assert {function for function, _ in seen.asked} == {"hamysql_cib.preview", "state.apply"}


def test_a_plan_behind_the_switch_starts_the_service(watched):
    seen = half_switched(up_to_switch(watched()))
    assert switch.switch(seen.another(test=True), 900) == (
        {"switch": ["~ the service starts on the new storage"]}, "1 change",
    )  # fmt: skip
