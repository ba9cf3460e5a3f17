"""Which rules of others certainly drop what the cluster needs, and which may or may not."""

from __future__ import annotations

from typing import Any

import pytest

from hamysql.firewall import obstacles, translate
from hamysql.ports import Access

WANTED = {"ipv4": [Access("tcp", (7788,), ("192.0.2.12/32",), "ipv4")]}
OWN = {("ip", "hamysql"), ("ip6", "hamysql")}
DROPPED = ["inet site input drops tcp port 7788 from 192.0.2.12/32"]


def chain(name: str = "input", family: str = "inet", **base: Any) -> dict[str, Any]:
    return {"chain": {"family": family, "table": "site", "name": name, "handle": 1, **base}}


def base(policy: str = "drop", hook: str = "input", kind: str = "filter", **more: Any) -> dict[str, Any]:
    return chain(type=kind, hook=hook, prio=0, policy=policy, **more)


def rule(*statements: Any, chain: str = "input", family: str = "inet") -> dict[str, Any]:
    return {"rule": {"family": family, "table": "site", "chain": chain, "handle": 2, "expr": list(statements)}}


def payload(protocol: str, field: str, right: Any, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": {"payload": {"protocol": protocol, "field": field}}, "right": right}}


def meta(key: str, right: Any, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": {"meta": {"key": key}}, "right": right}}


def state(*states: str, op: str = "in") -> dict[str, Any]:
    return {"match": {"op": op, "left": {"ct": {"key": "state"}}, "right": list(states)}}


def prefix(address: str, length: int) -> dict[str, Any]:
    return {"prefix": {"addr": address, "len": length}}


def vmap(protocol: str, field: str, *entries: Any) -> dict[str, Any]:
    return {"vmap": {"key": {"payload": {"protocol": protocol, "field": field}}, "data": {"set": list(entries)}}}


ACCEPT, DROP, REJECT = {"accept": None}, {"drop": None}, {"reject": {"type": "icmpx", "expr": "admin-prohibited"}}
COUNTER, LOG = {"counter": {"packets": 1, "bytes": 2}}, {"log": {"prefix": "x"}}


@pytest.mark.parametrize(
    "rules",
    [
        [],
        [rule(payload("tcp", "dport", 22), ACCEPT)],
        [rule(payload("udp", "dport", 7788), ACCEPT)],
        [rule(payload("udp", "dport", 7788, "!="), ACCEPT)],
        [rule(payload("tcp", "dport", {"set": [22, {"range": [4505, 4506]}, {"elem": {"val": 80}}]}), ACCEPT)],
        [rule(payload("tcp", "dport", 7788, "!="), ACCEPT)],
        [rule(payload("ip", "saddr", prefix("10.0.0.0", 8)), ACCEPT)],
        [rule(payload("ip", "saddr", {"range": ["192.0.2.20", "192.0.2.30"]}), ACCEPT)],
        [rule(payload("ip6", "saddr", "2001:db8::12"), ACCEPT)],
        [rule(payload("icmp", "type", "echo-request"), ACCEPT)],
        [rule(meta("l4proto", {"set": ["icmp", "udp"]}), ACCEPT), rule(payload("ip", "protocol", "igmp"), ACCEPT)],
        [rule(meta("nfproto", "ipv6"), ACCEPT), rule(meta("protocol", "ip6"), ACCEPT)],
        [rule(meta("iifname", "lo"), ACCEPT), rule(meta("iif", "lo"), ACCEPT)],
        [rule(state("established", "related"), ACCEPT), rule(state("new", op="!="), ACCEPT)],
        [rule(COUNTER, LOG, REJECT), rule(ACCEPT)],
        [rule(DROP), rule(ACCEPT)],
        [rule({"match": {"op": "in", "left": {"ct": {"key": "status"}}, "right": "dnat"}}, ACCEPT)],
        [rule({"xt": {"type": "match", "name": "conntrack"}}, DROP)],
        [rule({"vmap": {"key": {"ct": {"key": "state"}}, "data": {"set": [["established", ACCEPT], ["new", DROP]]}}})],
        [rule(vmap("tcp", "dport", [22, ACCEPT], [80, ACCEPT]))],
        [chain("sub"), rule(payload("tcp", "dport", 22), ACCEPT, chain="sub"), rule({"jump": {"target": "sub"}})],
        [chain("sub"), rule({"return": None}, chain="sub"), rule(ACCEPT, chain="sub"), rule({"goto": {"target": "sub"}})],
        [rule({"return": None}), rule(ACCEPT)],
        [chain("hamysql"), rule(ACCEPT, chain="hamysql"), rule({"jump": {"target": "hamysql"}})],
    ],
)  # fmt: skip
def test_certainly_dropped(rules):
    assert obstacles.find([base(), *rules], WANTED, OWN) == DROPPED


@pytest.mark.parametrize(
    "rules",
    [
        [rule(payload("tcp", "dport", 7788), ACCEPT)],
        [rule(payload("th", "dport", {"range": [7000, 8000]}), ACCEPT)],
        [rule(payload("ip", "saddr", prefix("192.0.2.0", 24)), ACCEPT)],
        [rule(payload("ip", "saddr", {"set": ["10.0.0.1", {"range": ["192.0.2.1", "192.0.2.100"]}]}), ACCEPT)],
        [rule(meta("l4proto", "tcp"), state("new"), COUNTER, ACCEPT)],
        [rule(meta("l4proto", 6), ACCEPT)],
        [rule(vmap("tcp", "dport", [7788, ACCEPT], [22, DROP])), rule(DROP)],
        [chain("sub"), rule(ACCEPT, chain="sub"), rule(payload("tcp", "dport", 7788), {"goto": {"target": "sub"}})],
        # What may match, or not:
        [rule(payload("tcp", "dport", "@allowed"), ACCEPT)],
        [rule(payload("ip", "saddr", "@peers"), ACCEPT)],
        [rule(payload("ip", "daddr", "192.0.2.11"), ACCEPT)],
        [rule(payload("ether", "saddr", "00:11:22:33:44:55"), ACCEPT)],
        [rule(meta("iifname", "eth0"), ACCEPT), rule(meta("mark", 7), ACCEPT)],
        [rule({"limit": {"rate": 5, "per": "second"}}, ACCEPT)],
        [rule({"xt": {"type": "match", "name": "conntrack"}}, ACCEPT)],
        [rule({"queue": {"num": 1}})],
        [rule({"jump": {"target": "elsewhere"}})],
        [rule({"vmap": {"key": {"meta": {"key": "iifname"}}, "data": "@interfaces"}})],
        [rule(vmap("ip", "saddr", [prefix("192.0.2.12", 31), ACCEPT]))],
        [rule(payload("tcp", "dport", 7788, "<"), ACCEPT)],
        [chain("loop"), rule({"jump": {"target": "loop"}}, chain="loop"), rule({"jump": {"target": "loop"}})],
    ],
)
def test_accepted_or_perhaps_accepted(rules):
    assert obstacles.find([base(), *rules], WANTED, OWN) == []


@pytest.mark.parametrize(
    ("items", "found"),
    [
        ([base("accept")], 0),
        ([base("accept"), rule(payload("tcp", "dport", 7788), DROP)], 1),
        ([base("accept"), rule(payload("tcp", "dport", "@closed"), DROP)], 0),
        ([base(hook="forward")], 0),
        ([base(hook="prerouting")], 1),
        ([base(hook="prerouting", kind="nat")], 0),
        ([base(family="ip")], 1),
        ([base(family="ip6")], 0),
        ([base(family="bridge")], 0),
        ([{"chain": {**base()["chain"], "family": "ip", "table": "hamysql"}}], 0),
        ([chain()], 0),
        ([{"metainfo": {}}, {"table": {"family": "inet", "name": "site"}}], 0),
    ],
)
def test_which_chains_are_looked_at(items, found):
    assert len(obstacles.find(items, WANTED, OWN)) == found


def test_a_part_of_a_network_may_be_let_in_and_each_port_has_its_sentence():
    wanted = {"ipv4": [Access("tcp", (1, 2), ("10.1.0.0/16", "192.0.2.12/32"), "ipv4", "192.0.2.100")]}
    items = [
        base(),
        rule(payload("ip", "saddr", prefix("10.1.7.0", 24)), payload("tcp", "dport", 1), ACCEPT),
        rule(payload("ip", "daddr", "192.0.2.100"), payload("tcp", "dport", 9), ACCEPT),
    ]
    assert obstacles.find(items, wanted, OWN) == [
        "inet site input drops tcp port 1 from 192.0.2.12/32",
        "inet site input drops tcp port 2 from 10.1.0.0/16, 192.0.2.12/32",
    ]
    items += [rule(payload("ip", "daddr", "192.0.2.100"), ACCEPT)]
    assert obstacles.find(items, wanted, OWN) == []


# iptables-save v1.8.9, Debian 12, with hamysql's own chain and a site's rules
SAVED = """\
# Generated by iptables-save v1.8.9
*nat
:INPUT ACCEPT [0:0]
-A INPUT -j DROP
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:HAMYSQL - [0:0]
:LOCAL - [0:0]
-A INPUT -j HAMYSQL
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p icmp -j ACCEPT
-A INPUT -i lo -j ACCEPT
-A INPUT ! -s 192.0.2.0/24 -p tcp -m tcp --dport 22 -m comment --comment "for all" -j ACCEPT
-A INPUT -p tcp -m multiport --dports 4505:4506,80 -j ACCEPT
-A INPUT -p tcp -m state --state NEW -j LOCAL
-A INPUT -j LOG --log-prefix "-j ACCEPT"
-A INPUT -j REJECT --reject-with icmp-host-prohibited
-A HAMYSQL -s 192.0.2.12/32 -p tcp -m tcp --dport 7788 -j ACCEPT
-A LOCAL -p tcp -m tcp --dport 25 -j ACCEPT
-A LOCAL -j RETURN
COMMIT
"""


def dropped_by(saved: str) -> bool:
    found = obstacles.find(translate.ruleset(saved, "ipv4"), WANTED, OWN)
    assert found in ([], ["ip filter(iptables) INPUT drops tcp port 7788 from 192.0.2.12/32"])
    return bool(found)


def test_rules_of_iptables_without_hamysqls_own_chain():
    assert dropped_by(SAVED)
    assert dropped_by(SAVED.replace("-A INPUT -j REJECT --reject-with icmp-host-prohibited", "").replace(
        "*filter\n:INPUT ACCEPT", "*filter\n:INPUT DROP"))  # fmt: skip
    assert not dropped_by("")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("-A INPUT -j REJECT --reject-with icmp-host-prohibited\n", ""),
        ("--dports 4505:4506,80", "--dports 4505:4506,7780:7790"),
        ("! -s 192.0.2.0/24 -p tcp -m tcp --dport 22", "-s 192.0.2.0/24 -p tcp -m tcp --dport 7788"),
        ("! -s 192.0.2.0/24 -p tcp -m tcp --dport 22", "! -s 10.0.0.0/8 -p tcp -m tcp --dport 7788"),
        ("--dport 25 -j ACCEPT", "--dport 7788 -j ACCEPT"),
        ("-A LOCAL -j RETURN", "-A LOCAL -m set --match-set peers src -j ACCEPT"),
        ("-A LOCAL -j RETURN", "-A LOCAL -i eth0 -j ACCEPT"),
        ("-A LOCAL -j RETURN", "-A LOCAL -j NFQUEUE --queue-num 1"),
        ("--ctstate RELATED,ESTABLISHED", "--ctstate NEW,RELATED,ESTABLISHED"),
        ("-p icmp -j ACCEPT", "-p tcp -j ACCEPT"),
        ("-i lo -j ACCEPT", "! -i lo -j ACCEPT"),
    ],
)
def test_rules_of_iptables_that_may_let_it_in(old, new):
    assert old in SAVED
    assert not dropped_by(SAVED.replace(old, new, 1))
