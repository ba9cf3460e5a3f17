"""Keeps the clock of a node going: the machine beside each node's kernel (:mod:`lab.machines.machine`) does so until that ends.

A User-Mode Linux kernel asks its host for one alarm at a time, and asks for the next one when that comes. One that comes while it
is still at work on the one before is dropped (``unblock_signals`` in arch/um/os-Linux/signal.c, "Do not reenter the handler"), and
then none comes any more: no timer of the node runs, a process that sleeps does not wake up, and its cluster loses it although its
links are fine. That is seen once in some hours of failovers, for seconds or for good. One alarm more sets it going again, and one
too many does nothing: so each kernel gets ten a second.
"""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path

INTERVAL = 0.1  # seconds


def expects_alarms(pid: int) -> bool:
    """Whether a process has a handler for them; one without would be ended, as a kernel that has just begun to start."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    (caught,) = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")]
    return bool(int(caught, 16) >> (signal.SIGALRM - 1) & 1)


def keep_going(pid: int) -> None:
    """Send a process its alarms until it has ended."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended = select.poll()
    ended.register(process, select.POLLIN)
    while not ended.poll(INTERVAL * 1000):
        if expects_alarms(pid):
            try:
                signal.pidfd_send_signal(process, signal.SIGALRM)
            except ProcessLookupError:
                break
    os.close(process)
