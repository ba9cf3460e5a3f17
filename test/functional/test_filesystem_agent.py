"""ocf:hamysql:filesystem with real mounts: what pacemaker asks of it."""

from __future__ import annotations

import os
import subprocess
import time

import ocf
import pytest

from hamysql.system import command
from support import ROOT

AGENT = ROOT / "hamysql" / "storage" / "files" / "filesystem-agent.sh"
SUCCESS, GENERIC, ARGS, UNIMPLEMENTED, INSTALLED, CONFIGURED, NOT_RUNNING = 0, 1, 2, 3, 5, 6, 7

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")


class Resource:
    """The agent with its parameters, as pacemaker calls it. The file system is one in memory: the agent does not care."""

    def __init__(self, folder):
        self.folder, self.root = folder, ocf.lay_down(folder.parent / "ocf")
        self.parameters = {"device": "hamysql-test", "directory": str(folder), "fstype": "tmpfs", "options": "size=1m"}

    def call(self, action, check_level="0", **parameters):
        words = {"CRM_meta_timeout": "4000", **self.parameters, **parameters}
        given = {f"OCF_RESKEY_{name}": value for name, value in words.items()}
        env = {**os.environ, **given, "OCF_CHECK_LEVEL": check_level, "OCF_ROOT": self.root}
        argv = ["sh", str(AGENT), *action.split()]
        return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=False)

    def does(self, action, **parameters):
        return self.call(action, **parameters).returncode


@pytest.fixture
def resource(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    yield Resource(folder)
    while os.path.ismount(folder):
        command.run(["umount", str(folder)])


def test_it_is_mounted_and_unmounted_and_each_is_done_once(resource):
    assert resource.does("monitor") == NOT_RUNNING
    assert resource.does("start") == SUCCESS
    assert os.path.ismount(resource.folder)
    (resource.folder / "file").touch()
    assert resource.does("start") == SUCCESS
    assert (resource.folder / "file").exists(), "something was mounted over it"
    assert resource.does("monitor") == SUCCESS
    assert resource.does("stop") == SUCCESS
    assert resource.does("stop") == SUCCESS
    assert not os.path.ismount(resource.folder)
    assert resource.does("monitor") == NOT_RUNNING


def test_a_mount_that_fails_says_why(resource):
    done = resource.call("start", fstype="xfs", device="/dev/hamysql-none", options="noatime")
    assert done.returncode == GENERIC
    assert "/dev/hamysql-none" in done.stderr
    assert not os.path.ismount(resource.folder)


def test_what_somebody_else_has_mounted_there_is_left_alone(resource):
    command.run(["mount", "-t", "tmpfs", "somebodys", str(resource.folder)])
    for action in ("start", "monitor"):
        done = resource.call(action)
        assert done.returncode == GENERIC
        assert "somebodys is mounted on" in done.stderr
    assert os.path.ismount(resource.folder)


def test_a_file_system_that_has_become_read_only_is_a_failure(resource):
    assert resource.does("start") == SUCCESS
    command.run(["mount", "-o", "remount,ro", str(resource.folder)])
    done = resource.call("monitor")
    assert done.returncode == GENERIC
    assert "has become read-only" in done.stderr
    assert resource.does("monitor", options="ro,size=1m") == SUCCESS


def test_a_disk_that_cannot_be_read_is_a_failure_where_the_monitor_looks_past_the_caches(resource, tmp_path):
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(8192))
    assert resource.does("start", device=str(disk)) == SUCCESS
    assert resource.does("monitor", device=str(disk), check_level="10") == SUCCESS
    disk.unlink()
    assert resource.does("monitor", device=str(disk)) == SUCCESS
    done = resource.call("monitor", device=str(disk), check_level="10")
    assert done.returncode == GENERIC
    assert "cannot be read" in done.stderr


@pytest.mark.parametrize("deaf", [False, True])
def test_who_still_has_a_file_open_is_ended(resource, deaf):
    assert resource.does("start") == SUCCESS
    trap = "trap '' TERM; " if deaf else ""
    holder = subprocess.Popen(["sh", "-c", f"{trap}exec 3>{resource.folder}/file; echo; while :; do sleep 0.1; done"], stdout=subprocess.PIPE)  # fmt: skip
    try:
        holder.stdout.readline()
        started = time.monotonic()
        assert resource.does("stop", CRM_meta_timeout="6000") == SUCCESS
        assert not os.path.ismount(resource.folder)
        assert holder.wait(timeout=10) == (-9 if deaf else -15)
        if deaf:
            assert time.monotonic() - started >= 2, "it was not asked for the first half of the time"
    finally:
        holder.kill()
        holder.communicate()


# A machine of its own for the agent: fuser sees its processes only, and cannot harm the one that the test runs on.
APART = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--propagation", "private"]
INSIDE = """
sleep 300 & bystander=$!          # it works on the root file system
mount -t tmpfs -o size=1m hamysql-test "$OCF_RESKEY_directory"
(cd "$OCF_RESKEY_directory" && exec sleep 300) & user=$!
until [ /proc/$user/cwd -ef "$OCF_RESKEY_directory" ]; do sleep 0.1; done
sh {agent} stop; echo "stop $?"
kill -0 $bystander && echo "the bystander lives"
"""
# What happens between two of the agent's looks: somebody else unmounts it, or mounts something else there.
VANISHES = {
    "while umount is at work": ("umount", 'umount --lazy "$1"; exit 1'),
    "before fuser looks": ("fuser", 'for last; do :; done; umount --lazy "$last"; exec fuser "$@"'),
    "and another one is there": ("umount", 'umount --lazy "$1"; mount --bind /tmp "$1"; exit 1'),
}


@pytest.mark.parametrize("moment", VANISHES)
def test_a_mount_that_vanishes_costs_nobody_his_life(resource, tmp_path, moment):
    name, script = VANISHES[moment]
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / name).write_text(f"#!/bin/sh\nPATH={os.environ['PATH']}\n{script}\n")
    (programs / name).chmod(0o755)
    given = {f"OCF_RESKEY_{key}": value for key, value in {**resource.parameters, "CRM_meta_timeout": "2000"}.items()}
    env = {**os.environ, **given, "PATH": f"{programs}:{os.environ['PATH']}", "OCF_ROOT": resource.root}
    argv = [*APART, "sh", "-c", INSIDE.format(agent=AGENT)]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert "stop 0" in done.stdout, done.stderr
    assert "the bystander lives" in done.stdout, done.stderr


def test_stop_leaves_alone_what_somebody_else_has_mounted_there_and_who_uses_it(resource):
    command.run(["mount", "-t", "tmpfs", "somebodys", str(resource.folder)])
    holder = subprocess.Popen(["sleep", "60"], cwd=resource.folder)
    try:
        done = resource.call("stop")
        assert done.returncode == SUCCESS
        assert "somebodys is mounted on" in done.stderr
        assert os.path.ismount(resource.folder)
        assert holder.poll() is None
    finally:
        holder.kill()
        holder.wait()


def test_what_was_mounted_over_ours_goes_first(resource):
    assert resource.does("start") == SUCCESS
    command.run(["mount", "-t", "tmpfs", "somebodys", str(resource.folder)])
    assert resource.does("stop") == SUCCESS
    assert not os.path.ismount(resource.folder)


def test_a_file_system_whose_disk_has_lost_its_name_is_unmounted_all_the_same(resource, tmp_path):
    disk, name = tmp_path / "disk", tmp_path / "by-id"
    with disk.open("wb") as file:
        file.truncate(16 * 2**20)
    command.run(["mkfs.ext4", "-q", str(disk)])
    loop = command.run(["losetup", "--find", "--show", str(disk)]).stdout.strip()
    try:
        name.symlink_to(loop)
        parameters = {"device": str(name), "fstype": "ext4", "options": "noatime"}
        assert resource.does("start", **parameters) == SUCCESS
        assert resource.does("monitor", **parameters) == SUCCESS
        name.unlink()
        assert resource.does("stop", **parameters) == SUCCESS
        assert not os.path.ismount(resource.folder)
    finally:
        if os.path.ismount(resource.folder):
            command.run(["umount", str(resource.folder)])
        command.run(["losetup", "--detach", loop])


@pytest.mark.parametrize(
    ("action", "parameters", "code"),
    [
        ("validate-all", {"device": ""}, CONFIGURED),
        ("start", {"fstype": ""}, CONFIGURED),
        ("start", {"directory": "/nowhere/at/all"}, INSTALLED),
        ("validate-all", {}, SUCCESS),
        ("promote", {}, UNIMPLEMENTED),
        ("", {}, ARGS),
    ],
)
def test_what_is_wrong_has_its_exit_code(resource, action, parameters, code):
    assert resource.does(action, **parameters) == code


@ocf.needs_tester
def test_it_passes_ocf_tester(resource):
    ocf.assert_passes(AGENT, "p_fs_mysql", resource.parameters)
