"""The steps of an update on this node. Each looks itself whether it may be done: the node must be out of the service."""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import AbstractContextManager
from pathlib import Path

from hamysql.errors import Refused
from hamysql.storage import lock
from hamysql.system import debian
from hamysql.system.command import Run
from hamysql.upkeep import look, mark
from hamysql.upkeep.look import Site, UpdateSeen

BOOTING = Path("/run/hamysql/booting")
PATIENCE = 3600.0  # seconds: what a run that was cut off has begun goes on here


def out_of_service(name: str, running: bool) -> None:
    """Raise ``Refused`` unless an update has begun here, and the cluster does not run.

    running
        Whether corosync, pacemaker or the database run here.
    """
    if mark.read() is None:
        raise Refused(f"no update has begun on {name}: `salt-run state.orchestrate hamysql.orch.update` begins one")
    if running:
        raise Refused(f"the cluster runs on {name}: nothing is updated or booted below it")


def install(run: Run, site: Site, units: Collection[str]) -> list[UpdateSeen]:
    """Install what is pending, with the cluster's services left alone by the packages' scripts; returns what was updated.

    units
        Services that no script may start or stop.

    Raises ``Refused`` where a kernel lacks the storage's module afterwards: the node must not boot then.
    """
    with _alone("install"):
        if site.family == "Debian":
            with debian.quiet_services(units):
                if debian.dpkg_interrupted():
                    debian.finish_dpkg(run)
                done = _install(run, site)
        else:
            done = _install(run, site)
    bootable(site)
    return done


def _install(run: Run, site: Site) -> list[UpdateSeen]:
    wanted = look.pending(run, site)
    site.manager.install(run, wanted, site.ours)
    left = {item.name for item in look.pending(run, site)}
    return [{"name": item.name, "old": item.old, "new": item.new} for item in wanted if item.name not in left]


def bootable(site: Site) -> None:
    """Raise ``Refused`` where a kernel that this node may boot lacks the storage's module."""
    if reasons := look.without(site, os.uname().release):
        raise Refused("\n".join(reasons))


def reboot(run: Run, site: Site) -> bool:
    """Have this node boot anew, a moment after this has returned."""
    with _alone("boot"):
        bootable(site)
    BOOTING.touch()  # until then: it is in memory
    run(["systemd-run", "--on-active=3", "systemctl", "reboot"])
    return True


def _alone(work: str) -> AbstractContextManager[None]:
    """One update at a time: a job of a run that was cut off goes on, and is waited for. Its programs keep the lock."""
    return lock.held(work, "packages", PATIENCE)


def fetched(run: Run, site: Site) -> None:
    """Download what is pending. Raises ``Refused`` where another update is at work here for longer than an hour."""
    with _alone("download"):
        site.manager.fetch(run, look.pending(run, site))
