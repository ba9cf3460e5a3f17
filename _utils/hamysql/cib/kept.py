"""The cluster's configuration as one node has it, though pacemaker may be down there."""

from __future__ import annotations

from pathlib import Path

from hamysql.cib.live import NO_PROGRAM, NOT_RUNNING
from hamysql.errors import CommandFailed
from hamysql.system import files, root
from hamysql.system.command import Run

FILE = Path("/var/lib/pacemaker/cib/cib.xml")  # pacemaker writes it after each change, and reads it when it starts


def known(run: Run) -> str | None:
    """What pacemaker on this node says, or what it has kept where it is down; ``None`` where it never ran.

    Raises ``CommandFailed`` where pacemaker runs and does not say it: what it has kept may be old then.
    """
    try:
        result = run(["cibadmin", "--query", "--local"], accept=(0, *NOT_RUNNING))
    except CommandFailed as exc:
        if exc.returncode == NO_PROGRAM:
            return kept()
        raise
    return kept() if result.returncode else result.stdout


def kept() -> str | None:
    """What pacemaker has kept in its file, whether or not it runs; ``None`` where it never ran. Needs no program."""
    return files.text_if_any(root.at(FILE), files.LARGE)
