"""What a node has to say in a support bundle: its logs around a time, and what its cluster shows. Each source is a job of its own.

Salt drops a return that is too large for its event bus. So each text is compressed, and its oldest lines are left out until it
fits.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Callable
from typing import TypedDict

from hamysql.errors import CommandFailed, Refused
from hamysql.mysql.flavours import registry
from hamysql.resolved import Resolved
from hamysql.system import files
from hamysql.system.command import Run

ROOM = 400_000  # characters of one return; Salt's max_event_size is 1 MiB by default
LINES = 20_000  # of a journal at the most, the newest ones
LOG = 4 * 2**20  # bytes of a log file at the most, its end
_SILENT = (
    "Failed to add filter for units: No data available"  # systemd's words where no unit of a pattern is in the journal
)
PACEMAKER_LOG = "/var/log/pacemaker/pacemaker.log"

Read = Callable[[Run, float, float], str]


class Packed(TypedDict):
    """A text on its way over Salt's bus: base64 of gzip, and how many of its oldest lines are left out."""

    data: str
    left_out: int


def _journal(*matches: str) -> Read:
    def read(run: Run, since: float, until: float) -> str:
        window = [f"--since=@{since:.0f}", f"--until=@{until:.0f}", f"--lines={LINES}"]
        how = ["--no-pager", "--quiet", "--utc", "--output=short-iso-precise"]
        try:
            return run(["journalctl", *how, *window, *matches], timeout=120).stdout
        except CommandFailed as exc:
            if _SILENT not in exc.output:
                raise
            return "(no unit of that name has said anything)\n"

    return read


def _file(path: str) -> Read:
    def read(run: Run, since: float, until: float) -> str:
        try:
            return files.tail(path, LOG)
        except FileNotFoundError:
            return f"(there is no file {path})\n"

    return read


def _command(*argv: str) -> Read:
    def read(run: Run, since: float, until: float) -> str:
        try:
            result = run(argv, accept=range(256), timeout=60)
        except CommandFailed as exc:
            return f"{exc}\n"
        return result.stdout + result.stderr

    return read


def sources(site: Resolved) -> dict[str, Read]:
    """All sources of a node by the name of their file in the bundle.

    A read takes ``run``, and the window's begin and end in seconds since 1970. Files of logs are read from their end, whatever the
    window is. No source shows process lists: those have arguments of fence agents.
    """
    units = [word for name in registry.services() for word in ("--unit", f"{name}.service")]
    found = {
        "corosync.journal": _journal("--unit", "corosync.service"),
        "pacemaker.journal": _journal("--unit", "pacemaker.service", "--unit", "sbd.service"),
        "database.journal": _journal(*units),
        "hamysql.journal": _journal("--unit", "hamysql-*"),
        "salt-minion.journal": _journal("--unit", "salt-minion.service"),
        "kernel.journal": _journal("_TRANSPORT=kernel"),
        "pacemaker.log": _file(PACEMAKER_LOG),
        "crm_mon.txt": _command("crm_mon", "--one-shot", "--inactive", "--failcounts", "--show-node-attributes"),
        "corosync-links.txt": _command("corosync-cfgtool", "-s"),
        "quorum.txt": _command("corosync-quorumtool", "-s"),
        "system.txt": _command("uname", "-a"),
        "os-release.txt": _file_of_system("/etc/os-release"),
    }
    if site["corosync"]["logfile"]:
        found["corosync.log"] = _file(site["corosync"]["logfile"])
    if site["mysql"]["error_log"]:
        found["database-error.log"] = _file(site["mysql"]["error_log"])
    return found


def _file_of_system(path: str) -> Read:
    return lambda run, since, until: files.text_if_any(path, links=True) or ""


def read(run: Run, site: Resolved, name: str, since: float, until: float) -> str:
    """The text of a source. Raises ``Refused`` for a name that is none."""
    found = sources(site)
    if name not in found:
        raise Refused(f"there is no source {name!r} of a report; there are: {', '.join(found)}")
    return found[name](run, since, until)


def pack(text: str, room: int = ROOM) -> Packed:
    """A text as it travels; its oldest lines are left out until it is short enough."""
    lines, left_out = text.splitlines(keepends=True), 0
    while len(data := base64.b64encode(gzip.compress("".join(lines).encode(errors="replace")))) > room and lines:
        drop = max(1, len(lines) // 3)
        lines, left_out = lines[drop:], left_out + drop
    return {"data": data.decode(), "left_out": left_out}


def unpack(packed: Packed) -> str:
    """The text again; its first line says what is left out."""
    text = gzip.decompress(base64.b64decode(packed["data"])).decode(errors="replace")
    said = f"(the oldest {packed['left_out']} lines are left out)\n" if packed["left_out"] else ""
    return said + text
