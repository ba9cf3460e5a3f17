"""Which of the nodes' addresses DRBD replicates over, where the pillar does not say.

A new cluster takes the last link: where there are two, the clients have the first one. A cluster that has another one keeps it, and
both members have to have the same. So a node looks, in this order, at

- the pillar (``hamysql:storage:drbd:link``),
- the link that it has noted (``REMEMBERED``): the states note the one that they configure, ``hamysql_drbd.keep_link`` the peer's,
- the addresses in the resource's own file, of a cluster that is older than the note,
- the nodes' last address.

Only :func:`known` and :func:`note` touch files.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hamysql.resolved import Resolved
from hamysql.storage import latch
from hamysql.storage.drbd import NAME
from hamysql.survey import Surveys
from hamysql.system import root

REMEMBERED = latch.FOLDER / "drbd-link"
RESOURCES = Path("/etc/drbd.d")

PILLAR, KNOWN, LAST = "pillar", "known", "last"  # where a link comes from


@dataclass(frozen=True)
class Known:
    """What a node itself has of a link: its index or ``None``, and what was found of a note or file that names none."""

    link: int | None = None
    problem: str = ""


def chosen(pillar: int | None, known: int | None, links: int) -> tuple[int, str]:
    """The link that is used, and where it comes from: ``PILLAR``, ``KNOWN`` or ``LAST``.

    pillar, known
        What the pillar says, and what the node itself has; ``None`` for nothing.
    links
        How many links there are.
    """
    if pillar is not None:
        return pillar, PILLAR
    if known is not None and 0 <= known < links:
        return known, KNOWN
    return links - 1, LAST


def known(config: Resolved) -> Known:
    """What this node has of a link.

    config
        The resolved configuration.
    """
    addresses = {name: node["addresses"] for name, node in config["cluster"]["nodes"].items()}
    links = min(map(len, addresses.values()))
    noted, problem = _read(REMEMBERED)
    link: int | None = None
    if noted is not None:
        link = parse(noted)
        if link is None or link >= links:
            problem, link = f"{noted.strip()[:40]!r} in {REMEMBERED}", None
    if link is None:
        text, unreadable = _read(RESOURCES / f"{config['storage']['drbd']['resource']}.res")
        link, problem = matching(parse_resource(text or ""), addresses), problem or unreadable
    return Known(link, problem)


def _read(path: Path) -> tuple[str | None, str]:
    """A file's text, or ``None``, and why it could not be read though it is there."""
    try:
        return root.at(path).read_text(encoding="utf-8", errors="replace"), ""
    except FileNotFoundError:
        return None, ""
    except OSError as exc:
        return None, f"{path}, which cannot be read ({exc.strerror})"


def note(link: int) -> None:
    """Note a link on this node, for good."""
    path = root.at(REMEMBERED)
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    latch.write_file(path, f"{link}\n")


def parse(text: str) -> int | None:
    """The index in a note, ``None`` where it holds anything else."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= 7 else None


def parse_resource(text: str) -> dict[str, str]:
    """The address of each node in a resource's file (drbd.conf(5)), with one statement on each line."""
    found: dict[str, str] = {}
    sections: list[str] = []
    for line in map(str.strip, text.splitlines()):
        if line.endswith("{"):
            sections.append(line)
        elif line == "}":
            sections = sections[:-1]
        elif match := re.fullmatch(r"address\s+(?:ipv[46]\s+)?\[?([0-9A-Fa-f.:]+?)\]?:\d+\s*;.*", line):
            for header in sections:
                node = re.fullmatch(r"on\s+\"?([^\s\"]+)\"?\s*\{", header)
                if node and (address := _normal(match[1])):
                    found[node[1]] = address
    return found


def _normal(address: str) -> str:
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return ""


def matching(configured: Mapping[str, str], addresses: Mapping[str, Sequence[str]]) -> int | None:
    """The link that a resource's addresses are of; ``None`` where none is, or the nodes are on different ones.

    configured
        The address of each node in the resource's file.
    addresses
        Those of the pillar. One node may have got another one.
    """
    found = {
        addresses[name].index(address)
        for name, address in configured.items()
        if name in addresses and address in addresses[name]
    }
    return found.pop() if len(found) == 1 else None


# --- the members, as the master sees them


@dataclass(frozen=True)
class Side:
    """One member's link and where it comes from, whether DRBD is configured in its kernel, whether its replica is initialised."""

    name: str
    link: int
    source: str
    running: bool
    initialised: bool


@dataclass(frozen=True)
class Agreement:
    """The link that all members have to use, whose it is, and who has another one: those who can take it, and those who cannot."""

    link: int
    owner: str
    takers: tuple[str, ...] = ()
    stuck: tuple[str, ...] = ()


def sides(surveys: Surveys) -> list[Side]:
    """The members from what ``hamysql_node.survey`` returned; none where the data is not on DRBD."""
    return [
        Side(
            name,
            seen["settings"]["storage"]["drbd"]["link"],
            seen["settings"]["storage"]["drbd"]["link_from"],
            bool(seen["storage"].get("status")),
            (seen["storage"].get("latch") or {}).get("stage") == "INITIALISED",
        )
        for name, seen in surveys.items()
        if seen["settings"]["storage"]["backend"] == NAME
    ]


def agree(members: Iterable[Side]) -> Agreement | None:
    """Whose link all members take; ``None`` where they have the same.

    That of an initialised replica goes before any other, then one that DRBD uses, then one that a node knows of and does not only
    take for want of another. A member whose DRBD is up cannot leave a link that it knows of.
    """
    found = list(members)
    if len({side.link for side in found}) < 2:
        return None
    owner = max(found, key=lambda side: (side.initialised, side.running and side.source != LAST, side.source != LAST))
    others = [side for side in found if side.link != owner.link]
    stuck = tuple(side.name for side in others if side.source == PILLAR or (side.running and side.source != LAST))
    takers = tuple(side.name for side in others if side.name not in stuck)
    return Agreement(owner.link, owner.name, takers, stuck)
