"""What lies on a disk, from what util-linux reports; all but :func:`wipe` only read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from hamysql.errors import ParseError, Refused
from hamysql.system import root
from hamysql.system.command import Run


class SignatureSeen(TypedDict):
    """A :class:`Signature` as it comes over Salt's bus."""

    type: str
    offset: int
    uuid: str


@dataclass(frozen=True)
class Signature:
    """One signature that ``wipefs`` finds: type (``xfs``, ``drbd``, ``LVM2_member``, ``gpt`` ...), byte offset, UUID."""

    type: str
    offset: int
    uuid: str = ""

    def as_dict(self) -> SignatureSeen:
        return {"type": self.type, "offset": self.offset, "uuid": self.uuid}

    def __str__(self) -> str:
        return f"{self.type} at byte {self.offset}" + (f" (UUID {self.uuid})" if self.uuid else "")


def parse_signatures(text: str) -> tuple[Signature, ...]:
    """Signatures from ``wipefs --no-act --json DEVICE`` (util-linux 2.36 or later); nothing printed means none."""
    if not text.strip():
        return ()
    try:
        rows = json.loads(text)["signatures"]
        return tuple(Signature(row["type"], int(row["offset"], 0), row.get("uuid") or "") for row in rows)
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as exc:
        raise ParseError(f"wipefs --json printed something unknown: {exc}") from exc


DATA = "data without a known signature"  # a type of a signature
# As much as drbdmeta itself looks at before it calls a disk without a known signature empty.
HEAD = 68 * 1024


def first_data(device: str) -> int | None:
    """The offset of the first byte in the first 68 KiB that is not zero, ``None`` when all are.

    ``wipefs --all`` removes signatures and leaves the data, and so do many other tools.
    """
    with open(root.at(device), "rb") as handle:
        head = handle.read(HEAD)
    rest = head.lstrip(b"\0")
    return len(head) - len(rest) if rest else None


def signatures(run: Run, device: str) -> tuple[Signature, ...]:
    """Every signature on ``device``: file systems, partition tables, RAID, LVM, swap and DRBD metadata.

    A disk that has none, and yet is not empty at its beginning, has one of the type ``data``.
    """
    found = parse_signatures(run(["wipefs", "--no-act", "--json", device]).stdout)
    if found or not root.at(device).exists():
        return found
    offset = first_data(device)
    return () if offset is None else (Signature(DATA, offset),)


def size(run: Run, device: str) -> int | None:
    """Size of a block device in bytes, ``None`` when there is no such block device."""
    result = run(["blockdev", "--getsize64", device], accept=range(256))
    return int(result.stdout) if result.returncode == 0 else None


# Folders of udev whose names stay with a disk, the best first: by its serial number, by the slot that it is in.
_STABLE = ("/dev/disk/by-id", "/dev/disk/by-path")


def stable_names(device: str) -> tuple[str, ...]:
    """The names under which udev knows this very disk, whatever order disks are found in; its own name where it has none."""
    real = root.at(device).resolve()
    for folder in _STABLE:
        found = sorted(f"{folder}/{link.name}" for link in root.at(folder).glob("*") if link.resolve() == real)
        if found:
            return tuple(found)
    return (device,)


@dataclass(frozen=True)
class Occupants:
    """What the kernel has on top of a disk: ``uses`` as sentences, and ``partitions`` that nobody uses, by name."""

    uses: tuple[str, ...] = ()
    partitions: tuple[str, ...] = ()


class _Row(TypedDict, total=False):
    """A device of lsblk's; older versions know one mount point."""

    name: str
    type: str
    mountpoint: str | None
    mountpoints: list[str | None]
    children: list[_Row]


def parse_occupants(text: str, own: str, directory: str = "") -> Occupants:
    """Who uses a disk, from ``lsblk --json --paths --output NAME,TYPE,MOUNTPOINTS DEVICE``.

    own
        The DRBD device or volume that belongs there; it is not listed, nor what is on top of it.
    directory
        Where the disk itself may be mounted: that is not listed either. Nowhere by default.

    The uses are sentences such as ``"/dev/sdb1 is mounted on /srv"``.
    """
    try:
        tops = json.loads(text)["blockdevices"] if text.strip() else []
    except (json.JSONDecodeError, KeyError) as exc:
        raise ParseError(f"lsblk --json printed something unknown: {exc}") from exc
    uses: list[str] = []
    partitions: list[str] = []

    def look(row: _Row, parent: str) -> None:
        name = str(row["name"])
        if name == own:
            return
        mounts: Sequence[str | None] = row.get("mountpoints") or [row.get("mountpoint")]
        expected = "" if parent else directory
        uses.extend(f"{name} is mounted on {point}" for point in mounts if point and point != expected)
        if parent and row.get("type") == "part":
            partitions.append(name)
        elif parent:
            uses.append(f"{name} ({row.get('type')}) lies on {parent}")
        for child in row.get("children") or ():
            look(child, name)

    for top in tops:
        look(top, "")
    return Occupants(tuple(uses), tuple(partitions))


def occupants(run: Run, device: str, own: str, directory: str = "") -> Occupants:
    """Mounts, partitions and devices (LVM, RAID, DRBD) on top of a disk, apart from what belongs there: :func:`parse_occupants`."""
    argv = ["lsblk", "--json", "--paths", "--output", "NAME,TYPE,MOUNTPOINTS", device]
    return parse_occupants(run(argv).stdout, own, directory)


# As much at both ends as holds every label that a tool would find again: the head that drbdmeta looks at, DRBD's metadata
# block and activity log, a backup GPT, labels of RAID and ZFS.
EDGE = 2**20


def wipe(run: Run, device: str) -> None:
    """Destroy what lies on ``device``: all signatures, and the first and the last MiB.

    Both programs open it exclusively: they fail while anything in the kernel uses it (wipefs(8), blkdiscard(8)).
    """
    whole = size(run, device)
    if whole is None or whole < 2 * EDGE:
        raise Refused(f"{device} has {whole} bytes: that is no disk for data")
    run(["wipefs", "--all", "--quiet", device])
    for offset in (0, whole - EDGE):
        run(["blkdiscard", "--zeroout", "--offset", str(offset), "--length", str(EDGE), device], timeout=600)
