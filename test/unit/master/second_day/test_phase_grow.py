"""The operation "grow": what is shown, what forbids it, the order of what is asked, and what a run that was cut off leaves to do."""

from __future__ import annotations

import pytest
from test_phase_switchover import Whole

from hamysql.errors import HamysqlError, Refused
from hamysql.master import progress
from hamysql.master.second_day import grow
from hamysql.storage.growth import plan

GIB = 2**30


class Layered(Whole):
    """DRBD on a disk of 1 GiB on each node, which can have ``disk`` GiB; db2 serves."""

    def __init__(self, disk=2):
        super().__init__()
        self.disk = dict.fromkeys(self.surveys, GIB)
        self.most = dict.fromkeys(self.surveys, disk * GIB)
        self.device = self.filesystem = GIB
        self.answers |= {
            "hamysql_grow.rescan": False,
            "hamysql_grow.layers": self.layers,
            "hamysql_grow.disk": lambda minion, size: self.disk.update({minion: self.most[minion]}) is None,
            "hamysql_grow.device": self.enlarge,
            "hamysql_grow.note": True,
            "hamysql_grow.filesystem": self.fill,
        }

    def layers(self, minion, size):
        to = self.most[minion]
        found = [
            {"key": "disk", "name": "the disk /dev/sdb", "size": self.disk[minion], "to": to},
            {"key": "device", "name": "the device /dev/drbd0", "size": self.device, "to": to},
        ]
        if minion == "db2":
            found.append({"key": "filesystem", "name": "the file system", "size": self.filesystem, "to": to})
        return found

    def enlarge(self, minion):
        self.device = min(self.disk.values())
        return True

    def fill(self, minion):
        self.filesystem = self.device
        return self.device


def all_of_it(deployment, size="2G"):
    return [grow.check(deployment, size), grow.grow_disks(deployment, size), grow.grow(deployment, size, 60)]


def test_disks_device_and_file_system_grow_in_this_order_and_the_gap_is_told(deploy):
    cluster = Layered()
    _, disks, grown = all_of_it(deploy(cluster))
    assert disks[0] == {"disks": [f"the disk /dev/sdb on {node}: 1.00 GiB -> 2.00 GiB" for node in ("db1", "db2")]}
    assert grown[0] == {
        "grown": [
            "the device /dev/drbd0 on db1 and db2: 1.00 GiB -> 2.00 GiB",
            "the file system on db2: 1.00 GiB -> 2.00 GiB",
        ]
    }
    assert "longest write gap 2.5 s" in grown[1]
    changing = [call for call in cluster.asked if call[0].startswith("hamysql_grow") and "layers" not in call[0]]
    assert [(function, on) for function, on, _ in changing] == [
        ("hamysql_grow.rescan", ("db1", "db2")),
        ("hamysql_grow.disk", ("db1",)),
        ("hamysql_grow.disk", ("db2",)),
        ("hamysql_grow.device", ("db2",)),
        ("hamysql_grow.note", ("db1", "db2")),
        ("hamysql_grow.filesystem", ("db2",)),
    ]
    assert cluster.events[-1]["state"] == "finished"
    assert all_of_it(deploy(cluster))[2] == ({}, "every layer is as large as the one below it: nothing had to grow")


def test_a_look_changes_nothing_and_has_no_kernel_look(deploy):
    cluster = Layered()
    checked, disks, grown = all_of_it(deploy(cluster, test=True))
    assert "the file system on db2: 1.00 GiB -> 2.00 GiB" in checked[1]
    assert (len(disks[0]["disks"]), len(grown[0]["grown"])) == (2, 2)
    assert set(cluster.functions) == {"hamysql_grow.layers"}


@pytest.mark.parametrize("cut", ["disk", "device"])
def test_a_run_that_was_cut_off_is_gone_on_with(deploy, cut):
    cluster = Layered()
    cluster.disk["db1"] = 2 * GIB
    if cut == "device":
        cluster.disk["db2"] = cluster.device = 2 * GIB
        # DRBD copies the new space still: what is left is the file system, and to wait.
        cluster.surveys["db2"]["storage"]["status"] |= {
            "connection": "SyncSource",
            "peer_disk": "Inconsistent",
            "up_to_date": False,
        }
    all_of_it(deploy(cluster))
    assert (cluster.device, cluster.filesystem) == (2 * GIB, 2 * GIB)
    assert ("hamysql_grow.device" in cluster.functions) == (cut == "disk")
    assert "hamysql_rolling.wait_whole" in cluster.functions


def test_nothing_begins_while_the_replicas_are_not_up_to_date_or_no_node_serves(deploy):
    cluster = Layered()
    cluster.surveys["db2"]["storage"]["status"] |= {
        "connection": "SyncSource",
        "peer_disk": "Inconsistent",
        "up_to_date": False,
    }
    with pytest.raises(Refused, match="nothing is enlarged while this is so:"):
        grow.check(deploy(cluster), None)
    for seen in cluster.surveys.values():
        seen["database"] = False
    with pytest.raises(Refused, match="no node serves"):
        grow.check(deploy(cluster), None)


def test_what_did_not_grow_is_an_error(deploy):
    cluster = Layered()
    cluster.disk = dict(cluster.most)
    cluster.answers["hamysql_grow.filesystem"] = GIB
    with pytest.raises(HamysqlError, match="it has not grown as far as it could"):
        grow.grow(deploy(cluster), None, 60)


def test_the_smaller_disk_bounds_the_device_and_a_smaller_one_is_refused(deploy):
    cluster = Layered()
    cluster.disk = cluster.most = {"db1": GIB, "db2": 4 * GIB}
    assert "the disk of db1 is the smaller one" in grow.check(deploy(cluster), None)[1]
    assert grow.grow(deploy(cluster), None, 60)[0] == {}
    cluster.most = {"db1": GIB - 4096, "db2": GIB}
    with pytest.raises(Refused, match="nothing is made smaller"):
        grow.check(deploy(cluster), None)


def test_one_disk_has_one_size_on_all_nodes_that_see_it():
    lun = {
        node: [{"key": "disk", "name": "the LUN", "size": size, "to": size}] for node, size in (("db1", 1), ("db2", 2))
    }
    with pytest.raises(Refused, match="different sizes of one disk"):
        plan.changes(lun, shared=True)


def test_every_phase_is_told(deploy):
    assert list(progress.ORDERS["grow"]) == ["checked", "disks", "grown"]
