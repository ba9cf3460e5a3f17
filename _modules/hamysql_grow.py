"""
The disk, the device and the file system below the data are made larger in service: the verbs of ``hamysql.orch.grow``, on one node.

Each looks at the node itself before it acts. None of them makes anything smaller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hamysql.storage import backends
from hamysql.storage import lock as storage_lock
from hamysql.storage.growth import filesystem as growing
from hamysql.storage.growth import rescan as scanning
from hamysql.storage.growth.layers import FILESYSTEM
from hamysql.system.command import run

if TYPE_CHECKING:
    from injected import __salt__

    from hamysql.resolved import Resolved
    from hamysql.storage.growth.layers import Growth, Layer

__virtualname__ = "hamysql_grow"


def __virtual__() -> str:
    return __virtualname__


def _site() -> tuple[Resolved, Growth]:
    site = __salt__["hamysql.config"]()
    return site, backends.used(site).growth


def layers(size: str = "") -> list[Layer]:
    """
    The layers below the data, from the ground up, as far as this node has them. The file system is there where it is mounted.

    size
        What the disk is to have, where that is a volume of LVM below DRBD, such as ``200G``. By default what it has.

    Returns ``[{"key": "disk", "device" or "filesystem", "name": words, "size": bytes, "to": bytes that it could have}]``.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_grow.layers
    """
    site, growth = _site()
    found = growth.layers(site, run, size)
    filesystem = site["storage"]["filesystem"]
    if growing.mounted(run, filesystem):
        name = f"the file system {filesystem['type']} of {filesystem['directory']}"
        now = growing.size(run, filesystem)
        found.append({"key": FILESYSTEM, "name": name, "size": now, "to": max(now, found[-1]["to"])})
    return found


@storage_lock.held("rescan")
def rescan() -> bool:
    """
    Have the kernel look at the disk's size again: each SCSI disk below it, and its multipath device.

    Returns whether the size has changed.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_grow.rescan
    """
    site, growth = _site()
    return scanning.rescan(run, growth.disk(site))


@storage_lock.held("grow the disk")
def disk(size: str) -> bool:
    """
    Enlarge the volume of LVM that the pillar names as DRBD's disk. What the disks below it have gained comes first.

    size
        Such as ``200G``, in powers of 1024.

    Returns True. Raises ``Refused`` where the disk is no volume of LVM, and where its group has no room.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_grow.disk 200G
    """
    site, growth = _site()
    growth.enlarge_disk(site, run, size)
    return True


@storage_lock.held("grow the device")
def device() -> bool:
    """
    Enlarge DRBD's device, or the volume on the LUN, as far as its disks let it. On the node that serves.

    Returns True. Raises ``Refused`` where DRBD is not Primary, Connected and UpToDate on both sides, and where the volume is not
    mounted here.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_grow.device
    """
    site, growth = _site()
    growth.enlarge_device(site, run)
    return True


def note() -> bool:
    """
    Note the new size where this node needs it: DRBD finds its metadata by it after the disk has grown while DRBD was down.

    Returns True.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_grow.note
    """
    site, growth = _site()
    growth.note(site, run)
    return True


@storage_lock.held("grow the file system")
def filesystem() -> int:
    """
    Enlarge the mounted file system as far as its device lets it (``xfs_growfs``, ``resize2fs``). On the node that serves.

    Returns its bytes. Raises ``Refused`` where it is not mounted here.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_grow.filesystem
    """
    site, _ = _site()
    return growing.enlarge(run, site["storage"]["filesystem"])
