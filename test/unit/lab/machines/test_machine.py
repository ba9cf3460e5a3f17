"""The machine beside a node's kernel, with a program in the place of the kernel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading

import pytest

from lab.basics.context import Lab
from lab.machines import image, machine
from lab.wires.cables import say

# Like a kernel: it says what it was told on its serial line, and ends as it is told in a file.
KERNEL = """
import pathlib, sys
folder = pathlib.Path(sys.argv[1])
starts = folder / "starts"
starts.write_text(starts.read_text() + "1" if starts.exists() else "1")
print(sys.stdin.readline().strip(), flush=True)
print({"1": "reboot: Restarting system", "11": "reboot: Power down"}[starts.read_text()], flush=True)
"""


@pytest.fixture
def started(tmp_path):
    """A machine with two kernels' lives, and what was said to each."""
    lab = Lab(dir=tmp_path)
    cables, console = tmp_path / "cables", tmp_path / "console"
    machine.start(lab, "a-node", [sys.executable, "-c", KERNEL, str(tmp_path)], console, cables)
    return cables, console, tmp_path / "starts"


def _wait_for(condition):
    done = threading.Event()
    for _ in range(100):
        if condition():
            return True
        done.wait(0.1)
    return False


def test_a_kernel_that_reboots_is_started_again_and_one_that_powers_off_is_not(started):
    cables, console, starts = started
    say(cables, "0 cut")
    assert _wait_for(lambda: starts.exists() and starts.read_text() == "11"), console.read_text()
    say(cables, "0 plugged")
    assert _wait_for(lambda: "Power down" in console.read_text())
    said = [line for line in console.read_text().splitlines() if line.startswith("0 ")]
    assert said == ["0 cut", "0 plugged"]
    assert starts.read_text() == "11"
    assert _wait_for(lambda: not _running("umid=a-node"))


def _running(word):
    return subprocess.run(["pgrep", "--full", word], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("said", "restarts"),
    [
        ("reboot: Restarting system\n", True),
        ("[ 12.3] reboot: Restarting system\n\n", True),
        ("reboot: Restarting system\n\n\nFailed to exec kernel: No such file or directory\n", True),
        ("reboot: Power down\n", False),
        ("reboot: Restarting system\nLinux version 6.1\n", False),
        (
            "reboot: Restarting system\nFailed to exec kernel: No such file or directory\nbooted\nreboot: System halted\n",
            False,
        ),
        ("", False),
    ],
)
def test_only_a_kernel_whose_last_word_is_that_has_rebooted(tmp_path, said, restarts):
    console = tmp_path / "console"
    console.write_text(said)
    assert machine.restarts(console) is restarts


def test_a_kernel_is_started_under_a_name_that_is_not_there_and_with_its_releases_c_library(tmp_path):
    (tmp_path / "lib").mkdir()
    for name in image.C_LIBRARY:
        shutil.copy(image.LIBRARIES / name, tmp_path / "lib")
    shutil.copy("/bin/sh", tmp_path / "linux.uml")
    looked = "cat /proc/$$/cmdline; printf '\\n%s' /usr/lib/x86_64-linux-gnu/*"
    command = [*machine.kernel(tmp_path), "-c", looked]
    said = subprocess.run(command, capture_output=True, check=True, text=True).stdout.splitlines()
    name, *words = said[0].split("\0")
    assert not os.path.exists(name)
    assert words[:2] == ["-c", looked]
    assert {os.path.basename(path) for path in said[1:]} == set(image.C_LIBRARY)


def test_a_node_that_is_off_hears_nothing(tmp_path):
    say(tmp_path / "no-pipe", "0 cut")
    os.mkfifo(tmp_path / "cables")
    say(tmp_path / "cables", "0 cut")  # it would block, or raise
    assert (tmp_path / "cables").is_fifo()
