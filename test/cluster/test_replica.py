"""A replica on a third machine: seeded, a power cut and a switchover of the cluster, killed at each step, promoted.

A cluster of its own, deployed from bare nodes. The tests build on each other.
"""

from __future__ import annotations

import json

import pytest
import yaml
from test_second_day import Next
from test_third_vote import NODES, wait_well

from lab import api

pytestmark = [pytest.mark.cluster, pytest.mark.long]

REPLICA = "hamysql.orch.replica"
MACHINE, BACKUPS = "qd1", "/srv/backups"
WORD = {"hamysql_confirm": "galaxy-db"}
MOMENTS = ("[2/", "- reports copies", "- the database of reports gets", "- reports follows")


@pytest.fixture(scope="module")
def replicated(lab, progress):
    """The lab with a third machine that is to be a replica. Each machine has a folder for backups of its own."""
    pillar = yaml.safe_load((lab.project / "lab" / "software" / "pillar.sls").read_text())
    config = pillar["hamysql"]
    config["backup"] = {"directory": BACKUPS, "mounted": False, "keep": 5, "binary_logs": True}
    config["replicas"] = {"reports": {"minion_id": MACHINE, "address": "10.77.1.13"}}
    path = lab.dir / "replica.sls"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(pillar, sort_keys=False))
    api.up(lab, progress, fresh=True, storage="drbd", pillar=path, qdevice=True)
    for name in (*NODES, MACHINE):
        api.ssh(lab, name, f"mkdir -p {BACKUPS}")
    api.deploy(lab, progress)
    wait_well(lab)
    return lab


def sql(lab, name, statement):
    return api.ssh(lab, name, f'mariadb --batch --skip-column-names -e "{statement}"').split()


def active(lab):
    return wait_well(lab)["active"]


def run(lab, progress, *, watch=None, **pillar):
    return api.orchestrate(lab, progress, sls=REPLICA, pillar=pillar, watch=watch)


def brought(lab, name=None):
    """The newest backup of the node that serves, or one of that name, is brought to the replica's machine."""
    node = active(lab)
    name = name or sorted(api.ssh(lab, node, f"ls {BACKUPS}/galaxy-db | grep Z$").split())[-1]
    packed = api.ssh(lab, node, f"tar -C {BACKUPS} -cz galaxy-db/{name} | base64", timeout=300)
    api.ssh(lab, MACHINE, f"base64 -d | tar -C {BACKUPS} -xz", stdin=packed, timeout=300)
    return name


def backed_up(lab, progress):
    result = api.orchestrate(lab, progress, sls="hamysql.orch.backup")
    assert not result.failures, result.failures
    return brought(lab)


def seen(lab):
    """The replica in the status, and the reasons why the cluster is not whole."""
    found = json.loads(api.salt_run(lab, "hamysql.status", "--out=json").stdout)
    return found["replicas"]["reports"], found["reasons"]


def same(lab, timeout=120):
    """Wait until the replica has the rows of the node that serves; returns how many."""
    node = active(lab)
    count = f"SELECT COUNT(*) FROM probe.{sql(lab, node, 'SHOW TABLES IN probe')[0]}"
    api.wait_for(
        lambda: sql(lab, node, count) == sql(lab, MACHINE, count),
        "the replica to have all rows",
        timeout=timeout,
        interval=2,
    )
    return int(sql(lab, node, count)[0])


def test_it_is_set_up_from_a_backup_that_was_brought_there(replicated, progress):
    probe = api.start_probe(replicated, 20)
    assert probe.finish().lost == 0
    state, reasons = seen(replicated)
    assert state["state"] in ("new", "unknown")
    assert reasons
    planned = api.orchestrate(replicated, progress, sls=REPLICA, pillar={}, test=True)
    assert not planned.failures
    refused = run(replicated, progress)
    assert "reports has to see the backups as the nodes do" in str(refused.failures)
    result = run(replicated, progress, hamysql_backup=brought(replicated))
    assert not result.failures, result.failures
    assert same(replicated) > 0
    state, reasons = seen(replicated)
    assert (state["state"], reasons) == ("follows", [])
    again = run(replicated, progress)
    assert not again.failures
    assert again.changes == {}
    assert api.ssh(replicated, MACHINE, "stat -c '%a %U' /etc/hamysql/replica.password").split() == ["600", "root"]


def test_a_power_cut_of_the_node_that_serves_loses_and_doubles_nothing(replicated, figures):
    node = active(replicated)
    probe = api.start_probe(replicated, 90)
    api.wait_until(replicated, "the probe to write", lambda report: report["database"], timeout=30)
    api.power(replicated, node, "off")
    outcome = probe.finish()
    assert outcome.lost == 0
    wait_well(replicated)
    count = same(replicated)
    state, _ = seen(replicated)
    assert state["state"] == "follows"
    figures.append(f"replica: {count} rows after a power cut of {node}, gap {outcome.longest_gap_seconds:.1f} s")


def test_it_survives_a_boot_of_its_own_and_a_switchover(replicated, progress):
    api.power(replicated, MACHINE, "off")
    assert any("reports" in reason for reason in seen(replicated)[1])
    result = api.orchestrate(
        replicated,
        progress,
        sls="hamysql.orch.switchover",
        pillar={"hamysql_to": next(name for name in NODES if name != active(replicated))},
    )
    assert not result.failures, result.failures
    api.power(replicated, MACHINE, "on")
    api.wait_for(
        lambda: seen(replicated)[0]["state"] == "follows", "the replica to follow again", timeout=180, interval=5
    )
    same(replicated)


def test_a_broken_one_is_told_and_seeded_again_killed_at_each_step(replicated, progress, figures):
    for moment in MOMENTS:
        table = sql(replicated, active(replicated), "SHOW TABLES IN probe")[0]
        sql(replicated, MACHINE, f"SET SESSION sql_log_bin = 0; DROP TABLE probe.{table}")
        assert api.start_probe(replicated, 10).finish().lost == 0
        api.wait_for(lambda: seen(replicated)[0]["state"] == "broken", "the error to be seen", timeout=60, interval=3)
        refused = run(replicated, progress)
        assert "hamysql_confirm" in str(refused.failures)
        name = backed_up(replicated, progress)
        kill = Next([moment], lambda _: api.kill_orchestration(replicated))
        try:
            run(replicated, progress, watch=kill, hamysql_backup=name, **WORD)
        except api.LabError:
            assert kill.came
        result = run(replicated, progress, hamysql_backup=name, **WORD)
        assert not result.failures, result.failures
        same(replicated)
        figures.append(f"replica seeded again, killed at {moment!r} ({kill.came is not None})")


def test_it_is_promoted_when_both_nodes_are_lost(replicated):
    assert api.start_probe(replicated, 10).finish().lost == 0
    count = same(replicated)
    for name in NODES:
        api.bmc_power(replicated, name, "off")
        api.power(replicated, name, "off")
    found = api.salt_json(replicated, MACHINE, "hamysql_replica.promote", "confirm=galaxy-db")[MACHINE]
    assert (found["source"], found["read_only"]) == ("", False)
    table = sql(replicated, MACHINE, "SHOW TABLES IN probe")[0]
    assert int(sql(replicated, MACHINE, f"SELECT COUNT(*) FROM probe.{table}")[0]) == count
    api.ssh(replicated, MACHINE, "systemctl restart mariadb", timeout=120)
    assert sql(replicated, MACHINE, "CREATE DATABASE after_the_promotion; SELECT @@GLOBAL.read_only") == ["0"]
    said = api.salt_json(replicated, MACHINE, "hamysql_replica.back_up")[MACHINE]
    assert said["node"] == "reports"
    for name in NODES:
        api.bmc_power(replicated, name, "on")
        api.power(replicated, name, "on")
    wait_well(replicated)
    assert seen(replicated)[0]["state"] == "promoted"
