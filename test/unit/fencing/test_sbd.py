"""sbd: what follows from its disk and its watchdog, and when the disk may be prepared."""

from __future__ import annotations

import pytest

from hamysql.errors import ConfigError, Refused
from hamysql.fencing import sbd
from hamysql.master.members import Answer, Members
from hamysql.master.orchestration import start

LUN = "/dev/disk/by-id/scsi-shared"

# in the form of `sbd -d DEVICE dump`
DUMP = """\
==Dumping header on disk lun
Header version     : 2.1
UUID               : 4c2a2a5b-9e5c-4b41-8d3c-0d0f0b1c2a3e
Number of slots    : 255
Sector size        : 512
Timeout (watchdog) : 5
Timeout (allocate) : 2
Timeout (loop)     : 1
Timeout (msgwait)  : 10
==Header on disk lun is dumped
"""


@pytest.fixture
def given(pillar):
    found = pillar("fenced")
    found["fencing"]["sbd"] = {"device": LUN, "watchdog_timeout": 15}
    return found


def test_the_disk_is_each_nodes_last_device_with_time_for_the_pill(resolve, given):
    config = resolve(given)
    assert config["fencing"]["sbd"]["msgwait"] == 30
    (last, device) = [device for device in config["fencing"]["devices"] if device["agent"] == "fence_sbd"]
    assert (last["node"], last["level"], last["options"]["devices"]) == ("db1", 3, LUN)
    assert (device["node"], device["level"]) == ("db2", 2)
    assert last["timeout"] >= 2 * 30
    assert "sbd" in config["package"]["names"]


def test_the_disk_alone_is_a_device_for_each_node(resolve, given):
    del given["fencing"]["devices"]
    assert [device["node"] for device in resolve(given)["fencing"]["devices"]] == ["db1", "db2"]


def test_without_a_disk_there_is_nothing_of_it(resolve, pillar):
    config = resolve(pillar("fenced"))
    assert config["fencing"]["sbd"] == {}
    assert "sbd" not in config["package"]["names"]


@pytest.mark.parametrize("device", ["/dev/drbd1", "/dev/sdb"])
def test_the_disk_is_none_of_the_datas(resolve, given, device):
    given["fencing"]["sbd"]["device"] = device
    with pytest.raises(ConfigError, match="a disk of its own that both nodes share"):
        resolve(given)


def test_the_times_are_read_from_the_header():
    times = sbd.parse_times(DUMP)
    assert (times["watchdog"], times["msgwait"]) == (5, 10)


OPTIONS = {"device": LUN, "watchdog_timeout": 5, "msgwait": 10}


def test_only_a_blank_disk_is_prepared_and_only_once():
    assert sbd.to_prepare(OPTIONS, None, []) is True
    assert sbd.to_prepare(OPTIONS, DUMP, []) is False
    with pytest.raises(Refused, match=r"not blank.*xfs at byte 0"):
        sbd.to_prepare(OPTIONS, None, ["xfs at byte 0"])


def test_a_disk_with_other_times_is_not_prepared_anew_under_running_nodes():
    with pytest.raises(Refused, match="watchdog_timeout to 5"):
        sbd.to_prepare({**OPTIONS, "watchdog_timeout": 15, "msgwait": 30}, DUMP, [])


def members(identities):
    def call(minions, function, _kwargs, _timeout):
        found = {minion: identities[minion] if function == "hamysql_sbd.check" else True for minion in minions}
        return {minion: Answer(value) for minion, value in found.items()}

    return Members("galaxy-db", {"db1": "db1", "db2": "db2"}, call)


def test_nodes_that_see_different_disks_are_refused():
    assert start.prepare_sbd(members({"db1": "0x6001", "db2": "0x6001"})) is True
    with pytest.raises(Refused, match="db2: no serial number"):
        start.prepare_sbd(members({"db1": "0x6001", "db2": ""}))
