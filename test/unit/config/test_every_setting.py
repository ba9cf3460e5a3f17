"""Every key that a pillar may have belongs to a class: a new one has to be put into one here before the tests pass."""

from __future__ import annotations

import copy
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace

import certificates
import pytest

from hamysql import pending
from hamysql.config import resolution, resources
from hamysql.config.rules import schema
from hamysql.corosync import pending as corosync_pending
from hamysql.fencing import sbd
from hamysql.mysql import pending as mysql_pending
from hamysql.mysql.flavours.face import Variable
from hamysql.pending import LIVE, REFUSED, RESTART
from hamysql.schema import language
from hamysql.storage import pending as storage_pending
from hamysql.storage.drbd import pending as drbd_pending
from hamysql.storage.drbd.plan import Latch, Stage
from support import ROOT, load, parameters

UNIT = ROOT / "test" / "unit"
RUNNING = corosync_pending.parse_map((UNIT / "corosync/fixtures/cmap-3.1.7.txt").read_text(encoding="ascii"))
SHOWN = drbd_pending.parse_show((UNIT / "storage/drbd/fixtures/show-8.4.11.txt").read_text(encoding="ascii"))
LATCH = Latch("galaxy-db", "mysql", "/dev/ubdb", Stage.INITIALISED, "F00D")
SETTABLE = Variable("50", "BIGINT UNSIGNED", settable=True)

# A key, another value for it, and its class: as the code finds it, from what runs.
CASES = [
    ("cluster:name", "other", REFUSED),
    ("cluster:nodes:db2:addresses", ["10.77.1.12", "10.77.2.99"], REFUSED),
    ("cluster:nodes:db1:disk", "/dev/ubdc", REFUSED),
    ("corosync:token", 4000, LIVE),
    ("corosync:port", 5505, REFUSED),
    ("corosync:crypto_cipher", "aes128", REFUSED),
    ("corosync:crypto_hash", "sha512", REFUSED),
    ("corosync:logfile", "/var/log/other.log", LIVE),
    ("corosync:options:totem", {"join": "60"}, LIVE),
    ("corosync:options:quorum", {"last_man_standing_window": "5000"}, LIVE),
    ("corosync:options:logging", {"debug": "on"}, LIVE),
    ("corosync:options:interface", {"knet_link_priority": "2"}, LIVE),
    ("quorum:device", {"minion_id": "qd1", "address": "10.77.1.13"}, REFUSED),
    ("fencing:sbd", {"device": "/dev/disk/by-id/scsi-shared"}, REFUSED),
    ("corosync:options:system", {"sched_rr": "no"}, RESTART),
    ("storage:drbd:resource", "other", REFUSED),
    ("storage:drbd:device", "/dev/drbd1", REFUSED),
    ("storage:drbd:disk", "/dev/ubdc", REFUSED),
    ("storage:drbd:link", 1, REFUSED),
    ("storage:drbd:port", 7799, REFUSED),
    ("storage:filesystem:type", "ext4", REFUSED),
    ("storage:backend", "nfs", REFUSED),
    ("storage:nfs:export", "/srv/other", REFUSED),
    ("storage:nfs:server", "192.0.2.99", REFUSED),
    ("storage:shared:device", "/dev/disk/by-id/other", REFUSED),
    ("storage:shared:lvm:volume_group", "other", REFUSED),
    ("storage:shared:lvm:logical_volume", "other", REFUSED),
    ("mysql:datadir", "/srv/mysql", REFUSED),
    ("mysql:port", 3307, RESTART),
    ("mysql:error_log", "/var/log/mysql/other.log", RESTART),
    ("mysql:config", {"mysqld": {"max_connections": 60}}, LIVE),
    ("mysql:tls", certificates.pair(), RESTART),
]
# Who takes over the others. Keys of drbdadm's options are tested with drbdadm itself, the key of corosync in its own test.
OTHERS = {
    "refused, told by other keys beside it": ("corosync:transport", "corosync:mcastaddr", "corosync:ttl"),
    "refused, told by its file": ("corosync:authkey",),
    "both nodes at the same moment, drbdadm adjust": (
        *("storage:drbd:protocol", "storage:drbd:shared_secret", "storage:drbd:cram_hmac_alg"),
        "storage:drbd:verify:alg",
    ),
    "live, drbdadm adjust; some of the network's like the protocol": (
        *(
            "storage:drbd:rate",
            "storage:drbd:on_io_error",
            "storage:drbd:options:disk",
            "storage:drbd:options:net",
            "storage:drbd:options:options",
        ),
    ),
    "read from the file each time": (
        *("storage:drbd:wfc_timeout", "storage:drbd:degr_wfc_timeout", "storage:drbd:usage_count"),
        *("storage:drbd:options:global", "storage:drbd:options:startup", "storage:drbd:options:handlers"),
    ),
    "once, when the file system is made": ("storage:filesystem:mkfs_options",),
    "once, when a disk becomes a replica": ("storage:drbd:initial_sync", "storage:drbd:wipe"),
    "once, when a LUN is claimed": ("storage:shared:wipe", "storage:shared:lvm:size"),
    "the iSCSI record, in a highstate; the session keeps running": (
        *("storage:shared:iscsi:portal", "storage:shared:iscsi:target", "storage:shared:iscsi:initiators"),
        *("storage:shared:iscsi:username", "storage:shared:iscsi:password", "storage:shared:iscsi:replacement_timeout"),
    ),
    "what logs in at boot, in a highstate": ("storage:shared:iscsi:unit",),
    "the mount, by pacemaker": ("storage:nfs:version", "storage:nfs:options"),
    "the cluster's configuration, by pacemaker": (
        *(
            "vip",
            "cluster:nodes:*:vip_interface",
            "fencing",
            "pacemaker",
            "storage:filesystem:options",
            "storage:shared:reservations",
        ),
        *(
            "mysql:socket",
            "mysql:pid_file",
            "mysql:user",
            "mysql:group",
            "mysql:binary",
            "mysql:client",
            "mysql:admin",
            "mysql:agent",
            "storage:drbd:agent",
            "storage:filesystem:agent",
            "mysql:ping_timeout",
            "mysql:frozen_timeout",
            "mysql:storage_timeout",
            "mysql:config_file",
        ),
    ),
    "the node, in a highstate": (
        *("repo", "package", "firewall", "backup", "replicas", "mysql:log_group", "mysql:config_fragment"),
        *("storage:drbd:verify:every", "storage:drbd:verify:at", "storage:drbd:verify:rate"),
    ),
    "the replica, by its own operation; its address also the nodes' firewall": ("replicas",),
    "the database, by SQL": ("mysql:databases", "mysql:roles", "mysql:users", "mysql:passwords"),
    "no service": ("cluster:nodes:*:minion_id", "mysql:install_db", "corosync:series"),
    "no other value yet": ("mysql:flavor",),
}


def leaves(node: language.Node, path: str = "") -> Iterator[str]:
    if isinstance(node, language.Section):
        for key, child in node.keys.items():
            yield from leaves(child, f"{path}:{key}".lstrip(":"))
    elif isinstance(node, language.Names) and isinstance(node.item, language.Section):
        yield from leaves(node.item, f"{path}:*")
    else:
        yield path


LUN = "/dev/disk/by-id/wwn-0x1"
OTHER_STORAGE = {
    "shared": {"device": LUN, "lvm": {"volume_group": "galaxy"}},
    "nfs": {"server": "192.0.2.50", "export": "/srv/galaxy-db"},
}


def backend(path):
    return next((name for name in OTHER_STORAGE if path.startswith(f"storage:{name}")), "drbd")


def resolved(path: str = "", value: object = None):
    given = load(ROOT / "lab" / "software" / "pillar.sls")["hamysql"]
    given["corosync"]["token"] = 3000  # of the recorded daemon
    given["storage"]["drbd"]["link"] = 0  # of the recorded kernel
    given["storage"].update(copy.deepcopy(OTHER_STORAGE))
    given["storage"]["backend"] = backend(path)
    if path:
        *above, last = path.split(":")
        place = given
        for key in above:
            place = place.setdefault(key, {})
        if value is not None:
            place[last] = {**copy.deepcopy(place.get(last, {})), **value} if isinstance(value, dict) else value
        if path == "mysql:config":
            place[last]["mysqld"] = {
                **load(ROOT / "lab" / "software" / "pillar.sls")["hamysql"]["mysql"]["config"]["mysqld"],
                **value["mysqld"],
            }
    return resolution.resolve(resolution.layered(parameters(), given), minion_id="db1", nodename="db1")


def cib(path):
    """The configuration of a running cluster that has the storage which a key is about."""
    given = {"drbd": resolved(), "shared": resolved("storage:shared"), "nfs": resolved("storage:nfs")}[backend(path)]
    return f"<cib>{ET.tostring(resources.desired(given), 'unicode')}</cib>"


STARTED_WITH = mysql_pending.wanted(resolved()["mysql"])


@pytest.mark.parametrize("path", list(leaves(schema())))
def test_every_key_has_a_class(path):
    known = [re.sub(r":db\d:", ":*:", case[0]) for case in CASES] + [key for keys in OTHERS.values() for key in keys]
    assert any(path == key or path.startswith(f"{key}:") for key in known), f"{path} has no class"


@pytest.mark.parametrize(("path", "value", "kind"), CASES, ids=[case[0] for case in CASES])
def test_the_class_of_a_key_is_found_from_what_runs(path, value, kind):
    site = resolved(path, value)
    want = mysql_pending.wanted(site["mysql"])
    latch = LATCH if backend(path) == "drbd" else replace(LATCH, backend=backend(path), disk=LUN)
    found = pending.distinct(
        [
            *storage_pending.pending(site, cib(path), [latch]),
            *corosync_pending.pending(site, RUNNING, False),
            *sbd.pending(site, None),
            *(drbd_pending.pending(site, SHOWN, SHOWN, ()) if backend(path) == "drbd" else ()),
            *mysql_pending.pending(site["mysql"], STARTED_WITH, want, {"max_connections": SETTABLE}),
        ]
    )
    assert {item.kind for item in found} == {kind}
    named = [item.path for item in found]
    stated = {"cluster:nodes:db1:disk": "storage:drbd:disk", "storage:nfs:server": "storage:nfs:export"}.get(path, path)
    assert any(name.startswith(f"hamysql:{stated}") for name in named), named


def test_what_runs_with_the_pillar_has_nothing_pending():
    assert list(mysql_pending.pending(resolved()["mysql"], STARTED_WITH, STARTED_WITH, {})) == []
