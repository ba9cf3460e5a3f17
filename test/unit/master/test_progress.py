"""Events of an orchestration as lines of a terminal."""

from __future__ import annotations

import re

import pytest

from hamysql.master import progress
from support import ROOT


def test_the_phases_are_those_of_the_orchestration_in_its_order():
    sls = (ROOT / "hamysql" / "orch" / "init.sls").read_text()
    states = (ROOT / "_states" / "hamysql_orch.py").read_text()
    functions = re.findall(r'\("hamysql-[a-z-]+", "(\w+)"\)', sls)
    phase_of = dict(
        re.findall(
            r'^def (\w+)\(name: str, cluster: str \| None = None.*?\n    return _phase\(name, "(\w+)"',
            states,
            re.M | re.S,
        )
    )
    assert [phase_of[function] for function in functions] == list(progress.PHASES)


@pytest.mark.parametrize(("number", "phase"), list(enumerate(progress.PHASES, 1)))
def test_a_phase_starts_with_its_number_and_what_it_does(number, phase):
    line = progress.line({"state": "start", "phase": phase})
    assert re.fullmatch(rf"\[{number}/9\] {phase} +{re.escape(progress.PHASES[phase])}", line)


def test_a_phase_ends_with_its_seconds_and_result():
    event = {"state": "end", "phase": "storage", "seconds": 12.3, "text": "5 steps"}
    assert progress.line(event) == "[3/9] storage   done in 12 s: 5 steps"


def test_a_plan_s_lines_stand_below_the_end_of_its_phase():
    event = {
        "state": "end",
        "phase": "nodes",
        "seconds": 2,
        "text": "1 change\nwhat pacemaker would do about it:",
        "lines": ["db1:", "    + file /etc/a"],
    }
    first, *rest = progress.line(event).splitlines()
    assert re.fullmatch(r"\[2/\d+\] nodes     done in 2 s: 1 change", first)
    assert [line.strip() for line in rest] == ["db1:", "+ file /etc/a", "what pacemaker would do about it:"]
    assert rest[1].index("+") - rest[0].index("d") == 4


def test_a_step_stands_below_its_phase():
    assert progress.line({"state": "step", "phase": "storage", "text": "up on db1"}).strip() == "- up on db1"


def test_a_failure_is_loud_and_complete():
    event = {"state": "failed", "phase": "members", "text": "db2 does not answer\ndb1 is broken"}
    assert progress.line(event) == "[1/9] members   FAILED: db2 does not answer\ndb1 is broken"


def test_the_summary_is_printed_as_it_is():
    text = "cluster galaxy-db\n  db1: serves the database"
    assert progress.line({"state": "finished", "phase": "summary", "text": text}) == text


@pytest.mark.parametrize("event", [{}, {"state": "start", "phase": "unheard-of"}, {"state": "end", "phase": "nodes"}])
def test_an_event_of_another_version_is_no_crash(event):
    assert isinstance(progress.line(event), str)


def test_a_follower_stops_at_the_end_and_only_there():
    assert set(progress.LAST) == {"finished", "failed"}


def heard(cluster, *events):
    followed = progress.Followed(cluster)
    return [followed.has(event) for event in events], followed


def event(cluster, jid, pid=7):
    return {"cluster": cluster, "jid": jid, "pid": pid, "state": "start", "phase": "members"}


def test_a_follower_has_the_first_orchestration_that_it_hears_of_and_no_other():
    shown, followed = heard("galaxy-db", event("galaxy-db", "1"), event("galaxy-db", "2", 8), event("galaxy-db", "1"))
    assert shown == [True, False, True]
    assert (followed.jid, followed.pid) == ("1", 7)


@pytest.mark.parametrize("other", ["galaxy-db", "gala", "other"])
def test_a_follower_of_a_cluster_hears_nothing_of_one_with_a_similar_name(other):
    shown, followed = heard("galaxy", event(other, "1"), event("galaxy", "2"))
    assert shown == [False, True]
    assert followed.jid == "2"


def test_a_follower_of_any_cluster_stays_with_the_first():
    shown, _ = heard(None, event("one", "1"), event("two", "2"), event("one", "1"))
    assert shown == [True, False, True]


def test_an_orchestration_that_never_had_a_cluster_concerns_everybody():
    assert heard("galaxy", event("", "1"))[0] == [True]


@pytest.mark.parametrize(
    ("stat", "alive"),
    [
        ("7 (salt-run) S 1 7 7 0", True),
        ("7 (a) Z (b) R 1 7", True),
        ("7 (salt-run) Z 1 7 7 0", False),
        ("7 (salt-run) X 1 7 7 0", False),
        ("", False),
    ],
)
def test_a_process_works_or_is_gone(stat, alive):
    assert progress.is_alive(stat) is alive


def test_a_migration_has_phases_of_its_own():
    assert progress.line({"state": "start", "phase": "checked", "kind": "migration"}).startswith("[1/11] checked")
    assert progress.line({"state": "start", "phase": "summary", "kind": "migration"}).startswith("[11/11] summary")
    sls = (ROOT / "hamysql" / "orch" / "migrate_storage.sls").read_text()
    assert len(re.findall(r'\("hamysql-[a-z-]+", "hamysql_\w+", "\w+"\)', sls)) == len(progress.ORDERS["migration"])
