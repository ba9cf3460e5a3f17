"""Kernels of a machine: which are newer, and whether each has a module."""

from __future__ import annotations

import pytest

from hamysql.system import kernels
from hamysql.system import root as roots

DEP = "kernel/drivers/block/{}:\n"
FILES = {
    "6.1.0-9-amd64": ("modules.dep", "kernel/drivers/block/drbd/drbd.ko.xz: kernel/lib/lru_cache.ko.xz\n"),
    "6.1.0-18-amd64": ("modules.dep", "updates/dkms/drbd.ko: updates/dkms/other.ko\n"),
    "5.14.0-427.el9.x86_64": ("modules.dep", "weak-updates/drbd90/drbd.ko.xz:\n"),
    "6.1.0-uml": ("modules.builtin", "kernel/drivers/block/drbd/drbd.ko\n"),
    "6.1.0-20-cloud-amd64": ("modules.dep", "kernel/drivers/block/loop.ko: \nkernel/x/not-drbd.ko:\n"),
}


@pytest.fixture(autouse=True)
def machine(tmp_path):
    for release, (name, text) in FILES.items():
        folder = tmp_path / "lib/modules" / release
        folder.mkdir(parents=True)
        (folder / name).write_text(text)
    (tmp_path / "boot").mkdir()
    for release in ("6.1.0-9-amd64", "6.1.0-18-amd64", "6.1.0-20-cloud-amd64", "5.10.0-30-amd64"):
        (tmp_path / "boot" / f"vmlinuz-{release}").touch()
    with roots.below(tmp_path):
        yield


@pytest.mark.parametrize(
    ("release", "origin"),
    [
        ("6.1.0-9-amd64", kernels.KERNEL),
        ("6.1.0-18-amd64", kernels.DKMS),
        ("5.14.0-427.el9.x86_64", kernels.PACKAGE),
        ("6.1.0-uml", kernels.KERNEL),
        ("6.1.0-20-cloud-amd64", ""),
        ("6.9", ""),
    ],
)
def test_who_has_brought_a_module_is_seen(release, origin):
    assert kernels.origin(release, "drbd") == origin
    assert kernels.has(release, "drbd") is bool(origin)


def test_kernels_are_sorted_by_their_numbers():
    assert kernels.newer("6.1.0-9-amd64") == ["6.1.0-18-amd64", "6.1.0-20-cloud-amd64"]
    assert kernels.newer("6.1.0-20-cloud-amd64") == []
