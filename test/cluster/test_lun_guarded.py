"""A volume on a LUN that itself keeps away whoever was cut off: LVM and SCSI-3 persistent reservations, deployed from bare nodes.

The tests build on each other, and leave another lab behind than they found.
"""

from __future__ import annotations

import time

import pytest
import yaml
from cluster import Cluster

from lab import api

pytestmark = [pytest.mark.cluster, pytest.mark.long]

GROUP = "galaxy"
VOLUME = f"{GROUP}/mysql"
DEVICE = "/dev/disk/by-id/scsi-3600140568616d7973716c31000000000"


@pytest.fixture(scope="module")
def guarded(lab, progress, figures):
    pillar = api.pillar_for("iscsi")
    shared = pillar["hamysql"]["storage"]["shared"]
    shared |= {"lvm": {"volume_group": GROUP}, "reservations": "scsi"}
    path = lab.dir / "guarded.sls"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(pillar, sort_keys=False))
    api.up(lab, progress, fresh=True, storage="iscsi", pillar=path)
    result = api.deploy(lab, progress)
    figures.append(f"LVM and reservations: deployed in {result.seconds:.0f} s")
    made = Cluster(lab, progress, result)
    made.wait_healthy()
    return made


def registered(lab, name):
    """The keys that are registered with the LUN, as a node sees them."""
    shown = api.ssh(lab, name, f"sg_persist --in --read-keys --device={DEVICE}")
    return {line.strip() for line in shown.splitlines() if line.strip().startswith("0x")}


def test_the_volume_belongs_to_the_node_that_serves(guarded, progress):
    lab, active, standby = guarded.lab, guarded.active, guarded.standby
    look = f"lvs --noheadings --options lv_active,vg_systemid {VOLUME}"
    assert api.ssh(lab, active, look).split() == ["active", active]
    refused = api.ssh(lab, standby, f"{look} 2>&1", check=False)
    assert f"Cannot access VG {GROUP} with system ID {active}" in refused
    assert len(registered(lab, active)) == 2, "a node is not registered with the LUN"
    assert api.deploy(lab, progress).changes == {}


def test_the_service_is_moved_with_its_volume(guarded, figures):
    lab, active, standby = guarded.lab, guarded.active, guarded.standby
    outcome = guarded.probed(lambda: api.salt_json(lab, active, "hamysql_cib.move", standby))
    figures.append(f"LVM and reservations: planned switchover: longest gap {outcome.longest_gap_seconds:.1f} s")
    assert guarded.active == standby


def test_a_power_cut_of_the_active_node_loses_nothing(guarded, figures):
    lab, standby = guarded.lab, guarded.standby
    outcome = guarded.power_cut()
    figures.append(
        f"LVM and reservations: power cut of the active node: longest gap {outcome.longest_gap_seconds:.1f} s"
    )
    guarded.repair()
    assert guarded.active == standby, "the service moved back by itself"
    assert len(registered(lab, standby)) == 2, "the node that came back did not register again"


def test_without_bmcs_the_lun_keeps_one_node_away(guarded, figures):
    """The nodes lose sight of each other and of their BMCs: one of them is not registered any more, and nothing is lost."""
    lab = guarded.lab
    nodes = [node.name for node in lab.topology.data_nodes]
    probe = api.start_probe(lab, 240)
    api.wait_until(lab, "the probe to write", lambda report: report["database"], timeout=30)
    for name in nodes:
        api.bmc_power(lab, name, "off")
    try:
        api.part(lab)
        api.wait_for(lambda: len(registered(lab, nodes[0])) == 1, "one node to be kept away", timeout=180, interval=2)
        time.sleep(30)
        left = registered(lab, nodes[0])
    finally:
        probe.stop()
        outcome = probe.finish()
        api.bmc_power(lab, nodes[0], "on")
        api.part(lab, heal=True)
    figures.append(
        f"LVM and reservations: partition without BMCs: longest gap {outcome.longest_gap_seconds:.1f} s before it healed"
    )
    assert len(left) == 1
    assert outcome.acknowledged > 0
    assert outcome.lost == 0
    for name in nodes:  # a node that was kept away goes on running without its data, and has to be started anew
        api.power(lab, name, "cycle")
    guarded.repair()
    outcome = api.start_probe(lab, 3).finish()
    assert outcome.acknowledged > 0
    assert len(registered(lab, nodes[0])) == 2
