"""The database server's process on this node, and the note of what it runs with.

The note is about one process: a server that was started since is another one.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from hamysql.mysql import pending
from hamysql.mysql.flavours import registry
from hamysql.mysql.pending import Options, Process
from hamysql.resolved.software import Mysql
from hamysql.system import files, root
from hamysql.system.files import Unreadable

PROC = Path("/proc")


def found(config: Mysql, notes: Path) -> Process | None:
    """The server that our agent has noted, or that wrote the pid file; ``None`` where it does not run.

    notes
        The agent's.
    """
    return _noted(notes) or _claimed(config)


def _noted(notes: Path) -> Process | None:
    try:
        pid, born = map(int, files.text(root.at(notes), 64).split())
        return Process(pid, born) if stat(pid)[1] == born else None
    except (OSError, ValueError, IndexError, Unreadable):
        return None


def stat(pid: int) -> tuple[str, int]:
    """A process' name, and when it was born."""
    name, _, fields = root.at(PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")
    return name.partition("(")[2], int(fields.split()[19])  # proc(5): field 22, the first after the name is 3


def _claimed(config: Mysql) -> Process | None:
    try:
        pid = int(files.text(root.at(config["pid_file"]), 64))
        program, born = stat(pid)
    except (OSError, ValueError, IndexError, Unreadable):
        return None
    if program != os.path.basename(config["binary"])[:15]:  # the kernel keeps 15 characters of it
        return None
    return Process(pid, born)


def older(path: Path, process: Process) -> bool:
    """Whether a file or link is there, and was before a process."""
    uptime = time.clock_gettime(time.CLOCK_BOOTTIME) - process.start / os.sysconf("SC_CLK_TCK")
    return path.exists() and max(path.stat().st_ctime, path.lstat().st_ctime) < time.time() - uptime


def options(config: Mysql, process: Process, place: Path) -> Options | None:
    """The options that the server runs with; ``None`` where nobody knows.

    place
        The note. It is made where the option file still tells them.
    """
    known = pending.recorded(files.text_if_any(place) or "", process)
    if known is not None:
        return known
    fragment = Path(config["config_fragment"])
    if not older(fragment, process):
        return None
    read = pending.parse_file(registry.of(config), files.text(fragment, links=True))
    note(process, read, place)
    return read


def note(process: Process, options: Options, place: Path) -> None:
    """Replace the note of what a process runs with."""
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = place.with_suffix(".new")
    new.write_text(pending.record(process, options), encoding="utf-8")
    new.replace(place)
