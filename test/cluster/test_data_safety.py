"""Rows of docs/storage/drbd.md with real disks, on a deployed cluster. Bare disks, a member that does not answer and the roles
reversed after a failover are in test_deployment.py."""

from __future__ import annotations

import json
import re

import pytest

from lab import api

pytestmark = [pytest.mark.cluster, pytest.mark.long]

STORAGE, CHECKED = "hamysql-storage-initialised", "hamysql-members-checked"
REPLICATION = "-p tcp --dport 7788 -j DROP"


def sql(cluster, statement: str) -> str:
    return api.ssh(cluster.lab, cluster.active, f'mariadb --skip-column-names --execute "{statement}"').strip()


def keep(cluster, what: str) -> None:
    """Write a row that nothing may take away."""
    table = "probe.kept (what VARCHAR(40))"
    sql(cluster, f"CREATE TABLE IF NOT EXISTS {table}; INSERT INTO probe.kept VALUES ('{what}')")


def kept(cluster) -> list[str]:
    return sql(cluster, "SELECT what FROM probe.kept").split()


def generation(cluster, name: str) -> str:
    return api.ssh(cluster.lab, name, "drbdadm get-gi mysql").strip()


def synchronise(cluster) -> None:
    """Wait for a synchronisation that runs as fast as it can, and have the pillar's rate again."""
    for command in ("drbdsetup disk-options 0 --resync-rate=400M --c-plan-ahead=0", "drbdadm adjust mysql"):
        for name in cluster.lab.topology.names:
            api.ssh(cluster.lab, name, command)
        cluster.wait_healthy()


def test_pacemaker_that_is_merely_stopped_is_started_and_nothing_is_seeded(cluster, progress):
    active, standby = cluster.active, cluster.standby
    keep(cluster, "stopped")
    api.ssh(cluster.lab, standby, "systemctl stop pacemaker corosync", timeout=120)
    changes = api.deploy(cluster.lab, progress).changes
    assert changes == {"hamysql-cluster-online": {standby: {"cluster": {"old": "stopped", "new": "running"}}}}
    assert cluster.active == active
    assert "stopped" in kept(cluster)


def test_a_node_that_has_forgotten_its_replica_takes_it_over(cluster, progress):
    standby = cluster.standby
    latch = "/var/lib/hamysql/mysql.json"
    before = json.loads(api.ssh(cluster.lab, standby, f"cat {latch}; rm {latch}"))
    identity = generation(cluster, standby)
    assert api.deploy(cluster.lab, progress).changes == {STORAGE: {"storage": [f"adopt on {standby}"]}}
    after = json.loads(api.ssh(cluster.lab, standby, f"cat {latch}"))
    assert {**after, "run": before["run"]} == before
    assert generation(cluster, standby) == identity


def test_a_second_hand_disk_in_the_place_of_a_broken_one(cluster, progress, pillar):
    lab, active, standby = cluster.lab, cluster.active, cluster.standby
    keep(cluster, "replaced")
    api.ssh(lab, standby, "systemctl stop pacemaker corosync", timeout=120)
    api.power(lab, standby, "off")
    image = lab.run_dir / "nodes" / standby / "data.img"
    size = image.stat().st_size
    image.unlink()
    with image.open("wb") as file:
        file.truncate(size)
    api.run(["mkfs.ext4", "-q", "-L", "precious", image])
    api.power(lab, standby, "on")
    api.wait_for_minions(lab, progress)
    # Pacemaker starts at boot, and must have given up before it can be told to try again.
    api.wait_until(
        lab, f"{standby} to be back in the cluster", lambda seen: seen["nodes"][standby]["member"], timeout=120
    )

    reason = api.orchestrate(lab, progress).failures[CHECKED]
    assert f"{standby}, /dev/ubdb: holds ext4 at byte 1080" in reason
    assert "where hamysql's DRBD metadata was" in reason
    key, device = re.search(rf"(hamysql:storage:drbd:wipe): {{{standby}: (\S+)}}", reason).groups()
    assert key == "hamysql:storage:drbd:wipe"
    assert "precious" in api.ssh(lab, standby, "blkid -p /dev/ubdb")

    pillar(lambda config: config["storage"]["drbd"].update(wipe={standby: device}))
    done = api.deploy(lab, progress).changes[STORAGE]["storage"]
    assert done[:3] == [f"{step} on {standby}" for step in ("wipe", "create_metadata", "seal")]
    synchronise(cluster)
    assert cluster.active == active
    assert "replaced" in kept(cluster)

    # The override is still there, and harmless: the disk is ours again.
    identity = generation(cluster, standby)
    again = api.deploy(lab, progress)
    assert again.changes == {}
    summary = next(state["comment"] for state in again.states.values() if state["__id__"] == "hamysql-summarised")
    assert f"still names the disk of {standby}" in summary
    assert generation(cluster, standby) == identity


def test_a_split_brain_is_told_with_its_cure_and_not_touched(cluster, progress):
    lab, active, standby = cluster.lab, cluster.active, cluster.standby
    api.ssh(lab, standby, "systemctl stop pacemaker corosync", timeout=120)
    for chain in ("INPUT", "OUTPUT"):
        api.ssh(lab, standby, f"iptables-legacy --insert {chain} {REPLICATION}")
    write = "mkdir -p /run/other; mount /dev/drbd0 /run/other; touch /run/other/other-side; umount /run/other"
    api.ssh(lab, standby, f"drbdadm up mysql; drbdadm primary --force mysql; {write}; drbdadm down mysql")
    for chain in ("INPUT", "OUTPUT"):
        api.ssh(lab, standby, f"iptables-legacy --delete {chain} {REPLICATION}")
    keep(cluster, "split")
    before = {name: generation(cluster, name) for name in (active, standby)}

    reason = api.orchestrate(lab, progress).failures[CHECKED]
    assert "hold different data (split brain)" in reason
    for name, identity in before.items():
        assert re.search(rf"{name}, /dev/ubdb: .*generation {identity.partition(':')[0]}", reason)
        assert generation(cluster, name) == identity, "the refusal touched something"

    cure = next(line for line in reason.splitlines() if f"to keep {active}'s and lose {standby}'s" in line)
    for name, commands in re.findall(r"on (db\d) `([^`]+)`", cure):
        api.ssh(lab, name, commands, check=False)
    changes = api.deploy(lab, progress).changes
    assert changes == {"hamysql-cluster-online": {standby: {"cluster": {"old": "stopped", "new": "running"}}}}
    synchronise(cluster)
    assert cluster.active == active
    assert "split" in kept(cluster)
