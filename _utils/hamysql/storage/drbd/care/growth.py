"""A replicated device that grows in service, as far as the smaller of both disks lets it.

DRBD user's guide, "Growing on-line"; the kernel's ``drbd_nl.c`` (8.4): it writes the metadata anew at the new end of each disk, and
marks it before as one that says nothing, so a node that loses its power in between is filled anew. It refuses while it synchronises
and without a primary. Without a connection it would not know the peer's size.
"""

from __future__ import annotations

from hamysql.errors import CommandFailed, NotReady, Refused
from hamysql.resolved import Resolved
from hamysql.storage.drbd import drbdadm, replica
from hamysql.storage.growth import volumes
from hamysql.storage.growth.layers import DEVICE, DISK, Growth, Layer, in_kernel, words
from hamysql.system import disk, wait
from hamysql.system.command import Run

_SECTOR = 512
_EXTENT = 2**15  # sectors of data for each sector of the bitmap: one bit for 4 KiB
_FIXED = 8 + 64  # sectors of the metadata's block, and of the activity log
PATIENCE = 60  # seconds for both kernels to agree on the size


def usable(size: int) -> int:
    """The bytes of a disk that are left beside internal metadata for one peer (``drbd_md_set_sector_offsets`` in drbd_nl.c)."""
    sectors = size // _SECTOR
    bitmap = -(-sectors // _EXTENT)
    bitmap = -(-bitmap // 8) * 8
    return max(0, sectors // 8 * 8 - bitmap - _FIXED) * _SECTOR


class DrbdGrowth(Growth):
    def disk(self, site: Resolved) -> str:
        return replica.disk(site)

    def layers(self, site: Resolved, run: Run, size: str) -> list[Layer]:
        drbd, device = site["storage"]["drbd"], replica.disk(site)
        if bounded := drbd["options"]["disk"].get("size"):
            raise Refused(
                f"hamysql:storage:drbd:options:disk:size bounds the device to {bounded}: take it out of the pillar, and deploy that"
            )
        there, now = disk.size(run, device), in_kernel(drbd["device"])
        if there is None:
            raise Refused(f"there is no such block device: {device}")
        if not now:
            raise Refused(f"the resource {drbd['resource']} is not configured in the kernel here")
        to = there
        if size:
            to = self._volume(run, device).target(size)
        return [
            {"key": DISK, "name": f"the disk {device}", "size": there, "to": to},
            {"key": DEVICE, "name": f"the device {drbd['device']}", "size": now, "to": usable(to)},
        ]

    def _volume(self, run: Run, device: str) -> volumes.Volume:
        volume = volumes.of(run, device)
        if volume is None:
            raise Refused(f"{device} is no volume of LVM: enlarge it yourself, and leave the size out")
        return volume

    def enlarge_disk(self, site: Resolved, run: Run, size: str) -> None:
        volumes.enlarge(run, self._volume(run, replica.disk(site)), size)

    def enlarge_device(self, site: Resolved, run: Run) -> None:
        drbd = site["storage"]["drbd"]
        seen = replica.status_of(run, site)
        found = f"{seen.role}, {seen.disk}/{seen.peer_disk}, {seen.connection}" if seen else "not configured"
        if seen is None or seen.role != "Primary" or seen.connection != "Connected" or not seen.up_to_date:
            raise Refused(
                f"DRBD is {found} here: its device grows where it is Primary, Connected and UpToDate on both sides"
            )
        before, there = in_kernel(drbd["device"]) or 0, disk.size(run, replica.disk(site)) or 0
        if usable(there) < before:
            raise Refused(
                f"{replica.disk(site)} has room for {words(usable(there))}, and {drbd['device']} has {words(before)}: "
                "nothing is made smaller"
            )
        # What both disks have gained was never part of the device. Who lets the first synchronisation be skipped accepts blocks
        # that differ until they are written to. Else the standby could not take over while it gets them.
        clean = ["--", "--assume-clean"] if drbd["initial_sync"] == "auto" else []
        try:
            drbdadm.call(run, drbd["shared_secret"], *clean, "resize", drbd["resource"])
        except CommandFailed:
            # It waits three seconds for another size, and fails without one.
            if (in_kernel(drbd["device"]) or 0) <= before:
                raise
        try:
            wait.until(
                lambda: in_kernel(drbd["device"]) or 0,
                lambda size: size > before,
                f"{drbd['device']} has more than {before} bytes",
                timeout=PATIENCE,
            )
        except NotReady as exc:
            raise NotReady(f"{exc}. Has the peer's disk grown as well?") from exc

    def note(self, site: Resolved, run: Run) -> None:
        """Where the metadata is found after the disk has grown while DRBD was down. drbdadm notes it on the primary alone."""
        run(["drbdsetup", "check-resize", str(site["storage"]["drbd"]["minor"])])


GROWTH = DrbdGrowth()
