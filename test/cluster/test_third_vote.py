"""A quorum device on a third machine, and poison pills on a shared disk: a cluster of their own, deployed from bare nodes.

The last tests of a session: they leave another lab behind than they found.
"""

from __future__ import annotations

import pytest
import yaml
from cluster import boots, restarted

from lab import api

pytestmark = [pytest.mark.cluster, pytest.mark.long]

NODES = ("db1", "db2")
SOFTDOG = "echo softdog >/etc/modules-load.d/softdog.conf; modprobe softdog"


def votes(lab, name):
    """What a node's quorum looks like: {"Expected votes": "3", "Total votes": "3", "Flags": "Quorate Qdevice"}."""
    lines = api.ssh(lab, name, "corosync-quorumtool -s", check=False).splitlines()
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines) if value}


def well(report):
    """The two nodes that have data are healthy; the third machine has none."""
    return api.healthy({**report, "nodes": {name: report["nodes"][name] for name in NODES}})


def wait_well(lab):
    return api.wait_until(lab, "the cluster to be healthy", well, timeout=300)


@pytest.fixture(scope="module")
def voted(lab, progress):
    """The lab with a third machine; the pillar names it, and the disk that all nodes share."""
    pillar = yaml.safe_load((lab.project / "lab" / "software" / "pillar.sls").read_text())
    config = pillar["hamysql"]
    config["quorum"] = {"device": {"minion_id": "qd1", "address": "10.77.1.13"}}
    # /dev/watchdog is User-Mode Linux' own, which needs a program on the host; softdog's is the second.
    config["fencing"]["sbd"] = {"device": "/dev/ubdc", "watchdog": "/dev/watchdog1"}
    path = lab.dir / "third-vote.sls"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(pillar, sort_keys=False))
    api.up(lab, progress, fresh=True, storage="drbd", pillar=path, qdevice=True)
    reason = api.orchestrate(lab, progress).failures
    assert "no watchdog" in str(reason)
    for name in NODES:
        api.ssh(lab, name, SOFTDOG)
    api.deploy(lab, progress)
    wait_well(lab)
    return lab


def test_the_third_vote_is_there_and_a_second_run_changes_nothing(voted, progress):
    for name in NODES:
        seen = votes(voted, name)
        assert (seen["Expected votes"], seen["Total votes"]) == ("3", "3"), seen
        assert "Qdevice" in seen["Flags"]
        assert "WaitForAll" not in seen["Flags"]
        assert "2Node" not in seen["Flags"]
    assert api.deploy(voted, progress).changes == {}


def test_the_loss_of_the_third_machine_is_no_interruption(voted, progress):
    probe = api.start_probe(voted, 60)
    api.power(voted, "qd1", "off")
    api.wait_for(lambda: votes(voted, "db1")["Total votes"] == "2", "the vote to be gone", timeout=60, interval=1)
    probe.stop()
    outcome = probe.finish()
    assert "Quorate" in votes(voted, "db1")["Flags"]
    assert (outcome.lost, outcome.errors) == (0, 0)
    api.power(voted, "qd1", "on")
    api.wait_for(lambda: votes(voted, "db1")["Total votes"] == "3", "the vote to be back", timeout=120, interval=1)


def test_a_node_alone_with_the_third_vote_serves(voted, figures):
    active = wait_well(voted)["active"]
    (standby,) = set(NODES) - {active}
    probe = api.start_probe(voted, 90)
    api.wait_until(voted, "the probe to write", lambda report: report["database"], timeout=30)
    api.power(voted, active, "off")
    outcome = probe.finish()
    assert api.status(voted)["active"] == standby
    figures.append(f"power cut of {active} with a quorum device: longest gap {outcome.longest_gap_seconds:.1f} s")
    assert outcome.lost == 0
    wait_well(voted)


def test_without_its_bmc_a_node_is_cut_off_by_a_poison_pill(voted, figures):
    active = wait_well(voted)["active"]
    before = boots(voted)
    for name in NODES:
        api.bmc_power(voted, name, "off")
    probe = api.start_probe(voted, 150)
    api.wait_until(voted, "the probe to write", lambda report: report["database"], timeout=30)
    try:
        api.part(voted)
        outcome = probe.finish()
        # A node that has swallowed a pill resets itself. That ends a User-Mode Linux, or it hangs at it.
        cut_off = sorted(set(NODES) - set(boots(voted)))
        api.part(voted, heal=True)
    finally:
        for name in NODES:
            api.bmc_power(voted, name, "on")
    for name in cut_off:
        api.power(voted, name, "cycle")
    wait_well(voted)
    figures.append(f"partition without BMCs: longest gap {outcome.longest_gap_seconds:.1f} s, {active} was active")
    assert len(cut_off) == 1, cut_off
    assert restarted(voted, before) == cut_off
    assert outcome.acknowledged > 0
    assert outcome.lost == 0
