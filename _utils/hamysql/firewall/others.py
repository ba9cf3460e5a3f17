"""What the kernel holds of other people's rules, asked of nft and iptables, and which of it drops what the cluster needs."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress

from hamysql.errors import CommandFailed, ParseError
from hamysql.firewall import obstacles, translate
from hamysql.firewall.face import NO_PROGRAM
from hamysql.firewall.obstacles import Item
from hamysql.ports import Access
from hamysql.system.command import Run

NFT = "nft"
IPTABLES = {"ipv4": "iptables", "ipv6": "ip6tables"}
# nft's names of the families, which are those of their headers as well.
WORDS = {"ipv4": "ip", "ipv6": "ip6"}
FIREWALLD = "inet firewalld"
FIREWALLDS_CHAIN = ":INPUT_ZONES "  # what iptables-save prints where firewalld works by iptables
_HINT = (
    "The table `inet firewalld` is firewalld's: with `firewall: {backend: firewalld}` it lets in what the cluster needs"
)


def tables(run: Run) -> list[tuple[str, str]]:
    """Family and name of all tables. As text: v1.0.6 cannot print the flags of a table as JSON."""
    lines = [line.split() for line in run([NFT, "list", "tables"]).stdout.splitlines()]
    return [(words[1], words[2]) for words in lines if len(words) == 3]


def printed(run: Run, layer: str, name: str) -> str:
    """One table as JSON."""
    return run([NFT, "--json", "--terse", "list", "table", layer, name]).stdout


def objects(said: str) -> list[Item]:
    """The objects that ``nft --json`` has printed."""
    try:
        found: list[Item] = json.loads(said)["nftables"]
    except (ValueError, KeyError, TypeError) as exc:
        raise ParseError(f"nft printed no JSON that can be read ({exc!r})") from None
    return found


def of_nft(run: Run) -> list[Item]:
    """All that nft knows of packets to this node. It leaves out a table that nft cannot print."""
    items: list[Item] = []
    for layer, name in tables(run):
        if layer in (*WORDS.values(), "inet"):
            with suppress(ParseError, CommandFailed):
                items += objects(printed(run, layer, name))
    return items


def of_iptables(run: Run, families: Collection[str]) -> list[Item]:
    """What iptables has loaded, where it is installed."""
    return [item for family in families for item in translate.ruleset(saved(run, family), family)]


def saved(run: Run, family: str) -> str:
    """What ``iptables-save`` prints of one family; nothing where it is not installed."""
    try:
        return run([f"{IPTABLES[family]}-save"]).stdout
    except CommandFailed as exc:
        if exc.returncode == NO_PROGRAM:
            return ""
        raise


def firewalld_runs(run: Run) -> bool:
    """Whether the kernel holds what firewalld loads, by nftables or by iptables."""
    with suppress(CommandFailed):  # no nft, or a kernel without nf_tables: none of firewalld's tables either
        if tuple(FIREWALLD.split()) in tables(run):
            return True
    return FIREWALLDS_CHAIN in saved(run, "ipv4")


def dropping(
    items: Sequence[Item],
    wanted: Mapping[str, Sequence[Access]],
    own: Collection[tuple[str, ...]] = (),
    letting_in: Collection[str] = (),
) -> list[str]:
    """What :func:`hamysql.firewall.obstacles.find` finds, and a hint where firewalld made the rule."""
    found = obstacles.find(items, wanted, own, letting_in)
    return [*found, _HINT] if any(sentence.startswith(f"{FIREWALLD} ") for sentence in found) else found
