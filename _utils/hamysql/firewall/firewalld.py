"""The node's own policy in firewalld: its rules, reading it back, and the reload between the two.

Everything hamysql does is in the policy ``hamysql``, from any zone to the node itself. Its priority is the lowest, so
firewalld asks it before every zone and every other policy. It decides about the ports of the cluster alone. Every other packet
goes on to the zone that it belongs to, so that ssh, Salt and ICMP cannot be cut off by it.

The permanent configuration is the policy's file, which Salt writes. firewalld makes a policy of the runtime from it in a reload
only (``firewall-cmd(1)``, ``--new-policy``). A reload changes whatever differs between permanent and runtime, that of others as
well: so there is none while anything of others differs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from hamysql.errors import CommandFailed, Refused
from hamysql.firewall import others
from hamysql.firewall.face import NO_PROGRAM, Derived, Firewall, Listed, Plain, address
from hamysql.firewall.iptables import normal
from hamysql.ports import Access
from hamysql.system.command import Run

POLICY = "hamysql"
CMD = "firewall-cmd"
FILE = f"/etc/firewalld/policies/{POLICY}.xml"
HEAD = ("priority: -32768", "target: CONTINUE", "ingress-zones: ANY", "egress-zones: HOST")
# Exit codes of firewall-cmd.
_NO_POLICY, _NOT_RUNNING = 140, 252
# Where firewalld asks its policies before a zone: by nftables, and by iptables.
_ASKED_FIRST = ("filter_INPUT_POLICIES_pre", "INPUT_POLICIES_pre")
# Chains in iptables of firewalld's direct rules, and of hamysql.
_OWN = re.compile(r"\b(\w+_direct|HAMYSQL)\b")
_ALL = ("0.0.0.0/0", "::/0")


@dataclass(frozen=True)
class Rule:
    """A rich rule, asked in the order of ``priority``: of everybody without a ``source``, for all addresses without ``to``."""

    family: str
    priority: int
    source: str
    to: str
    port: int
    protocol: str
    verdict: str

    def __str__(self) -> str:
        """The rule as ``firewall-cmd`` prints it."""
        words = [f'{name} address="{value}"' for name, value in self._addresses()]
        port = f'port port="{self.port}" protocol="{self.protocol}"'
        return " ".join([f'rule priority="{self.priority}" family="{self.family}"', *words, port, self.verdict])

    def xml(self) -> str:
        inner = [f'<{name} address="{value}"/>' for name, value in self._addresses()]
        inner += [f'<port port="{self.port}" protocol="{self.protocol}"/>', f"<{self.verdict}/>"]
        lines = "".join(f"    {one}\n" for one in inner)
        return f'  <rule family="{self.family}" priority="{self.priority}">\n{lines}  </rule>\n'

    def _addresses(self) -> list[tuple[str, str]]:
        return [(name, value) for name, value in (("source", self.source), ("destination", self.to)) if value]


def build(family: str, accesses: Iterable[Access]) -> list[Rule]:
    """The rich rules of one family, each after the one before it."""
    found: list[Rule] = []
    for access in accesses:
        to = address(access.to) if access.to else ""
        for port in access.ports:
            sources = ["" if source in _ALL else address(source) for source in access.sources]
            for source, verdict in [*((source, "accept") for source in sources), ("", "drop")]:
                found.append(Rule(family, len(found) + 1, source, to, port, access.protocol, verdict))
    return found


def policy_text(rules: Iterable[Rule]) -> str:
    """The policy's file without its first lines (``firewalld.policy(5)``)."""
    priority, target, ingress, egress = (line.partition(": ")[2] for line in HEAD)
    return (
        f'<policy priority="{priority}" target="{target}">\n'
        "  <short>hamysql</short>\n"
        "  <description>Who may reach the ports of the hamysql cluster; asked before all zones.</description>\n"
        f'  <ingress-zone name="{ingress}"/>\n'
        f'  <egress-zone name="{egress}"/>\n'
        f"{''.join(rule.xml() for rule in rules)}</policy>\n"
    )


def parse(said: str, family: str) -> Listed:
    """Read what ``firewall-cmd --info-policy`` prints, without rules of another family. Keys without a value say nothing."""
    listed = list(_listing(said.splitlines()[1:]))
    other = [one for one in others.WORDS if one != family]
    content = [line for line in listed if not any(f'family="{one}"' in line for one in other)]
    return Listed(tuple(sorted(content, key=_turn)))


def _turn(line: str) -> int:
    found = re.match(r'rule priority="(-?\d+)"', line)
    return int(found[1]) if found else 0 if line.startswith("rule ") else -99999


def _listing(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        key, _, value = line.strip().partition(": ")
        if line.startswith("\t"):
            yield line.strip()
        elif value and value != "no":
            yield f"{key}: {' '.join(sorted(value.split()))}"


def differing(run: Run) -> list[str]:
    """What others have in firewalld's runtime alone, or in its permanent configuration alone: a reload would change it."""
    now, later = (_settings(run, words) for words in ((), ("--permanent",)))
    default = f"zone {run([CMD, '--get-default-zone']).stdout.strip()}"
    lost = [
        f"{tool}: {line}, lost in a reload"
        for family, tool in others.IPTABLES.items()
        for line in _flushed(run, family, later)
    ]
    return lost + [
        f"{place}: {line}, {where} only"
        for mine, other, where in ((now, later, "runtime"), (later, now, "permanent"))
        for place in mine
        for line in (mine[place] if place in other else ["all of it"])
        # An interface of the default zone is there again after a reload.
        if line not in other.get(place, ()) and not (place == default and line.startswith("interfaces: "))
    ]


def _flushed(run: Run, family: str, permanent: Mapping[str, Sequence[str]]) -> list[str]:
    """Rules of others in iptables: a reload takes away all that is there, and firewalld's own come back.

    permanent
        What :func:`_settings` has found to be permanent: direct rules of firewalld stand in iptables as anybody's do.
    """
    saved = others.saved(run, family)
    if others.FIREWALLDS_CHAIN in saved:  # it works by iptables, where its rules and those of others look alike
        return []
    direct = {_normal(f"-A {chain} {rule}") for chain, rule in _direct(permanent["direct rules"], family)}
    lines = [line for line in saved.splitlines() if line.startswith("-A ") and not _OWN.search(line)]
    return [line for line in lines if _normal(line) not in direct]


def _direct(listed: Iterable[str], family: str) -> Iterator[tuple[str, str]]:
    """Chain and rule of each line such as ``ipv4 filter INPUT 0 -s 192.0.2.66 -j DROP``."""
    for line in listed:
        of, _, chain, _, rule = line.split(maxsplit=4)
        if of == family:
            yield chain, rule


def _normal(rule: str) -> tuple[tuple[str, ...], ...]:
    """A rule in one form, the addresses in it as well: ``iptables-save`` writes their length."""
    return normal(re.sub(r"(?<=-[sd] )\S+", lambda found: address(found[0]), rule))


def _settings(run: Run, words: Sequence[str]) -> dict[str, list[str]]:
    def ask(*more: str) -> str:
        return run([CMD, *words, *more]).stdout

    found = {}
    for kind in ("zone", "policy"):
        listed = ask("--list-all-zones" if kind == "zone" else "--list-all-policies").splitlines()
        for filled, block in groupby(listed, key=lambda line: bool(line.strip())):
            if filled:
                name, *lines = block
                found[f"{kind} {name.split()[0]}"] = list(_listing(lines))
    found.pop(f"policy {POLICY}", None)
    for what in ("chains", "rules", "passthroughs"):
        found[f"direct {what}"] = ask("--direct", f"--get-all-{what}").splitlines()
    for name in ask("--get-ipsets").split():
        found[f"ipset {name}"] = ask(f"--info-ipset={name}").split("entries:")[-1].split()
    return found


class Firewalld(Firewall[Listed]):
    """firewalld, from 0.9 on: one with policies."""

    name = "firewalld"
    what = f"policy {POLICY}"
    # firewalld keeps what it deletes under another name.
    files = (FILE, f"{FILE}.old")
    units = ("firewalld.service",)

    def derive(self, wanted: Mapping[str, Sequence[Access]]) -> Derived:
        made = {family: build(family, accesses) for family, accesses in wanted.items()}
        rules = {family: [*HEAD, *map(str, of_family)] for family, of_family in made.items()}
        text = policy_text(rule for of_family in made.values() for rule in of_family)
        boot = [f"ExecStart=/usr/bin/{CMD} --info-policy={POLICY}"]
        return {"rules": rules, "policy": text, "boot": boot, "manual": "firewalld.policies(5)"}

    def read(self, run: Run, family: str) -> Listed:
        said = run([CMD, f"--info-policy={POLICY}"], accept=(0, _NO_POLICY, _NOT_RUNNING))
        return parse(said.stdout, family) if said.returncode == 0 else Listed(None)

    def seen(self, plain: Plain) -> Listed:
        return Listed(tuple(plain["content"]) if plain["exists"] else None)

    def loaded(self, rules: Sequence[str] | None) -> Listed:
        return Listed(None if rules is None else tuple(rules))

    def converged(self, seen: Listed, rules: Sequence[str]) -> bool:
        return seen == self.loaded(rules)

    def load(self, run: Run, family: str, rules: Sequence[str], seen: Listed) -> None:
        _settled(run)
        run([CMD, "--reload"])

    def remove(self, run: Run, family: str, seen: Listed) -> None:
        _settled(run)
        run([CMD, "--permanent", f"--delete-policy={POLICY}"], accept=(0, _NO_POLICY))
        run([CMD, "--reload"])

    def obstacles(self, run: Run, wanted: Mapping[str, Sequence[Access]]) -> list[str]:
        _working(run)
        items = others.of_iptables(run, wanted)
        try:
            items += others.of_nft(run)
        except CommandFailed as exc:
            if exc.returncode != NO_PROGRAM:  # firewalld itself needs no nft
                raise
        tables = {(word, "hamysql") for word in others.WORDS.values()}
        return others.dropping(items, wanted, tables, _ASKED_FIRST)


def _working(run: Run) -> None:
    """firewalld is there to be asked, and lets packets through; raises ``Refused`` otherwise."""
    if run([CMD, "--state"], accept=(0, _NOT_RUNNING)).returncode:
        raise Refused(
            "firewalld is not running, and hamysql does not start it: its zones would close what else this node has open. Look at "
            "them, start it (`systemctl enable --now firewalld`), or choose another hamysql:firewall:backend"
        )
    if run([CMD, "--query-panic"], accept=(0, 1)).returncode == 0:
        raise Refused(
            "firewalld is in panic mode and drops every packet, those of the cluster as well. `firewall-cmd --panic-off` ends it"
        )


def _settled(run: Run) -> None:
    found = differing(run)
    if found:
        raise Refused(
            "firewalld has to reload for hamysql's policy, and a reload would change settings of others. Keep what is runtime "
            "only with `firewall-cmd --runtime-to-permanent`, or take what is permanent with `firewall-cmd --reload`. Then "
            "apply again:\n" + "\n".join(f"  - {sentence}" for sentence in found)
        )
