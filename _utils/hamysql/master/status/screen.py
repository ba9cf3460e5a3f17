"""The status of a cluster as one screen of words. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone

from hamysql.backup.manifest import Glance
from hamysql.master.replicas.situation import FOLLOWS
from hamysql.master.status.shape import Device, Link, Node, Replica, Status

_COLUMN = 10  # the width of the names on the left
_WIDTH = 110
_ROLES = {
    "stands by": "stands by",
    "standby": "in standby, by an operator",
    "maintenance": "in maintenance, by an operator",
    "offline": "offline",
    "stopped": "pacemaker does not run",
}


def text(status: Status, now: float) -> str:
    """The whole screen.

    now
        Seconds since 1970: times are told with their age.
    """
    shown = list(_block("service", _service_lines(status, now)))
    shown += _block("VIP", _vip_lines(status))
    for name, node in status["nodes"].items():
        shown += _block(name, _node_lines(node))
    shown += _block("links", [_link_text(link) for link in status["links"]] or ["unknown"])
    shown += _block("fencing", _fencing_lines(status, now))
    if status["backup"]:
        shown += _block("backup", [_backup_text(status["backup"], now)])
    if status["replicas"]:
        shown += _block("replicas", [_replica_text(name, replica) for name, replica in status["replicas"].items()])
    shown += _block("failures", _failure_lines(status))
    shown += _block(
        "pending", [f"{name}: {line}" for name, node in status["nodes"].items() for line in node["pending"]]
    )
    shown += _block("left", status["left"])
    if status["notes"]:
        shown += _block("notes", status["notes"])
    others = [reason for reason in status["reasons"] if reason not in status["left"]]
    if others:
        shown += ["", "Not as it should be:", *(line for reason in others for line in _wrapped(reason, "  - ", "    "))]
    return "\n".join([f"{status['cluster']} is {status['state']}: {status['verdict']}", "", *shown])


def line(status: Status) -> str:
    """A cluster in one line."""
    return f"{status['cluster']}: {status['state']}: {status['verdict']}"


def _block(name: str, lines: Iterable[str]) -> Iterator[str]:
    for number, one in enumerate(list(lines) or ["none"]):
        yield from _wrapped(one, f"{'' if number else name:<{_COLUMN}}", " " * (_COLUMN + 2))


def _wrapped(text: str, first: str, further: str) -> list[str]:
    return textwrap.wrap(
        " ".join(text.split()),
        _WIDTH,
        initial_indent=first,
        subsequent_indent=further,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _service_lines(status: Status, now: float) -> Iterator[str]:
    service = status["service"]
    if service["node"] is None:
        serving = [name for name, node in status["nodes"].items() if node["role"] == "serves"]
        yield f"on {' and '.join(serving) or 'no node'}"
        return
    since = f", since {_ago(service['since'], now)}" if service["since"] else ", nobody knows since when"
    yield f"{service['node']}{since}"
    if service["why"]:
        yield f"why: {service['why']}"


def _vip_lines(status: Status) -> Iterator[str]:
    vip = status["vip"]
    if vip is None:
        yield "unknown"
        return
    where = " and ".join(vip["nodes"])
    interface = f" ({vip['interface']})" if vip["interface"] else ""
    yield (
        f"{vip['address']}/{vip['prefix']} on {where}{interface}"
        if where
        else f"{vip['address']}/{vip['prefix']} on no node"
    )


def _node_lines(node: Node) -> Iterator[str]:
    storage = node["storage"]
    if storage is None:
        said = f"; pacemaker says: {_ROLES.get(node['role'], node['role'])}" if node["role"] != "unknown" else ""
        yield f"unknown{said}"
        yield node["unknown"]
        return
    yield f"{_ROLES.get(node['role'], node['role'])}; {storage['state']}"
    if storage["behind"]:
        yield f"{size(storage['behind'])} behind the other node"
    if node["unknown"]:
        yield node["unknown"]


def _link_text(link: Link) -> str:
    state = {True: "up", False: "DOWN", None: "unknown"}[link["connected"]]
    return f"{link['link']}: {' - '.join(link['addresses'].values())} {state}"


def _fencing_lines(status: Status, now: float) -> Iterator[str]:
    for name, node in status["nodes"].items():
        for device in node["fencing"]:
            yield f"{name}, level {device['level']}: {_device_text(device, now)}"


def _device_text(device: Device, now: float) -> str:
    names = " and ".join(device["devices"])
    if device["running"] is None:
        return f"{names} unknown while pacemaker cannot be asked"
    runs = "ready" if device["running"] else "NOT RUNNING"
    proven = f"proven {_ago(device['proven'], now)}" if device["proven"] else "never proven (hamysql.fence_test)"
    return f"{names} {runs}, {proven}"


def _backup_text(backup: Glance, now: float) -> str:
    newest = _ago(backup["newest"], now) if backup["newest"] else "none yet (hamysql.orch.backup)"
    proven = f"proven {_ago(backup['proven'], now)}" if backup["proven"] else "never proven (hamysql.orch.restore_test)"
    point = f"; can be restored to {_ago(backup['point'], now)}" if backup["point"] else ""
    return f"{newest}, {proven}{point}"


def _replica_text(name: str, replica: Replica) -> str:
    if replica["state"] != FOLLOWS:
        return f"{name}: {replica['why']}"
    behind = "nobody knows how far behind" if replica["lag"] is None else f"{span(replica['lag'])} behind"
    return f"{name}: {replica['why']}, {behind}, at {replica['position']}"


def _failure_lines(status: Status) -> Iterator[str]:
    for failure in status["failures"]:
        when = f" at {failure['when']}" if failure["when"] else ""
        yield f"{failure['action']} on {failure['node']}{when}: {failure['reason']}"


def _ago(when: str, now: float) -> str:
    """A time, and how long ago that is: ``2026-01-31 12:00:00 UTC (3 h 12 min ago)``."""
    then = datetime.strptime(when, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    return f"{then:%Y-%m-%d %H:%M:%S} UTC ({span(now - then.timestamp())} ago)"


def span(seconds: float) -> str:
    """A time span in the two largest units that it has: ``3 h 12 min``."""
    left = max(0, int(seconds))
    parts = []
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        number, left = divmod(left, length)
        if number:
            parts.append(f"{number} {unit}")
    return " ".join(parts[:2]) or "0 s"


def size(number: int) -> str:
    """A number of bytes in the unit that suits it: ``512 KiB``."""
    for unit, length in (("GiB", 2**30), ("MiB", 2**20)):
        if number >= length:
            return f"{number / length:.1f} {unit}"
    return f"{number // 1024} KiB"
