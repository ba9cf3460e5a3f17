"""A LUN that both nodes see: the claim at its beginning, its identity, and LVM on it. Only the last part changes anything."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hamysql.errors import Refused
from hamysql.resolved.storage import Lvm
from hamysql.system import disk, root
from hamysql.system.command import Run, exists
from hamysql.system.disk import Signature

MAGIC = b"hamysql claim "
BLOCK = 4096  # bytes of the claim: a whole block of any disk


def claim_block(cluster: str, uuid: str) -> bytes:
    """The first block of a LUN that is claimed."""
    text = MAGIC + json.dumps({"cluster": cluster, "uuid": uuid}).encode("ascii") + b"\n"
    return text.ljust(BLOCK, b"\0")


def parse_claim(block: bytes) -> dict[str, str]:
    """The claim in a LUN's first block: ``{"cluster", "uuid"}``; empty where there is none, or no whole one."""
    if not block.startswith(MAGIC):
        return {}
    try:
        found = json.loads(block[len(MAGIC) :].partition(b"\n")[0])
        return {"cluster": str(found["cluster"]), "uuid": str(found["uuid"])}
    except (ValueError, KeyError, TypeError):
        return {}


def contents(run: Run, device: str) -> tuple[tuple[Signature, ...], dict[str, str]]:
    """The signatures on a LUN, and its claim. What lies behind a claim, and is no signature, is data without one."""
    with open(root.at(device), "rb") as handle:
        head = handle.read(disk.HEAD)
    claim, found = parse_claim(head[:BLOCK]), disk.signatures(run, device)
    if not claim:
        return found, {}
    rest = head[BLOCK:].lstrip(b"\0")
    behind = [replace(one, offset=len(head) - len(rest)) for one in found if one.offset == 0 and not one.uuid and rest]
    return tuple([one for one in found if one.offset or one.uuid] + behind), claim


def write_claim(device: str, cluster: str, uuid: str) -> None:
    """Write the claim to the very beginning; it is on the LUN, not only in the page cache, when this returns.

    The device is opened exclusively: that fails while this node has it mounted, or anything on top of it.
    """
    handle = os.open(root.at(device), os.O_RDWR | os.O_EXCL | os.O_SYNC | os.O_CLOEXEC)
    try:
        os.pwrite(handle, claim_block(cluster, uuid), 0)
        os.fsync(handle)
    finally:
        os.close(handle)


def identity(run: Run, device: str, names: Sequence[str]) -> str:
    """WWN and serial number of a disk, or the WWID of a multipath device; "" where the node knows none."""
    found = run(["lsblk", "--noheadings", "--nodeps", "--output", "WWN,SERIAL", device], accept=range(256))
    said = " ".join(found.stdout.split()) if found.returncode == 0 else ""
    return said or next((Path(name).name for name in names if "dm-uuid-mpath-" in name), "")


# --- LVM


def pv_uuid(uuid: str) -> str:
    """A UUID in LVM's form: 32 letters and digits in groups."""
    digits, groups = uuid.replace("-", ""), []
    for length in (6, 4, 4, 4, 4, 4, 6):
        groups.append(digits[:length])
        digits = digits[length:]
    return "-".join(groups)


def mapper_name(volume: Lvm) -> str:
    """How the device mapper, and so lsblk, calls a volume: ``/dev/mapper/my--group-mysql``."""
    parts = (name.replace("-", "--") for name in (volume["volume_group"], volume["logical_volume"]))
    return f"/dev/mapper/{'-'.join(parts)}"


def make_volume(run: Run, device: str, volume: Lvm, uuid: str) -> None:
    """Physical volume, volume group and logical volume, as far as an earlier run has not made them; left inactive.

    uuid
        The physical volume's, from the claim.

    The group gets this node as its system id (lvmsystemid(7)), and is not activated at boot: that is pacemaker's work. Raises
    ``Refused`` where the LUN belongs to another volume group.
    """
    group, name = volume["volume_group"], volume["logical_volume"]
    there = run(["pvs", "--noheadings", "--options", "vg_name", device], accept=range(256))
    if there.returncode:
        run(["pvcreate", "--yes", "--uuid", uuid, "--norestorefile", device])
    member = there.stdout.strip() if there.returncode == 0 else ""
    if member not in ("", group):
        raise Refused(f"{device} is in the volume group {member}, not {group}")
    if not member:
        run(["vgcreate", "--yes", "--setautoactivation", "n", group, device])
    made = run(["lvs", "--noheadings", "--options", "lv_name", group]).stdout.split()
    if name not in made:
        size = ["--size", volume["size"]] if volume["size"] else ["--extents", "100%FREE"]
        run(["lvcreate", "--yes", "--wipesignatures", "y", "--activate", "y", *size, "--name", name, group])
    activate(run, group, False)


def activate(run: Run, group: str, active: bool) -> None:
    """Activate or deactivate the group here; LVM refuses that where another node's system id is on it."""
    run(["vgchange", "--activate", "y" if active else "n", group])


def know_device(run: Run, device: str) -> None:
    """List the LUN in LVM's devices file, where this system has one (Enterprise Linux 9): LVM sees nothing else."""
    if exists("lvmdevices") and root.at("/etc/lvm/devices/system.devices").exists():
        run(["lvmdevices", "--yes", "--adddev", device])
