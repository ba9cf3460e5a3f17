"""A volume of LVM that is made larger: the space that its disks have gained, and the volume itself."""

from __future__ import annotations

from dataclasses import dataclass

from hamysql.errors import CommandFailed, ParseError, Refused
from hamysql.storage.growth.layers import parse_size, words
from hamysql.system.command import Run, exists

_REPORT = ("--noheadings", "--units", "b", "--nosuffix", "--separator", ",", "--options")


@dataclass(frozen=True)
class Volume:
    """A volume: its group and name, its bytes, how many are free in the group, bytes of an extent.

    ``grown`` has the physical volumes whose disks are larger than LVM uses, each with the bytes that it would gain.
    """

    group: str
    name: str
    size: int
    free: int
    extent: int
    grown: tuple[tuple[str, int], ...] = ()

    @property
    def most(self) -> int:
        """The bytes that it can have."""
        return self.size + self.free + sum(gained for _, gained in self.grown)

    def target(self, size: str) -> int:
        """The bytes that it gets: a size such as ``200G``, or all that there is. Never less than it has.

        Raises ``Refused`` where its group has no room for that.
        """
        wanted = -(-parse_size(size) // self.extent) * self.extent if size else self.most
        if wanted > self.most:
            raise Refused(
                f"the volume {self.group}/{self.name} is to have {words(wanted)}, and its group has room for {words(self.most)}: "
                "enlarge the disk below it first"
            )
        return max(wanted, self.size)


def of(run: Run, device: str) -> Volume | None:
    """The volume that a device is; ``None`` where it is none."""
    argv = ["lsblk", "--noheadings", "--nodeps", "--raw", "--paths", "--output", "NAME,TYPE", device]
    found = run(argv, accept=range(256)).stdout.split()
    if found[1:] != ["lvm"] or not exists("lvs"):
        return None
    return read(run, found[0])


def read(run: Run, volume: str) -> Volume:
    """A volume by its path, or by ``GROUP/NAME``."""
    ((group, name, size, free, extent),) = _rows(
        run, "lvs", 5, "vg_name,lv_name,lv_size,vg_free,vg_extent_size", volume
    )
    grown = []
    disks = _rows(run, "pvs", 4, "pv_name,dev_size,pv_size,pe_start", "--select", f"vg_name={group}")
    for disk, there, used, start in disks:
        gained = (int(there) - int(start)) // int(extent) * int(extent) - int(used)
        if gained > 0:
            grown.append((disk, gained))
    return Volume(group, name, int(size), int(free), int(extent), tuple(grown))


def _rows(run: Run, program: str, fields: int, options: str, *words_: str) -> list[list[str]]:
    text = run([program, *_REPORT, options, *words_]).stdout
    rows = [[field.strip() for field in line.split(",")] for line in text.splitlines() if line.strip()]
    if not rows or any(len(row) != fields for row in rows):
        raise ParseError(f"{program} printed {text.strip()[:80]!r}")
    return rows


def enlarge(run: Run, volume: Volume, size: str) -> None:
    """Have a volume have a size such as ``200G``, or all that there is: its disks first. One that has it is left alone."""
    wanted = volume.target(size)
    if wanted <= volume.size:
        return
    for disk, _ in volume.grown:
        run(["pvresize", disk])
    share = ["--size", f"{wanted}b"] if size else ["--extents", "+100%FREE"]
    try:
        run(["lvextend", "--yes", *share, f"{volume.group}/{volume.name}"])
    except CommandFailed:
        if read(run, f"{volume.group}/{volume.name}").size < wanted:
            raise
