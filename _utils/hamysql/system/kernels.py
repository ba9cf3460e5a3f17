"""The kernels of this machine: which are installed, and whether each has a module."""

from __future__ import annotations

import re
from pathlib import Path

from hamysql.system import root

# Where a module's file lies below /lib/modules/RELEASE says who brings it there for the next kernel.
KERNEL, DKMS, PACKAGE = "kernel", "dkms", "package"
BOOT = Path("/proc/sys/kernel/random/boot_id")
# The two indexes that modprobe(8) itself looks into.
_INDEXES = ("modules.dep", "modules.builtin")


def boot_id() -> str:
    """The kernel's own id of this boot, which no two boots share."""
    return root.at(BOOT).read_text(encoding="ascii").strip()


def has(release: str, module: str) -> bool:
    """Whether a kernel of this machine has a module, built in or as a file.

    release
        What ``uname -r`` prints of it.
    """
    return bool(_path(release, module))


def origin(release: str, module: str) -> str:
    """Who has brought a module to a kernel: ``KERNEL`` itself, ``DKMS``, another ``PACKAGE``; "" where it has none."""
    path = _path(release, module)
    if not path:
        return ""
    if path.startswith("kernel/"):
        return KERNEL
    return DKMS if "/dkms/" in path else PACKAGE


def newer(running: str) -> list[str]:
    """The installed kernels that are newer than the one that runs, the newest last: the machine boots one of them."""
    found = [path.name.removeprefix("vmlinuz-") for path in root.at("/boot").glob("vmlinuz-*")]
    return sorted((release for release in found if order(release) > order(running)), key=order)


def order(release: str) -> tuple[int, ...]:
    """What kernels are sorted by: ``6.1.0-18-amd64`` is newer than ``6.1.0-9-amd64``."""
    return tuple(map(int, re.findall(r"\d+", release)))


def _path(release: str, module: str) -> str:
    """The module's file as the indexes have it; it may be compressed: drbd.ko.xz."""
    for name in _INDEXES:
        for line in _text(root.at("/lib/modules") / release / name).splitlines():
            path = line.partition(":")[0]
            if re.search(rf"(^|/){re.escape(module)}\.ko(\.\w+)?$", path):
                return path
    return ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
