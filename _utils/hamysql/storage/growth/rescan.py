"""Have the kernel look at the size of a disk again, which it does not do by itself with SCSI and multipath."""

from __future__ import annotations

from hamysql.system import disk, root
from hamysql.system.command import Run


def rescan(run: Run, device: str) -> bool:
    """Look at a device and all that is below it again; returns whether its size has changed.

    A SCSI disk reads its capacity anew when its ``rescan`` is written to, be it of iSCSI, Fibre Channel or virtual: that is what
    ``iscsiadm --rescan`` does. A multipath device is made larger after all of its paths. Other disks notice by themselves.
    """
    before = disk.size(run, device)
    argv = ["lsblk", "--inverse", "--noheadings", "--raw", "--output", "KNAME,TYPE", device]
    rows = [line.split() for line in run(argv).stdout.splitlines()]
    for name, *_ in rows:
        place = root.at(f"/sys/class/block/{name}/device/rescan")
        if place.exists():
            place.write_text("1", encoding="ascii")
    for name, kind in dict.fromkeys((row[0], row[-1]) for row in rows):
        if kind == "mpath":
            run(["multipathd", "resize", "map", name])
    return disk.size(run, device) != before
