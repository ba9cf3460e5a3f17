"""What lies on real block devices (loop devices here), and wiping them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hamysql.errors import CommandFailed
from hamysql.storage.drbd import status as drbd_status
from hamysql.storage.drbd.status import Generation
from hamysql.system import disk
from hamysql.system.command import run

SIZE = 64 * 2**20


def sh(*argv: str | Path) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout


@pytest.fixture
def device(tmp_path) -> Iterator[str]:
    """A blank disk."""
    image = tmp_path / "image"
    image.touch()
    os.truncate(image, SIZE)
    attached = subprocess.run(["losetup", "--find", "--show", image], capture_output=True, text=True, check=False)
    if attached.returncode:
        pytest.skip(f"no loop device can be had here: {attached.stderr.strip()}")
    yield attached.stdout.strip()
    sh("losetup", "--detach", attached.stdout.strip())


def fill_with_ext4(device: str) -> None:
    sh("mkfs.ext4", "-q", device)


def fill_with_partitions(device: str) -> None:
    subprocess.run(["sfdisk", "-q", device], input="label: gpt\n,\n", text=True, check=True, capture_output=True)


def fill_with_drbd(device: str) -> None:
    sh("drbdmeta", "--force", "9999", "v08", device, "internal", "create-md")
    sh("drbdmeta", "--force", "9999", "v08", device, "internal", "write-dev-uuid", "e7c4c235a46d231d")


def fill_with_data(device: str) -> None:
    Path(device).write_bytes(b"\0" * 4096 + b"data")


@pytest.mark.parametrize(
    ("fill", "types"),
    [
        (fill_with_ext4, {"ext4"}),
        (fill_with_partitions, {"gpt", "PMBR"}),
        (fill_with_drbd, {"drbd"}),
        (fill_with_data, {"data without a known signature"}),
    ],
)
def test_what_is_found_is_wiped_and_drbd_accepts_the_disk(device, fill, types):
    assert disk.signatures(run, device) == ()
    fill(device)
    assert {signature.type for signature in disk.signatures(run, device)} == types
    disk.wipe(run, device)
    assert disk.signatures(run, device) == ()
    # Without --force: DRBD's own check finds nothing either, or it would ask, and take silence for a no.
    sh("drbdmeta", "9999", "v08", device, "internal", "create-md")


def test_a_mounted_disk_is_not_wiped(device, tmp_path):
    fill_with_ext4(device)
    where = tmp_path / "mounted"
    where.mkdir()
    sh("mount", device, where)
    try:
        assert disk.occupants(run, device, "/dev/drbd0").uses == (f"{device} is mounted on {where}",)
        with pytest.raises(CommandFailed, match="busy"):
            disk.wipe(run, device)
    finally:
        sh("umount", where)
    assert [signature.type for signature in disk.signatures(run, device)] == ["ext4"]


def test_generations_on_the_disk_are_those_that_drbd_prints(device):
    fill_with_drbd(device)
    assert drbd_status.read_generation(device, SIZE) == Generation(
        drbd_status.JUST_CREATED, 0, (0, 0), consistent=False
    )
    given = "949CA4647D747839:32C4AE688FE0A053:0000000000000004:0000000000000000:1:1:1:1:0:1:0"
    sh("drbdmeta", "--force", "9999", "v08", device, "internal", "set-gi", given)
    printed = sh("drbdmeta", "9999", "v08", device, "internal", "get-gi")
    assert drbd_status.read_generation(device, SIZE) == drbd_status.parse_generation(printed)
