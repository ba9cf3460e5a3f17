"""A running resource on this node: what it has not taken over of the pillar, and what it is told for a while.

Every function here runs programs, ``drbdadm`` and ``drbdsetup``; ``kernel`` is the kernel module's, one of :data:`conf.KERNELS`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from hamysql.corosync import replaced
from hamysql.pending import Pending
from hamysql.resolved import Resolved
from hamysql.resolved.storage import Drbd
from hamysql.storage.drbd import drbdadm, replica, status
from hamysql.storage.drbd import pending as drbd_pending
from hamysql.storage.latch import Latch
from hamysql.system import disk, mounts
from hamysql.system.command import Run


def pending(run: Run, site: Resolved, kernel: str) -> list[Pending]:
    """What the resource in the kernel has not taken over."""
    resource = site["storage"]["drbd"]["resource"]
    running = drbd_pending.parse_show(run(["drbdsetup", "show", resource]).stdout)
    full = drbd_pending.parse_show(run(["drbdsetup", "show", "--show-defaults", resource]).stdout)
    if running is None or full is None:
        return []
    site = _with_disk(site, running)
    commands = drbd_pending.parse_commands(_adjust(run, site, kernel, "--dry-run"))
    return list(drbd_pending.pending(site, running, full, commands, replaced.peer(site)))


def apply(run: Run, site: Resolved, kernel: str) -> None:
    """Have it take that over."""
    running = drbd_pending.parse_show(run(["drbdsetup", "show", site["storage"]["drbd"]["resource"]]).stdout)
    _adjust(run, _with_disk(site, running) if running else site, kernel)


def _with_disk(site: Resolved, running: drbd_pending.Running) -> Resolved:
    """The configuration with the disk's name that the kernel has, where that is the same disk."""
    wanted = replica.disk(site)
    same = running.disk.startswith("/") and mounts.same(running.disk, wanted)
    return drbd_pending.with_disk(site, running.disk) if same else site


def _adjust(run: Run, site: Resolved, kernel: str, *words: str) -> str:
    """``drbdadm adjust`` to what the pillar says, and not to what is in the file: it may not be written yet, and it may have
    another name for the disk. drbdadm remembers a file for its handlers only where it makes a new device."""
    drbd, text = site["storage"]["drbd"], drbd_pending.config_text(site, kernel)
    argv = ["--config-file", "-", *words, "adjust", drbd["resource"]]
    return drbdadm.call(run, drbd["shared_secret"], *argv, stdin=text).stdout


def device_uuid(run: Run, device: str, latches: Sequence[Latch]) -> str:
    """Of the DRBD metadata on the disk that the pillar names; looked for only where a latch has another name for its disk."""
    if all(known.disk == device for known in latches) or disk.size(run, device) is None:
        return ""
    return next((found.uuid for found in disk.signatures(run, device) if found.type == "drbd"), "")


def flags(run: Run, drbd: Drbd) -> dict[str, bool]:
    """What the metadata remembers; empty where there is none."""
    found = drbdadm.call(run, drbd["shared_secret"], "get-gi", drbd["resource"], accept=range(256))
    return dataclasses.asdict(status.parse_flags(found.stdout)) if found.returncode == 0 else {}


def relax(run: Run, drbd: Drbd, kernel: str) -> None:
    """Have the kernel module do without the peer, and ask nobody."""
    if kernel == "8.4":
        run(["drbdsetup", "disk-options", str(drbd["minor"]), "--fencing=dont-care"])
    else:
        drbdadm.call(run, drbd["shared_secret"], "--", "--fencing=dont-care", "net-options", drbd["resource"])


def restore(run: Run, drbd: Drbd) -> None:
    """Have the kernel module do what its configuration file says."""
    drbdadm.call(run, drbd["shared_secret"], "adjust", drbd["resource"])


def promote(run: Run, drbd: Drbd) -> None:
    """Promote the replica, though it has not seen its peer since it started.

    Not --force: that begins a new generation even where one has begun since the peer was lost, and forgets the one that
    the peer has (DRBD 8.4: "bm UUID was already set"). The two would take each other for unrelated data.
    """
    drbdadm.call(run, drbd["shared_secret"], "primary", drbd["resource"], timeout=300)
