"""The file system on top of the layers: how large it is, and how it grows while it is mounted."""

from __future__ import annotations

import re

from hamysql.errors import ParseError, Refused
from hamysql.resolved.storage import Filesystem
from hamysql.storage.growth.layers import words
from hamysql.system import disk, mounts
from hamysql.system.command import Run

# xfs_info(8): the line of the data section. dumpe2fs(8): two lines of the superblock.
_XFS = re.compile(r"^data\s+=\s+bsize=(\d+)\s+blocks=(\d+),", re.MULTILINE)
_EXT4 = re.compile(r"^Block count:\s+(\d+)$.*^Block size:\s+(\d+)$", re.MULTILINE | re.DOTALL)


def mounted(run: Run, filesystem: Filesystem) -> bool:
    """Whether it is mounted on this node, from the device of the configuration."""
    return mounts.same(mounts.source(run, filesystem["directory"]), str(filesystem["device"]))


def size(run: Run, filesystem: Filesystem) -> int:
    """The bytes of the device that it has, while it is mounted."""
    xfs = filesystem["type"] == "xfs"
    argv = ["xfs_info", filesystem["directory"]] if xfs else ["dumpe2fs", "-h", filesystem["device"]]
    text = run(argv).stdout
    found = (_XFS if xfs else _EXT4).search(text)
    if not found:
        raise ParseError(f"{argv[0]} printed {text[:80]!r}")
    return int(found[1]) * int(found[2])


def enlarge(run: Run, filesystem: Filesystem) -> int:
    """Have it as large as its device, while it is mounted and in use; returns its bytes.

    Raises ``Refused`` where it is not mounted here, and where its device is smaller than the file system.
    """
    if not mounted(run, filesystem):
        raise Refused(
            f"{filesystem['device']} is not mounted on {filesystem['directory']} here: its file system is not enlarged"
        )
    there, before = disk.size(run, filesystem["device"]) or 0, size(run, filesystem)
    if there < before:
        raise Refused(
            f"{filesystem['device']} has {words(there)}, and its file system {words(before)}: nothing is made smaller"
        )
    xfs = filesystem["type"] == "xfs"
    run(["xfs_growfs", "-d", filesystem["directory"]] if xfs else ["resize2fs", filesystem["device"]], timeout=3600)
    return size(run, filesystem)
