"""The clock beside a node's kernel, with a process in the place of the kernel."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from lab.machines import clock

# Like a kernel: at first it has no handler for an alarm, then it has one, and asks for none itself.
KERNEL = """
import signal, sys, time
time.sleep(0.5)
seen = []
signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
print("ready", flush=True)
while len(seen) < 3:
    time.sleep(0.05)
print("went on", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def kernel():
    process = subprocess.Popen([sys.executable, "-c", KERNEL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.communicate()


def test_a_kernel_that_asks_for_no_alarm_goes_on_and_one_that_starts_is_left_alone(kernel):
    threading.Thread(target=clock.keep_going, args=[kernel.pid], daemon=True).start()
    assert kernel.stdout.readline() == "ready\n"  # an alarm before that would have ended it
    assert kernel.stdout.readline() == "went on\n"


def test_it_ends_with_the_kernel(kernel):
    going = threading.Thread(target=clock.keep_going, args=[kernel.pid], daemon=True)
    going.start()
    time.sleep(0.2)
    assert going.is_alive()
    kernel.kill()
    going.join(10)
    assert not going.is_alive()


def test_a_kernel_that_has_ended_already_is_nobody(kernel):
    kernel.kill()
    kernel.communicate()
    clock.keep_going(kernel.pid)
    assert not clock.expects_alarms(kernel.pid)
