"""When DRBD's device grows on a node, by which program, and where a disk that has grown has its metadata."""

from __future__ import annotations

import machines
import pytest

from hamysql.errors import CommandFailed, Refused
from hamysql.storage.drbd import replica
from hamysql.storage.drbd.care import growth
from hamysql.storage.drbd.care.growth import GROWTH
from hamysql.system import root
from hamysql.system.command import Result

MIB = 2**20
HEAD = "version: 8.4.11 (api:1/proto:86-101)\n"
FINE = "cs:Connected ro:Primary/Secondary ds:UpToDate/UpToDate C r-----"


class Node:
    """A node's DRBD; ``run`` answers its programs. The disk has ``disk`` MiB, and a resize makes the device as large as that lets it."""

    def __init__(self, folder, disk=640, before=320, state=FINE):
        self.folder, self.disk, self.programs = folder, disk * MIB, []
        machines.put(folder / "proc/drbd", f"{HEAD} 0: {state}\n    ns:0 nr:0 oos:0\n")
        self.device(growth.usable(before * MIB))
        drbd = {"resource": "mysql", "device": "/dev/drbd0", "minor": 0, "shared_secret": None, "initial_sync": "auto"}
        self.site = {
            "self": "db1",
            "cluster": {"nodes": {"db1": {"disk": "/dev/sdb"}}},
            "storage": {"drbd": {**drbd, "options": {"disk": {}}}},
        }

    def device(self, size):
        machines.put(self.folder / "sys/class/block/drbd0/size", f"{size // 512}\n")

    def run(self, argv, **_):
        if argv[0] == "blockdev":
            return Result(0, f"{self.disk}\n")
        self.programs.append(" ".join(argv))
        if "resize" in argv:
            self.device(growth.usable(self.disk))
        return Result(0, "")


@pytest.fixture
def below(tmp_path):
    with root.below(tmp_path):
        yield tmp_path


@pytest.mark.parametrize(
    ("sync", "program"), [("auto", "drbdadm -- --assume-clean resize mysql"), ("full", "drbdadm resize mysql")]
)
def test_new_space_is_copied_where_the_pillar_wants_the_first_copy(below, sync, program):
    node = Node(below)
    node.site["storage"]["drbd"]["initial_sync"] = sync
    GROWTH.enlarge_device(node.site, node.run)
    assert node.programs == [program]
    disk, device = GROWTH.layers(node.site, node.run, "")
    assert (disk["size"], disk["to"], device["size"], device["to"]) == (
        640 * MIB,
        640 * MIB,
        *[growth.usable(640 * MIB)] * 2,
    )


@pytest.mark.parametrize(
    "state",
    [
        "cs:SyncSource ro:Primary/Secondary ds:UpToDate/Inconsistent C r-----",
        "cs:VerifyS ro:Primary/Secondary ds:UpToDate/UpToDate C r-----",
        "cs:WFConnection ro:Primary/Unknown ds:UpToDate/DUnknown C r-----",
        "cs:Connected ro:Secondary/Primary ds:UpToDate/UpToDate C r-----",
        "cs:Unconfigured",
    ],
)
def test_it_grows_only_on_the_primary_with_both_connected_and_up_to_date(below, state):
    node = Node(below, state=state)
    with pytest.raises(Refused, match="its device grows where it is Primary, Connected and UpToDate on both sides"):
        GROWTH.enlarge_device(node.site, node.run)
    assert node.programs == []


def test_a_smaller_disk_is_refused_before_drbd_could_make_the_device_smaller(below):
    node = Node(below, disk=319)
    with pytest.raises(Refused, match="nothing is made smaller"):
        GROWTH.enlarge_device(node.site, node.run)
    assert node.programs == []


def test_a_program_that_fails_is_believed_unless_the_device_has_grown(below):
    node = Node(below)

    def late(argv, **options):
        node.run(argv, **options)
        if "resize" in argv:
            raise CommandFailed(argv, 1, "")
        return Result(0, f"{node.disk}\n")

    GROWTH.enlarge_device(node.site, late)
    with pytest.raises(CommandFailed):
        GROWTH.enlarge_device(node.site, late)


def test_a_size_in_the_pillar_bounds_the_device_and_only_a_volume_gets_a_size(below):
    node = Node(below)
    with pytest.raises(Refused, match="is no volume of LVM"):
        GROWTH.layers(node.site, node.run, "1G")
    node.site["storage"]["drbd"]["options"]["disk"]["size"] = "300M"
    with pytest.raises(Refused, match="bounds the device to 300M"):
        GROWTH.layers(node.site, node.run, "")


@pytest.mark.parametrize(("known", "found"), [("320", 320), ("640", 0), ("330", 0), ("x", 0), ("", 0)])
def test_metadata_behind_which_a_disk_has_grown_is_found_by_drbdmetas_note(below, known, found):
    node = Node(below)
    block = bytearray(4096)
    block[40:48] = bytes.fromhex("e7c4c235a46d231d")
    block[60:64] = bytes.fromhex("8374026b")
    machines.disk(below / "dev/sdb", 320 * MIB, bytes(block))
    with open(below / "dev/sdb", "r+b") as file:
        file.truncate(640 * MIB)
    size = str(int(known) * MIB) if known.isdecimal() else known
    machines.put(below / "var/lib/drbd/drbd-minor-0.lkbd", f"{size}\t/dev/sdb\n")
    assert replica.ended(node.site, 640 * MIB) == found * MIB
    signatures = replica.signatures(lambda *_, **__: Result(0, ""), node.site, 640 * MIB)
    assert [one.uuid for one in signatures] == (["e7c4c235a46d231d"] if found else [])
