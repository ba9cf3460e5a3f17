"""What a machine has for a cluster, before there is a pillar: addresses, blank disks, its management board. Reads only."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TypedDict

from hamysql.errors import CommandFailed, ParseError
from hamysql.preflight import machine
from hamysql.survey import Interface
from hamysql.system import disk
from hamysql.system.command import Run, exists


class Disk(TypedDict):
    """A whole disk: the kernel's name, the one that stays, its size in bytes, and why it is not blank ("" where it is)."""

    name: str
    stable: str
    size: int
    why: str


class Board(TypedDict):
    """The management board: its address, or why it is not known."""

    address: str
    why: str


class Look(TypedDict):
    """All of it. ``gateways`` are the interfaces of default routes, the preferred one first."""

    stale: bool
    nodename: str
    system: Mapping[str, str]
    interfaces: Mapping[str, Interface]
    gateways: list[str]
    disks: list[Disk]
    board: Board


_NO_DISKS = re.compile(r"/dev/(zram|nbd|drbd|ram|loop|fd|sr)\d*")  # lsblk calls some of them disks as well
_BOARD_ADDRESS = re.compile(r"^IP Address\s*:\s*(\S+)\s*$", re.MULTILINE)


def gateways(run: Run) -> list[str]:
    """The interfaces of this machine's default routes, those of IPv4 first."""
    found: list[str] = []
    for family in ("-4", "-6"):
        text = run(["ip", family, "-json", "route", "show", "default"], accept=range(256)).stdout
        try:
            routes = json.loads(text or "[]")
        except json.JSONDecodeError as exc:
            raise ParseError(f"ip -json route printed something unknown: {exc!r}") from exc
        found += [route["dev"] for route in sorted(routes, key=lambda route: route.get("metric", 0)) if "dev" in route]
    return list(dict.fromkeys(found))


def disks(run: Run) -> list[Disk]:
    """All disks that could hold data, the largest first."""
    argv = ["lsblk", "--json", "--paths", "--bytes", "--nodeps", "--output", "NAME,TYPE,SIZE,RO,RM"]
    try:
        rows = json.loads(run(argv).stdout or "{}").get("blockdevices", [])
    except json.JSONDecodeError as exc:
        raise ParseError(f"lsblk --json printed something unknown: {exc!r}") from exc
    whole = [row for row in rows if row["type"] == "disk" and not _NO_DISKS.fullmatch(row["name"]) and row["size"]]
    found = [
        Disk(
            name=row["name"],
            stable=disk.stable_names(row["name"])[0],
            size=int(row["size"]),
            why=_not_blank(run, row),
        )
        for row in whole
    ]
    return sorted(found, key=lambda item: -item["size"])


def _not_blank(run: Run, row: Mapping[str, object]) -> str:
    name = str(row["name"])
    if row["ro"] or row["rm"]:
        return "it is read-only" if row["ro"] else "it is removable"
    above = disk.occupants(run, name, "")
    if above.uses or above.partitions:
        return "; ".join([*above.uses, *(f"it has the partition {part}" for part in above.partitions)])
    try:
        return ", ".join(map(str, disk.signatures(run, name)))
    except (CommandFailed, OSError) as exc:
        return f"it cannot be read: {exc}"


def board(run: Run) -> Board:
    """This machine's management board, by ``ipmitool lan print``, which asks the board of this machine itself."""
    if not exists("ipmitool"):
        return {"address": "", "why": "ipmitool is not installed"}
    try:
        text = run(["ipmitool", "lan", "print"], timeout=20).stdout
    except CommandFailed as exc:
        return {"address": "", "why": (exc.output.strip().splitlines() or ["ipmitool did not answer"])[-1]}
    return parse_board(text)


def parse_board(text: str) -> Board:
    """The board of what ``ipmitool lan print`` prints (ipmitool 1.8)."""
    found = _BOARD_ADDRESS.search(text)
    if not found or found[1] == "0.0.0.0":
        return {"address": "", "why": "the board has no address"}
    return {"address": found[1], "why": ""}


def look(run: Run, nodename: str, system: Mapping[str, str], stale: bool) -> Look:
    """All that is in :class:`Look`."""
    return {
        "stale": stale,
        "nodename": nodename,
        "system": system,
        "interfaces": machine.interfaces(run),
        "gateways": gateways(run),
        "disks": disks(run),
        "board": board(run),
    }
