"""The guards of the verbs that change a LUN: each refuses by itself, whatever a plan may say, and nothing on the LUN is changed."""

from __future__ import annotations

import json
import os

import machines
import pytest

from hamysql.errors import Refused
from hamysql.storage import verbs as common
from hamysql.storage.latch import Latch, Latches, Stage
from hamysql.storage.lun import claim as lun_claim
from hamysql.storage.lun import verbs
from hamysql.system import root
from hamysql.system.command import Result

UUID, NAME = "627a22bb-ecf0-48ff-814b-c8b47add52c8", "/dev/disk/by-id/wwn-0x1"
VOLUME = {"volume_group": "galaxy", "logical_volume": "mysql", "size": ""}
READING = ("wipefs", "lsblk", "findmnt", "blockdev")


class Node:
    """One node with a LUN, which is a file; ``changed`` are the programs that change something."""

    def __init__(self, folder):
        self.lun, self.latches, self.changed = folder / "lun", Latches(), []
        self.lun.write_bytes(bytes(2**17))
        machines.link(folder / NAME.lstrip("/"), self.lun)
        self.signatures: list[dict[str, str]] = []
        self.mountpoints, self.children, self.mounted = [None], [], False
        self.stubborn = False  # what is on it comes back
        filesystem = {"type": "xfs", "options": "", "mkfs_options": [], "device": NAME, "directory": "/srv"}
        self.shared = {"device": NAME, "lvm": {}, "iscsi": {}, "wipe": NAME}
        self.site = {
            "cluster": {"name": "galaxy-db"},
            "storage": {"shared": self.shared, "filesystem": filesystem},
            "mysql": {},
        }

    def run(self, argv, **_):
        if argv[0] not in READING or "--all" in argv:
            self.changed.append(argv[0])
        if argv[0] == "wipefs" and "--all" in argv and not self.stubborn:
            self.signatures = []
        if argv[0] == "wipefs":
            return Result(0, json.dumps({"signatures": self.signatures}))
        if argv[0] == "lsblk":
            row = {"name": "/dev/sdb", "type": "disk", "mountpoints": self.mountpoints, "children": self.children}
            return Result(0, json.dumps({"blockdevices": [row]}))
        if argv[0] == "findmnt":
            return Result(0, f"{NAME}\n") if self.mounted else Result(1, "")
        return Result(0, f"{2**22}\n" if argv[0] == "blockdev" else "")

    def holds(self, kind, uuid=""):
        self.signatures = [{"type": kind, "offset": "0x438", "uuid": uuid}]

    def latched(self, stage, backend="shared"):
        self.latches.write(Latch("galaxy-db", "mysql", NAME, stage, UUID, backend=backend))

    def claimed(self, uuid=UUID):
        lun_claim.write_claim(NAME, "galaxy-db", uuid)

    def refuses(self, match, verb, *arguments):
        """The verb is refused: neither the LUN nor the latch is changed."""
        before = self.lun.read_bytes(), self.latches.read("mysql", "shared")
        with pytest.raises(Refused, match=match):
            verb(self.run, self.site, self.latches, *arguments)
        assert (self.lun.read_bytes(), self.latches.read("mysql", "shared")) == before
        assert self.changed == []


@pytest.fixture
def node(tmp_path):
    with root.below(tmp_path):
        yield Node(tmp_path)


# How a LUN is in use, and how that is told.
USES = [
    ({"mountpoints": ["/mnt"]}, "is in use: /dev/sdb is mounted on /mnt"),
    ({"children": [{"name": "/dev/sdb1", "type": "part", "mountpoints": [None]}]}, "is in use: /dev/sdb1"),
    (
        {"children": [{"name": "/dev/md0", "type": "raid1", "mountpoints": [None]}]},
        "is in use: /dev/md0 .raid1. lies on",
    ),
    ({"mounted": True}, "is in use: its file system is mounted"),
]


# --- wiping


@pytest.mark.parametrize("named", [None, "/dev/disk/by-id/wwn-0x2"])
def test_only_the_lun_that_the_pillar_gives_up_is_wiped(node, named):
    node.holds("ext4")
    node.shared["wipe"] = named
    node.refuses(f"wipe names {named or 'nothing'}, not", verbs.wipe, ["ext4 at byte 1080"])


def test_the_lun_of_the_nodes_data_is_not_wiped(node):
    node.holds("xfs", UUID)
    node.latched(Stage.INITIALISED)
    node.refuses("is the LUN of this node's data: it is not wiped", verbs.wipe, [f"xfs at byte 1080 (UUID {UUID})"])


def test_only_what_was_shown_is_wiped(node):
    node.holds("ext4")
    node.refuses("holds ext4 at byte 1080, not xfs at byte 0", verbs.wipe, ["xfs at byte 0"])
    node.claimed()
    node.refuses(
        "holds the claim of cluster galaxy-db .*, ext4 at byte 1080, not ext4", verbs.wipe, ["ext4 at byte 1080"]
    )


@pytest.mark.parametrize(("use", "told"), USES)
def test_a_lun_in_use_is_not_wiped(node, use, told):
    node.holds("ext4")
    vars(node).update(use)
    node.refuses(told, verbs.wipe, ["ext4 at byte 1080"])


def test_what_comes_back_after_wiping_is_told(node):
    node.holds("ext4")
    node.stubborn = True
    with pytest.raises(Refused, match="was wiped, and still holds ext4 at byte 1080"):
        verbs.wipe(node.run, node.site, node.latches, ["ext4 at byte 1080"])
    assert node.changed == ["wipefs", "blkdiscard", "blkdiscard"]


def test_wiped_it_is_blank(node):
    node.holds("ext4")
    assert verbs.wipe(node.run, node.site, node.latches, ["ext4 at byte 1080"]) is True


# --- claiming


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.CLAIMED])
def test_a_node_with_a_latch_does_not_claim(node, stage):
    node.latched(stage)
    node.refuses(f"latch is about .* already .{stage.name}.", verbs.claim)


def test_what_is_not_blank_is_not_claimed(node):
    node.holds("ext4")
    node.refuses("is not blank: ext4 at byte 1080", verbs.claim)
    node.latched(Stage.CLAIMED)
    node.refuses("is not blank: ext4 at byte 1080", verbs.claim)


def test_another_cluster_s_claim_is_left_alone(node):
    node.claimed("feed")
    node.refuses("is not blank: .*feed", verbs.claim)
    node.latched(Stage.CLAIMED)
    node.refuses("is not blank: .*feed", verbs.claim)


@pytest.mark.parametrize(("use", "told"), USES)
def test_a_lun_in_use_is_not_claimed(node, use, told):
    vars(node).update(use)
    node.refuses(told, verbs.claim)


def test_the_latch_knows_of_a_claim_before_the_lun_does(node):
    def lost(event, arguments):
        if event == "open" and str(arguments[0]).endswith(NAME) and arguments[2] & os.O_EXCL:
            raise OSError("no path")

    with machines.watching(lost), pytest.raises(OSError, match="no path"):
        verbs.claim(node.run, node.site, node.latches)
    assert node.lun.read_bytes() == bytes(2**17)
    assert node.latches.read("mysql", "shared").stage is Stage.CLAIMED


# --- the first data

MAKING = [verbs.make_volume, verbs.make_filesystem, verbs.initialise_datadir]


@pytest.mark.parametrize("verb", MAKING)
@pytest.mark.parametrize(("stage", "backend"), [(None, ""), (Stage.INITIALISED, "shared"), (Stage.CLAIMED, "nfs")])
def test_a_node_that_was_not_chosen_makes_nothing(node, verb, stage, backend):
    node.claimed()
    if stage:
        node.latched(stage, backend)
    node.refuses("this node was not chosen to make the first data on", verb)


@pytest.mark.parametrize("verb", MAKING)
@pytest.mark.parametrize("claimed", [None, "feed"])
def test_without_this_nodes_claim_nothing_is_made(node, verb, claimed):
    node.latched(Stage.CLAIMED)
    if claimed:
        node.claimed(claimed)
    node.refuses("holds nothing of this node's: it is left alone", verb)


@pytest.mark.parametrize("verb", MAKING)
@pytest.mark.parametrize(("kind", "uuid"), [("ext4", UUID), ("xfs", "feed")])
def test_beside_a_stranger_nothing_is_made(node, verb, kind, uuid):
    node.latched(Stage.CLAIMED)
    node.claimed()
    node.holds(kind, uuid)
    node.refuses(f"holds {kind} at byte 1080 .UUID {uuid}.: it is left alone", verb)


@pytest.mark.parametrize("verb", [verbs.make_volume, verbs.make_filesystem])
@pytest.mark.parametrize(("use", "told"), USES)
def test_on_a_lun_in_use_nothing_is_made(node, verb, use, told):
    node.latched(Stage.CLAIMED)
    node.claimed()
    vars(node).update(use)
    node.refuses(told, verb)


def test_each_step_follows_the_one_before(node):
    node.latched(Stage.CLAIMED)
    node.claimed()
    node.refuses("the file system has not been made yet", verbs.initialise_datadir)
    node.shared["lvm"] = VOLUME
    node.refuses("the volume has not been made yet", verbs.make_filesystem)


# --- whose data it is


@pytest.mark.parametrize("stage", [None, Stage.CLAIMED, Stage.METADATA, Stage.FILESYSTEM])
def test_incomplete_data_is_not_handed_over(node, stage):
    if stage:
        node.latched(stage)
    with pytest.raises(Refused, match=f"not complete here: {stage.name if stage else 'nothing was made'}"):
        common.seal(node.latches, "shared")


@pytest.mark.parametrize(("stage", "backend"), [(Stage.INITIALISED, "shared"), (Stage.CLAIMED, "nfs")])
def test_a_latch_about_other_data_is_not_replaced(node, stage, backend):
    node.holds("xfs", "feed")
    node.latched(stage, backend)
    node.refuses(f"latch is about {UUID} on .* already", verbs.adopt, "feed")


@pytest.mark.parametrize(("kind", "uuid"), [("xfs", "feed"), ("ext4", UUID), (None, "")])
def test_another_lun_is_not_taken_over(node, kind, uuid):
    if kind:
        node.holds(kind, uuid)
    node.refuses(f"holds .*, not xfs with the UUID {UUID}", verbs.adopt, UUID)
