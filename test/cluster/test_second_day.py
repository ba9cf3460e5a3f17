"""What an administrator does on the second day, each by one command, under a writing client: shown before, killed, and run again.

It takes about a quarter of an hour, so `make test` leaves it out; `make test-long` runs it.
"""

from __future__ import annotations

import json
import re

import pytest
from cluster import boots, restarted
from test_interrupted import Next

from lab import api

pytestmark = pytest.mark.long

SWITCHOVER = "hamysql.orch.switchover"
# The beginnings of the lines at which it is killed.
MOMENTS = ("[1/", "- a client on", "- the service moves", "- the service moved")
# A database of that name stays where it has something else in it, such as the rows of backups.
LEFT = (
    "SELECT User FROM mysql.user WHERE User LIKE 'hamysql-tracer%'"
    " UNION SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'hamysql' AND TABLE_NAME = 'tracer'"
    " UNION SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'hamysql'"
    " AND NOT EXISTS (SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'hamysql')"
)


class Operations:
    """An orchestration of operations, run in the lab."""

    def __init__(self, cluster, progress, figures):
        self.cluster, self.lab, self.progress, self.figures = cluster, cluster.lab, progress, figures
        self.before = boots(self.lab)

    def run(self, sls, *, test=False, watch=None, **pillar):
        return api.orchestrate(self.lab, self.progress, sls=sls, pillar=pillar, test=test, watch=watch)

    def done(self, sls, **pillar):
        """Run it to its end; returns the last phase's words."""
        result = self.run(sls, **pillar)
        assert not result.failures, result.failures
        return list(result.states.values())[-1]["comment"]

    def killed(self, moment, sls, **pillar):
        """Run it, and kill it at a line; whether that came."""
        kill = Next([moment], lambda _: api.kill_orchestration(self.lab))
        try:
            self.run(sls, watch=kill, **pillar)
        except api.LabError:
            assert kill.came
        return kill.came is not None

    def nothing_is_left(self, others=()):
        """No constraint for the moment, no writer, no table or account of one, and nobody was fenced.

        others
            What else the query finds, and may.
        """
        for node in self.lab.topology.data_nodes:
            found = api.ssh(self.lab, node.name, "cibadmin --query --xpath //constraints")
            assert not re.findall(r'id="(hamysql-move|cli-[^"]*)"', found), found
            assert api.ssh(self.lab, node.name, "ls /run/hamysql/tracer 2>/dev/null || true") == ""
        said = api.ssh(self.lab, self.cluster.active, f'mariadb --batch --skip-column-names -e "{LEFT}"')
        assert [line for line in said.splitlines() if line not in others] == [], said
        assert restarted(self.lab, self.before) == []


@pytest.fixture
def operations(cluster, progress, figures):
    return Operations(cluster, progress, figures)


def test_a_switchover_is_shown_and_done_and_tells_its_gap(operations):
    cluster, active, standby = operations.cluster, operations.cluster.active, operations.cluster.standby
    planned = operations.run(SWITCHOVER, test=True, hamysql_to=standby)
    assert not planned.failures
    assert f"from {active} to {standby}" in json.dumps(planned.changes)
    assert cluster.active == active
    said = []
    outcome = cluster.probed(lambda: said.append(operations.done(SWITCHOVER, hamysql_to=standby)))
    assert cluster.active == standby
    (own,) = re.findall(r"longest write gap ([\d.]+) s", said[0])
    operations.figures.append(f"switchover: own gap {own} s, a client's {outcome.longest_gap_seconds:.1f} s")
    assert "already" in operations.done(SWITCHOVER, hamysql_to=standby)
    operations.nothing_is_left()


def test_a_switchover_that_is_killed_at_each_moment_gets_there_when_it_is_run_again(operations):
    cluster = operations.cluster

    def work():
        for moment in MOMENTS:
            standby = cluster.standby
            came = operations.killed(moment, SWITCHOVER, hamysql_to=standby)
            operations.figures.append(f"switchover killed at {moment!r}: {'came' if came else 'did not come'}")
            operations.done(SWITCHOVER, hamysql_to=standby)
            assert cluster.active == standby
            operations.nothing_is_left()

    cluster.probed(work)


def test_a_switchover_is_refused_while_the_other_node_is_not_up_to_date(operations):
    lab, standby = operations.lab, operations.cluster.standby
    api.ssh(lab, standby, f"crm node standby {standby}")
    refused = operations.run(SWITCHOVER, hamysql_to=standby)
    reasons = " ".join(refused.failures.values())
    assert "nothing is moved while this is so" in reasons
    assert f"crm_standby --node {standby} --delete" in reasons
    assert operations.cluster.standby == standby
    api.ssh(lab, standby, f"crm node online {standby}")


MAINTENANCE = "hamysql.orch.maintenance"
DRAINED = ("[1/", "- a client on", "- the service moves", "- db")  # "db1 goes into standby"
RETURNED = ("[1/", "- a client on", "- db")  # "db1 is a member again"


def test_the_node_that_serves_is_drained_boots_anew_and_is_taken_back(operations):
    cluster, lab = operations.cluster, operations.lab
    node, peer = cluster.active, cluster.standby
    said = []

    def work():
        said.append(operations.done(MAINTENANCE, hamysql_drain=node))
        state = api.salt_run(lab, "hamysql.status").stdout
        assert "maintenance" in state
        assert cluster.active == peer
        assert "already" in operations.done(MAINTENANCE, hamysql_drain=node)
        refused = operations.run(MAINTENANCE, hamysql_drain=peer)
        assert any("take it back first" in reason for reason in refused.failures.values())
        api.ssh(lab, node, "systemctl reboot", check=False)
        api.wait_until(lab, f"{node} to be gone", lambda report: not report["nodes"][node]["reachable"], timeout=120)
        api.wait_until(lab, f"{node} to be back", lambda report: report["nodes"][node]["reachable"], timeout=240)
        api.wait_for_minions(lab, operations.progress)
        assert cluster.active == peer
        said.append(operations.done(MAINTENANCE, hamysql_return=node))

    outcome = cluster.probed(work)
    cluster.wait_healthy()
    assert cluster.active == peer, "the service moved back by itself"
    gaps = re.findall(r"longest write gap ([\d.]+) s", " ".join(said))
    operations.figures.append(
        f"maintenance: own gaps {gaps[0]} s drained, {gaps[1]} s back; a client's {outcome.longest_gap_seconds:.1f} s"
    )
    assert restarted(lab, operations.before) == [node]
    operations.before = boots(lab)
    operations.nothing_is_left()


def test_a_maintenance_that_is_killed_at_each_moment_gets_there_when_it_is_run_again(operations):
    cluster = operations.cluster

    def work():
        for moment in DRAINED:
            node, peer = cluster.active, cluster.standby
            came = operations.killed(moment, MAINTENANCE, hamysql_drain=node)
            operations.figures.append(f"drain killed at {moment!r}: {'came' if came else 'did not come'}")
            operations.done(MAINTENANCE, hamysql_drain=node)
            assert cluster.active == peer
            back = RETURNED[DRAINED.index(moment) % len(RETURNED)]
            operations.killed(back, MAINTENANCE, hamysql_return=node)
            operations.done(MAINTENANCE, hamysql_return=node)
            cluster.wait_healthy()
        operations.nothing_is_left()

    cluster.probed(work)


def test_a_deployment_restarts_nothing_and_says_so_while_a_node_is_drained(operations):
    node = operations.cluster.standby
    operations.done(MAINTENANCE, hamysql_drain=node)
    result = api.orchestrate(operations.lab, operations.progress)
    assert not result.failures, result.failures
    assert not result.changes, result.changes
    operations.done(MAINTENANCE, hamysql_return=node)
