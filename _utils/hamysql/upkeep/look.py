"""What there is to update on this node, and whether each kernel that it may boot has the module that the storage needs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from hamysql.system import kernels, root, upgrades
from hamysql.system.command import Run
from hamysql.upkeep import mark as marks
from hamysql.upkeep.mark import Mark

# Salt's own packages stop the minion that installs them.
LEFT = ("salt", "salt-*")
REQUIRED = Path("/run/reboot-required")  # Debian's and Ubuntu's packages ask for a boot by it


class UpdateSeen(TypedDict):
    """One package, see :class:`hamysql.system.upgrades.Update`."""

    name: str
    old: str
    new: str


class Seen(TypedDict):
    """What ``hamysql_update.look`` returns.

    ``left`` are held by an administrator, pinned by the pillar, or Salt's own. ``kernels`` are those that come. ``without`` are
    sentences on kernels that lack the storage's module, or may lack it. ``boot`` says why the node has to boot, or is "".
    """

    updates: list[UpdateSeen]
    left: list[str]
    kernels: list[str]
    running: str
    without: list[str]
    boot: str
    mark: Mark | None
    boot_id: str


@dataclass(frozen=True)
class Site:
    """What of a configuration counts here: the system's family, packages of the cluster, pinned ones, the storage's module."""

    family: str
    ours: tuple[str, ...]
    pinned: tuple[str, ...]
    module: str

    @property
    def manager(self) -> upgrades.Manager:
        return upgrades.of(self.family)


def seen(run: Run, site: Site) -> Seen:
    """Everything, as the lists of packages are now."""
    running = os.uname().release
    updates = pending(run, site)
    coming = site.manager.kernels(updates)
    return {
        "updates": [{"name": item.name, "old": item.old, "new": item.new} for item in updates],
        "left": sorted({*(name for name in site.manager.held(run) if name not in site.ours), *site.pinned}),
        "kernels": coming,
        "running": running,
        "without": [*without(site, running), *foreseen(run, site, running, coming, [item.name for item in updates])],
        "boot": boot(site, running),
        "mark": marks.read(),
        "boot_id": kernels.boot_id(),
    }


def pending(run: Run, site: Site) -> list[upgrades.Update]:
    """What would be updated now."""
    return site.manager.updates(run, [*LEFT, *site.pinned], site.ours)


def without(site: Site, running: str) -> list[str]:
    """Sentences on installed kernels, newer than the one that runs, that lack the module: the machine may boot them."""
    if not site.module:
        return []
    return [
        f"kernel {release} is installed and has no module {site.module}: after a boot the node would have no data. Install the "
        f"module for it, or remove that kernel"
        for release in kernels.newer(running)
        if not kernels.has(release, site.module)
    ]


def foreseen(run: Run, site: Site, running: str, coming: Sequence[str], names: Sequence[str]) -> list[str]:
    """Sentences on kernels that come, and would lack the module as far as anybody can tell before they are installed."""
    problems = []
    for release in coming if site.module else ():
        origin = kernels.origin(running, site.module)
        headers = site.manager.headers(release)
        if origin == kernels.KERNEL and site.manager.brings(run, release, site.module) is False:
            problems.append(
                f"kernel {release} comes without the module {site.module}, which kernel {running} has: hold its package, or "
                f"install another kind of kernel"
            )
        elif origin == kernels.DKMS and headers not in names and not _installed(site, release):
            problems.append(
                f"the module {site.module} is built by dkms, and {headers} does not come with kernel {release}: install the "
                f"package that brings the headers of each kernel"
            )
    return problems


def _installed(site: Site, release: str) -> bool:
    sources = root.at("/usr/src")
    return (sources / f"linux-headers-{release}").exists() or (sources / "kernels" / release).exists()


def boot(site: Site, running: str) -> str:
    """Why the node has to boot, as a sentence; "" where it has not."""
    if found := kernels.newer(running):
        return f"kernel {found[-1]} is installed, and {running} runs"
    return "a package asks for it" if root.at(REQUIRED).exists() else ""
