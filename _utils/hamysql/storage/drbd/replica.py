"""One node's replica: what its kernel and its disk say, where they are, and what the plan sees of that.

Nothing here changes anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from hamysql.errors import CommandFailed, ParseError
from hamysql.resolved import Resolved
from hamysql.storage.drbd import drbdadm
from hamysql.storage.drbd import status as drbd_status
from hamysql.storage.drbd.link import RESOURCES
from hamysql.storage.drbd.status import Generation, Identifiers, Status, StatusSeen
from hamysql.storage.latch import Latch, Stage
from hamysql.system import disk as disks
from hamysql.system import files, kernels, root
from hamysql.system.command import Run
from hamysql.system.disk import Signature, SignatureSeen

PROC = Path("/proc/drbd")
LAST_KNOWN = Path("/var/lib/drbd")
_MAGIC = 60  # the byte of the metadata's block by which wipefs knows it


class Seen(TypedDict):
    """What a node says of its replica; ``generation`` and ``status`` are empty where there is none."""

    disk: str
    size: int | None
    signatures: list[SignatureSeen]
    uses: list[str]
    partitions: list[str]
    names: list[str]
    generation: Identifiers
    status: StatusSeen


class _WithLatch(Seen):
    latch: Mapping[str, str]


# --- on the node


def disk(site: Resolved) -> str:
    """The disk of this node, as the pillar names it."""
    return str(site["cluster"]["nodes"][site["self"]]["disk"])


def status(run: Run, resource: str, minor: int) -> Status | None:
    """The resource in this node's kernel; ``None`` where it is not configured there."""
    if not root.at(PROC).exists():
        return None
    text = root.at(PROC).read_text(encoding="ascii")
    if drbd_status.kernel_version(text).startswith("8."):
        return drbd_status.parse_proc(text, minor)
    return drbd_status.parse_json(run(["drbdsetup", "status", "--json"]).stdout, resource)


def status_of(run: Run, site: Resolved) -> Status | None:
    """The same of the pillar's resource."""
    options = site["storage"]["drbd"]
    return status(run, options["resource"], options["minor"])


def seen(run: Run, site: Resolved) -> StatusSeen:
    """The same as it goes over Salt's bus; empty where the resource is not configured."""
    found = status_of(run, site)
    return found.as_dict() if found else {}


def generation(run: Run, site: Resolved) -> Generation | None:
    """``None`` where there is no metadata. From the disk itself where DRBD is not installed or configured yet."""
    options = site["storage"]["drbd"]
    resource = options["resource"]
    if root.at(RESOURCES / f"{resource}.res").exists():
        try:
            result = drbdadm.call(run, options["shared_secret"], "get-gi", resource, accept=range(256))
        except CommandFailed:
            result = None
        if result is not None and not result.returncode:
            return drbd_status.parse_generation(result.stdout)
    device = disk(site)
    size = disks.size(run, device)
    if size is None:
        return None
    before = ended(site, size)
    return drbd_status.read_generation(device, before or size)


def ended(site: Resolved, size: int) -> int:
    """Where the disk ended when DRBD noted it last, in bytes, if it has grown since and its metadata is there still; otherwise 0.

    The file is drbdmeta's ("check-resize" in drbdmeta(8)).
    """
    try:
        text = files.text_if_any(root.at(LAST_KNOWN / f"drbd-minor-{site['storage']['drbd']['minor']}.lkbd")) or ""
    except files.Unreadable:
        return 0
    known = int(text.split()[0]) if text[:1].isdecimal() and text.split()[0].isdecimal() else 0
    return known if 0 < known < size and drbd_status.read_uuid(disk(site), known) else 0


def signatures(run: Run, site: Resolved, size: int) -> tuple[Signature, ...]:
    """What is on this node's disk; DRBD's metadata as well where the disk has grown behind it.

    size
        Of the disk.
    """
    device = disk(site)
    found, before = disks.signatures(run, device), ended(site, size)
    if not before or any(one.type == "drbd" for one in found):
        return found
    known = tuple(one for one in found if one.type != disks.DATA)
    return (*known, Signature("drbd", before // 4096 * 4096 - 4096 + _MAGIC, drbd_status.read_uuid(device, before)))


def kernel(run: Run) -> str:
    """Which configuration the kernel module understands, ``"8.4"`` or ``"9"``; ``"9"`` where none is installed yet."""
    if root.at(PROC).exists():
        version = drbd_status.kernel_version(root.at(PROC).read_text(encoding="ascii"))
    else:
        try:
            version = run(["modinfo", "--field", "version", "drbd"]).stdout.strip()
        except CommandFailed:
            version = ""
    return "8.4" if version.startswith("8.") else "9"


class Module(TypedDict):
    """DRBD's kernel module: the version of the loaded one, or "", and whether one could be loaded."""

    version: str
    loadable: bool


def module(release: str) -> Module:
    """What this machine has of DRBD's kernel module.

    release
        What ``uname -r`` prints: the kernel whose modules count."""
    try:
        return {
            "version": drbd_status.kernel_version(root.at(PROC).read_text(encoding="ascii")),
            "loadable": True,
        }
    except (OSError, ParseError):
        pass
    return {"version": "", "loadable": kernels.has(release, "drbd")}


# --- in the plan


@dataclass(frozen=True)
class Member:
    """One node's own view of its replica; the fields are those of ``hamysql_storage.survey``.

    ``names`` are the stable names of the disk, the best first; ``failures`` the actions on the replica that pacemaker gave up;
    ``shell`` the node's cluster shell (:func:`hamysql.system.shells.installed`).
    """

    name: str
    disk: str
    size: int | None = None
    signatures: tuple[Signature, ...] = ()
    uses: tuple[str, ...] = ()
    partitions: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    generation: Generation | None = None
    status: Status | None = None
    latch: Latch | None = None
    failures: tuple[str, ...] = ()
    shell: str = ""

    @classmethod
    def from_survey(cls, name: str, survey: _WithLatch, shell: str, failures: Sequence[str] = ()) -> Member:
        """A member from the plain dictionary that came over the bus."""
        generation, status, latch = survey["generation"], survey["status"], survey["latch"]
        return cls(
            name=name,
            disk=survey["disk"],
            size=survey["size"],
            signatures=tuple(Signature(**signature) for signature in survey["signatures"]),
            uses=tuple(survey["uses"]),
            partitions=tuple(survey["partitions"]),
            names=tuple(survey["names"]),
            generation=_generation(generation) if generation else None,
            status=_status(status) if status else None,
            latch=Latch.from_dict(latch) if latch else None,
            failures=tuple(failures),
            shell=shell,
        )

    @property
    def where(self) -> str:
        """The node and its disk, as every sentence about them begins."""
        return f"{self.name}, {self.disk}"

    @property
    def contents(self) -> str:
        """What is on the disk, in words; empty for a blank one."""
        return ", ".join(str(signature) for signature in self.signatures)

    @property
    def stage(self) -> int:
        """The latch's stage, 0 without a latch."""
        return self.latch.stage if self.latch else 0

    @property
    def device_uuid(self) -> str | None:
        """The device UUID of the DRBD metadata on the disk, ``None`` when there is none."""
        return next((signature.uuid for signature in self.signatures if signature.type == "drbd"), None)

    @property
    def recorded(self) -> bool:
        """The metadata on the disk is the one that the latch names."""
        mine, found = self.latch.device_uuid if self.latch else "", self.device_uuid
        return bool(mine and found) and mine.lower() == str(found).lower()

    @property
    def renamed(self) -> bool:
        """It is the latch's disk, which the pillar calls by another name now."""
        return self.recorded and self.latch is not None and self.latch.disk != self.disk

    @property
    def blank(self) -> bool:
        """Nothing at all is on the disk."""
        return self.size is not None and not self.signatures and not self.uses and not self.partitions

    @property
    def unrecorded(self) -> bool:
        """Cut off between writing the metadata and recording it."""
        return self.stage == Stage.CLAIMED and self.device_uuid is not None

    @property
    def used(self) -> bool:
        """The DRBD metadata on the disk has carried data."""
        return self.generation is not None and not self.generation.just_created

    @property
    def holds_data(self) -> bool:
        """The node has an initialised replica with a usable image of the data."""
        if self.stage != Stage.INITIALISED or not self.recorded:
            return False
        if self.generation is not None and (self.generation.just_created or not self.generation.consistent):
            return False
        return self.status is None or self.status.disk not in ("Inconsistent", "Diskless", "Failed")

    @property
    def untaken(self) -> bool:
        """An initialised member with new metadata that its kernel or pacemaker has not taken up after a failure."""
        if self.stage != Stage.INITIALISED or self.generation is None or not self.generation.just_created:
            return False
        return bool(self.failures) or (self.status is not None and self.status.disk == "Diskless")


def _generation(survey: Identifiers) -> Generation:
    current, bitmap, *history = (int(text, 16) for text in (survey["current"], survey["bitmap"], *survey["history"]))
    return Generation(current, bitmap, tuple(history), survey["consistent"])


def _status(seen: StatusSeen) -> Status:
    return Status(
        connection=seen["connection"],
        role=seen["role"],
        peer_role=seen["peer_role"],
        disk=seen["disk"],
        peer_disk=seen["peer_disk"],
        out_of_sync=seen["out_of_sync"],
        done=seen["done"],
    )
