"""The node's own nftables tables: their rules, reading them back, and the one atomic change between the two.

Everything hamysql does is in the tables ``ip hamysql`` and ``ip6 hamysql``. Each has one chain, which decides about the ports of
the cluster alone; every other packet leaves it as it came, so that ssh, Salt and ICMP cannot be cut off by it. It comes before
the usual chains of others, so strangers are dropped whatever those accept. The opposite cannot be had: nft's ``accept`` ends one
chain only, and a chain of somebody else may still drop what it let through (:mod:`hamysql.firewall.obstacles`).
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hamysql.errors import CommandFailed, ParseError
from hamysql.firewall import obstacles, translate
from hamysql.firewall.face import NO_PROGRAM, Firewall
from hamysql.firewall.iptables import TOOLS
from hamysql.ports import Access
from hamysql.system.command import Run

TABLE, CHAIN = "hamysql", "input"
NFT = "nft"
FILE = "/etc/hamysql/firewall.nft"
# What systemd adds to the system's own unit: /etc/nftables.conf usually begins with `flush ruleset`.
DROP_IN = "/etc/systemd/system/nftables.service.d/hamysql.conf"
LOAD = f"/usr/sbin/nft -f {FILE}"
# nft's names of the families, which are those of their headers as well.
WORDS = {"ipv4": "ip", "ipv6": "ip6"}
# Chains of others filter at 0, firewalld's at 10.
HEAD = "type filter hook input priority -10; policy accept;"
LOOPBACK = 'iifname "lo" accept'
_ALL = ("0.0.0.0/0", "::/0")


def build(family: str, accesses: Iterable[Access]) -> list[str]:
    """The rules of one family's chain."""
    return [LOOPBACK, *(rule for access in accesses for rule in _lines(WORDS[family], access))]


def _lines(header: str, access: Access) -> Iterator[str]:
    """Each source is let in, and everybody else is kept out."""
    to = f"{header} daddr {_address(access.to)} " if access.to else ""
    ports = ", ".join(map(str, access.ports))
    what = f"{to}{access.protocol} dport {f'{{ {ports} }}' if len(access.ports) > 1 else ports}"
    for source in access.sources:
        yield f"{'' if source in _ALL else f'{header} saddr {_address(source)} '}{what} accept"
    yield f"{what} drop"


def _address(text: str) -> str:
    """An address or a network in one form: a single address has no length."""
    network = ipaddress.ip_network(text)
    return str(network if network.prefixlen < network.max_prefixlen else network.network_address)


def load_text(rules: Mapping[str, Sequence[str]]) -> str:
    """Input for ``nft -f``: one transaction that makes the tables of these families anew, and leaves all others alone."""
    return "".join(map(_table, rules, rules.values()))


def _table(family: str, rules: Sequence[str]) -> str:
    name = f"table {WORDS[family]} {TABLE}"
    body = "".join(f"\t\t{line}\n" for line in (HEAD, *rules))
    return f"{name} {{}}\ndelete {name}\n{name} {{\n\tchain {CHAIN} {{\n{body}\t}}\n}}\n"


@dataclass(frozen=True)
class Observed:
    """What the kernel holds of one family's table, in nft's words; ``None`` where there is no table."""

    content: tuple[str, ...] | None

    @property
    def exists(self) -> bool:
        return self.content is not None

    @property
    def lines(self) -> list[str]:
        return list(self.content or ())

    def plain(self) -> dict[str, Any]:
        return {"exists": self.exists, "content": self.lines}


def parse(said: str) -> Observed:
    """Read what ``nft --json list table`` prints. What hamysql never makes is kept as it is, so that it differs from any rule."""
    try:
        return Observed(tuple(filter(None, map(_line, _objects(said)))))
    except (KeyError, TypeError, AttributeError, ValueError) as exc:
        raise ParseError(f"nft printed a table that cannot be read ({exc!r})") from None


def _objects(said: str) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = json.loads(said)["nftables"]
    except (ValueError, KeyError, TypeError) as exc:
        raise ParseError(f"nft printed no JSON that can be read ({exc!r})") from None
    return found


def _line(item: Mapping[str, Any]) -> str:
    ((kind, what),) = item.items()
    if kind == "metainfo" or (kind == "table" and not what.get("flags")):
        return ""
    if kind == "chain" and what["name"] == CHAIN and "hook" in what:
        return f"type {what['type']} hook {what['hook']} priority {what['prio']}; policy {what['policy']};"
    if kind == "rule" and what["chain"] == CHAIN:
        return " ".join(map(_statement, what["expr"]))
    return json.dumps({kind: {key: value for key, value in what.items() if key != "handle"}})


def _statement(statement: Mapping[str, Any]) -> str:
    if statement in ({"accept": None}, {"drop": None}):
        return next(iter(statement))
    match = statement.get("match", {})
    left, right = match.get("left", {}), match.get("right")
    if match.get("op") == "==":
        if left == {"meta": {"key": "iifname"}} and isinstance(right, str):
            return f'iifname "{right}"'
        payload = left.get("payload", {})
        field, protocol = payload.get("field"), payload.get("protocol")
        if field in ("saddr", "daddr"):
            return f"{protocol} {field} {_read_address(right)}"
        if field == "dport":
            return f"{protocol} dport {_read_ports(right)}"
    return json.dumps(statement)


def _read_address(right: Any) -> str:
    if isinstance(right, str):
        return _address(right) if right[:1] != "@" else right
    prefix = right.get("prefix", {})
    return _address(f"{prefix['addr']}/{prefix['len']}") if set(right) == {"prefix"} else json.dumps(right)


def _read_ports(right: Any) -> str:
    ports = right.get("set") if isinstance(right, dict) else None
    return f"{{ {', '.join(map(str, ports))} }}" if isinstance(ports, list) else str(right)


class Nftables(Firewall[Observed]):
    """nft, from 0.9 on: one with JSON."""

    name = "nftables"
    what = f"table {TABLE}"
    files = (FILE, DROP_IN)

    def derive(self, wanted: Mapping[str, Sequence[Access]]) -> dict[str, Any]:
        rules = {family: build(family, accesses) for family, accesses in wanted.items()}
        boot = [f"ExecStart={LOAD}"]
        return {"rules": rules, "text": load_text(rules), "reload": LOAD, "boot": boot, "manual": "nft(8)"}

    def read(self, run: Run, family: str) -> Observed:
        # The list first: nft says of a table that is missing the same as of one that it may not see.
        if (WORDS[family], TABLE) not in _tables(run):
            return Observed(None)
        try:
            return parse(_printed(run, WORDS[family], TABLE))
        except ParseError as exc:
            return Observed((str(exc),))  # v1.0.6 prints half of a table that somebody has given flags

    def seen(self, plain: Mapping[str, Any]) -> Observed:
        return Observed(tuple(plain["content"]) if plain["exists"] else None)

    def loaded(self, rules: Sequence[str] | None) -> Observed:
        return Observed(None if rules is None else (HEAD, *rules))

    def converged(self, seen: Observed, rules: Sequence[str]) -> bool:
        return seen == self.loaded(rules)

    def load(self, run: Run, family: str, rules: Sequence[str], seen: Observed) -> None:
        run([NFT, "-f", "-"], stdin=load_text({family: rules}))

    def remove(self, run: Run, family: str, seen: Observed) -> None:
        run([NFT, "delete", "table", WORDS[family], TABLE])

    def obstacles(self, run: Run, wanted: Mapping[str, Sequence[Access]]) -> list[str]:
        items: list[dict[str, Any]] = []
        for layer, name in _tables(run):
            if layer in (*WORDS.values(), "inet"):
                with suppress(ParseError, CommandFailed):  # each by itself, as nft cannot print every table
                    items += _objects(_printed(run, layer, name))
        for family in wanted:
            items += translate.ruleset(_saved(run, family), family)
        return obstacles.find(items, wanted, {(WORDS[family], TABLE) for family in WORDS})


def _tables(run: Run) -> list[tuple[str, str]]:
    """Family and name of all tables. As text: v1.0.6 cannot print the flags of a table as JSON."""
    lines = [line.split() for line in run([NFT, "list", "tables"]).stdout.splitlines()]
    return [(words[1], words[2]) for words in lines if len(words) == 3]


def _printed(run: Run, layer: str, name: str) -> str:
    return run([NFT, "--json", "--terse", "list", "table", layer, name]).stdout


def _saved(run: Run, family: str) -> str:
    """What iptables has loaded, where it is installed."""
    try:
        return run([f"{TOOLS[family]}-save"]).stdout
    except CommandFailed as exc:
        if exc.returncode == NO_PROGRAM:
            return ""
        raise
