"""Rules of others that certainly drop what the cluster needs, found in what ``nft --json list table`` prints. Pure.

A rule that cannot be understood may or may not match. So each chain has a set of possible outcomes for a packet, and it is an
obstacle only where dropping the packet is the one that is left. Packets are those that begin a connection: what is let in as a part
of one that the node itself began depends on who began.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hamysql.ports import Access

Item = Mapping[str, Any]
Sure = bool | None  # ``None``: it depends on what nobody knows here

_HOOKS = ("prerouting", "input")
_LAYERS = {"ipv4": "ip", "ipv6": "ip6"}
_NUMBERS = {"tcp": 6, "udp": 17}
# Of these a packet has one of the first two, and one of the others.
_OTHERS = {"ip", "ip6", "tcp", "udp", "icmp", "icmpv6", "igmp", "sctp", "dccp", "udplite", "esp", "ah", "comp"}
ACCEPT, DROP, ON = "accept", "drop", "on"  # ``on``: the chain has not decided
# Chains that hamysql made in iptables, and firewalld for hamysql's policy.
_OURS = re.compile(r"((filter_)?IN_(policy_)?)?hamysql", re.IGNORECASE)
_DEPTH = 16  # nft's own limit of jumps into each other
# Statements that neither match nor decide. Whatever else is not known may match, or not.
_SILENT = {"counter", "log", "mangle", "notrack", "comment"}


@dataclass(frozen=True)
class Packet:
    """The first packet of a connection: from one source to one port."""

    family: str
    protocol: str
    port: int
    source: str
    to: str


def find(
    items: Iterable[Item],
    wanted: Mapping[str, Sequence[Access]],
    own: Iterable[tuple[str, ...]],
    letting_in: Collection[str] = (),
) -> list[str]:
    """What is certainly dropped, a sentence for each chain and port.

    items
        The objects of ``nft --json list table``.
    wanted
        Who has to reach which port, for each family.
    own
        Tables of hamysql's own, as family and name, and chains that it is in front of, with the chain's name as well. They are
        not looked at, and neither are chains of hamysql's name.
    letting_in
        Chains of others in which hamysql's rules let in what is wanted, before anything else does.
    """
    rules = _Rules(items, set(own), letting_in)
    reasons = []
    for family, accesses in wanted.items():
        for place in rules.bases(family):
            for access in accesses:
                for port in access.ports:
                    packets = [Packet(family, access.protocol, port, source, access.to) for source in access.sources]
                    dropped = [packet.source for packet in packets if rules.drops(place, packet)]
                    if dropped:
                        reasons.append(
                            f"{' '.join(place)} drops {access.protocol} port {port} from {', '.join(dropped)}"
                        )
    return reasons


class _Rules:
    """The chains of a ruleset, with their rules."""

    def __init__(self, items: Iterable[Item], own: set[tuple[str, ...]], letting_in: Collection[str]) -> None:
        self._own, self._letting_in = own, letting_in
        self._chains: dict[tuple[str, str, str], Item] = {}
        self._rules: dict[tuple[str, str, str], list[Sequence[Item]]] = {}
        for item in items:
            if "chain" in item:
                chain = item["chain"]
                self._chains[chain["family"], chain["table"], chain["name"]] = chain
            elif "rule" in item:
                rule = item["rule"]
                place = rule["family"], rule["table"], rule["chain"]
                self._rules.setdefault(place, []).append(rule.get("expr", ()))

    def bases(self, family: str) -> list[tuple[str, str, str]]:
        """The chains of others that every incoming packet of a family goes through."""
        return [
            place
            for place, chain in self._chains.items()
            if place[0] in (_LAYERS[family], "inet") and place[:2] not in self._own and place not in self._own
            if chain.get("type") == "filter" and chain.get("hook") in _HOOKS
        ]

    def drops(self, place: tuple[str, str, str], packet: Packet) -> bool:
        outcomes = self._chain(place, packet, 0)
        if ON in outcomes:
            outcomes = (outcomes - {ON}) | {self._chains[place].get("policy", ACCEPT)}
        return outcomes == {DROP}

    def _chain(self, place: tuple[str, str, str], packet: Packet, depth: int) -> set[str]:
        possible: set[str] = set()
        if depth > _DEPTH:
            return {ACCEPT, DROP, ON}
        for rule in self._rules.get(place, ()):
            outcomes = self._rule(rule, place, packet, depth)
            possible |= outcomes - {ON, "return"}
            if "return" in outcomes:
                possible.add(ON)
            if ON not in outcomes:
                return possible
        return possible | {ON}

    def _rule(self, rule: Sequence[Item], place: tuple[str, str, str], packet: Packet, depth: int) -> set[str]:
        sure = True
        for statement in rule:
            ((kind, what),) = statement.items()
            if kind == "match":
                held = holds(what, packet)
                if held is False:
                    return {ON}
                sure = sure and held is True
            elif kind == "vmap":
                outcomes = self._map(what, place, packet, depth)
                return outcomes if sure else outcomes | {ON}
            else:
                verdict = self._verdict(kind, what, place, packet, depth)
                if verdict:
                    return verdict if sure else verdict | {ON}
                sure = sure and kind in _SILENT
        return {ON}

    def _verdict(self, kind: str, what: Any, place: tuple[str, str, str], packet: Packet, depth: int) -> set[str]:
        """What a statement may decide; nothing for one that does not decide."""
        if kind == "xt":  # of iptables, whose jumps nft shows as its own
            return {DROP} if isinstance(what, Mapping) and what.get("name") in ("REJECT", "DROP") else set()
        if kind in ("drop", "reject"):
            return {DROP}
        if kind in ("accept", "return"):
            return {kind}
        if kind == "queue":
            return {ACCEPT, DROP}
        if kind in ("jump", "goto"):
            if what["target"] in self._letting_in:
                return {ACCEPT}
            if _OURS.fullmatch(what["target"]):
                return {ON}
            target = (*place[:2], what["target"])
            if target not in self._chains:
                return {ACCEPT, DROP, ON}  # a target of iptables that is not known here
            outcomes = self._chain(target, packet, depth + 1)
            return {"return" if outcome == ON and kind == "goto" else outcome for outcome in outcomes}
        return set()

    def _map(self, what: Item, place: tuple[str, str, str], packet: Packet, depth: int) -> set[str]:
        data = what.get("data")
        entries = data.get("set") if isinstance(data, Mapping) else None
        if not isinstance(entries, list):
            return {ACCEPT, DROP, ON}
        possible: set[str] = set()
        for key, verdict in entries:
            held = holds({"op": "==", "left": what["key"], "right": key}, packet)
            if held is not False:
                ((kind, target),) = verdict.items()
                possible |= self._verdict(kind, target, place, packet, depth) or {ON}
            if held:
                return possible
        return possible | {ON}


def holds(match: Item, packet: Packet) -> Sure:
    """Whether a match holds for a packet."""
    left, right = match.get("left"), match.get("right")
    held = _any(_equal(left, one, packet) for one in _values(right))
    if held is None or match.get("op") not in ("==", "in", "!="):
        return None
    return not held if match["op"] == "!=" and _applies(left, packet) else held


def _values(right: Any) -> Iterator[Any]:
    if isinstance(right, Mapping) and isinstance(right.get("set"), list):
        right = right["set"]
    for one in right if isinstance(right, list) else [right]:
        yield one["elem"].get("val") if isinstance(one, Mapping) and "elem" in one else one


def _any(values: Iterable[Sure]) -> Sure:
    found = list(values)
    return True if True in found else None if None in found else False


def _applies(left: Any, packet: Packet) -> bool:
    """A match of another protocol's field holds for no packet of this one, not even as a negated one."""
    protocol = left.get("payload", {}).get("protocol") if isinstance(left, Mapping) else None
    return protocol not in _OTHERS or protocol in (packet.protocol, _LAYERS[packet.family])


def _equal(left: Any, value: Any, packet: Packet) -> Sure:
    if not isinstance(left, Mapping):
        return None
    if not _applies(left, packet):
        return False
    payload, key = left.get("payload", {}), left.get("meta", left.get("ct", {})).get("key")
    match payload.get("field") or key:
        case "dport":
            return _in_range(packet.port, value)
        case "saddr":
            return _in_network(packet.source, value)
        case "daddr":
            return _in_network(packet.to, value) if packet.to else None
        case "l4proto" | "protocol" | "nexthdr" if key != "protocol":
            return value in (packet.protocol, _NUMBERS[packet.protocol])
        case "protocol":
            return bool(value == _LAYERS[packet.family])
        case "nfproto":
            return bool(value == packet.family)
        case "state" if "ct" in left:
            return bool(value == "new")
        case "status" if (
            value == "dnat"
        ):  # of what a rule of NAT has sent here: what the cluster needs is sent to this node itself
            return False
        case "iif" | "iifname" if value == "lo":
            return False
    return None


def _in_range(port: int, value: Any) -> Sure:
    if isinstance(value, Mapping) and "range" in value:
        low, high = value["range"]
        return low <= port <= high if isinstance(low, int) and isinstance(high, int) else None
    return port == value if isinstance(value, int) else None


def _in_network(source: str, value: Any) -> Sure:
    """Whether all of a network is in another one; ``None`` where a part of it is."""
    if isinstance(value, Mapping) and "prefix" in value:
        value = f"{value['prefix']['addr']}/{value['prefix']['len']}"
    whole = ipaddress.ip_network(source)
    try:
        if isinstance(value, Mapping) and "range" in value:
            low, high = map(ipaddress.ip_address, value["range"])
            parts = [part for part in ipaddress.summarize_address_range(low, high) if part.version == whole.version]
        else:
            parts = [ipaddress.ip_network(value)]
    except (ValueError, TypeError):
        return None
    if any(whole.subnet_of(part) for part in parts):  # type: ignore[arg-type]
        return True
    return None if any(whole.overlaps(part) for part in parts) else False
