"""A LUN that itself keeps away whoever was cut off, by SCSI-3 persistent reservations, deployed from bare nodes: with a volume of LVM
on it and ``fence_scsi``, and with two paths to it below multipath and ``fence_mpath``.

The tests build on each other, and leave another lab behind than they found.
"""

from __future__ import annotations

import time

import pytest
import yaml
from cluster import Cluster

from lab import api
from lab.devices import san

pytestmark = [pytest.mark.cluster, pytest.mark.long]

GROUP = "galaxy"
VOLUME = f"{GROUP}/mysql"
MULTIPATH = f"/dev/mapper/{san.WWID}"
GUARDS = {
    "scsi": {"lvm": {"volume_group": GROUP}, "reservations": "scsi"},
    # Whoever set up multipath has logged in as well.
    "mpath": {"device": MULTIPATH, "iscsi": {}, "reservations": "mpath"},
}
# What an administrator has done before the pillar names a multipath device.
TWO_PATHS = """set -e
list=/etc/apt/sources.list.d/lab.list
. /etc/os-release
echo "deb [trusted=yes] file:/srv/repo/main $VERSION_CODENAME main" >$list
apt-get update -q
DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends open-iscsi multipath-tools
rm $list
printf 'defaults {{\n\tfind_multipaths yes\n}}\n' >/etc/multipath.conf
systemctl restart multipathd
record="iscsiadm --mode node --targetname {target}"
for portal in {portals}; do
    $record --portal $portal --op new
done
set_to() {{ $record --op update --name "$1" --value "$2"; }}
set_to node.session.auth.authmethod CHAP
set_to node.session.auth.username {user}
set_to node.session.auth.password {password}
set_to node.session.timeo.replacement_timeout 15
set_to node.startup automatic
$record --login
udevadm settle
until [ -b {device} ]; do sleep 1; done
"""
PATHS = "multipathd show paths format '%t'"


def two_paths(lab):
    portals = " ".join(f"{lab.topology.address(lab.topology.storage, network)}:{san.PORT}" for network in (0, 1))
    script = TWO_PATHS.format(
        target=san.TARGET, portals=portals, user=san.USER, password=san.PASSWORD, device=MULTIPATH
    )
    for node in lab.topology.data_nodes:
        api.ssh(lab, node.name, "sh", stdin=script, timeout=300)


@pytest.fixture(scope="module", params=GUARDS)
def guard(request):
    """What cuts a node off from the LUN."""
    return request.param


@pytest.fixture(scope="module")
def guarded(guard, lab, progress, figures):
    pillar = api.pillar_for(lab, "iscsi")
    pillar["hamysql"]["storage"]["shared"] |= GUARDS[guard]
    path = lab.dir / "guarded.sls"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(pillar, sort_keys=False))
    api.up(lab, progress, fresh=True, storage="iscsi", pillar=path)
    if guard == "mpath":
        two_paths(lab)
    result = api.deploy(lab, progress)
    figures.append(f"{guard}: deployed in {result.seconds:.0f} s")
    made = Cluster(lab, progress, result)
    made.wait_healthy()
    return made


def registrations(lab, name):
    """The key of each registration with the LUN, one for each path of each node, as a node sees them."""
    shown = api.ssh(lab, name, f"sg_persist --in --read-keys --device={san.DEVICE}")
    return [line.strip() for line in shown.splitlines() if line.strip().startswith("0x")]


def registered(lab, name):
    """The keys that are registered with the LUN: one for each node."""
    return set(registrations(lab, name))


def test_both_nodes_are_registered_and_the_active_one_has_what_is_on_the_lun(guarded, guard, progress):
    lab, active, standby = guarded.lab, guarded.active, guarded.standby
    assert len(registered(lab, active)) == 2, "a node is not registered with the LUN"
    if guard == "scsi":
        look = f"lvs --noheadings --options lv_active,vg_systemid {VOLUME}"
        assert api.ssh(lab, active, look).split() == ["active", active]
        refused = api.ssh(lab, standby, f"{look} 2>&1", check=False)
        assert f"Cannot access VG {GROUP} with system ID {active}" in refused
    else:
        assert MULTIPATH in api.ssh(lab, active, "findmnt --noheadings --output SOURCE /var/lib/mysql")
        assert len(registrations(lab, active)) == 4, "a path is not registered with the LUN"
    assert api.deploy(lab, progress).changes == {}


def test_one_path_of_two_may_go_and_come_back(guarded, guard, figures):
    if guard != "mpath":
        pytest.skip("there is one path")
    lab, active = guarded.lab, guarded.active

    def without_the_second() -> None:
        api.storage(lab, "cut")
        for name in (active, guarded.standby):
            api.wait_for(
                lambda name=name: api.ssh(lab, name, PATHS).split().count("failed") == 1,
                f"{name} to miss a path",
                timeout=120,
                interval=2,
            )
        time.sleep(10)
        api.storage(lab, "heal")
        api.wait_for(
            lambda: len(registrations(lab, active)) == 4,
            "the paths that came back to be registered",
            timeout=120,
            interval=2,
        )

    outcome = guarded.probed(without_the_second, settle=10)
    figures.append(f"{guard}: one path of two away: longest gap {outcome.longest_gap_seconds:.1f} s")
    assert guarded.active == active, "the service moved"


def test_the_service_is_moved(guarded, guard, figures):
    lab, active, standby = guarded.lab, guarded.active, guarded.standby
    outcome = guarded.probed(lambda: api.salt_json(lab, active, "hamysql_cib.move", standby))
    figures.append(f"{guard}: planned switchover: longest gap {outcome.longest_gap_seconds:.1f} s")
    assert guarded.active == standby


def test_a_power_cut_of_the_active_node_loses_nothing(guarded, guard, figures):
    lab, standby = guarded.lab, guarded.standby
    outcome = guarded.power_cut()
    figures.append(f"{guard}: power cut of the active node: longest gap {outcome.longest_gap_seconds:.1f} s")
    guarded.repair()
    assert guarded.active == standby, "the service moved back by itself"
    assert len(registered(lab, standby)) == 2, "the node that came back did not register again"


def test_without_bmcs_the_lun_keeps_one_node_away(guarded, guard, figures):
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
    figures.append(f"{guard}: partition without BMCs: longest gap {outcome.longest_gap_seconds:.1f} s before it healed")
    assert len(left) == 1
    assert outcome.acknowledged > 0
    assert outcome.lost == 0
    for name in nodes:  # a node that was kept away goes on running without its data, and has to be started anew
        api.power(lab, name, "cycle")
    guarded.repair()
    outcome = api.start_probe(lab, 3).finish()
    assert outcome.acknowledged > 0
    assert len(registered(lab, nodes[0])) == 2
