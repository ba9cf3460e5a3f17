"""The machines are given back, killed at each step; a deployment from the same pillar takes the data up.

It takes about ten minutes, so `make test` leaves it out; `make test-long` runs it. The tests build on each other.
"""

from __future__ import annotations

import json

import pytest
from test_second_day import Operations

from lab import api

pytestmark = pytest.mark.long

TEARDOWN = "hamysql.orch.teardown"
NAME = {"hamysql_confirm": "galaxy-db"}
MOMENTS = ("[1/", "- the cluster stops on", "- the rules of", "- files, units")
ROW = "CREATE DATABASE kept; CREATE TABLE kept.t (n INT PRIMARY KEY); INSERT INTO kept.t VALUES (42)"
GONE = (
    "ls -d /etc/corosync/corosync.conf /etc/corosync/authkey /etc/hamysql /usr/lib/hamysql /usr/lib/ocf/resource.d/hamysql"
    " /etc/systemd/system/hamysql-* /etc/drbd.d/mysql.res /var/lib/pacemaker/cib/cib.xml 2>/dev/null; true"
)


@pytest.fixture
def operations(deployed, progress, figures):
    return Operations(deployed, progress, figures)


def nodes(operations):
    return [node.name for node in operations.lab.topology.data_nodes]


def test_nothing_stops_before_the_cluster_is_named_and_the_plan_changes_nothing(operations):
    before = operations.cluster.active
    planned = operations.run(TEARDOWN, test=True)
    assert not planned.failures, planned.failures
    assert "/etc/corosync/corosync.conf" in json.dumps(planned.changes)
    for pillar in ({}, {"hamysql_confirm": "another"}):
        refused = operations.run(TEARDOWN, **pillar)
        assert "hamysql_confirm" in " ".join(refused.failures.values())
    assert operations.cluster.active == before


def test_the_machines_are_given_back_by_a_command_that_is_killed_at_each_step(operations):
    lab = operations.lab
    api.ssh(lab, operations.cluster.active, f'mariadb -e "{ROW}"')
    for moment in MOMENTS:
        came = operations.killed(moment, TEARDOWN, **NAME)
        operations.figures.append(f"teardown killed at {moment!r}: {'came' if came else 'did not come'}")
    said = operations.done(TEARDOWN, **NAME)
    assert "The data is kept" in said
    for node in nodes(operations):
        assert api.ssh(lab, node, GONE) == ""
        assert api.ssh(lab, node, "systemctl is-active corosync pacemaker", check=False).split() == ["inactive"] * 2
        assert api.ssh(lab, node, "systemctl is-enabled corosync pacemaker", check=False).split() == ["disabled"] * 2
        assert "hamysql" not in api.ssh(lab, node, "iptables-save; systemctl list-timers --all; true")
        # The command that the last line names.
        mount = said.partition(f"{node}: `")[2].partition("`")[0]
        api.ssh(lab, node, f"{mount} && ls /mnt && umount /mnt")
    assert "are given back" in operations.done(TEARDOWN, **NAME)


def test_a_deployment_from_the_same_pillar_takes_the_data_up(operations):
    lab = operations.lab
    result = api.deploy(lab, operations.progress)
    assert not result.failures, result.failures
    operations.cluster.wait_healthy()
    said = api.ssh(lab, operations.cluster.active, "mariadb --batch --skip-column-names -e 'SELECT n FROM kept.t'")
    assert said.split() == ["42"]
    again = api.deploy(lab, operations.progress)
    assert not again.changes, again.changes
