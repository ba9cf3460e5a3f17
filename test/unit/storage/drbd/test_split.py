"""A split brain is ended: what is copied before, what the node that gives up refuses, and what a job that was killed leaves."""

from __future__ import annotations

import os
import shutil
import struct
from pathlib import Path

import pytest
from care_world import Replica
from machines import watching

from hamysql.errors import CommandFailed, HamysqlError, Refused
from hamysql.storage import copies, latch
from hamysql.storage.drbd.care import image, split, tables
from hamysql.system import kernels
from hamysql.system.command import Result

SIZE = 2**20
METADATA = struct.Struct(">Q4QQQII")
GIVE_UP = ["drbdadm disconnect mysql", "drbdadm connect --discard-my-data mysql"]


class Killed(BaseException):
    """The job goes; files and the kernel stay."""


class Side(Replica):
    """The side whose changes are given up: a disk of 1 MiB with metadata, and a count of its writes."""

    def __init__(self, tmp_path, monkeypatch):
        super().__init__(tmp_path, monkeypatch, "db2", "Secondary")
        self.connection, self.disk, self.peer_disk, self.peer_role = "StandAlone", "UpToDate", "DUnknown", "Unknown"
        self.device, self.folder, self.written, self.up = tmp_path / "disk", tmp_path / "kept", 7, True
        self.uses, self.kill = [], ""
        block = METADATA.pack(SIZE // 512, self.current, 0, 0, 0, 1, 0, 1, 0x8374026B)
        self.device.write_bytes(b"changes" + bytes(SIZE - 7 - 4096) + block.ljust(4096, b"\0"))
        self.boot = tmp_path / "boot_id"
        self.boot.write_text("first\n")
        monkeypatch.setattr(kernels, "BOOT", self.boot)
        monkeypatch.setattr(latch, "FOLDER", tmp_path)
        monkeypatch.setattr("hamysql.storage.drbd.replica.RESOURCES", tmp_path)
        (tmp_path / "mysql.res").touch()
        known = latch.Latch("galaxy-db", "mysql", str(self.device), latch.Stage.INITIALISED, "uuid")
        monkeypatch.setattr(latch.Latches, "read", lambda *_: known)
        drbd = {"resource": "mysql", "minor": 0, "device": "/dev/drbd0", "shared_secret": "x"}
        nodes = {name: {"disk": str(self.device)} for name in ("db1", "db2")}
        self.config = {"self": "db2", "cluster": {"name": "galaxy-db", "nodes": nodes}, "storage": {"drbd": drbd}}

    def text(self):
        text = super().text().replace("dw:0", f"dw:{self.written}")
        return text if self.up else text.splitlines()[0] + "\n"

    def run(self, argv, **options):
        if argv[0] == "blockdev":
            return Result(0, f"{SIZE}\n")
        if argv[0] == "lsblk":
            children = [{"name": use, "type": "part", "mountpoints": ["/mnt"]} for use in self.uses]
            return Result(
                0,
                f'{{"blockdevices": [{{"name": "{self.device}", "children": {str(children).replace(chr(39), chr(34))}}}]}}',
            )
        if "dd" in argv:
            if self.kill == "dd":
                (self.folder / f"galaxy-db-db2-mysql-{self.current & ~1:016X}.making").write_bytes(b"half")
                raise Killed
            shutil.copyfile(self.device, next(word for word in argv if word.startswith("of="))[3:])
            return Result(0, "")
        if "sha256sum" in argv:
            return Result(0, "5a5a  file\n")
        result = super().run(argv, **options)
        if "up" in argv:
            self.up, self.written = True, 0
        if self.kill and self.kill in argv:
            raise Killed
        return result

    def keep(self):
        return split.keep(self.run, self.config, str(self.folder))

    def give_up(self):
        return split.give_up(self.run, self.config)


@pytest.fixture
def side(tmp_path, monkeypatch):
    found = Side(tmp_path, monkeypatch)
    with watching(found.looked):
        yield found


def test_the_disk_is_copied_before_its_changes_are_given_up(side):
    made = side.keep()
    assert Path(made["path"]).read_bytes() == side.device.read_bytes()
    assert Path(made["path"]).stat().st_mode & 0o77 == 0
    assert side.programs == []
    assert side.give_up() is True
    assert side.programs == GIVE_UP
    assert side.give_up() is False, "it is connected, and gets the other side's data"
    assert split.forget() is True
    assert Path(made["path"]).exists()


def test_the_note_is_not_taken_for_a_latch(side):
    side.keep()
    assert split.noted() is not None
    assert latch.in_use(latch.FOLDER) == []


def test_nothing_is_given_up_without_a_copy(side):
    with pytest.raises(Refused, match="there is no copy of its disk yet"):
        side.give_up()
    made = side.keep()
    Path(made["path"]).unlink()
    with pytest.raises(Refused, match="there is no copy of its disk yet"):
        side.give_up()
    assert side.programs == []


@pytest.mark.parametrize("change", ["written", "generation", "boot"])
def test_nothing_is_given_up_that_was_written_after_the_copy(side, change):
    side.keep()
    if change == "written":
        side.written += 1
    elif change == "generation":
        side.current = 0x7777
    else:
        side.boot.write_text("second\n")
    with pytest.raises(Refused, match="other data than the copy"):
        side.give_up()
    assert side.programs == []


def test_a_copy_of_other_data_is_made_anew_and_one_of_the_same_is_taken(side):
    first = side.keep()
    assert side.keep() == first
    side.written += 1
    assert side.keep()["writes"] != first["writes"]
    assert side.give_up() is True


@pytest.mark.parametrize(
    "fields",
    [
        {"role": "Primary"},
        {"connection": "Connected", "peer_disk": "UpToDate"},
        {"connection": "SyncSource"},
        {"uses": ["/dev/sdb1"]},
    ],
)
def test_a_side_that_may_be_written_to_gives_up_nothing(side, fields):
    side.keep()
    vars(side).update(fields)
    for act in (side.keep, side.give_up):
        with pytest.raises(Refused, match="are not given up"):
            act()
    assert side.programs == []


def test_a_disk_without_room_for_its_copy_is_not_touched(side, monkeypatch):
    monkeypatch.setattr(image.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, SIZE - 1))
    with pytest.raises(Refused, match="hamysql_keep"):
        side.keep()
    assert split.noted() is None


def test_the_folder_is_a_whole_path(side):
    with pytest.raises(Refused, match="no absolute path"):
        split.keep(side.run, side.config, "kept")


def test_a_copy_during_which_somebody_wrote_is_none(side):
    run = side.run

    def writes(argv, **options):
        side.written += "dd" in argv
        return run(argv, **options)

    side.run = writes
    with pytest.raises(HamysqlError, match="something has written"):
        side.keep()


@pytest.mark.parametrize("kill", ["dd", "disconnect", "connect"])
def test_killed_at_each_program_and_run_again_it_gets_there(side, kill):
    side.folder.mkdir()
    side.kill = kill
    if kill != "dd":
        side.keep()
    with pytest.raises(Killed):
        side.keep() if kill == "dd" else side.give_up()
    side.kill = ""
    if side.connection != "Connected":
        side.keep()
    side.give_up()
    assert side.programs[-1] == GIVE_UP[1]
    assert split.noted()["given_up"] is True
    assert [path.suffix for path in side.folder.iterdir() if path.suffix == ".making"] == []


def test_a_replica_that_is_down_is_brought_up_after_its_copy(side, monkeypatch):
    side.up = False
    made = side.keep()
    assert made["writes"] == "first 0"
    side.kill = "disconnect"
    with pytest.raises(Killed):
        side.give_up()
    side.kill = ""
    assert side.keep() == made
    assert side.give_up() is True
    assert side.programs.count("drbdadm up mysql") == 1


def test_the_other_side_is_connected_where_it_is_up_to_date(side):
    assert split.accept(side.run, side.config) is True
    assert side.programs == ["drbdadm connect mysql"]
    side.connection = "WFConnection"
    assert split.accept(side.run, side.config) is False
    side.disk = "Outdated"
    with pytest.raises(Refused, match="expected UpToDate"):
        split.accept(side.run, side.config)


# --- the evidence


def test_tables_are_told_by_their_files(tmp_path):
    for side, names in {"db1": ("a", "both", "same"), "db2": ("both", "same")}.items():
        for name in names:
            path = tmp_path / side / "shop" / f"{name}.ibd"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes(10 + (name == "both" and side == "db2")))

            os.utime(path, (1000, 1000 + 5 * (name == "both" and side == "db2")))
    sides = {side: tables.listed(tmp_path / side) for side in ("db1", "db2")}
    assert copies.compared(sides) == ["only on db1: shop.a", "differs: shop.both, written last on db2"]


def test_a_disk_is_looked_at_without_a_write_and_nothing_stays(tmp_path):
    programs = []

    def run(argv, **_):
        programs.append(argv)
        loops = "/dev/loop7\n" if programs[-1][0] == "losetup" and len(programs) > 2 else ""
        if argv[0] == "mount":
            raise CommandFailed(argv, 32, "wrong fs type")
        return Result(0, loops)

    with pytest.raises(CommandFailed), tables.mounted(run, "/dev/sdb", "xfs", tmp_path / "place"):
        pass
    (mount,) = [argv for argv in programs if argv[0] == "mount"]
    assert mount[4] == "ro,norecovery,nouuid"
    assert programs[-1] == ["losetup", "--detach", "/dev/loop7"]
    with pytest.raises(HamysqlError, match="replay"), tables.mounted(run, "/dev/sdb", "btrfs", tmp_path / "place"):
        pass
