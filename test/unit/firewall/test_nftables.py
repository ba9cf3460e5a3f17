"""The tables' rules for each pillar, reading a table back, and comparing the two."""

from __future__ import annotations

import pytest

from hamysql.errors import CommandFailed, ParseError
from hamysql.firewall import nftables, settings
from hamysql.firewall.nftables import Nftables
from hamysql.system.command import Result
from support import PILLARS

# nft --json list table ip hamysql, v1.0.6, Debian 12, after load_text() in a network namespace
SAVED = """\
{"nftables": [{"metainfo": {"version": "1.0.6", "release_name": "Lester Gooch #5", "json_schema_version": 1}},
{"table": {"family": "ip", "name": "hamysql", "handle": 2}},
{"chain": {"family": "ip", "table": "hamysql", "name": "input", "handle": 1, "type": "filter", "hook": "input", "prio": -10, "policy": "accept"}},
{"rule": {"family": "ip", "table": "hamysql", "chain": "input", "handle": 2, "expr": [{"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "lo"}}, {"accept": null}]}},
{"rule": {"family": "ip", "table": "hamysql", "chain": "input", "handle": 4, "expr": [{"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "192.0.2.12"}}, {"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": {"set": [5404, 5405]}}}, {"accept": null}]}},
{"rule": {"family": "ip", "table": "hamysql", "chain": "input", "handle": 6, "expr": [{"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": {"set": [5404, 5405]}}}, {"drop": null}]}},
{"rule": {"family": "ip", "table": "hamysql", "chain": "input", "handle": 7, "expr": [{"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": {"prefix": {"addr": "10.1.0.0", "len": 24}}}}, {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "daddr"}}, "right": "192.0.2.100"}}, {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 3306}}, {"accept": null}]}},
{"rule": {"family": "ip", "table": "hamysql", "chain": "input", "handle": 8, "expr": [{"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "daddr"}}, "right": "192.0.2.100"}}, {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 3306}}, {"drop": null}]}}]}
"""
RULES = [
    'iifname "lo" accept',
    "ip saddr 192.0.2.12 udp dport { 5404, 5405 } accept",
    "udp dport { 5404, 5405 } drop",
    "ip saddr 10.1.0.0/24 ip daddr 192.0.2.100 tcp dport 3306 accept",
    "ip daddr 192.0.2.100 tcp dport 3306 drop",
]
FIREWALL = Nftables()


def on_nftables(given):
    return {**given, "firewall": {**given.get("firewall", {}), "backend": "nftables"}}


@pytest.fixture
def firewall(resolve, pillar):
    return resolve(pillar("nftables"))["firewall"]


def test_what_was_loaded_is_what_was_written():
    assert nftables.parse(SAVED).lines == [nftables.HEAD, *RULES]
    assert FIREWALL.converged(nftables.parse(SAVED), RULES)
    assert FIREWALL.loaded(RULES) == nftables.parse(SAVED)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"addr": "10.1.0.0", "len": 24', '"addr": "10.1.0.0", "len": 25'),
        ('"right": "192.0.2.12"', '"right": "192.0.2.13"'),
        ('"right": "192.0.2.12"', '"right": "@peers"'),
        ("[5404, 5405]", "[5404, 5405, 22]"),
        ('"right": 3306', '"right": {"range": [3306, 3307]}'),
        ('"op": "=="', '"op": "!="'),
        ('{"accept": null}', '{"counter": {"packets": 0, "bytes": 0}}, {"accept": null}'),
        ('{"drop": null}', '{"reject": null}'),
        ('"prio": -10', '"prio": 0'),
        ('"policy": "accept"', '"policy": "drop"'),
        ('"name": "hamysql", "handle": 2', '"name": "hamysql", "handle": 2, "flags": "dormant"'),
        ('"right": "lo"', '"right": "eth0"'),
        ('{"chain": {', '{"set": {"family": "ip", "table": "hamysql", "name": "mine", "type": "inet_service"}}, {"chain": {'),
        ('{"chain": {', '{"chain": {"family": "ip", "table": "hamysql", "name": "mine", "handle": 9}}, {"chain": {'),
    ],
)  # fmt: skip
def test_every_difference_is_seen(old, new):
    assert old in SAVED
    assert not FIREWALL.converged(nftables.parse(SAVED.replace(old, new, 1)), RULES)


def test_the_order_of_rules_counts():
    assert not FIREWALL.converged(nftables.parse(SAVED), [RULES[0], RULES[2], RULES[1], *RULES[3:]])


@pytest.mark.parametrize("said", ["", "[]", "{}", '{"nftables": [{"rule": {}}]}', '{"nftables": [7]}'])
def test_what_cannot_be_read_is_an_error(said):
    with pytest.raises(ParseError, match="nft printed"):
        nftables.parse(said)


def test_only_ports_of_the_cluster_are_ever_dropped(resolve, pillar):
    for name in PILLARS:
        for rules in resolve(on_nftables(pillar(name)))["firewall"]["rules"].values():
            assert rules[0] == 'iifname "lo" accept'
            for rule in rules[1:]:
                assert " dport " in f" {rule}", "a rule without a port could cut off ssh or Salt"
                assert not {"22", "4505", "4506", "icmp"} & set(rule.replace(",", " ").split())


def test_both_firewalls_have_a_rule_for_each_access(resolve, pillar):
    for name in PILLARS:
        given = pillar(name)
        tables = resolve(on_nftables(given))["firewall"]["rules"]
        given["firewall"] = {**given.get("firewall", {}), "backend": "iptables"}
        chains = resolve(given)["firewall"]["rules"]
        assert {family: len(rules) for family, rules in tables.items()} == {
            family: len(rules) for family, rules in chains.items()
        }


def test_each_family_has_its_own_addresses_only(firewall, resolve, pillar):
    assert list(firewall["rules"]) == ["ipv4", "ipv6"]
    assert not [rule for rule in firewall["rules"]["ipv4"] if "ip6" in rule or "7788" in rule]
    assert "ip6 saddr 2001:db8::12 tcp dport 7788 accept" in firewall["rules"]["ipv6"]
    six = resolve(on_nftables(pillar("ipv6")))["firewall"]["rules"]["ipv6"]
    assert "ip6 daddr 2001:db8::100 tcp dport 3306 accept" in six, "from everywhere"
    assert "table ip6" not in resolve(on_nftables(pillar("minimal")))["firewall"]["text"]


def test_the_text_makes_its_own_tables_anew_and_names_no_others(firewall):
    text = firewall["text"]
    assert [line for line in text.splitlines() if "table" in line] == [
        line
        for word in ("ip", "ip6")
        for line in (f"table {word} hamysql {{}}", f"delete table {word} hamysql", f"table {word} hamysql {{")
    ]
    assert "flush" not in text
    assert firewall["boot"] == ["ExecStart=/usr/sbin/nft -f /etc/hamysql/firewall.nft"]


def test_packages_are_those_of_the_firewall_in_use(resolve, pillar):
    assert "nftables" in resolve(pillar("nftables"))["package"]["names"]
    assert "iptables" not in resolve(pillar("nftables"))["package"]["names"]
    for backend in ("auto", "iptables"):
        names = resolve({**pillar("minimal"), "firewall": {"backend": backend}})["package"]["names"]
        assert {"iptables", "nftables"} & set(names) == {"iptables"}
    assert not {"iptables", "nftables"} & set(resolve(pillar("udpu"))["package"]["names"])


class Kernel:
    """What nft and iptables print, by the last word of their arguments; an answer that is an exit code is an error."""

    def __init__(self, **answers: str | int) -> None:
        self.answers, self.asked = answers, []

    def __call__(self, argv, **_options):
        self.asked.append(argv)
        said = self.answers[argv[-1].replace("-", "_")]
        if isinstance(said, int):
            raise CommandFailed(argv, said, "no")
        return Result(0, said)


def test_a_table_that_is_not_there_is_not_asked_for():
    kernel = Kernel(tables="table ip6 hamysql\ntable inet hamysql\ntable ip other\n")
    assert not FIREWALL.read(kernel, "ipv4").exists
    assert kernel.asked == [["nft", "list", "tables"]]
    kernel = Kernel(tables="table ip hamysql\n", hamysql=SAVED)
    assert FIREWALL.read(kernel, "ipv4").lines == [nftables.HEAD, *RULES]
    assert kernel.asked[-1] == ["nft", "--json", "--terse", "list", "table", "ip", "hamysql"]


def test_a_table_that_nft_cannot_print_is_not_what_was_loaded():
    """v1.0.6 prints half of a table that has flags; of another's it cannot be known what it drops."""
    seen = FIREWALL.read(Kernel(tables="table ip hamysql\n", hamysql=SAVED[:180]), "ipv4")
    assert seen.exists
    assert not FIREWALL.converged(seen, RULES)
    for said in (SAVED[:180], "", -11):
        kernel = Kernel(tables="table inet site\ntable bridge x\n", site=said, iptables_save=127, ip6tables_save=127)
        assert FIREWALL.obstacles(kernel, {"ipv4": [], "ipv6": []}) == []
        assert [argv[-1] for argv in kernel.asked] == ["tables", "site", "iptables-save", "ip6tables-save"]


def test_what_the_node_itself_sends_is_nobodys_obstacle(firewall):
    sources = [source for one in settings.from_outside(firewall)["ipv4"] for source in one.sources]
    assert "192.0.2.11/32" not in sources
    assert "ip saddr 192.0.2.11 ip daddr 192.0.2.100 tcp dport 3306 accept" in firewall["rules"]["ipv4"]


CLOSED = ":INPUT DROP [0:0]\n"


@pytest.mark.parametrize(("saved", "dropped"), [(f"*filter\n{CLOSED}COMMIT\n", True), ("", False), (127, False)])
def test_iptables_is_looked_at_where_it_is_installed(firewall, saved, dropped):
    kernel = Kernel(tables="", iptables_save=saved, ip6tables_save="")
    found = FIREWALL.obstacles(kernel, settings.from_outside(firewall))
    assert ("ip filter(iptables) INPUT drops udp port 5405 from 192.0.2.12/32" in found) is dropped
    assert not [line for line in found if "ip6" in line]


def test_an_iptables_that_fails_is_an_error(firewall):
    with pytest.raises(CommandFailed):
        FIREWALL.obstacles(Kernel(tables="", iptables_save=1), settings.from_outside(firewall))
