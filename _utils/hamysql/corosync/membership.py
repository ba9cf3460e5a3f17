"""What corosync knows about its membership: `corosync-quorumtool` and `corosync-cmapctl`, read into values.

Neither has a machine-readable output; both print one `name separator value` a line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

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
