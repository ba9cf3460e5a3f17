"""What lies on a disk, from what util-linux reports. Reading only: nothing here writes to a device."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hamysql.command import Run
from hamysql.errors import ParseError


@dataclass(frozen=True)
class Signature:
    """One signature that ``wipefs`` finds: type (``xfs``, ``drbd``, ``LVM2_member``, ``gpt`` ...), byte offset, UUID."""

    type: str
    offset: int
    uuid: str = ""

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


# As much as drbdmeta itself looks at before it calls a disk without a known signature empty.
HEAD = 68 * 1024


def first_data(device: str) -> int | None:
    """The offset of the first byte in the first 68 KiB that is not zero, ``None`` when all are.

    ``wipefs --all`` removes signatures and leaves the data, and so do many other tools.
    """
    with open(device, "rb") as handle:
        head = handle.read(HEAD)
    rest = head.lstrip(b"\0")
    return len(head) - len(rest) if rest else None


def signatures(run: Run, device: str) -> tuple[Signature, ...]:
    """Every signature on ``device``: file systems, partition tables, RAID, LVM, swap and DRBD metadata.

    A disk that has none, and yet is not empty at its beginning, has one of the type ``data``.
    """
    found = parse_signatures(run(["wipefs", "--no-act", "--json", device]).stdout)
    if found or not Path(device).exists():
        return found
    offset = first_data(device)
    return () if offset is None else (Signature("data without a known signature", offset),)


def size(run: Run, device: str) -> int | None:
    """Size of a block device in bytes, ``None`` when there is no such block device."""
    result = run(["blockdev", "--getsize64", device], accept=range(256))
    return int(result.stdout) if result.returncode == 0 else None


# A claim that DRBD itself makes: lsblk shows the DRBD device as the disk's child, and that is no foreign use.
_OWN = re.compile(r"^drbd\d+$")


def parse_uses(text: str) -> tuple[str, ...]:
    """Who uses a disk, from ``lsblk --json --bytes --paths -o NAME,KNAME,TYPE,MOUNTPOINTS DEVICE``.

    Returns sentences such as ``"/dev/sdb1 is mounted on /srv"``; DRBD's own device is not listed.
    """
    try:
        tops = json.loads(text)["blockdevices"] if text.strip() else []
    except (json.JSONDecodeError, KeyError) as exc:
        raise ParseError(f"lsblk --json printed something unknown: {exc}") from exc
    found: list[str] = []

    def look(row: dict[str, Any], parent: str) -> None:
        name = str(row["name"])
        own = bool(_OWN.match(name.rsplit("/", 1)[-1]))
        if own:
            return
        mounts: Sequence[str | None] = row.get("mountpoints") or [row.get("mountpoint")]
        found.extend(f"{name} is mounted on {point}" for point in mounts if point)
        if parent:
            found.append(f"{name} ({row.get('type')}) lies on {parent}")
        for child in row.get("children") or ():
            look(child, name)

    for top in tops:
        look(top, "")
    return tuple(found)


def uses(run: Run, device: str) -> tuple[str, ...]:
    """Mounts and devices on top of ``device`` (partitions, LVM, RAID), DRBD's own apart."""
    argv = ["lsblk", "--json", "--paths", "--output", "NAME,TYPE,MOUNTPOINTS", device]
    return parse_uses(run(argv).stdout)
