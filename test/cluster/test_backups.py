"""Backups under a writing client: taken, killed and taken again, restored and proven, and taken by whoever serves after a failover.

It takes about a quarter of an hour, so `make test` leaves it out; `make test-long` runs it. The tests build on each other.
"""

from __future__ import annotations

import json

import pytest
from cluster import refresh_pillar
from test_second_day import Operations

from lab import api

pytestmark = pytest.mark.long

BACKUP, RESTORE_TEST = "hamysql.orch.backup", "hamysql.orch.restore_test"
FOLDER = "/srv/backups"


@pytest.fixture
def operations(cluster, progress, figures, pillar):
    """The cluster with a folder for backups on each node, which the nodes do not share."""
    lab = cluster.lab
    for node in lab.topology.data_nodes:
        api.ssh(lab, node.name, f"mkdir -p {FOLDER}")
    pillar(lambda given: given.update(backup={"directory": FOLDER, "mounted": False, "keep": 2}))
    refresh_pillar(lab)
    api.deploy(lab, progress)
    return Operations(cluster, progress, figures)


def kept(operations, node):
    """The backups that a node has, the newest first."""
    return api.salt_json(operations.lab, node, "hamysql_backup.list")[node]


def test_a_backup_is_taken_while_a_client_writes_killed_and_taken_again_and_restored(operations):
    cluster, lab = operations.cluster, operations.lab
    active, standby = cluster.active, cluster.standby
    planned = operations.run(BACKUP, test=True)
    assert not planned.failures
    assert kept(operations, active) == []
    said = []

    def work():
        operations.killed("- a client on", BACKUP)
        operations.killed(f"- {active} takes", BACKUP)
        said.append(operations.done(BACKUP))

    outcome = cluster.probed(work)
    operations.figures.append(f"{said[0]}; a client's gap {outcome.longest_gap_seconds:.1f} s")
    newest = kept(operations, active)[0]
    assert newest["manifest"]["node"] == active
    assert newest["proof"] is None
    refused = operations.run(RESTORE_TEST)
    assert any(f"{standby} does not see the backup" in reason for reason in refused.failures.values())
    cluster.probed(lambda: said.append(operations.done(RESTORE_TEST, hamysql_node=active)))
    operations.figures.append(said[-1])
    assert kept(operations, active)[0]["proof"]["rows"] == newest["manifest"]["tracer"]["rows"]
    assert api.ssh(lab, active, "ls /var/lib/hamysql/restore-test 2>/dev/null || true") == ""
    assert api.ssh(lab, active, f"find {FOLDER} -name '.making-*' -o -name '.going-*'") == ""


def test_the_standby_restores_what_it_sees(operations):
    """As with one export for both nodes: the backup is carried over."""
    lab, active, standby = operations.lab, operations.cluster.active, operations.cluster.standby
    operations.done(BACKUP)
    name = kept(operations, active)[0]["manifest"]["name"]
    archive = api.ssh(lab, active, f"cd {FOLDER} && tar cz * | base64", timeout=300)
    api.ssh(lab, standby, f"cd {FOLDER} && base64 -d | tar xz", stdin=archive, timeout=300)
    operations.cluster.probed(lambda: operations.done(RESTORE_TEST, hamysql_backup=name))
    assert kept(operations, standby)[0]["proof"]["node"] == standby


def test_after_a_failover_the_timer_of_the_node_that_serves_makes_up_for_what_was_missed(operations):
    lab, cluster = operations.lab, operations.cluster
    active, standby = cluster.active, cluster.standby
    cluster.power_cut()
    api.ssh(lab, standby, f"rm -rf {FOLDER}/*")
    api.ssh(lab, standby, "systemctl start hamysql-backup.service", timeout=300)
    (taken,) = kept(operations, standby)
    assert taken["manifest"]["scheduled"] is True
    assert taken["manifest"]["late"] > 0
    assert "active" in api.ssh(lab, standby, "systemctl is-active hamysql-backup.timer")
    api.power(lab, active, "on")
    cluster.wait_healthy()
    api.ssh(lab, active, "systemctl start hamysql-backup.service", timeout=300)
    journal = api.ssh(lab, active, "journalctl -u hamysql-backup --no-pager -o cat -n 5")
    assert f"{active} does not serve" in journal, json.dumps(journal)
