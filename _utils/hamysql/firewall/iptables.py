"""The node's own iptables chain: its rules, reading a rule set back, and the one atomic change between the two.

Everything hamysql does is in the chain ``HAMYSQL``, which is entered first from ``INPUT``. The chain only ever decides
about the ports of corosync, the storage and the database on the virtual address (on all of the node's addresses where the
pillar has the database listen there); every other packet returns to the administrator's rules, so that ssh, Salt and ICMP
cannot be cut off by it.
"""

from __future__ import annotations

import ipaddress
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hamysql.errors import CommandFailed, ParseError, Refused
from hamysql.firewall import others
from hamysql.firewall.face import Derived, Firewall, Plain
from hamysql.firewall.others import IPTABLES
from hamysql.firewall.others import WORDS as LAYERS
from hamysql.ports import FAMILIES, Access
from hamysql.system.command import Run

CHAIN = "HAMYSQL"
JUMP = f"-A INPUT -j {CHAIN}"
# What is loaded at the boot, and by which program.
BOOT = {
    "ipv4": ("/usr/sbin/iptables", "/etc/hamysql/firewall.rules"),
    "ipv6": ("/usr/sbin/ip6tables", "/etc/hamysql/firewall.rules6"),
}
_ALL = ("0.0.0.0/0", "::/0")


def build(accesses: Iterable[Access]) -> list[str]:
    """The rules of one family's chain, as ``iptables-save`` would print them."""
    chain = ["-i lo -j RETURN", *(rule for access in accesses for rule in _lines(access))]
    return [f"-A {CHAIN} {rule}" for rule in chain]


def _lines(access: Access) -> Iterator[str]:
    """Each source is let in, and everybody else is kept out."""
    to = f"-d {ipaddress.ip_network(access.to)} " if access.to else ""
    several = f"-m multiport --dports {','.join(map(str, access.ports))}"
    port = several if len(access.ports) > 1 else f"-m {access.protocol} --dport {access.ports[0]}"
    what = f"{to}-p {access.protocol} {port}"
    for source in access.sources:
        yield f"{'' if source in _ALL else f'-s {source} '}{what} -j ACCEPT"
    yield f"{what} -j DROP"


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

    def plain(self) -> Plain:
        return {"exists": self.exists, "rules": list(self.rules), "jumps": list(self.jumps)}


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


class Iptables(Firewall[Observed]):
    """iptables and ip6tables, of whichever variant the system has."""

    name = "iptables"
    what = f"chain {CHAIN}"
    files = tuple(file for _, file in BOOT.values())

    def derive(self, wanted: Mapping[str, Sequence[Access]]) -> Derived:
        rules = {family: build(accesses) for family, accesses in wanted.items()}
        files = {family: restore_text(rules[family]) if family in rules else "" for family in FAMILIES}
        boot = [line for family in rules for line in _unit_lines(*BOOT[family])]
        return {"rules": rules, "files": files, "boot": boot, "manual": "iptables-restore(8)"}

    def read(self, run: Run, family: str) -> Observed:
        # Without -t: naming a table that the kernel has not got yet makes it.
        return parse(run([f"{IPTABLES[family]}-save"]).stdout)

    def seen(self, plain: Plain) -> Observed:
        return Observed(plain["exists"], tuple(plain["rules"]), tuple(plain["jumps"]))

    def loaded(self, rules: Sequence[str] | None) -> Observed:
        return Observed(False, (), ()) if rules is None else Observed(True, tuple(rules), (0,))

    def converged(self, seen: Observed, rules: Sequence[str]) -> bool:
        return converged(seen, rules)

    def load(self, run: Run, family: str, rules: Sequence[str], seen: Observed) -> None:
        _restore(run, family, restore_text(rules, len(seen.jumps)))

    def remove(self, run: Run, family: str, seen: Observed) -> None:
        _restore(run, family, removal_text(seen))

    def obstacles(self, run: Run, wanted: Mapping[str, Sequence[Access]]) -> list[str]:
        if others.firewalld_runs(run):
            raise Refused(
                "firewalld is running, and it takes away all rules of iptables whenever it starts or reloads. Choose "
                "`firewall: {backend: firewalld}` in the pillar, or stop and disable firewalld"
            )
        # The chain's ACCEPT is the end of INPUT, whose other rules are no matter, and not of chains that nft or firewalld made.
        try:
            items = others.of_nft(run)
        except CommandFailed:  # no nft, or a kernel without nf_tables: none of them either
            return []
        own = {place for layer in LAYERS.values() for place in ((layer, "hamysql"), (layer, "filter", "INPUT"))}
        return others.dropping(items, wanted, own)


def _unit_lines(tool: str, file: str) -> list[str]:
    return [f"ExecStartPre=-{tool} -w -D INPUT -j {CHAIN}", f"ExecStart={tool}-restore -w --noflush {file}"]


def _restore(run: Run, family: str, text: str) -> None:
    run([f"{IPTABLES[family]}-restore", "-w", "10", "--noflush"], stdin=text)
