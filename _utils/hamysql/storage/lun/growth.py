"""A LUN that the storage has enlarged, and the volume of LVM on it. Both nodes see it; the one that serves has the volume."""

from __future__ import annotations

from hamysql.errors import Refused
from hamysql.resolved import Resolved
from hamysql.resolved.storage import Lvm
from hamysql.storage.growth import filesystem, volumes
from hamysql.storage.growth.layers import DEVICE, DISK, Growth, Layer
from hamysql.storage.lun import NAME, local
from hamysql.system import disk
from hamysql.system.command import Run


class LunGrowth(Growth):
    shared = True

    def disk(self, site: Resolved) -> str:
        return local.disk(site)

    def layers(self, site: Resolved, run: Run, size: str) -> list[Layer]:
        if size:
            raise Refused(
                "the storage gives a LUN its size: leave it out, and name a volume's in hamysql:storage:shared:lvm:size"
            )
        device, volume = local.disk(site), site["storage"][NAME]["lvm"]
        there = disk.size(run, device)
        if there is None:
            raise Refused(f"the LUN {device} is not there")
        found: list[Layer] = [{"key": DISK, "name": f"the LUN {device}", "size": there, "to": there}]
        if volume and filesystem.mounted(run, site["storage"]["filesystem"]):
            seen = volumes.read(run, _name(volume))
            to = seen.target(volume["size"] or "")
            found.append({"key": DEVICE, "name": f"the volume {_name(volume)}", "size": seen.size, "to": to})
        return found

    def enlarge_device(self, site: Resolved, run: Run) -> None:
        volume = site["storage"][NAME]["lvm"]
        if not volume:
            return
        if not filesystem.mounted(run, site["storage"]["filesystem"]):
            raise Refused(f"the volume {_name(volume)} is not mounted here: it grows on the node that serves")
        volumes.enlarge(run, volumes.read(run, _name(volume)), volume["size"] or "")


def _name(volume: Lvm) -> str:
    return f"{volume['volume_group']}/{volume['logical_volume']}"


GROWTH = LunGrowth()
