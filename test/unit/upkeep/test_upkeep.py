"""A node's own part of an update: the mark, the kernels, and what each step wants to see first."""

from __future__ import annotations

import os

import pytest
from machines import put

from hamysql.errors import Refused
from hamysql.system import kernels, root, upgrades
from hamysql.system.command import Result
from hamysql.upkeep import look, mark, verbs

RUNNING = "6.1.0-9-amd64"


def modules(folder_of, release, text, kernel=True):
    folder = folder_of / "lib/modules" / release
    folder.mkdir(parents=True)
    (folder / "modules.dep").write_text(text)
    if kernel:
        (folder_of / "boot").mkdir(exist_ok=True)
        (folder_of / "boot" / f"vmlinuz-{release}").touch()


@pytest.fixture(autouse=True)
def machine(tmp_path):
    put(tmp_path / str(kernels.BOOT).lstrip("/"), "boot\n")
    with root.below(tmp_path):
        yield


def site(module="drbd"):
    return look.Site("Debian", ("corosync",), (), module)


def test_an_installed_kernel_without_the_module_is_told(tmp_path):
    modules(tmp_path, RUNNING, "kernel/drivers/block/drbd/drbd.ko:\n")
    assert look.without(site(), RUNNING) == []
    modules(tmp_path, "6.1.0-18-amd64", "kernel/drivers/block/loop.ko:\n")
    (found,) = look.without(site(), RUNNING)
    assert found.startswith("kernel 6.1.0-18-amd64 is installed and has no module drbd")
    assert look.without(site(module=""), RUNNING) == []
    assert look.boot(site(), RUNNING) == f"kernel 6.1.0-18-amd64 is installed, and {RUNNING} runs"


def test_a_package_may_ask_for_a_boot(tmp_path):
    assert look.boot(site(), RUNNING) == ""
    (tmp_path / "run").mkdir()
    (tmp_path / "run/reboot-required").touch()
    assert look.boot(site(), RUNNING) == "a package asks for it"


@pytest.mark.parametrize(
    ("dep", "names", "listed", "reason"),
    [
        ("kernel/drivers/block/drbd/drbd.ko:", (), "-rw-r--r-- ./lib/modules/6.1.0-18-amd64/kernel/drivers/block/drbd/drbd.ko.xz", ""),
        ("kernel/drivers/block/drbd/drbd.ko:", (), "-rw-r--r-- ./lib/modules/6.1.0-18-amd64/kernel/loop.ko", "comes without the module"),
        ("updates/dkms/drbd.ko:", (), "", "is built by dkms, and linux-headers-6.1.0-18-amd64 does not come"),
        ("updates/dkms/drbd.ko:", ("linux-headers-6.1.0-18-amd64",), "", ""),
    ],
)  # fmt: skip
def test_what_a_kernel_that_comes_would_lack_is_foreseen(tmp_path, monkeypatch, dep, names, listed, reason):
    monkeypatch.setattr(upgrades, "ARCHIVES", tmp_path)
    (tmp_path / "linux-image-6.1.0-18-amd64_6.1.76-1_amd64.deb").touch()
    modules(tmp_path, RUNNING, f"{dep}\n")
    found = look.foreseen(lambda *_, **__: Result(0, listed), site(), RUNNING, ["6.1.0-18-amd64"], names)
    assert [reason in line for line in found] == ([True] if reason else [])


def test_what_was_not_fetched_is_not_judged(tmp_path, monkeypatch):
    monkeypatch.setattr(upgrades, "ARCHIVES", tmp_path)
    modules(tmp_path, RUNNING, "kernel/drivers/block/drbd/drbd.ko:\n")
    assert look.foreseen(None, site(), RUNNING, ["6.1.0-18-amd64"], []) == []


def test_the_mark_stays_as_it_was_made_and_is_read_when_it_is_damaged(tmp_path):
    file = tmp_path / "update" / "begun"
    assert mark.read(file) is None
    made = mark.write(file)
    assert mark.write(file) == mark.read(file) == made
    assert made["boot"]
    file.write_text("{")
    assert mark.read(file) == {"since": "an unknown time", "boot": ""}
    assert mark.remove(file)
    assert not mark.remove(file)


def test_a_step_wants_the_mark_and_no_cluster_above_it(monkeypatch):
    monkeypatch.setattr(mark, "read", lambda: None)
    with pytest.raises(Refused, match="no update has begun on db1"):
        verbs.out_of_service("db1", running=False)
    monkeypatch.setattr(mark, "read", lambda: {"since": "", "boot": ""})
    verbs.out_of_service("db1", running=False)
    with pytest.raises(Refused, match="the cluster runs on db1"):
        verbs.out_of_service("db1", running=True)


def test_a_node_does_not_boot_into_a_kernel_without_its_data(tmp_path, monkeypatch):
    monkeypatch.setattr(verbs, "BOOTING", tmp_path / "booting")
    ran = []

    def run(argv, **_):
        ran.append(argv)
        return Result(0, "")

    newest = f"{kernels.order(os.uname().release)[0] + 1}.0.0-1-amd64"
    modules(tmp_path, newest, "kernel/drivers/block/loop.ko:\n")
    with pytest.raises(Refused, match="has no module drbd"):
        verbs.reboot(run, site())
    assert ran == []
    assert not verbs.BOOTING.exists()
    (tmp_path / "lib/modules" / newest / "modules.dep").write_text("extra/drbd.ko.zst:\n")
    assert verbs.reboot(run, site())
    assert ran == [["systemd-run", "--on-active=3", "systemctl", "reboot"]]
