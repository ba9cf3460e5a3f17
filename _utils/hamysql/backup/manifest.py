"""What is written beside each backup: its origin, its cost, where the binary log stood, and whether it was restored. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from typing import TypedDict

from hamysql.errors import ParseError
from hamysql.system import schedule

FILE, PROOF, SUMS, DATA = "manifest.json", "proof.json", "SHA256SUMS", "data"
POINT = "point"  # a file beside shipped binary logs, whose time is the newest second that can be restored
STAMP = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"[0-9]{8}T[0-9]{6}Z")


class Tracer(TypedDict):
    """The row that a backup has written before it began, and how many of them the table had then."""

    label: str
    rows: int


class Position(TypedDict):
    """Where the binary log stood: its name as it is shipped, the position, and by which second (since 1970) the copy had ended."""

    name: str
    position: int
    ended: int


class _Always(TypedDict):
    """What each manifest has. ``seconds`` and ``size`` (bytes) are of the copy; ``binlog`` is file, position and GTID."""

    name: str
    cluster: str
    node: str
    began: str
    seconds: float
    size: int
    files: int
    speed: float  # MB/s
    flavor: str
    tool: str
    server: str
    binlog: str
    tracer: Tracer
    scheduled: bool
    late: float  # seconds after the time that the pillar says


class Manifest(_Always, total=False):
    """One backup, with what manifests of an older version do not have. ``log`` is there where the server writes binary logs."""

    log: Position


class Proof(TypedDict):
    """A backup was restored into a server of its own, checked, and had its tracer."""

    when: str
    node: str
    seconds: float
    tables: int
    rows: int


class Kept(TypedDict):
    """One backup in the folder, the newest first."""

    manifest: Manifest
    proof: Proof | None


def name_of(moment: float) -> str:
    """The name of a backup that began at a moment (seconds since 1970)."""
    return datetime.fromtimestamp(moment, timezone.utc).strftime(STAMP)


def is_name(name: str) -> bool:
    """Whether a folder is a backup's."""
    return bool(_NAME.fullmatch(name))


def began(name: str) -> datetime:
    """When it began, from its name."""
    return datetime.strptime(name, STAMP).replace(tzinfo=timezone.utc)


def read(text: str) -> Manifest:
    """A manifest from its file. Raises ``ParseError`` where it is none."""
    try:
        found: Manifest = json.loads(text)
        if not isinstance(found, dict) or set(_Always.__annotations__) - set(found):
            raise ValueError("keys are missing")
    except ValueError as exc:
        raise ParseError(f"the manifest of a backup cannot be read: {exc}") from exc
    return found


def gone(kept: Sequence[Kept], keep: int) -> list[str]:
    """The names of the backups that retention takes away: all but the newest ones, and the newest that was restored.

    kept
        The newest first.
    """
    proven = next((item["manifest"]["name"] for item in kept if item["proof"]), "")
    return [item["manifest"]["name"] for item in kept[keep:] if item["manifest"]["name"] != proven]


def due(names: Iterable[str], at: str, now: datetime) -> float | None:
    """Whether a backup is due: how many seconds ago it should have begun, or ``None`` where the newest one is younger than that.

    at
        The time of a day, ``03:00``, in UTC.
    """
    moment = schedule.latest(at, now)
    newest = max((began(name) for name in names), default=None)
    return None if newest is not None and newest >= moment else (now - moment).total_seconds()


def proof_due(kept: Sequence[Kept], at: str, every: int, now: datetime) -> bool:
    """Whether the newest backup is to be tried out: it is not proven, and the newest proof is older than so many days.

    kept
        The newest first.
    at
        The time of a day, ``05:00``, in UTC.
    """
    if not kept or kept[0]["proof"]:
        return False
    proofs = [_moment(item["proof"]["when"]) for item in kept if item["proof"]]
    return max(proofs, default=None) is None or max(proofs) < schedule.latest(at, now) - timedelta(days=every - 1)


def _moment(when: str) -> datetime:
    return datetime.strptime(when, "%Y-%m-%d %H:%M:%SZ").replace(tzinfo=timezone.utc)


class Glance(TypedDict):
    """The newest backup, and when one was proven last, such as ``2026-01-31T03:00:00Z``; ``None`` where there is none.

    ``point`` is the newest second that can be restored with binary logs.
    """

    newest: str | None
    proven: str | None
    point: str | None


def glance(listed: str) -> Glance:
    """What ``find`` prints of the manifests and proofs: lines of NAME/FILE, a blank, and the time of the last change."""
    names, proofs, points = [], [], []
    for path, _, changed in (line.partition(" ") for line in listed.splitlines()):
        name, _, file = path.partition("/")
        if is_name(name) and file == FILE:
            names.append(began(name))
        elif is_name(name) and file == PROOF:
            proofs.append(datetime.fromtimestamp(float(changed), timezone.utc))
        elif file == POINT:
            points.append(datetime.fromtimestamp(float(changed), timezone.utc))
    return {"newest": _told(names), "proven": _told(proofs), "point": _told(points)}


def moment_of(second: int) -> str:
    """A second since 1970 as :class:`Glance` has it."""
    return f"{datetime.fromtimestamp(second, timezone.utc):%Y-%m-%dT%H:%M:%SZ}"


def _told(moments: Sequence[datetime]) -> str | None:
    return f"{max(moments):%Y-%m-%dT%H:%M:%SZ}" if moments else None


def info(text: str) -> dict[str, str]:
    """What the tool says of a backup in its file of ``key = value`` lines."""
    pairs = (line.partition(" = ") for line in text.splitlines())
    return {key.strip(): value.strip() for key, sign, value in pairs if sign}
