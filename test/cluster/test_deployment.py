"""The life of one cluster in the lab, in order: bare nodes, wrong orders, deployment, again, power cut, rejoin.

The tests of this file build on each other.
"""

from __future__ import annotations

import pytest

from lab import api

pytestmark = pytest.mark.cluster


def _untouched(lab):
    for node in ("db1", "db2"):
        assert api.ssh(lab, node, "ls /etc/corosync /etc/drbd.d /var/lib/hamysql 2>/dev/null || true") == ""
        assert api.ssh(lab, node, "wipefs --no-act /dev/ubdb") == ""


def test_a_wrong_pillar_is_one_error_with_every_path(bare, progress, pillar):
    def spoil(config):
        config["vip"]["address"] = "10.77.1.1000"
        config["storage"]["drbd"]["disc"] = "/dev/ubdb"

    pillar(spoil)
    result = api.orchestrate(bare, progress)
    reason = result.failures["hamysql-members-checked"]
    assert "hamysql:vip:address" in reason
    assert "hamysql:storage:drbd:disc" in reason
    assert not result.changes
    _untouched(bare)


def test_without_a_fence_device_nothing_is_deployed(bare, progress, pillar):
    pillar(lambda config: config["fencing"]["devices"].pop("db2"))
    reason = api.orchestrate(bare, progress).failures["hamysql-members-checked"]
    assert "hamysql:fencing:devices:db2" in reason
    assert "both halves of a partition may go on writing" in reason
    _untouched(bare)


def test_a_missing_disk_is_named_before_anything_is_touched(bare, progress, pillar):
    pillar(lambda config: config["storage"]["drbd"].update(disk="/dev/ubdz"))
    result = api.orchestrate(bare, progress)
    reason = result.failures["hamysql-members-checked"]
    assert "db1, /dev/ubdz: there is no such block device" in reason
    assert "db2, /dev/ubdz: there is no such block device" in reason
    _untouched(bare)


def test_a_disk_with_a_file_system_is_left_alone(bare, progress):
    api.ssh(bare, "db2", "mkfs.ext4 -q -L precious /dev/ubdb")
    try:
        reason = api.orchestrate(bare, progress).failures["hamysql-members-checked"]
        assert "db2, /dev/ubdb: not blank, and not made by hamysql: ext4" in reason
        assert "db1" not in reason
        assert "precious" in api.ssh(bare, "db2", "blkid -p /dev/ubdb")
        # wipefs removes the signature only; DRBD would refuse the rest, after everything else was done.
        api.ssh(bare, "db2", "wipefs --all --quiet /dev/ubdb")
        reason = api.orchestrate(bare, progress).failures["hamysql-members-checked"]
        assert "db2, /dev/ubdb: not blank, and not made by hamysql: data without a known signature" in reason
    finally:
        api.ssh(bare, "db2", "dd if=/dev/zero of=/dev/ubdb bs=1M count=1 conv=fsync status=none")
    _untouched(bare)


def test_a_member_that_does_not_answer_is_named(bare, progress):
    api.ssh(bare, "db2", "systemctl stop salt-minion")
    try:
        result = api.orchestrate(bare, progress)
    finally:
        api.ssh(bare, "db2", "systemctl start salt-minion")
        api.wait_for_minions(bare, progress)
    reason = result.failures["hamysql-members-checked"]
    assert "db2 (minion db2) does not answer" in reason
    assert "db1" not in reason
    _untouched(bare)


def test_deployment_from_bare_nodes_ends_with_a_database_that_takes_writes(deployed):
    assert "hamysql-nodes-configured" in deployed.result.changes
    report = api.wait_until(deployed.lab, "both sides UpToDate", api.healthy, timeout=120)
    assert report["active"] in ("db1", "db2")
    outcome = api.start_probe(deployed.lab, 3).finish()
    assert outcome.acknowledged > 0
    assert outcome.lost == outcome.errors == 0


def test_the_cluster_is_that_of_the_2013_procedure(deployed):
    shown = api.ssh(deployed.lab, "db1", "crm configure show")
    assert "group g_mysql p_fs_mysql p_mysql" in shown
    assert "colocation c_ip_with_mysql inf: p_ip_mysql g_mysql" in shown
    assert "order o_ip_before_mysql Mandatory: p_ip_mysql p_mysql" in shown
    assert "colocation c_mysql_on_drbd inf: g_mysql ms_drbd_mysql:Promoted" in shown
    assert "order o_drbd_before_mysql Mandatory: ms_drbd_mysql:promote g_mysql:start" in shown


def test_nothing_starts_outside_the_cluster(deployed):
    for node in ("db1", "db2"):
        units = api.ssh(deployed.lab, node, "systemctl is-enabled mariadb drbd corosync pacemaker", check=False)
        assert units.split() == ["masked", "masked", "enabled", "enabled"]


def test_the_borrowed_repository_is_disabled_again(deployed):
    for node in ("db1", "db2"):
        listing = api.ssh(deployed.lab, node, "cat /etc/apt/sources.list.d/hamysql-crmsh.list")
        assert all(line.startswith("#") for line in listing.splitlines() if line.strip())
        assert "install ok installed" in api.ssh(deployed.lab, node, "dpkg -s crmsh")


def test_the_firewall_lets_the_peers_in_and_nobody_else(deployed):
    lab = deployed.lab
    active = api.status(lab)["active"]
    address = {"db1": "10.77.2.11", "db2": "10.77.2.12"}[active]  # of the replication
    peer = "db2" if active == "db1" else "db1"
    connect = "timeout 3 bash -c 'exec 3<>/dev/tcp/{}/{}' && echo open || echo shut"
    assert api.ssh(lab, peer, connect.format("10.77.1.100", 3306)).strip() == "open"
    outside = api.run(lab.in_namespace("bash", "-c", connect.format(address, 7788)), check=False).stdout.strip()
    assert outside == "shut"
    assert api.run(lab.in_namespace("bash", "-c", connect.format(address, 22))).stdout.strip() == "open"


# A resource that has nothing to do with the cluster's, on a disk in memory. Nodes have no xmllint; test_drbd_agent.py has it look at
# the meta-data.
TESTER = """set -e
modprobe brd rd_nr=1 rd_size=49152
mkdir /run/tester
ln -s /bin/true /run/tester/xmllint
cat >/etc/drbd.d/tester.res <<END
resource tester {
  device /dev/drbd9;
  disk /dev/ram0;
  meta-disk internal;
  disk { fencing dont-care; }
  on db1 { address 10.77.1.11:7799; }
  on db2 { address 10.77.1.12:7799; }
}
END
end() {
  drbdadm down tester || true
  rm -f /etc/drbd.d/tester.res
  rm -r /run/tester
  rmmod brd
  attrd_updater --name master-p_tester --delete
}
trap end EXIT
drbdadm create-md --force tester >/dev/null 2>&1
drbdadm up tester
drbdadm primary --force tester
drbdadm down tester
PATH=/run/tester:$PATH ocf-tester -n p_tester -o drbd_resource=tester -o minor=9 -o ignore_missing_notifications=true \\
  -o CRM_meta_clone_max=2 -o CRM_meta_clone_node_max=1 -o CRM_meta_master_max=1 -o CRM_meta_master_node_max=1 \\
  /usr/lib/ocf/resource.d/hamysql/drbd
"""


def test_drbds_agent_passes_the_tester_with_a_drbd_of_its_own(deployed):
    assert "passed all tests" in api.ssh(deployed.lab, "db2", TESTER, timeout=300)


def test_a_fence_password_is_in_one_file_of_the_node_that_needs_it(deployed):
    for node, peer in (("db1", "db2"), ("db2", "db1")):
        places = "/etc /run /var/cache/salt /var/lib/pacemaker /var/lib/salt /var/log /tmp"
        # The test's own list of programs that were started has it: stock fence_ipmilan gives it to ipmitool as an argument.
        search = f"grep -rlF --exclude=command-lines lab-only-bmc {places} || true"
        password = f"/var/lib/pacemaker/lrm/secrets/p_fence_{peer}/password"
        assert api.ssh(deployed.lab, node, search).split() == [password]
        shown = api.ssh(
            deployed.lab, node, "cibadmin --query; crm configure show; crm_mon -1rfA; journalctl -b --no-pager"
        )
        assert f"p_fence_{peer}" in shown
        assert "lab-only-bmc" not in shown


def test_a_second_deployment_changes_nothing_and_says_so(deployed, progress, figures):
    again = api.deploy(deployed.lab, progress)
    figures.append(f"second hamysql.orch: {again.seconds:.0f} s, {len(again.changes)} changes")
    assert again.changes == {}
    summary = next(state for state in again.states.values() if state["__id__"] == "hamysql-summarised")
    assert "no changes made" in summary["comment"]


def test_a_highstate_on_both_nodes_changes_nothing_and_stops_nothing(deployed):
    found = {}
    outcome = deployed.probed(lambda: found.update(deployed.highstate("*")))
    assert found == {"db1": {}, "db2": {}}
    assert outcome.errors == 0


def test_a_power_cut_of_the_active_node_loses_nothing_and_needs_no_hand(deployed, figures):
    lab = deployed.lab
    active, standby = deployed.active, deployed.standby
    probe = api.start_probe(lab, 120)
    api.wait_until(lab, "the probe to write", lambda report: report["database"], timeout=30)
    api.power(lab, active, "off")
    outcome = probe.finish()  # nobody looks meanwhile: each look costs the node that takes over a second
    assert api.status(lab)["active"] == standby
    figures.append(
        f"power cut of {active}: {outcome.acknowledged} acknowledged, {outcome.lost} lost, "
        f"longest gap {outcome.longest_gap_seconds:.1f} s, fencing included"
    )
    assert outcome.lost == 0
    assert outcome.acknowledged > 0
    assert outcome.errors > 0, "the probe did not notice the power cut"
    assert active in deployed.shot(standby)


def test_the_cut_node_is_switched_on_by_its_fencing_and_both_sides_are_up_to_date(deployed, progress):
    lab = deployed.lab
    serving = deployed.active
    deployed.wait_healthy(timeout=240)
    assert deployed.active == serving, "the service moved back by itself"
    api.wait_for_minions(lab, progress)
    again = api.deploy(lab, progress)
    assert again.changes == {}
    assert deployed.active == serving
