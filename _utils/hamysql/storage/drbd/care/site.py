"""What the care of a replica has to know of its node. It has no secret, so a timer's job can have it in a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from hamysql.resolved import Resolved
from hamysql.storage.drbd import conf, drbdadm, replica
from hamysql.storage.drbd.status import Status, StatusSeen
from hamysql.storage.lock import FOLDER
from hamysql.system.command import Run

RUNNING = ("VerifyS", "VerifyT")  # connection states of a verification: the side that has begun it, and the other one


class Task(TypedDict):
    """The content of the timer's file: a :class:`Site`, and when its job has something to do (``None``: never)."""

    node: str
    resource: str
    minor: int
    rate: str | None
    usual: str
    every: int | None
    at: str


@dataclass(frozen=True)
class Site:
    """A replica on its node.

    ``rate`` is that of a verification, ``None`` for the ``usual`` one of a resynchronisation; both are DRBD's words, such as
    ``10M``. ``folder`` has marks that are gone after a boot.
    """

    node: str
    resource: str
    minor: int
    rate: str | None = None
    usual: str = "auto"
    folder: Path = field(default=FOLDER)


def task(config: Resolved) -> Task:
    """What the timer's job has to know of a configuration."""
    drbd = config["storage"]["drbd"]
    return {
        "node": config["self"],
        "resource": drbd["resource"],
        "minor": drbd["minor"],
        "rate": drbd["verify"]["rate"],
        "usual": drbd["rate"],
        "every": drbd["verify"]["every"],
        "at": drbd["verify"]["at"],
    }


def place(said: Task) -> Site:
    """The replica that a task is about."""
    return Site(said["node"], said["resource"], said["minor"], said["rate"], said["usual"])


def status(run: Run, site: Site) -> Status | None:
    """The replica in the kernel; ``None`` where it is not configured there."""
    return replica.status(run, site.resource, site.minor)


def words(seen: Status | None) -> str:
    """A replica in words, for a refusal."""
    if seen is None:
        return "not configured in the kernel"
    return f"{seen.role}/{seen.peer_role}, {seen.disk}/{seen.peer_disk}, {seen.connection}"


def rate(run: Run, site: Site, wanted: str) -> None:
    """Have the kernel verify and resynchronise at a rate, until it is told another one. Nothing is written to a file.

    wanted
        As in drbd.conf, ``10M``; ``auto`` for DRBD's own controller.
    """
    given = conf.rate_options(wanted) or conf.RATE_DEFAULTS
    options = [f"--{name}={value}" for name, value in given]
    if replica.kernel(run) == "8.4":
        run(["drbdsetup", "disk-options", str(site.minor), *options])
    else:
        drbdadm.call(run, None, "--", *options, "peer-device-options", site.resource)


def differs(surveyed: StatusSeen) -> int:
    """By how many KiB two connected replicas differ, of which both sides say that they have all data; 0 where they do not."""
    settled = surveyed and surveyed["up_to_date"] and surveyed["connection"] in ("Connected", *RUNNING)
    return surveyed.get("out_of_sync", 0) if settled else 0
