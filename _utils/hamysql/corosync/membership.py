"""What corosync knows about its membership: `corosync-quorumtool` and `corosync-cmapctl`, read into values.

Neither has a machine-readable output; both print one `name separator value` a line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from hamysql.errors import ParseError

_LINK = re.compile(r"stats\.knet\.node(\d+)\.link(\d+)\.(connected|enabled) \(\w+\) = (\d+)")


@dataclass(frozen=True)
class Quorum:
    """What this node holds of the quorum. Votes are numbers of votes, members are node ids, without a quorum device's (0)."""

    quorate: bool
    node_id: int
    members: tuple[int, ...]
    expected_votes: int
    total_votes: int
    needed_votes: int
    flags: tuple[str, ...]  # 2Node, Quorate, WaitForAll ...


@dataclass(frozen=True)
class Link:
    """The state of one knet link to another node."""

    node_id: int
    link: int
    connected: bool


class LinkSeen(TypedDict):
    """A :class:`Link` as it comes over Salt's bus."""

    node_id: int
    link: int
    connected: bool


class Seen(TypedDict):
    """Quorum and links to other nodes as they come over Salt's bus; all but ``running`` is empty where corosync does not run."""

    running: bool
    quorate: bool
    node_id: int | None
    members: list[int]
    expected_votes: int
    total_votes: int
    needed_votes: int
    flags: list[str]
    links: list[LinkSeen]


def seen(quorum: Quorum | None, links: Sequence[Link] = ()) -> Seen:
    """What goes over the bus; ``None`` where corosync does not run."""
    return {
        "running": quorum is not None,
        "quorate": quorum is not None and quorum.quorate,
        "node_id": quorum.node_id if quorum else None,
        "members": list(quorum.members) if quorum else [],
        "expected_votes": quorum.expected_votes if quorum else 0,
        "total_votes": quorum.total_votes if quorum else 0,
        "needed_votes": quorum.needed_votes if quorum else 0,
        "flags": list(quorum.flags) if quorum else [],
        "links": [
            {"node_id": link.node_id, "link": link.link, "connected": link.connected}
            for link in links
            if quorum and link.node_id != quorum.node_id
        ],
    }


def parse_quorum(text: str) -> Quorum:
    """Read what `corosync-quorumtool -s -i` prints (corosync 3.1). Raises ``ParseError`` where that is something else."""
    values = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}
    members = re.findall(r"^ +(\d+) +\d+ ", text, re.MULTILINE)
    try:
        return Quorum(
            quorate=values["Quorate"] == "Yes",
            node_id=int(values["Node ID"]),
            members=tuple(int(member) for member in members if int(member)),
            expected_votes=int(values["Expected votes"]),
            total_votes=int(values["Total votes"]),
            needed_votes=int(values["Quorum"].split()[0]),
            flags=tuple(values["Flags"].split()),
        )
    except (KeyError, ValueError, IndexError) as exc:
        raise ParseError(f"corosync-quorumtool printed something unexpected ({exc!r}): {text[:300]!r}") from exc


def parse_links(text: str) -> tuple[Link, ...]:
    """Read the links from what `corosync-cmapctl -m stats` prints; none where the transport is not knet.

    A node's link to itself is never connected through the network and is left out.
    """
    found: dict[tuple[int, int], dict[str, bool]] = {}
    for node, link, name, value in _LINK.findall(text):
        found.setdefault((int(node), int(link)), {})[name] = value == "1"
    return tuple(Link(node, link, state.get("connected", False)) for (node, link), state in sorted(found.items()))
