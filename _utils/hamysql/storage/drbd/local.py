"""One node's replica as the node itself has it: what its kernel and its disk say, and its module. Only reads."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

from hamysql.errors import CommandFailed, ParseError
from hamysql.resolved import Resolved
from hamysql.storage.drbd import drbdadm
from hamysql.storage.drbd import status as drbd_status
from hamysql.storage.drbd.link import RESOURCES
from hamysql.storage.drbd.status import Generation, Status, StatusSeen
from hamysql.system import disk as disks
from hamysql.system.command import Run

PROC = Path("/proc/drbd")


def disk(site: Resolved) -> str:
    """The disk of this node, as the pillar names it."""
    return str(site["cluster"]["nodes"][site["self"]]["disk"])


def status(run: Run, resource: str, minor: int) -> Status | None:
    """The resource in this node's kernel; ``None`` where it is not configured there."""
    if not PROC.exists():
        return None
    text = PROC.read_text(encoding="ascii")
    if drbd_status.kernel_version(text).startswith("8."):
        return drbd_status.parse_proc(text, minor)
    return drbd_status.parse_json(run(["drbdsetup", "status", "--json"]).stdout, resource)


def status_of(run: Run, site: Resolved) -> Status | None:
    """The same of the pillar's resource."""
    options = site["storage"]["drbd"]
    return status(run, options["resource"], options["minor"])


def seen(run: Run, site: Resolved) -> StatusSeen:
    """The same as it goes over Salt's bus; empty where the resource is not configured."""
    found = status_of(run, site)
    return found.as_dict() if found else {}


def generation(run: Run, site: Resolved) -> Generation | None:
    """``None`` where there is no metadata. From the disk itself where DRBD is not installed or configured yet."""
    options = site["storage"]["drbd"]
    resource = options["resource"]
    if (RESOURCES / f"{resource}.res").exists():
        try:
            result = drbdadm.call(run, options["shared_secret"], "get-gi", resource, accept=range(256))
        except CommandFailed:
            result = None
        if result is not None and not result.returncode:
            return drbd_status.parse_generation(result.stdout)
    device = disk(site)
    size = disks.size(run, device)
    return None if size is None else drbd_status.read_generation(device, size)


def kernel(run: Run) -> str:
    """Which configuration the kernel module understands, ``"8.4"`` or ``"9"``; ``"9"`` where none is installed yet."""
    if PROC.exists():
        version = drbd_status.kernel_version(PROC.read_text(encoding="ascii"))
    else:
        try:
            version = run(["modinfo", "--field", "version", "drbd"]).stdout.strip()
        except CommandFailed:
            version = ""
    return "8.4" if version.startswith("8.") else "9"


class Module(TypedDict):
    """DRBD's kernel module: the version of the loaded one, or "", and whether one could be loaded."""

    version: str
    loadable: bool


def module(release: str, root: Path = Path("/")) -> Module:
    """What this machine has of DRBD's kernel module.

    release
        What ``uname -r`` prints: the kernel whose modules count.
    root
        Where /proc and /lib are, for tests.
    """
    try:
        return {
            "version": drbd_status.kernel_version((root / "proc/drbd").read_text(encoding="ascii")),
            "loadable": True,
        }
    except (OSError, ParseError):
        pass
    folder = root / "lib/modules" / release
    # The two indexes that modprobe(8) itself looks into; a module may be compressed: drbd.ko.xz
    names = (folder / name for name in ("modules.dep", "modules.builtin"))
    return {"version": "", "loadable": any("/drbd.ko" in _text(name) for name in names)}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
