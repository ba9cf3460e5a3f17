"""The node's own iptables chain: its rules, reading a rule set back, and the one atomic change between the two.

Everything hamysql does is in the chain ``HAMYSQL``, which is entered first from ``INPUT``. The chain only ever decides
about the ports of corosync, the storage and the database on the virtual address (on all of the node's addresses where the
pillar has the database listen there); every other packet returns to the administrator's rules, so that ssh, Salt and ICMP
cannot be cut off by it.
"""

from __future__ import annotations

import ipaddress
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hamysql.errors import ParseError

CHAIN = "HAMYSQL"
JUMP = f"-A INPUT -j {CHAIN}"
FAMILIES = ("ipv4", "ipv6")


def build(config: Mapping[str, Any]) -> dict[str, list[str]]:
    """The rules of the chain for each address family in use, as ``iptables-save`` would print them.

    A family that no address of the cluster belongs to has no rules at all.
    """
    own, peer = (config["cluster"]["nodes"][config[which]] for which in ("self", "peer"))
    corosync = config["corosync"]["port"]
    vip = config["vip"]["address"]
    open_to = _everywhere(config)  # families in which the server listens at all addresses
    used = {_family(address) for address in (*own["addresses"], vip)} | open_to
    rules: dict[str, list[str]] = {}
    for family in (name for name in FAMILIES if name in used):
        totem = f"-p udp -m multiport --dports {corosync - 1},{corosync}"
        chain = ["-i lo -j RETURN"]
        chain += [
            f"-s {_host(address)} {totem} -j ACCEPT" for address in peer["addresses"] if _family(address) == family
        ]
        chain.append(f"{totem} -j DROP")
        for port in config["storage"]["ports"]:
            if _family(port["own"]) == family:
                storage = f"-p tcp -m tcp --dport {port['number']}"
                chain += [f"-s {_host(port['peer'])} {storage} -j ACCEPT", f"{storage} -j DROP"]
        if _family(vip) == family or family in open_to:
            to = "" if family in open_to else f"-d {_host(vip)} "
            ports = config["mysql"]["ports"]
            database = f"-p tcp -m tcp --dport {ports[0]}"
            if len(ports) > 1:
                database = f"-p tcp -m multiport --dports {','.join(map(str, ports))}"
            members = [address for node in config["cluster"]["nodes"].values() for address in node["addresses"]]
            clients = [_host(address) for address in members if _family(address) == family]
            clients += [network for network in config["firewall"]["client_networks"] if _family_of(network) == family]
            for client in dict.fromkeys(clients):
                source = "" if client in ("0.0.0.0/0", "::/0") else f"-s {client} "
                chain.append(f"{source}{to}{database} -j ACCEPT")
            chain.append(f"{to}{database} -j DROP")
        rules[family] = [f"-A {CHAIN} {rule}" for rule in chain]
    return rules


def _everywhere(config: Mapping[str, Any]) -> set[str]:
    """The families in which the database listens at each address of a node: what is not the virtual IP has to be closed as well."""
    listens = {"*": FAMILIES, "::": FAMILIES, "0.0.0.0": ("ipv4",)}
    return {family for address in config["mysql"]["addresses"] for family in listens.get(address, ())}


def _family_of(network: str) -> str:
    return f"ipv{ipaddress.ip_network(network).version}"


def _family(address: str) -> str:
    return f"ipv{ipaddress.ip_address(address).version}"


def _host(address: str) -> str:
    """One host as ``iptables-save`` prints it."""
    return str(ipaddress.ip_network(address))


@dataclass(frozen=True)
class Observed:
    """What a kernel's filter table holds of ours: the chain's rules, and where INPUT jumps to it (0 is first)."""

    exists: bool
    rules: tuple[str, ...]
    jumps: tuple[int, ...]

    @property
    def lines(self) -> list[str]:
        """The state as a reader of ``changes`` wants it."""
        first = (
            ["INPUT enters it first"]
            if self.jumps == (0,)
            else [f"INPUT enters it as rule {n + 1}" for n in self.jumps]
        )
        return [*first, *self.rules] if self.exists else []


def parse(saved: str) -> Observed:
    """Read what ``iptables-save`` prints of the filter table; other tables may have chains of the same name."""
    exists, rules, jumps, position, table = False, [], [], 0, "filter"
    for line in saved.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        if table != "filter":
            continue
        if line.startswith(f":{CHAIN} "):
            exists = True
        elif line.startswith(f"-A {CHAIN} "):
            rules.append(line.strip())
        elif line.startswith("-A INPUT "):
            if normal(line) == normal(JUMP):
                jumps.append(position)
            position += 1
    return Observed(exists, tuple(rules), tuple(jumps))


def normal(rule: str) -> tuple[tuple[str, ...], ...]:
    """A rule as its options in a fixed order, so that the order in which a version of iptables prints them is no matter."""
    try:
        words = shlex.split(rule)
    except ValueError as exc:
        raise ParseError(f"a firewall rule that cannot be read ({exc}): {rule}") from None
    options: list[list[str]] = []
    negated = False
    for word in words:
        if word == "!":
            negated = True
        elif word.startswith("-") and len(word) > 1:
            options.append(["!", word] if negated else [word])
            negated = False
        elif options:
            options[-1].append(word)
    # `-m tcp` beside `-p tcp` says nothing; iptables-nft and iptables-legacy differ in printing it.
    implied = {("-m", option[1]) for option in options if option[0] == "-p" and len(option) > 1}
    return tuple(sorted(tuple(option) for option in options if tuple(option) not in implied))


def converged(observed: Observed, rules: Sequence[str]) -> bool:
    """Whether the chain has exactly these rules, in this order, and is what INPUT enters first, once."""
    same = [normal(rule) for rule in observed.rules] == [normal(rule) for rule in rules]
    return observed.exists and same and observed.jumps == (0,)


def restore_text(rules: Iterable[str], jumps: int = 0) -> str:
    """Input for ``iptables-restore --noflush``: one transaction that makes the chain and leaves all others alone.

    jumps
        How often INPUT jumps to the chain now: these are replaced by one, in front.
    """
    away = [f"-D INPUT -j {CHAIN}"] * jumps
    return "\n".join(["*filter", f":{CHAIN} - [0:0]", *rules, *away, f"-I INPUT 1 -j {CHAIN}", "COMMIT", ""])


def removal_text(observed: Observed) -> str:
    """Input for ``iptables-restore --noflush`` that takes the chain away."""
    away = [f"-D INPUT -j {CHAIN}"] * len(observed.jumps)
    return "\n".join(["*filter", f":{CHAIN} - [0:0]", *away, f"-X {CHAIN}", "COMMIT", ""])
