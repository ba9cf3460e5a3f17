"""An ordinary highstate at bad moments: it finishes, changes nothing, starts nothing, and the service does not notice."""

from __future__ import annotations

import pytest

from lab import api

pytestmark = [pytest.mark.cluster, pytest.mark.long]


def test_with_the_cluster_stopped_on_the_standby(cluster):
    lab, active, standby = cluster.lab, cluster.active, cluster.standby
    api.ssh(lab, standby, "systemctl stop pacemaker corosync", timeout=120)
    found = {}
    outcome = cluster.probed(lambda: found.update(cluster.highstate(standby) | cluster.highstate(active)))
    assert found == {standby: {}, active: {}}
    assert outcome.errors == 0
    running = "systemctl is-active corosync pacemaker mariadb; pgrep -x mariadbd; cat /proc/drbd"
    shown = api.ssh(lab, standby, running, check=False)
    assert shown.split()[:3] == ["inactive"] * 3
    assert "Connected" not in shown


def test_with_the_peer_off(cluster):
    lab, active, standby = cluster.lab, cluster.active, cluster.standby
    api.ssh(lab, standby, "systemctl poweroff", check=False)
    api.wait_for(lambda: api.power(lab, standby, "status") == "off", f"{standby} to shut down", timeout=240, interval=1)
    found = {}
    outcome = cluster.probed(lambda: found.update(cluster.highstate(active)))
    assert found == {active: {}}
    assert outcome.errors == 0
    assert cluster.active == active


def test_in_the_middle_of_a_failover(cluster, figures):
    lab, active, standby = cluster.lab, cluster.active, cluster.standby
    probe = api.start_probe(lab, 120)
    api.wait_until(lab, "the probe to write", lambda report: report["database"], timeout=30)
    api.power(lab, active, "off")
    assert cluster.highstate(standby) == {standby: {}}
    outcome = probe.finish()
    figures.append(f"power cut with a highstate at once: longest gap {outcome.longest_gap_seconds:.1f} s")
    assert outcome.lost == 0
    assert cluster.active == standby
