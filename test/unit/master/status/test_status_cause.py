"""Why the service is where it is: the strongest cause that pacemaker's history has of the time before its start."""

from __future__ import annotations

import pytest
import status_world
from printed import running
from status_world import BEGUN, event

from hamysql.cib.status import Fencing
from hamysql.master.status import cause


def why(events, node="db2", fencing=(), attributes=None, **flags):
    world = status_world.whole()
    if flags:
        world.state("db1", **flags)
    cluster = running(nodes=world.cluster.nodes, fencing=fencing).as_dict("crm")
    history = {"events": sorted(events, key=lambda item: item["when"]), "attributes": {"db1": attributes or {}}}
    return cause.service(node, cluster, history)


def shot(target="db1", action="off", status="success", completed="2026-11-23 17:10:21Z"):
    return Fencing(target, action, status, "stonith_admin.7", completed, "")


STOPPED, STARTED = event(-4, "db1", "stopped"), event(0, "db2", "started")
FAILED = event(-9, "db1", "failed", action="p_mysql_monitor_10000", reason="no answer")


def test_a_fencing_is_a_stronger_cause_than_a_failure_and_that_than_a_stop():
    assert "was fenced (off, asked for by stonith_admin)" in why([STOPPED, FAILED, STARTED], fencing=(shot(),))["why"]
    assert why([STOPPED, FAILED, STARTED])["why"].startswith("p_mysql_monitor_10000 failed on db1 (no answer)")
    assert why([STOPPED, STARTED])["why"].startswith("db1 handed it over in good order")
    assert why([STARTED])["why"].startswith("pacemaker's history has no failure")


@pytest.mark.parametrize(
    "other",
    [
        shot(status="failed"),
        shot(target="db2"),
        shot(action="on"),
        shot(completed="2026-11-23 16:50:00Z"),  # before the window
        shot(completed="2026-11-23 17:20:00Z"),  # after the start
        shot(completed="yesterday"),
    ],
)
def test_another_fencing_is_no_cause(other):
    assert "fenced" not in why([STARTED], fencing=(other,))["why"]


def test_a_failure_on_the_same_node_restarted_it_there():
    failed = event(-2, "db2", "failed", action="p_mysql_monitor_10000")
    assert why([failed, STARTED])["why"].endswith("17:10:25 UTC, and it was started again there")


def test_a_failure_after_the_start_is_no_cause_of_it():
    later = event(60, "db2", "failed", action="p_mysql_monitor_10000")
    assert "monitor" not in why([STARTED, later])["why"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"standby": True}, "it is in standby"),
        ({"online": False}, "its cluster services have ended"),
        ({"attributes": {"hamysql-carrier": "-20000"}}, "it has lost the carrier of its interface"),
        ({"attributes": {"hamysql-reach": "-5000"}}, "it does not reach the addresses of vip:reachable"),
        ({}, "a planned move, a reboot, or a stop of its cluster services"),
    ],
)
def test_a_move_in_good_order_has_what_speaks_for_its_reason_now(fields, words):
    assert why([STOPPED, STARTED], **fields)["why"].endswith(f": {words}")


def test_where_pacemaker_has_found_it_running_nobody_knows_since_when():
    found = why([event(-60, "db2", "stopped")])
    assert found["since"] is None
    assert "found it running" in found["why"]
    assert why([STARTED], node=None) == {"node": None, "since": None, "why": ""}
    assert why([STARTED])["since"] == cause.moment(BEGUN)
