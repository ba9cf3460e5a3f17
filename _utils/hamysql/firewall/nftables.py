"""The node's own nftables tables: their rules, reading them back, and the one atomic change between the two.

Everything hamysql does is in the tables ``ip hamysql`` and ``ip6 hamysql``. Each has one chain, which decides about the ports of
the cluster alone; every other packet leaves it as it came, so that ssh, Salt and ICMP cannot be cut off by it. It comes before
the usual chains of others, so strangers are dropped whatever those accept. The opposite cannot be had: nft's ``accept`` ends one
chain only, and a chain of somebody else may still drop what it let through (:mod:`hamysql.firewall.obstacles`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from hamysql.errors import ParseError
from hamysql.firewall import others
from hamysql.firewall.face import Derived, Firewall, Listed, Plain, address
from hamysql.firewall.obstacles import Item
from hamysql.firewall.others import WORDS
from hamysql.ports import Access
from hamysql.system.command import Run

TABLE, CHAIN = "hamysql", "input"
FILE = "/etc/hamysql/firewall.nft"
# What systemd adds to the system's own unit: /etc/nftables.conf usually begins with `flush ruleset`.
DROP_IN = "/etc/systemd/system/nftables.service.d/hamysql.conf"
LOAD = f"/usr/sbin/nft -f {FILE}"
# Chains of others filter at 0, firewalld's at 10.
HEAD = "type filter hook input priority -10; policy accept;"
LOOPBACK = 'iifname "lo" accept'
_ALL = ("0.0.0.0/0", "::/0")


def build(family: str, accesses: Iterable[Access]) -> list[str]:
    """The rules of one family's chain."""
    return [LOOPBACK, *(rule for access in accesses for rule in _lines(WORDS[family], access))]


def _lines(header: str, access: Access) -> Iterator[str]:
    """Each source is let in, and everybody else is kept out."""
    to = f"{header} daddr {address(access.to)} " if access.to else ""
    ports = ", ".join(map(str, access.ports))
    what = f"{to}{access.protocol} dport {f'{{ {ports} }}' if len(access.ports) > 1 else ports}"
    for source in access.sources:
        yield f"{'' if source in _ALL else f'{header} saddr {address(source)} '}{what} accept"
    yield f"{what} drop"


def load_text(rules: Mapping[str, Sequence[str]]) -> str:
    """Input for ``nft -f``: one transaction that makes the tables of these families anew, and leaves all others alone."""
    return "".join(map(_table, rules, rules.values()))


def _table(family: str, rules: Sequence[str]) -> str:
    name = f"table {WORDS[family]} {TABLE}"
    body = "".join(f"\t\t{line}\n" for line in (HEAD, *rules))
    return f"{name} {{}}\ndelete {name}\n{name} {{\n\tchain {CHAIN} {{\n{body}\t}}\n}}\n"


def parse(said: str) -> Listed:
    """Read what ``nft --json list table`` prints. What hamysql never makes is kept as it is, so that it differs from any rule."""
    try:
        return Listed(tuple(filter(None, map(_line, others.objects(said)))))
    except (KeyError, TypeError, AttributeError, ValueError) as exc:
        raise ParseError(f"nft printed a table that cannot be read ({exc!r})") from None


def _line(item: Item) -> str:
    ((kind, what),) = item.items()
    if kind == "metainfo" or (kind == "table" and not what.get("flags")):
        return ""
    if kind == "chain" and what["name"] == CHAIN and "hook" in what:
        return f"type {what['type']} hook {what['hook']} priority {what['prio']}; policy {what['policy']};"
    if kind == "rule" and what["chain"] == CHAIN:
        return " ".join(map(_statement, what["expr"]))
    return json.dumps({kind: {key: value for key, value in what.items() if key != "handle"}})


def _statement(statement: Item) -> str:
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
        return address(right) if right[:1] != "@" else right
    prefix = right.get("prefix", {})
    return address(f"{prefix['addr']}/{prefix['len']}") if set(right) == {"prefix"} else json.dumps(right)


def _read_ports(right: Any) -> str:
    ports = right.get("set") if isinstance(right, dict) else None
    return f"{{ {', '.join(map(str, ports))} }}" if isinstance(ports, list) else str(right)


class Nftables(Firewall[Listed]):
    """nft, from 0.9 on: one with JSON."""

    name = "nftables"
    what = f"table {TABLE}"
    files = (FILE, DROP_IN)

    def derive(self, wanted: Mapping[str, Sequence[Access]]) -> Derived:
        rules = {family: build(family, accesses) for family, accesses in wanted.items()}
        boot = [f"ExecStart={LOAD}"]
        return {"rules": rules, "text": load_text(rules), "reload": LOAD, "boot": boot, "manual": "nft(8)"}

    def read(self, run: Run, family: str) -> Listed:
        # The list first: nft says of a table that is missing the same as of one that it may not see.
        if (WORDS[family], TABLE) not in others.tables(run):
            return Listed(None)
        try:
            return parse(others.printed(run, WORDS[family], TABLE))
        except ParseError as exc:
            return Listed((str(exc),))  # v1.0.6 prints half of a table that somebody has given flags

    def seen(self, plain: Plain) -> Listed:
        return Listed(tuple(plain["content"]) if plain["exists"] else None)

    def loaded(self, rules: Sequence[str] | None) -> Listed:
        return Listed(None if rules is None else (HEAD, *rules))

    def converged(self, seen: Listed, rules: Sequence[str]) -> bool:
        return seen == self.loaded(rules)

    def load(self, run: Run, family: str, rules: Sequence[str], seen: Listed) -> None:
        run([others.NFT, "-f", "-"], stdin=load_text({family: rules}))

    def remove(self, run: Run, family: str, seen: Listed) -> None:
        run([others.NFT, "delete", "table", WORDS[family], TABLE])

    def obstacles(self, run: Run, wanted: Mapping[str, Sequence[Access]]) -> list[str]:
        items = others.of_nft(run) + others.of_iptables(run, wanted)
        return others.dropping(items, wanted, {(WORDS[family], TABLE) for family in WORDS})
