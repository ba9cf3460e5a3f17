"""A layer below the data, and what differs between kinds of storage when one is made larger. Nothing is ever made smaller."""

from __future__ import annotations

import re
from typing import Final, TypedDict

from hamysql.errors import ParseError, Refused
from hamysql.resolved import Resolved
from hamysql.system import root
from hamysql.system.command import Run

# A difference that counts. A layer may end so much before the one below it: extents of LVM, groups of a file system.
ROOM = 16 * 2**20  # bytes
# The layers, from the ground up. A kind may have only some of them.
DISK: Final = "disk"  # what the administrator has made larger
DEVICE: Final = "device"  # what a kind makes of the disks: a replicated device, a volume
FILESYSTEM: Final = "filesystem"

_SIZE = re.compile(r"([1-9][0-9]{0,8})([MGT])")
_UNITS = {"M": 2**20, "G": 2**30, "T": 2**40}


class Layer(TypedDict):
    """A layer as a node sees it: which (``DISK`` ...), its name in words, its bytes, and how many it could have."""

    key: str
    name: str
    size: int
    to: int


class Growth:
    """What differs between kinds of storage; one object for each, and here what holds where a kind says nothing.

    shared
        The nodes see the same disk: both have to see the same size.

    The methods run on a node, but for :meth:`nothing`.
    """

    shared = False

    def nothing(self, site: Resolved) -> str:
        """Why nothing on the nodes has to grow, as a sentence; "" where something has."""
        return ""

    def disk(self, site: Resolved) -> str:
        """The block device whose size the kernel has to look at again."""
        raise NotImplementedError

    def layers(self, site: Resolved, run: Run, size: str) -> list[Layer]:
        """The layers below the file system, from the ground up, as far as this node has them.

        size
            What the disk is to have, where that is a volume of LVM, such as ``200G``; "" for what it has.
        """
        raise NotImplementedError

    def enlarge_disk(self, site: Resolved, run: Run, size: str) -> None:
        """Have the disk's volume of LVM have that size."""
        raise NotImplementedError

    def enlarge_device(self, site: Resolved, run: Run) -> None:
        """Have the device as large as it can be, on the node that serves."""
        raise NotImplementedError

    def note(self, site: Resolved, run: Run) -> None:
        """Note what this node has to know of the new size."""


def parse_size(text: str) -> int:
    """The bytes of a size such as ``200G``; the units are powers of 1024, as in LVM."""
    found = _SIZE.fullmatch(text)
    if not found:
        raise Refused(f"a disk cannot have the size {text!r}: say it as in '200G', with M, G or T")
    return int(found[1]) * _UNITS[found[2]]


def words(size: int) -> str:
    """A size for people."""
    return f"{size / 2**30:.2f} GiB"


def in_kernel(device: str) -> int | None:
    """The bytes of a device, without opening it: nobody opens a replica that is no primary. ``None`` where there is none."""
    place = root.at("/sys/class/block") / root.at(device).resolve().name / "size"
    try:
        text = place.read_text(encoding="ascii")
    except FileNotFoundError:
        return None
    if not text.strip().isdigit():
        raise ParseError(f"{place} has {text.strip()[:40]!r}")
    return int(text) * 512
