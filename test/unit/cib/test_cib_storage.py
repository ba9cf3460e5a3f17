"""The 2013 procedure's SAN variant, and NFS, as CIB elements, judged by pacemaker's and crm's own tools."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from hamysql.cib import live as cib_live
from hamysql.cib import plan as cib_plan
from hamysql.config import resolution, resources
from support import load_pillar, parameters

KINDS = ("iscsi", "fc-lvm", "nfs")


@pytest.fixture
def wanted():
    def get(pillar):
        merged = resolution.layered(parameters(), load_pillar(pillar))
        return resources.desired(resolution.resolve(merged, minion_id="db1", nodename="db1"))

    return get


def by_id(root, name):
    return next(element for element in root.iter() if element.get("id") == name)


def params(root, name):
    return {pair.get("name"): pair.get("value") for pair in by_id(root, name).findall("instance_attributes/nvpair")}


@pytest.mark.parametrize("kind", KINDS)
def test_there_is_nothing_of_drbd(wanted, kind):
    assert "drbd" not in ET.tostring(wanted(kind), "unicode")


@pytest.mark.parametrize(
    ("kind", "members"),
    [
        ("iscsi", ["p_fs_mysql", "p_mysql"]),
        ("fc-lvm", ["p_lvm_mysql", "p_fs_mysql", "p_mysql"]),
        ("nfs", ["p_fs_mysql", "p_mysql"]),
    ],
)
def test_what_the_group_starts_in_which_order(wanted, kind, members):
    assert [child.get("id") for child in by_id(wanted(kind), "g_mysql").findall("primitive")] == members


def test_the_file_system_of_a_lun(wanted):
    root = wanted("iscsi")
    assert params(root, "p_fs_mysql") == {
        "device": "/dev/disk/by-id/wwn-0x60014051234567890abcdef012345678",
        "directory": "/var/lib/mysql",
        "fstype": "ext4",
        "options": "noatime",
    }
    monitor = by_id(root, "p_fs_mysql-monitor-20s")
    assert monitor.get("timeout") == "120s"
    assert [(pair.get("name"), pair.get("value")) for pair in monitor.iter("nvpair")] == [("OCF_CHECK_LEVEL", "10")]


def test_the_volume_belongs_to_one_node_at_a_time(wanted):
    root = wanted("fc-lvm")
    assert params(root, "p_lvm_mysql") == {"vgname": "galaxy-db", "lvname": "mysql", "vg_access_mode": "system_id"}
    assert params(root, "p_fs_mysql")["device"] == "/dev/galaxy-db/mysql"


def test_the_mount_of_an_export(wanted):
    root = wanted("nfs")
    assert params(root, "p_fs_mysql") == {
        "device": "nas.example.org:/srv/galaxy-db/mysql",
        "directory": "/var/lib/mysql",
        "fstype": "nfs",
        "options": "vers=4.2,hard,proto=tcp,timeo=600,retrans=2",
        "force_unmount": "safe",
    }
    times = {op.get("name"): op.get("timeout") for op in by_id(root, "p_fs_mysql").iter("op")}
    assert times == {"start": "180s", "stop": "300s", "monitor": "300s"}, (
        "a server may be away for a minute, and longer"
    )


def test_reservations_are_one_device_for_both_nodes_that_registers_them_again(wanted):
    root = wanted("iscsi")
    device = by_id(root, "p_fence_scsi")
    assert (device.get("class"), device.get("type")) == ("stonith", "fence_scsi")
    assert {pair.get("name"): pair.get("value") for pair in device.findall("meta_attributes/nvpair")} == {
        "provides": "unfencing"
    }
    given = params(root, "p_fence_scsi")
    assert given["devices"] == "/dev/disk/by-id/wwn-0x60014051234567890abcdef012345678"
    assert (given["pcmk_host_list"], given["pcmk_reboot_action"]) == ("db1,db2", "off")
    # A node registers itself: the device must be allowed on the node that it cuts off.
    assert not [location for location in root.iter("rsc_location") if location.get("rsc") == "p_fence_scsi"]
    levels = {(level.get("target"), level.get("index")): level.get("devices") for level in root.iter("fencing-level")}
    assert levels == {
        **{("db1", "1"): "p_fence_db1", ("db1", "2"): "p_fence_scsi"},
        **{("db2", "1"): "p_fence_db2", ("db2", "2"): "p_fence_scsi"},
    }


def test_reservations_alone_are_fencing(wanted):
    root = wanted("fc-lvm")
    properties = {pair.get("name"): pair.get("value") for pair in root.find("crm_config").iter("nvpair")}
    assert (properties["stonith-enabled"], properties["stonith-timeout"]) == ("true", "77s")
    given = params(root, "p_fence_mpath")
    assert given["pcmk_host_argument"] == "key"
    keys = dict(pair.split(":") for pair in given["pcmk_host_map"].split(";"))
    assert set(keys) == {"db1", "db2"}
    assert len(set(keys.values())) == 2
    assert all(len(key) == 8 and not key.startswith("0") for key in keys.values())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("schema", ["pacemaker-3.6", "pacemaker-3.9"])
def test_pacemaker_accepts_it_without_a_word(tools, wanted, make_cib, kind, schema):
    new = cib_plan.plan(make_cib(schema=schema), wanted(kind)).xml
    result = tools.run(["crm_verify", "--verbose", "--xml-pipe"], stdin=new)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_apply_changes_nothing(tools, wanted, make_cib, kind):
    tools.write(make_cib())
    outcome = cib_live.apply(tools.run, lambda _: wanted(kind))
    assert "p_fs_mysql" in {change.id for change in outcome.plan.changes}
    again = cib_live.apply(tools.run, lambda _: wanted(kind))
    assert again.plan.changes == ()


def test_crm_shows_the_san_variant(tools, wanted):
    tools.write(cib_plan.plan(tools.read(), wanted("fc-lvm")).xml)
    shown = tools.run(["crm", "configure", "show"]).stdout.replace("\\\n\t", "")
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert "group g_mysql p_lvm_mysql p_fs_mysql p_mysql meta priority=-1" in lines
    for start in (
        "primitive p_lvm_mysql LVM-activate params vgname=galaxy-db lvname=mysql vg_access_mode=system_id op",
        'primitive p_fs_mysql ocf:hamysql:filesystem params device="/dev/galaxy-db/mysql" directory="/var/lib/mysql" fstype=xfs',
        "primitive p_fence_mpath stonith:fence_mpath meta provides=unfencing params",
    ):
        assert [line for line in lines if line.startswith(start)], f"{start} is not in:\n{shown}"
