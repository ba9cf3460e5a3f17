"""One node's machine: its kernel, and what a server's board does beside that.

``python -m lab.machines.machine umid=... CONSOLE COMMAND`` starts the kernel, keeps its clock going (:mod:`lab.machines.clock`),
and starts it again when the node has rebooted. A User-Mode Linux kernel reboots by executing itself, with its taps still open, so
that the new one has no network. Here it cannot find itself (``UNKNOWN``), and ends. The process carries the node's ``umid=`` on its
command line. So whoever cuts the node's power ends it with the kernel, and a node in the middle of its reboot counts as on.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lab.basics.context import PROJECT, Lab
from lab.machines import clock, image

# What a kernel says last before it would start anew, and then.
RESTARTING, NOT_FOUND = b"reboot: Restarting system", b"Failed to exec kernel"
# The name by which a kernel is started, and which it would execute.
UNKNOWN = "/nonexistent/linux.uml"


def start(lab: Lab, name: str, command: Sequence[str], console: Path, cables: Path) -> None:
    """Start a node's machine, in the background.

    command
        What starts the kernel.
    console
        The file for what the kernel prints.
    cables
        The pipe whose lines reach the node as its serial line, see :func:`lab.wires.cables.say`.
    """
    if not cables.is_fifo():
        cables.unlink(missing_ok=True)
        os.mkfifo(cables)
    environment = {**os.environ, "HAMYSQL_LAB_DIR": str(lab.dir), "TMPDIR": "/dev/shm"}  # the node's memory
    serial = os.open(cables, os.O_RDWR)  # with a writer of its own, or the line would end when the first one has spoken
    try:
        with console.open("wb") as out:
            subprocess.Popen(
                [sys.executable, "-m", "lab.machines.machine", f"umid={name}", str(console), *command],
                stdin=serial,
                stdout=out,
                stderr=out,
                start_new_session=True,
                cwd=PROJECT,
                env=environment,
            )
    finally:
        os.close(serial)


def kernel(folder: Path) -> list[str]:
    """The beginning of a kernel's command line: it runs with its own release's C library, under a name by which it does not find
    itself.

    folder
        Has ``linux.uml`` and, in ``lib``, what takes the place of the host's libraries for this process alone.
    """
    script = f'mount --bind {folder}/lib {image.LIBRARIES} && exec -a {UNKNOWN} "$0" "$@"'
    return ["unshare", "--mount", "bash", "-c", script, f"{folder}/linux.uml"]


def restarts(console: Path) -> bool:
    """Whether the last that a kernel said is that it starts anew."""
    _, restarting, after = console.read_bytes()[-400:].rpartition(RESTARTING)
    said = after.strip().splitlines()
    # More than one line: it has started anew, and what it has said since is about another end.
    return bool(restarting) and (not said or (len(said) == 1 and said[0].startswith(NOT_FOUND)))


def run(command: Sequence[str], console: Path) -> None:
    """Run a kernel until it ends, and again as often as it ends for a reboot."""
    while True:
        with subprocess.Popen(command) as kernel:  # each program of the command becomes the next one
            clock.keep_going(kernel.pid)
        if not restarts(console):
            return


if __name__ == "__main__":
    run(sys.argv[3:], Path(sys.argv[2]))
