"""Binary logs shipped each minute: a failover, a restore to a second under a writing client, killed at each step, and an undo.

It takes about a quarter of an hour, so `make test` leaves it out; `make test-long` runs it. The tests build on each other.
"""

from __future__ import annotations

import re

import pytest
from cluster import refresh_pillar
from test_backups import BACKUP, RESTORE_TEST
from test_restores import CONFIRM, RESTORE, UNDO, rows, sql
from test_second_day import Operations

from lab import api

pytestmark = pytest.mark.long

MOMENTS = ("- db", "[2/", "- the database stops", "- the data is exchanged", "- the database starts")
WORD = {"hamysql_confirm": "galaxy-db"}


@pytest.fixture
def operations(cluster, progress, figures, pillar):
    """The cluster with a folder on each node, which the nodes do not share, and binary logs in it; the server was restarted for them."""
    backup = {"directory": "/srv/backups", "mounted": False, "keep": 3, "binary_logs": True}
    for node in (cluster.active, cluster.standby):
        api.ssh(cluster.lab, node, "mkdir -p /srv/backups")
    pillar(lambda given: given.update(backup=backup))
    refresh_pillar(cluster.lab)
    api.deploy(cluster.lab, progress)
    found = Operations(cluster, progress, figures)
    if sql(found, "SELECT @@log_bin").strip() != "1":
        found.done("hamysql.orch.switchover")
        cluster.wait_healthy()
    assert sql(found, "SELECT @@log_bin, @@sync_binlog").split() == ["1", "1"]
    return found


def shipped(operations):
    """What the timer's job says when it is run now."""
    lab, active = operations.lab, operations.cluster.active
    api.ssh(lab, active, "systemctl start hamysql-logs.service", timeout=120)
    return api.ssh(lab, active, "journalctl -u hamysql-logs --no-pager -o cat -n 5")


def marked(operations, row):
    """Write a row; returns the second after it, which is over then."""
    sql(operations, f"REPLACE INTO marks.seen VALUES ({row})")
    then = sql(operations, "SELECT DATE_FORMAT(UTC_TIMESTAMP() + INTERVAL 1 SECOND, '%Y-%m-%d %H:%i:%s')").strip()
    sql(operations, "DO SLEEP(2)")
    return then


def test_a_second_is_restored_after_a_failover_killed_at_each_step_and_undone(operations):
    cluster = operations.cluster
    sql(operations, "CREATE DATABASE IF NOT EXISTS marks; CREATE TABLE IF NOT EXISTS marks.seen (id INT PRIMARY KEY)")
    sql(operations, "DELETE FROM marks.seen")
    operations.done(BACKUP)
    marked(operations, 1)
    assert "can be restored" in shipped(operations)
    operations.done("hamysql.orch.switchover")
    cluster.wait_healthy()
    operations.done("hamysql.orch.switchover")
    cluster.wait_healthy()
    to = marked(operations, 2)
    marked(operations, 3)
    assert "can be restored" in shipped(operations)
    said = operations.done(RESTORE_TEST, hamysql_node=cluster.active, hamysql_restore_to=to)
    assert f"up to {to}" in said
    for moment in MOMENTS:
        came = operations.killed(moment, RESTORE, hamysql_restore_to=to, **WORD)
        said = operations.done(RESTORE, hamysql_restore_to=to, **WORD)
        assert rows(operations) == ["1", "2"]
        operations.figures.append(f"restore to a second killed at {moment!r} ({came})")
        operations.done(UNDO, **WORD)
        assert rows(operations) == ["1", "2", "3"]
        operations.done(CONFIRM, **WORD)
        cluster.wait_healthy()
    (gap,) = re.findall(r"longest write gap ([\d.]+) s", said)
    operations.figures.append(f"restore to a second: own gap {gap} s")
    assert "can be restored" in shipped(operations)
    refused = operations.run(RESTORE, hamysql_restore_to="2020-01-01 00:00:00", **WORD)
    assert any("possible is" in reason for reason in refused.failures.values())
