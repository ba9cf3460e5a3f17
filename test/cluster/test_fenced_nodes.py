"""Fencing on real nodes with real IPMI: partitions, hanging machines, the proof of the devices, and serving alone.

Each test starts with a healthy cluster and leaves one behind.
"""

from __future__ import annotations

import json

import pytest
from cluster import boots, restarted

from lab import api

pytestmark = [pytest.mark.cluster, pytest.mark.long]

PATIENCE = 180  # seconds for a node to be fenced and to have booted again


def run(lab, *words, timeout=600):
    done = api.salt_run(lab, *words, timeout=timeout)
    return done.returncode, done.stdout + done.stderr


def writing(lab, seconds):
    """A probe that has begun to write."""
    probe = api.start_probe(lab, seconds)
    api.wait_until(lab, "the probe to write", lambda report: report["database"], timeout=30)
    return probe


def test_nodes_that_lose_sight_of_each_other_leave_one_serving(cluster, figures):
    lab, before, active, standby = cluster.lab, boots(cluster.lab), cluster.active, cluster.standby
    probe = writing(lab, 100)
    api.part(lab)
    api.wait_for(lambda: restarted(lab, before), "one node to be fenced", timeout=PATIENCE, interval=1)
    api.part(lab, heal=True)
    cluster.wait_healthy()
    outcome = probe.finish()
    figures.append(f"partition: {outcome.acknowledged} acknowledged, longest gap {outcome.longest_gap_seconds:.1f} s")
    assert restarted(lab, before) == [active], "the standby is favoured, and only the other one was cut off"
    assert active in cluster.shot(standby)
    assert cluster.active == standby
    assert outcome.acknowledged > 0
    assert outcome.lost == 0


def test_a_hanging_node_is_cut_off_and_loses_nothing(cluster, figures):
    lab, before, active, standby = cluster.lab, boots(cluster.lab), cluster.active, cluster.standby
    probe = writing(lab, 90)
    api.freeze(lab, active)
    outcome = probe.finish()
    assert api.status(lab)["active"] == standby
    cluster.wait_healthy()
    figures.append(
        f"{active} frozen: {outcome.acknowledged} acknowledged, longest gap {outcome.longest_gap_seconds:.1f} s"
    )
    assert restarted(lab, before) == [active]
    assert active in cluster.shot(standby)
    assert outcome.lost == 0


def test_the_devices_are_proven_one_node_at_a_time(cluster, figures):
    lab, before = cluster.lab, boots(cluster.lab)
    code, said = run(lab, "hamysql.fence_test")
    assert code != 0
    assert "confirm=galaxy-db" in said
    assert restarted(lab, before) == []
    code, said = run(lab, "hamysql.fence_test", "confirm=galaxy-db")
    assert code == 0, said
    assert sorted(restarted(lab, before)) == ["db1", "db2"]
    cluster.wait_healthy()
    shown = json.loads(api.salt_run(lab, "hamysql.status", "--out=json").stdout)
    for name in lab.topology.names:
        (level,) = shown[name]["fencing"]
        assert level["devices"] == [f"p_fence_{name}"]
        assert level["proven"], f"no proof for {name}: {said}"


def test_a_node_alone_after_a_total_outage_serves_when_its_operator_says_so(cluster, progress):
    lab, active, standby = cluster.lab, cluster.active, cluster.standby
    for name in (standby, active):
        api.power(lab, name, "off")
    api.power(lab, active, "on")
    api.wait_for_minions(lab, progress, [active])
    code, said = run(lab, "hamysql.take_over", active)
    assert code != 0
    assert f"{standby} is off, says p_fence_{standby}" in said
    assert "confirm=galaxy-db" in said
    assert not api.status(lab)["database"], "it has served without being told to"
    code, said = run(lab, "hamysql.take_over", active, "confirm=galaxy-db")
    assert code == 0, said
    assert api.status(lab)["active"] == active
    outcome = api.start_probe(lab, 3).finish()
    assert outcome.acknowledged > 0
    api.power(lab, standby, "on")
    cluster.wait_healthy()
    assert cluster.active == active


def test_lost_packets_and_busy_processors_fence_nobody(cluster, figures):
    """What token and pings were chosen by: ten minutes at 5 % loss on all links, with every processor busy."""
    lab, before = cluster.lab, boots(cluster.lab)

    def counted(name, text, *options):
        words = ["journalctl", "--boot", "--output=cat", *options, f"| grep -c '{text}' || true"]
        return int(api.ssh(lab, name, " ".join(words)))

    def seen():
        ring = api.ssh(lab, "db1", "corosync-quorumtool -s | grep 'Ring ID'").strip()
        return ring, {name: counted(name, "conn( Connected -> ", "--dmesg") for name in lab.topology.names}

    whole = seen()
    for name in lab.topology.names:
        api.net(lab, name, "lossy", loss="5%")
        api.ssh(lab, name, "systemd-run --quiet --unit=busy sh -c 'while :; do :; done'")
    try:
        outcome = writing(lab, 600).finish()
    finally:
        for name in lab.topology.names:
            api.ssh(lab, name, "systemctl stop busy", check=False)
            api.net(lab, name, "heal")
    late = {name: counted(name, "Token has not been received", "--unit=corosync") for name in lab.topology.names}
    figures.append(
        f"600 s with 5 % loss and busy processors: {outcome.acknowledged} acknowledged, longest gap"
        f" {outcome.longest_gap_seconds:.1f} s, token late {late['db1']} times on db1, {late['db2']} on db2"
    )
    assert restarted(lab, before) == []
    assert seen() == whole, "the membership or DRBD's connection has changed"
    assert outcome.lost == 0
