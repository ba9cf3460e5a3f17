"""Bare nodes: all that is wrong is one error, and a plan of everything is shown, before anything is touched."""

from __future__ import annotations

import json

import pytest
import untouched

from lab import api

pytestmark = pytest.mark.cluster


def test_everything_that_is_wrong_is_one_error_and_nothing_is_touched(bare, progress, pillar):
    def spoil(config):
        nodes = config["cluster"]["nodes"]
        nodes["db2x"] = nodes.pop("db2")
        nodes["db2x"]["addresses"][0] = "10.77.1.13"
        devices = config["fencing"]["devices"]
        devices["db2x"] = devices.pop("db2")
        config["vip"]["address"] = "10.77.1.1"  # the master has it
        config["storage"]["drbd"]["disk"] = "/dev/ubdz"

    before = untouched.look(bare)
    pillar(spoil)
    api.net(bare, "db2", "cut", link="1")
    api.ssh(bare, "db2", "date --set='+90 seconds'")
    try:
        result = api.orchestrate(bare, progress)
        told = api.salt_run(bare, "hamysql.preflight").stdout
    finally:
        api.ssh(bare, "db2", "date --set='-90 seconds'")
        api.net(bare, "db2", "heal")
    reason = result.failures["hamysql-members-checked"]
    for sentence in (
        "db2x: found 'db2' as `uname -n`, expected the node's key 'db2x'",
        "db2x: found no address 10.77.1.13 on any interface (there are: 10.77.1.12, ",
        "db1: found an answer for the VIP 10.77.1.1 from ",
        "db2x: found an answer for the VIP 10.77.1.1 from ",
        "db1: found no answer to a ping from 10.77.2.11 to 10.77.2.12 of db2x, expected link 1 to work",
        "db2x: found no answer to a ping from 10.77.2.12 to 10.77.2.11 of db1, expected link 1 to work",
        "db1, /dev/ubdz: there is no such block device",
        "db2x, /dev/ubdz: there is no such block device",
    ):
        assert sentence in reason
        assert sentence in told
    assert "db2x: found a clock that is at least" in reason
    assert result.changes == {}
    assert untouched.differences(before, untouched.look(bare)) == []


def test_the_plan_for_bare_and_half_built_nodes_has_everything_and_touches_nothing(bare, progress):
    before = untouched.look(bare)
    fresh = api.deploy(bare, progress, test=True)
    assert untouched.differences(before, untouched.look(bare)) == []
    plan = fresh.changes
    for node in ("db1", "db2"):
        entries = plan["hamysql-nodes-configured"][node]
        assert "+ file /etc/corosync/corosync.conf" in entries
        assert "+ file /etc/drbd.d/mysql.res" in entries
        (packages,) = (entry for entry in entries if entry.startswith("+ packages corosync, pacemaker"))
        assert "mariadb-server" in packages
        assert any("crmsh" in entry for entry in entries)
    storage = plan["hamysql-storage-initialised"]["storage"]
    assert storage[0] == "create_metadata on db1, db2: the disk is blank"
    assert "seed on db1: no member has ever held data; this is the first node of the pillar" in storage
    assert "+ corosync and pacemaker are started on db1" in plan["hamysql-cluster-online"]["cluster"]
    assert any(entry.startswith("+ primitive p_mysql ") for entry in plan["hamysql-resources-managed"]["resources"])
    assert "+ database probe: present CHARACTER SET utf8mb4" in plan["hamysql-accounts-managed"]["accounts"]

    api.salt_json(bare, "db1", "state.apply", "hamysql.corosync.config")
    try:
        before = untouched.look(bare)
        half = json.loads(api.salt_run(bare, "hamysql.plan", "--out=json").stdout)
        assert untouched.differences(before, untouched.look(bare)) == []
    finally:
        api.ssh(bare, "db1", "rm -r /etc/corosync")
    assert half.count("+ file /etc/corosync/corosync.conf") == 1
    assert half.count("+ file /etc/drbd.d/mysql.res") == 2
    assert half.index("    db1:") < half.index("    db2:") < half.index("+ file /etc/corosync/corosync.conf")
