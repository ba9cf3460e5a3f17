"""A backup replaces the data of the cluster: shown, killed at each step, undone and confirmed; and a power cut in the middle of it.

It takes about a quarter of an hour, so `make test` leaves it out; `make test-long` runs it. The tests build on each other.
"""

from __future__ import annotations

import json
import re

import pytest
from test_backups import BACKUP, FOLDER, kept, operations  # noqa: F401

from lab import api

pytestmark = pytest.mark.long

RESTORE, UNDO, CONFIRM = (f"hamysql.orch.restore{word}" for word in ("", "_undo", "_confirm"))
# The beginnings of the lines at which a restore is killed, and at which the undo after it is.
MOMENTS = (
    ("- db", "[1/"),  # "db1 prepares"
    ("- a client on", "- a client on"),
    ("- the database stops", "- the database stops"),
    ("- the data is exchanged", "- the data is exchanged"),
    ("- the database starts", "- the database starts"),
    ("[3/", "[2/"),
)


def sql(operations, statement):  # noqa: F811
    return api.ssh(operations.lab, operations.cluster.active, f'mariadb --batch --skip-column-names -e "{statement}"')


def rows(operations):  # noqa: F811
    return sql(operations, "SELECT id FROM marks.seen ORDER BY id").split()


@pytest.fixture
def word(operations):  # noqa: F811
    """The cluster's name, as it is confirmed."""
    return {"hamysql_confirm": "galaxy-db"}


@pytest.fixture
def name(operations):  # noqa: F811
    """A backup that both nodes have, with one row of two."""
    lab = operations.lab
    sql(operations, "CREATE DATABASE IF NOT EXISTS marks; CREATE TABLE IF NOT EXISTS marks.seen (id INT PRIMARY KEY)")
    sql(operations, "REPLACE INTO marks.seen VALUES (1); DELETE FROM marks.seen WHERE id = 2")
    operations.done(BACKUP)
    active, standby = operations.cluster.active, operations.cluster.standby
    made = kept(operations, active)[0]["manifest"]["name"]
    archive = api.ssh(lab, active, f"cd {FOLDER} && tar cz * | base64", timeout=300)
    api.ssh(lab, standby, f"cd {FOLDER} && base64 -d | tar xz", stdin=archive, timeout=300)
    sql(operations, "REPLACE INTO marks.seen VALUES (2)")
    return made


def test_a_restore_is_shown_done_undone_and_confirmed(operations, name, word):  # noqa: F811
    cluster = operations.cluster
    planned = operations.run(RESTORE, test=True, hamysql_backup=name)
    assert not planned.failures
    assert "gets the data of" in json.dumps(planned.changes)
    refused = operations.run(RESTORE, hamysql_backup=name)
    assert any("hamysql_confirm" in reason for reason in refused.failures.values())
    assert rows(operations) == ["1", "2"]
    # All that comes before the interruption, under a writing client.
    cluster.probed(lambda: operations.killed("- a client on", RESTORE, hamysql_backup=name, **word))
    said = operations.done(RESTORE, hamysql_backup=name, **word)
    assert rows(operations) == ["1"]
    (gap,) = re.findall(r"longest write gap ([\d.]+) s", said)
    operations.figures.append(f"restore: own gap {gap} s")
    cluster.probed(lambda: operations.done(BACKUP))  # with the kept data beside it
    refused = operations.run(RESTORE, hamysql_backup=kept(operations, cluster.active)[0]["manifest"]["name"], **word)
    assert any("restore_confirm" in reason for reason in refused.failures.values())
    operations.done(UNDO, **word)
    assert rows(operations) == ["1", "2"]
    cluster.probed(lambda: operations.done(CONFIRM, **word))
    assert rows(operations) == ["1", "2"]
    assert api.ssh(operations.lab, cluster.active, "ls -d /var/lib/mysql/.hamysql 2>/dev/null || true") == ""
    operations.nothing_is_left(("hamysql",))  # the backups' own table


def test_killed_at_each_step_and_run_again_it_goes_on(operations, name, word):  # noqa: F811
    for moment, back in MOMENTS:
        came = operations.killed(moment, RESTORE, hamysql_backup=name, **word)
        operations.done(RESTORE, hamysql_backup=name, **word)
        assert rows(operations) == ["1"]
        came_back = operations.killed(back, UNDO, **word)
        operations.done(UNDO, **word)
        assert rows(operations) == ["1", "2"]
        if moment == MOMENTS[0][0]:
            operations.killed("[2/", CONFIRM, **word)
        operations.done(CONFIRM, **word)
        operations.figures.append(f"restore killed at {moment!r} ({came}), its undo at {back!r} ({came_back})")
        operations.cluster.wait_healthy()
    result = api.orchestrate(operations.lab, operations.progress)
    assert not result.failures, result.failures
    assert not result.changes, result.changes
    operations.nothing_is_left(("hamysql",))  # the backups' own table


def test_a_power_cut_in_the_middle_leaves_the_other_node_to_go_on(operations, name, word):  # noqa: F811
    lab, cluster = operations.lab, operations.cluster
    active, standby = cluster.active, cluster.standby
    assert operations.killed("- the data is exchanged", RESTORE, hamysql_backup=name, **word)
    api.power(lab, active, "off")
    there = f"timeout 180 sh -c 'until mountpoint -q /var/lib/mysql; do sleep 1; done' && crm_mon -1 | grep {standby}"
    api.ssh(lab, standby, there, timeout=200)
    api.power(lab, active, "on")
    api.wait_until(lab, f"{active} to be back", lambda report: report["nodes"][active]["reachable"], timeout=240)
    api.wait_for_minions(lab, operations.progress)
    operations.done(RESTORE, hamysql_backup=name, **word)
    assert rows(operations) == ["1"]
    cluster.wait_healthy()
    operations.done(UNDO, **word)
    assert rows(operations) == ["1", "2"]
    operations.done(CONFIRM, **word)
