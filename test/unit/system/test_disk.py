"""What lies on a disk, from what wipefs and lsblk of util-linux 2.38.1 printed about real ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from hamysql.errors import CommandFailed, ParseError, Refused
from hamysql.system import disk, root
from hamysql.system.command import Result
from hamysql.system.disk import Signature

FIXTURES = Path(__file__).parent / "fixtures"


def printed(program: str, name: str) -> str:
    return (FIXTURES / f"{program}-util-linux-2.38.1-{name}.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("blank", []),
        ("ext4", [Signature("ext4", 0x438, "58805d6e-2975-40d2-88ec-e01e94c31357")]),
        ("xfs", [Signature("xfs", 0, "627a22bb-ecf0-48ff-814b-c8b47add52c8")]),
        ("swap", [Signature("swap", 0xFF6, "25ec8492-5ef0-4ce5-9ac5-b86722d2ce2f")]),
        ("mbr", [Signature("dos", 0x1FE)]),
        ("gpt", [Signature("gpt", 0x200), Signature("gpt", 0x18FFFE00), Signature("PMBR", 0x1FE)]),
        ("lvm", [Signature("LVM2_member", 0x218, "OLC1oI-3MV9-dCZO-pTWE-ysuy-SppV-Lt9bco")]),
        ("drbd", [Signature("drbd", 0x18FFF03C, "e7c4c235a46d231d")]),
        (
            "drbd-xfs",
            [
                Signature("drbd", 0x18FFF03C, "e7c4c235a46d231d"),
                Signature("xfs", 0, "dbeced43-00e5-4461-8859-06b5ca521927"),
            ],
        ),
    ],
)
def test_every_signature_is_found(name, expected):
    assert disk.parse_signatures(printed("wipefs", name)) == tuple(expected)


def test_no_output_is_no_signature():
    assert disk.parse_signatures("") == ()


@pytest.mark.parametrize("text", ["wipefs: error", "{}", '{"signatures": [{"type": "xfs"}]}', '{"signatures": [1]}'])
def test_output_that_is_not_understood_never_reads_as_a_blank_disk(text):
    with pytest.raises(ParseError, match="wipefs"):
        disk.parse_signatures(text)


def test_a_signature_is_evidence_that_can_be_looked_up():
    assert str(Signature("xfs", 0, "627a22bb")) == "xfs at byte 0 (UUID 627a22bb)"
    assert str(Signature("dos", 0x1FE)) == "dos at byte 510"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("blank", []),
        ("partition-mounted", ["/dev/sdb1 is mounted on /mnt"]),
        ("drbd", []),
        ("drbd-mounted", []),
    ],
)
def test_uses_are_what_others_do_with_the_disk(name, expected):
    assert disk.parse_occupants(printed("lsblk", name), "/dev/drbd0").uses == tuple(expected)


def test_everything_above_a_disk_is_listed_at_any_depth():
    text = """{"blockdevices": [{"name": "/dev/sdb", "type": "disk", "mountpoints": [null], "children": [
        {"name": "/dev/sdb1", "type": "part", "mountpoints": [null], "children": [
            {"name": "/dev/mapper/vg-data", "type": "lvm", "mountpoints": ["/srv", "/var/www"]}]}]}]}"""
    found = disk.parse_occupants(text, "/dev/drbd0")
    assert found.partitions == ("/dev/sdb1",)
    assert found.uses == (
        "/dev/mapper/vg-data is mounted on /srv",
        "/dev/mapper/vg-data is mounted on /var/www",
        "/dev/mapper/vg-data (lvm) lies on /dev/sdb1",
    )


def test_another_drbd_device_on_the_disk_is_a_foreign_use():
    found = disk.parse_occupants(printed("lsblk", "drbd-mounted"), "/dev/drbd5")
    assert found.uses == ("/dev/drbd0 is mounted on /mnt", "/dev/drbd0 (disk) lies on /dev/sdb")


def test_a_disk_has_the_names_that_stay_with_it(tmp_path):
    (tmp_path / "dev").mkdir()
    for name in ("sdb", "sdc"):
        (tmp_path / "dev" / name).touch()
    links = tmp_path / "dev/disk"
    for folder, name, target in (
        ("by-path", "pci-0000:00:01.0", "sdb"),
        ("by-id", "wwn-0x5000", "sdb"),
        ("by-id", "ata-GALAXY", "sdb"),
        ("by-id", "ata-OTHER", "sdc"),
    ):
        (links / folder).mkdir(parents=True, exist_ok=True)
        (links / folder / name).symlink_to(f"../../{target}")
    by_id = ("/dev/disk/by-id/ata-GALAXY", "/dev/disk/by-id/wwn-0x5000")
    with root.below(tmp_path):
        assert disk.stable_names("/dev/sdb") == by_id
        assert disk.stable_names(by_id[1]) == by_id
        for name in by_id:
            root.at(name).unlink()
        assert disk.stable_names("/dev/sdb") == ("/dev/disk/by-path/pci-0000:00:01.0",)
    with root.below(tmp_path / "no udev"):
        assert disk.stable_names("/dev/sdb") == ("/dev/sdb",)


def test_wiping_destroys_the_signatures_and_both_ends():
    done: list[list[str]] = []

    def run(argv, **_):
        done.append(argv)
        return Result(0, "536870912\n" if argv[0] == "blockdev" else "")

    disk.wipe(run, "/dev/sdb")
    assert done[1:] == [
        ["wipefs", "--all", "--quiet", "/dev/sdb"],
        ["blkdiscard", "--zeroout", "--offset", "0", "--length", "1048576", "/dev/sdb"],
        ["blkdiscard", "--zeroout", "--offset", "535822336", "--length", "1048576", "/dev/sdb"],
    ]


@pytest.mark.parametrize("size", ["1048576\n", ""], ids=["tiny", "missing"])
def test_what_is_no_disk_is_not_wiped(size):
    with pytest.raises(Refused):
        disk.wipe(lambda argv, **_: Result(0 if size else 1, size), "/dev/sdb")


def test_a_disk_mounted_as_a_whole_is_in_use():
    text = '{"blockdevices": [{"name": "/dev/sdb", "type": "disk", "mountpoints": ["/data"]}]}'
    assert disk.parse_occupants(text, "/dev/drbd0").uses == ("/dev/sdb is mounted on /data",)


@pytest.mark.parametrize("text", ["lsblk: not a block device", "{}"])
def test_uses_that_are_not_understood_are_an_error(text):
    with pytest.raises(ParseError, match="lsblk"):
        disk.parse_occupants(text, "/dev/drbd0")


class Programs:
    """Answers command lines from a table, like ``hamysql.command.run``; any other one is a defect."""

    def __init__(self, answers: dict[tuple[str, ...], Result]) -> None:
        self.answers = answers

    def __call__(self, argv, *, stdin=None, timeout=60, accept=(0,), env=None):
        result = self.answers[tuple(argv)]
        if result.returncode not in accept:
            raise CommandFailed(argv, result.returncode, result.stderr)
        return result


def test_the_commands_only_read():
    run = Programs(
        {
            ("wipefs", "--no-act", "--json", "/dev/sdb"): Result(0, printed("wipefs", "mbr")),
            ("blockdev", "--getsize64", "/dev/sdb"): Result(0, "536870912\n"),
            ("lsblk", "--json", "--paths", "--output", "NAME,TYPE,MOUNTPOINTS", "/dev/sdb"): Result(
                0, printed("lsblk", "partition-mounted")
            ),
        }
    )
    assert disk.signatures(run, "/dev/sdb") == (Signature("dos", 510),)
    assert disk.size(run, "/dev/sdb") == 536870912
    assert disk.occupants(run, "/dev/sdb", "/dev/drbd0").uses == ("/dev/sdb1 is mounted on /mnt",)


def test_a_device_that_is_missing_has_no_size():
    missing = Result(1, "", "blockdev: cannot open /dev/sdz: No such file or directory")
    assert disk.size(Programs({("blockdev", "--getsize64", "/dev/sdz"): missing}), "/dev/sdz") is None


def test_a_disk_that_cannot_be_read_is_an_error_and_not_blank():
    run = Programs(
        {("wipefs", "--no-act", "--json", "/dev/sdb"): Result(1, "", "wipefs: error: /dev/sdb: probing failed")}
    )
    with pytest.raises(CommandFailed, match="probing failed"):
        disk.signatures(run, "/dev/sdb")


def test_a_disk_without_signatures_that_is_not_empty_is_not_blank(tmp_path):
    """What ``wipefs --all`` leaves of a file system: no signature, and all the data."""
    device = tmp_path / "disk"
    device.write_bytes(bytes(4096) + b"data" + bytes(disk.HEAD))
    (found,) = disk.signatures(lambda argv, **_: Result(0, ""), str(device))
    assert (found.type, found.offset) == ("data without a known signature", 4096)
    device.write_bytes(bytes(disk.HEAD) + b"data")
    assert disk.signatures(lambda argv, **_: Result(0, ""), str(device)) == ()
