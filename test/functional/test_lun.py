"""The verbs of a shared LUN, with the real wipefs, blkdiscard and mkfs, on a file that stands for it."""

from __future__ import annotations

import os
import shutil

import machines
import pytest
from minion import load

from hamysql.errors import Refused
from hamysql.storage.latch import Latches, Stage
from hamysql.storage.lun import claim as lun_claim
from hamysql.system import command, disk
from hamysql.system.command import Result

SIZE = 64 * 2**20
UUID = "627a22bb-ecf0-48ff-814b-c8b47add52c8"

pytestmark = [
    pytest.mark.skipif(
        not shutil.which("mkfs.ext4", path=command.PATH), reason="mkfs.ext4 is missing (Debian: e2fsprogs)"
    ),
    pytest.mark.skipif(not shutil.which("wipefs", path=command.PATH), reason="wipefs is missing (Debian: util-linux)"),
]


@pytest.fixture
def lun(tmp_path):
    path = tmp_path / "lun"
    with open(path, "wb") as file:
        file.truncate(SIZE)
    return path


class Node:
    """A node with the LUN."""

    def __init__(self, folder):
        self.module = load("_modules/hamysql_lun.py", "lun_hamysql_lun")
        self.module.LATCHES = self.latches = Latches(folder)
        self.programs, self.mounted, self.wipe = [], False, None

    @property
    def latch(self):
        return self.latches.read("mysql", "shared")

    @latch.setter
    def latch(self, known):
        if known is None:
            (self.latches.folder / "mysql.json").unlink()
        else:
            self.latches.write(known)


@pytest.fixture
def node(lun, tmp_path_factory):
    """Makes a node with the LUN."""

    def make(lvm=None):
        state = Node(tmp_path_factory.mktemp("latches"))
        module = state.module
        shared = {"device": str(lun), "lvm": lvm or {}, "iscsi": {}}
        filesystem = {"type": "ext4", "options": "noatime", "mkfs_options": ["-O", "mmp"], "device": str(lun)}
        filesystem["directory"] = "/var/lib/mysql"

        def run(argv, **options):
            state.programs.append(list(argv))
            if argv[0] == "blockdev":
                return Result(0, f"{SIZE}\n")
            if argv[0] == "lsblk":
                row = '{"blockdevices": [{"name": "/dev/sdb", "type": "disk", "mountpoints": [null]}]}'
                return Result(0, row if "--json" in argv else "0x1 S1\n")
            if argv[0] == "blkdiscard":
                return Result(0, "")
            if argv[0] == "findmnt":
                return Result(0, f"{lun}\n") if state.mounted else Result(1, "")
            return command.run(argv, **options)

        module.run = run
        module.__salt__ = {
            "hamysql.config": lambda **_: {
                "cluster": {"name": "galaxy-db"},
                "storage": {"shared": {**shared, "wipe": state.wipe}, "filesystem": filesystem},
            }
        }
        return state

    return make


def test_a_claim_is_seen_by_the_other_node_and_the_file_system_has_its_uuid(node, lun):
    one, two = node(), node()
    assert two.module.survey()["signatures"] == []
    assert one.module.claim() is True
    assert one.module.claim() is False
    claim = {"cluster": "galaxy-db", "uuid": one.latch.device_uuid}
    for member in (one, two):
        seen = member.module.survey()
        assert (seen["claim"], seen["signatures"]) == (claim, [])
    with pytest.raises(Refused, match="not blank"):
        two.module.claim()
    with pytest.raises(Refused, match="not chosen"):
        two.module.make_filesystem()
    assert one.module.make_filesystem() is True
    assert one.module.make_filesystem() is False
    (found,) = two.module.survey()["signatures"]
    assert (found["type"], found["uuid"]) == ("ext4", one.latch.device_uuid)
    features = (
        command.run(["dumpe2fs", "-h", str(lun)]).stdout if shutil.which("dumpe2fs", path=command.PATH) else "mmp"
    )
    assert "mmp" in features
    assert two.module.adopt(one.latch.device_uuid) is True
    assert two.latch.stage is Stage.INITIALISED
    assert two.module.adopt(one.latch.device_uuid) is False


def test_a_file_system_that_was_cut_off_may_be_made_again_and_a_stranger_s_not(node, lun):
    one = node()
    one.module.claim()
    for _ in range(2):
        command.run(["mkfs.ext4", "-F", "-q", "-U", one.latch.device_uuid, str(lun)])
        assert one.latch.stage is Stage.CLAIMED
    assert one.module.make_filesystem() is True
    two = node()
    two.latch = one.latch.__class__(**{**one.latch.__dict__, "stage": Stage.CLAIMED})
    command.run(["mkfs.ext4", "-F", "-q", "-U", UUID, str(lun)])
    before = lun.read_bytes()
    with pytest.raises(Refused, match=f"holds ext4 at byte 1080 .UUID {UUID}.: it is left alone"):
        two.module.make_filesystem()
    assert lun.read_bytes() == before


def test_data_behind_a_claim_is_seen(node, lun):
    one = node()
    one.module.claim()
    with open(lun, "r+b") as file:
        file.seek(8192)
        file.write(b"x")
    (found,) = one.module.survey()["signatures"]
    assert (found["type"], found["offset"]) == ("data without a known signature", 8192)
    with pytest.raises(Refused, match="left alone"):
        one.module.make_filesystem()


@pytest.mark.parametrize("offset", [0, 5000])
def test_a_lun_that_is_not_blank_is_not_claimed(node, lun, offset):
    with open(lun, "r+b") as file:
        file.seek(offset)
        file.write(b"somebody's")
    before = lun.read_bytes()
    one = node()
    with pytest.raises(Refused, match="not blank"):
        one.module.claim()
    assert (lun.read_bytes(), one.latch) == (before, None)


def test_only_what_was_shown_is_wiped_and_only_if_it_is_named(node, lun):
    command.run(["mkfs.ext4", "-F", "-q", "-U", UUID, str(lun)])
    before = lun.read_bytes()
    one = node()
    shown = [f"ext4 at byte 1080 (UUID {UUID})"]
    with pytest.raises(Refused, match="names nothing, not"):
        one.module.wipe(shown)
    one.wipe = str(lun)
    with pytest.raises(Refused, match="holds ext4"):
        one.module.wipe(["xfs at byte 0"])
    one.mounted = True
    with pytest.raises(Refused, match="in use"):
        one.module.wipe(shown)
    one.mounted = False
    one.module.adopt(UUID)
    with pytest.raises(Refused, match="the LUN of this node's data"):
        one.module.wipe(shown)
    assert lun.read_bytes() == before
    one.latch = None
    # blkdiscard works on block devices only, so the rest of the first MiB is cleared here.
    with pytest.raises(Refused, match="still holds data without a known signature"):
        one.module.wipe(shown)
    assert disk.parse_signatures(command.run(["wipefs", "--no-act", "--json", str(lun)]).stdout) == ()


def test_what_is_not_the_named_data_is_not_adopted(node, lun):
    command.run(["mkfs.ext4", "-F", "-q", "-U", UUID, str(lun)])
    one = node()
    with pytest.raises(Refused, match="not ext4 with the UUID"):
        one.module.adopt(UUID.replace("6", "7"))
    assert one.latch is None
    assert one.module.adopt(UUID) is True
    with pytest.raises(Refused, match="latch is about"):
        one.module.adopt(UUID.replace("6", "7"))


def test_a_lun_that_cannot_be_read_is_told(node, lun):
    def lost(event, arguments):
        if event == "open" and str(arguments[0]) == str(lun):
            raise OSError(5, os.strerror(5))

    with machines.watching(lost):
        assert node().module.survey()["error"] == "[Errno 5] Input/output error"


def test_the_volume_is_made_with_the_claimed_uuid_and_left_inactive(lun):
    programs = []

    def run(argv, **_):
        programs.append(" ".join(argv).replace(str(lun), "LUN"))
        return Result(5 if argv[0] == "pvs" else 0, "")

    volume = {"volume_group": "galaxy", "logical_volume": "mysql", "size": None}
    uuid = lun_claim.pv_uuid(UUID)
    lun_claim.make_volume(run, str(lun), volume, uuid)
    assert uuid == "627a22-bbec-f048-ff81-4bc8-b47a-dd52c8"
    assert programs == [
        "pvs --noheadings --options vg_name LUN",
        f"pvcreate --yes --uuid {uuid} --norestorefile LUN",
        "vgcreate --yes --setautoactivation n galaxy LUN",
        "lvs --noheadings --options lv_name galaxy",
        "lvcreate --yes --wipesignatures y --activate y --extents 100%FREE --name mysql galaxy",
        "vgchange --activate n galaxy",
    ]


@pytest.mark.parametrize(("group", "made"), [("galaxy", False), ("other", True)])
def test_a_volume_that_is_there_is_not_made_again_and_another_group_s_lun_is_left_alone(lun, group, made):
    programs = []

    def run(argv, **_):
        programs.append(argv[0])
        return Result(0, {"pvs": f"  {group}\n", "lvs": "  mysql\n"}.get(argv[0], ""))

    volume = {"volume_group": "galaxy", "logical_volume": "mysql", "size": "10G"}
    if made:
        with pytest.raises(Refused, match="in the volume group other, not galaxy"):
            lun_claim.make_volume(run, str(lun), volume, UUID)
        assert programs == ["pvs"]
    else:
        lun_claim.make_volume(run, str(lun), volume, UUID)
        assert programs == ["pvs", "lvs", "vgchange"]
