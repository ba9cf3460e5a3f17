"""What DRBD reports, as values: connection, roles, disk states and generation identifiers.

The kernel module 8.4 is read from ``/proc/drbd``, 9 from ``drbdsetup status --json``; both become the same
:class:`Status`. The words are DRBD's own (DRBD user's guide, "Checking DRBD status"). It is one long file: both
modules, and the metadata on a disk, become the same values.
"""

from __future__ import annotations

import json
import os
import re
import struct
from dataclasses import dataclass
from enum import Enum
from typing import TypedDict

from hamysql.errors import ParseError
from hamysql.system import root

# The current UUID of metadata that has never carried data: UUID_JUST_CREATED in DRBD's sources.
JUST_CREATED = 0x4
# The lowest bit of a UUID says "this node is primary", it is not part of the identity of the data.
_IDENTITY = ~1 & 0xFFFFFFFFFFFFFFFF


class StatusSeen(TypedDict, total=False):
    """A :class:`Status` as it comes over Salt's bus; empty where the resource is not configured."""

    connection: str
    role: str
    peer_role: str
    disk: str
    peer_disk: str
    out_of_sync: int
    done: float | None
    held: bool
    connected: bool
    up_to_date: bool


@dataclass(frozen=True)
class Status:
    """One DRBD device as one node sees it.

    ``connection`` is DRBD's connection state (``Connected``, ``WFConnection``, ``SyncTarget``, ``StandAlone`` ...), also for
    DRBD 9, where replication states (``SyncSource``) replace ``Connected`` while they last. ``out_of_sync`` is in KiB,
    ``done`` is the percentage of a running synchronisation or verification, ``None`` when there is none. ``held`` says that all
    writes wait: the peer is lost, and DRBD's fencing has not said yet that this side may go on.
    """

    connection: str
    role: str
    peer_role: str
    disk: str
    peer_disk: str
    out_of_sync: int = 0
    done: float | None = None
    held: bool = False

    @property
    def connected(self) -> bool:
        """Both nodes talk to each other, whether or not they synchronise at the moment."""
        return self.connection not in _DISCONNECTED

    @property
    def up_to_date(self) -> bool:
        """Both sides hold the newest data."""
        return self.connected and self.disk == self.peer_disk == "UpToDate"

    def as_dict(self) -> StatusSeen:
        """The same as a plain dictionary, for a return over Salt's bus."""
        return {
            "connection": self.connection,
            "role": self.role,
            "peer_role": self.peer_role,
            "disk": self.disk,
            "peer_disk": self.peer_disk,
            "out_of_sync": self.out_of_sync,
            "done": self.done,
            "held": self.held,
            "connected": self.connected,
            "up_to_date": self.up_to_date,
        }


_DISCONNECTED = frozenset(
    "StandAlone Disconnecting Unconnected Timeout BrokenPipe NetworkFailure ProtocolError TearDown WFConnection"
    " WFReportParams Connecting Unconfigured".split()
)


class Identifiers(TypedDict, total=False):
    """A generation's identifiers (``hamysql_drbd.generation``), in hexadecimal."""

    current: str
    bitmap: str
    history: list[str]
    consistent: bool
    just_created: bool


class Kinship(Enum):
    """What the generation identifiers of two sides say about their data."""

    NEW = "one of them never held data"
    SAME = "both hold the same data"
    OLDER = "the other side has gone on from this one's data"
    NEWER = "this side has gone on from the other one's data"
    DIVERGED = "both have gone on from the same data, each by itself"
    UNRELATED = "nothing in common"


@dataclass(frozen=True)
class Generation:
    """The generation identifiers of one side's data (DRBD user's guide, "Generation identifiers").

    ``consistent`` is DRBD's flag of that name: the data is a usable image, not the target of an unfinished synchronisation.
    """

    current: int
    bitmap: int
    history: tuple[int, ...]
    consistent: bool = True

    @property
    def just_created(self) -> bool:
        """The metadata is new: no data was ever written through it, on this or any other node."""
        return self.current == JUST_CREATED and not self.bitmap and not any(self.history)

    def kinship(self, other: Generation) -> Kinship:
        """How this side's data is related to the other's, by the rules with which DRBD decides who synchronises whom.

        Source: ``drbd_uuid_compare`` in DRBD 8.4's ``drbd_receiver.c``; the user's guide tells the same in words.
        """
        mine, theirs = self.current & _IDENTITY, other.current & _IDENTITY
        if {mine, theirs} & {0, JUST_CREATED}:
            return Kinship.NEW
        if mine == theirs:
            return Kinship.SAME
        if mine in other._ancestors:
            return Kinship.OLDER
        if theirs in self._ancestors:
            return Kinship.NEWER
        return Kinship.DIVERGED if self._ancestors & other._ancestors else Kinship.UNRELATED

    @property
    def identity(self) -> str:
        """Which data it is, in hexadecimal, whether or not this node is primary."""
        return f"{self.current & _IDENTITY:016X}"

    def related(self, other: Generation) -> bool:
        """Whether both sides descend from the same data."""
        return self.kinship(other) not in (Kinship.NEW, Kinship.UNRELATED)

    @property
    def _ancestors(self) -> set[int]:
        return {uuid & _IDENTITY for uuid in (self.bitmap, *self.history)} - {0, JUST_CREATED}

    def as_dict(self) -> Identifiers:
        """The same as a plain dictionary, for a return over Salt's bus."""
        return {
            "current": f"{self.current:016X}",
            "bitmap": f"{self.bitmap:016X}",
            "history": [f"{uuid:016X}" for uuid in self.history],
            "consistent": self.consistent,
            "just_created": self.just_created,
        }

    def __str__(self) -> str:
        return f"{self.current:016X}:{self.bitmap:016X}:" + ":".join(f"{uuid:016X}" for uuid in self.history)


_VERSION = re.compile(r"^version: (\d+(?:\.\d+)+)", re.MULTILINE)
# The last are the flags of its I/O: "s" where it is suspended, "r" where it runs.
_DEVICE = re.compile(r"^ *(\d+): cs:(\w+)(?: ro:(\w+)/(\w+) ds:(\w+)/(\w+)(?: \w (\S+))?)?", re.MULTILINE)


def kernel_version(proc_drbd: str) -> str:
    """The version of the loaded kernel module, from the text of ``/proc/drbd``: ``"8.4.11"``."""
    match = _VERSION.search(proc_drbd)
    if not match:
        raise ParseError(f"/proc/drbd does not start with a version: {proc_drbd[:80]!r}")
    return match[1]


def parse_proc(proc_drbd: str, minor: int) -> Status | None:
    """The status of one minor from the text of ``/proc/drbd`` (DRBD 8.4); ``None`` when it is not configured."""
    kernel_version(proc_drbd)
    devices = list(_DEVICE.finditer(proc_drbd))
    for index, match in enumerate(devices):
        if int(match[1]) != minor:
            continue
        if match[2] == "Unconfigured":
            return None
        end = devices[index + 1].start() if index + 1 < len(devices) else len(proc_drbd)
        details = proc_drbd[match.end() : end]
        behind = re.search(r"\boos:(\d+)", details)
        done = re.search(r"(?:sync'ed|verified):\s*([\d.]+)%", details)
        return Status(
            connection=match[2],
            role=match[3] or "Unknown",
            peer_role=match[4] or "Unknown",
            disk=match[5] or "Diskless",
            peer_disk=match[6] or "DUnknown",
            out_of_sync=int(behind[1]) if behind else 0,
            done=float(done[1]) if done else None,
            held=(match[7] or "").startswith("s"),
        )
    return None


def parse_json(text: str, resource: str) -> Status | None:
    """The status of one resource from ``drbdsetup status --json`` (DRBD 9); ``None`` when it is not configured.

    Only the first peer and the first volume are looked at: hamysql's resources have one of each.
    """
    try:
        resources = json.loads(text or "[]")
    except json.JSONDecodeError as exc:
        raise ParseError(f"drbdsetup status --json printed no JSON: {exc}") from exc
    found = next((entry for entry in resources if entry.get("name") == resource), None)
    if found is None:
        return None
    volume = (found.get("devices") or [{}])[0]
    peer = (found.get("connections") or [{}])[0]
    link = (peer.get("peer_devices") or [{}])[0]
    replication = link.get("replication-state", "Off")
    connection = peer.get("connection-state", "StandAlone")
    # Of the blocks that are marked, which a verification marks itself.
    how_far = "done" if replication.startswith("Verify") else "percent-in-sync" if "Sync" in replication else ""
    return Status(
        connection=connection if replication in ("Off", "Established") else replication,
        role=found.get("role", "Unknown"),
        peer_role=peer.get("peer-role", "Unknown"),
        disk=volume.get("disk-state", "Diskless"),
        peer_disk=link.get("peer-disk-state", "DUnknown"),
        out_of_sync=int(link.get("out-of-sync", 0)),
        done=float(link[how_far]) if how_far in link else None,
        held=bool(found.get("suspended")),
    )


def parse_generation(text: str) -> Generation:
    """Generation identifiers from ``drbdadm get-gi``: ``CURRENT:BITMAP:HISTORY:HISTORY:consistent:further flags``.

    DRBD 9 prints a line for each peer; hamysql's resources have one.
    """
    fields = text.strip().splitlines()[-1].split(":") if text.strip() else []
    try:
        current, bitmap, younger, older = (int(field, 16) for field in fields[:4])
        consistent = fields[4] == "1"
    except (ValueError, IndexError) as exc:
        raise ParseError(f"drbdadm get-gi printed {text.strip()!r}") from exc
    return Generation(current, bitmap, (younger, older), consistent)


# The block at the end of a disk with internal metadata (struct meta_data_on_disk in DRBD 8.4's drbd_actlog.c): size, four
# identifiers, device UUID, reserved, flags, magic; big-endian. The magic has two values: detached, and in use or crashed.
_BLOCK = 4096
_METADATA = struct.Struct(">Q4QQQII")
_MAGIC = (0x8374026B, 0x8374026C)
_FLAG_CONSISTENT = 1


def read_generation(device: str, size: int) -> Generation | None:
    """Generation identifiers straight from a disk with internal metadata of DRBD 8.4, ``None`` when it has none.

    For a disk that is not in use, on a node where DRBD is not installed, or not configured for it.
    """
    found = _read_metadata(device, size)
    return found[0] if found else None


def read_uuid(device: str, size: int) -> str:
    """The UUID in the metadata of a disk that ended, or ends, after so many bytes, as ``wipefs`` prints it; "" without metadata."""
    found = _read_metadata(device, size)
    return f"{found[1]:016x}" if found else ""


def _read_metadata(device: str, size: int) -> tuple[Generation, int] | None:
    with open(root.at(device), "rb") as handle:
        handle.seek(size // _BLOCK * _BLOCK - _BLOCK, os.SEEK_SET)
        block = handle.read(_BLOCK)
    if len(block) < _METADATA.size:
        return None
    _, current, bitmap, younger, older, uuid, _, flags, magic = _METADATA.unpack_from(block)
    if magic not in _MAGIC:
        return None
    return Generation(current, bitmap, (younger, older), bool(flags & _FLAG_CONSISTENT)), uuid


@dataclass(frozen=True)
class Flags:
    """What the metadata of a replica remembers of the moment when it was last written (drbdadm show-gi)."""

    consistent: bool
    up_to_date: bool
    primary: bool
    connected: bool
    full_sync: bool
    peer_outdated: bool
    crashed_primary: bool


def parse_flags(text: str) -> Flags:
    """The flags from ``drbdadm get-gi``: seven of them after the four generation identifiers."""
    words = text.strip().splitlines()[-1].split(":")[4:11] if text.strip() else []
    if len(words) != 7 or not set(words) <= {"0", "1"}:
        raise ParseError(f"drbdadm get-gi printed {text.strip()!r}")
    return Flags(*(word == "1" for word in words))


def out_of_step(status: StatusSeen | None) -> str:
    """Why a replica (``hamysql_drbd.status``) does not stand for both sides, as a sentence; "" where it does."""
    if status and status["up_to_date"]:
        return ""
    found = f"{status['disk']}/{status['peer_disk']}, {status['connection']}" if status else "not configured"
    return f"DRBD is {found}, not UpToDate/UpToDate"
