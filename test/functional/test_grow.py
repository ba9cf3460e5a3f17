"""Layers that grow for real: file systems on loop devices, DRBD's metadata, volumes of LVM whose disks have grown."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hamysql.errors import Refused
from hamysql.storage.drbd.care import growth as drbd_growth
from hamysql.storage.growth import filesystem, layers, volumes
from hamysql.storage.growth.rescan import rescan
from hamysql.system import command, disk
from hamysql.system.command import run

SIZE = 320 * 2**20
LARGER = 640 * 2**20
# drbdmeta notes the size of a disk by the number of its device.
MINOR = "9998"
KNOWN = Path(f"/var/lib/drbd/drbd-minor-{MINOR}.lkbd")
TOOLS = {"xfs": ("mkfs.xfs", "xfs_growfs", "xfs_info"), "ext4": ("mkfs.ext4", "resize2fs", "dumpe2fs")}


def sh(*argv: str | Path) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout


def missing(*programs: str) -> list[str]:
    return [name for name in programs if not shutil.which(name, path=command.PATH)]


class Loop:
    """A disk that can grow: a file below a loop device."""

    def __init__(self, image: Path) -> None:
        self.image = image
        image.touch()
        os.truncate(image, SIZE)
        attached = subprocess.run(["losetup", "--find", "--show", image], capture_output=True, text=True, check=False)
        if attached.returncode:
            pytest.skip(f"no loop device can be had here: {attached.stderr.strip()}")
        self.device = attached.stdout.strip()

    def detach(self) -> None:
        sh("losetup", "--detach", self.device)

    def grow(self, size: int = LARGER) -> None:
        os.truncate(self.image, size)
        sh("losetup", "--set-capacity", self.device)


@pytest.fixture
def loop(tmp_path) -> Iterator[Loop]:
    made = Loop(tmp_path / "image")
    yield made
    made.detach()


@pytest.fixture(params=TOOLS)
def mounted(request, loop, tmp_path):
    """A file system in use, with a file in it."""
    if lacks := missing(*TOOLS[request.param]):
        pytest.skip(f"{', '.join(lacks)} is missing (Debian: xfsprogs, e2fsprogs)")
    sh(f"mkfs.{request.param}", "-q", loop.device)
    directory = tmp_path / "data"
    directory.mkdir()
    sh("mount", loop.device, directory)
    (directory / "file").write_text("kept")
    yield {"type": request.param, "device": loop.device, "directory": str(directory), "options": "", "mkfs_options": []}
    if os.path.ismount(directory):
        sh("umount", directory)


def may_grow(kind: str) -> bool:
    """ext4 wants CAP_SYS_RESOURCE (ext4_resize_begin), which a container's root may lack."""
    status = Path("/proc/self/status").read_text()
    return kind != "ext4" or bool(int(re.findall(r"CapEff:\s+(\S+)", status)[0], 16) >> 24 & 1)


def test_a_file_system_grows_while_a_file_is_open_in_it(mounted, loop):
    if not may_grow(mounted["type"]):
        pytest.skip("root lacks CAP_SYS_RESOURCE here: no ext4 grows while it is mounted")
    before = filesystem.size(run, mounted)
    assert 0 <= SIZE - before < layers.ROOM
    with open(Path(mounted["directory"]) / "file", "a") as file:
        loop.grow()
        assert filesystem.size(run, mounted) == before, "the disk has grown, and nothing else"
        after = filesystem.enlarge(run, mounted)
        file.write(", and written to")
    assert 0 <= LARGER - after < layers.ROOM
    assert (Path(mounted["directory"]) / "file").read_text() == "kept, and written to"
    assert filesystem.enlarge(run, mounted) == after, "a second time changes nothing"


def test_a_file_system_that_is_not_mounted_is_left_alone(mounted, loop):
    sh("umount", mounted["directory"])
    loop.grow()
    before = loop.image.read_bytes()[: 2**20]
    with pytest.raises(Refused, match="is not mounted on"):
        filesystem.enlarge(run, mounted)
    assert loop.image.read_bytes()[: 2**20] == before


def test_a_size_is_known_without_opening_the_device(loop):
    assert layers.in_kernel(loop.device) == SIZE
    loop.grow()
    assert layers.in_kernel(loop.device) == LARGER == disk.size(run, loop.device)
    assert layers.in_kernel("/dev/drbd1048575") is None
    assert rescan(run, loop.device) is False, "a loop device notices by itself"


@pytest.mark.parametrize("size", [SIZE, SIZE + 4096, SIZE + 5 * 512, LARGER, 2**31 + 2**27, 5 * 2**30, 2**40 + 512])
def test_what_is_left_beside_the_metadata_is_what_drbdmeta_leaves(loop, size):
    KNOWN.unlink(missing_ok=True)
    loop.grow(size)
    sh("drbdmeta", "--force", MINOR, "v08", loop.device, "internal", "create-md")
    dump = sh("drbdmeta", MINOR, "v08", loop.device, "internal", "dump-md")
    KNOWN.unlink()
    found = re.search(r"^# bm_offset (\d+)$", dump, re.MULTILINE)
    assert found
    assert drbd_growth.usable(size) == int(found[1])


@pytest.fixture
def group(tmp_path, monkeypatch) -> Iterator[tuple[Loop, str]]:
    """A group of volumes on a loop device, with an inactive volume: this needs no device mapper."""
    if lacks := missing("lvm", "pvcreate", "vgcreate", "lvcreate", "lvextend", "pvresize"):
        pytest.skip(f"{', '.join(lacks)} is missing (Debian: lvm2)")
    made = Loop(tmp_path / "image")
    (tmp_path / "lvm.conf").write_text(
        f'devices {{ dir="/dev" scan=["/dev"] filter=["a|^{made.device}$|", "r|.*|"] use_devicesfile=0 }}\n'
        "activation { udev_sync=0 udev_rules=0 }\nglobal { activation=0 use_lvmpolld=0 }\n"
        "backup { backup=0 archive=0 }\n"
    )
    monkeypatch.setenv("LVM_SYSTEM_DIR", str(tmp_path))
    name = f"hamysqltest{os.getpid()}"
    sh("pvcreate", "--yes", made.device)
    sh("vgcreate", name, made.device)
    sh(
        "lvcreate",
        "--yes",
        "--activate",
        "n",
        "--zero",
        "n",
        "--wipesignatures",
        "n",
        "--size",
        "128M",
        "--name",
        "data",
        name,
    )
    yield made, name
    made.detach()


def test_a_volume_gets_a_size_from_what_its_disk_has_gained(group):
    made, name = group
    volume = volumes.read(run, f"{name}/data")
    assert (volume.size, volume.grown) == (128 * 2**20, ())
    with pytest.raises(Refused, match="enlarge the disk below it first"):
        volume.target("500M")
    made.grow()
    volume = volumes.read(run, f"{name}/data")
    assert volume.grown == ((made.device, LARGER - SIZE),)
    volumes.enlarge(run, volume, "501M")
    volume = volumes.read(run, f"{name}/data")
    assert (volume.size, volume.grown) == (504 * 2**20, ()), "whole extents"
    volumes.enlarge(run, volume, "100M")
    assert volumes.read(run, f"{name}/data").size == 504 * 2**20, "nothing is made smaller"
    volumes.enlarge(run, volume, "")
    volume = volumes.read(run, f"{name}/data")
    assert (volume.free, volume.most) == (0, volume.size)


@pytest.mark.parametrize("text", ["", "0G", "10", "10K", "-1G", "1G; reboot"])
def test_a_size_that_is_none_is_refused(text):
    with pytest.raises(Refused, match="cannot have the size"):
        layers.parse_size(text)
