"""The firewall state against the kernel's nftables, in network namespaces of their own."""

from __future__ import annotations

import json
import os
import shutil

import packet_filters
import pytest
from packet_filters import CLIENT, CLIENT6, NODE, NODE6, PEER, PEER6, STRANGER, STRANGER6, VIP, VIP6

from hamysql.firewall import iptables, nftables, others
from hamysql.system import command
from support import load_pillar

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(not shutil.which("nft"), reason="nftables is not installed on this machine"),
    pytest.mark.skipif(not shutil.which("iptables-legacy"), reason="iptables is not installed on this machine"),
]

# Of a site that lets in more than the cluster wants: strangers have to be dropped before.
OPEN = """
table inet site {
  set trusted { type ipv4_addr; flags interval; elements = { 192.0.2.0/24 } }
  chain input {
    type filter hook input priority filter; policy accept;
    ip saddr @trusted accept
  }
  chain forward { type filter hook forward priority filter; policy drop; }
}
table ip hamysql-lookalike {
  chain input {
    type filter hook input priority 5; policy accept; tcp dport 9999 drop
  }
}
"""
# Of a site that drops by default, with the rules of the Debian wiki; `%s` is for what the cluster needs.
CLOSED = """
table inet filter {
  chain input {
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    ct state invalid drop
    iif lo accept
    meta l4proto { icmp, ipv6-icmp } accept
    tcp dport { 22, 4505-4506 } ct state new counter accept
    %s
  }
}
"""
NEEDED = """
    ip saddr 192.0.2.12 udp dport 5404-5405 accept
    ip saddr { 192.0.2.12, 192.0.2.200 } tcp dport { 3306, 7788 } accept
    ip6 saddr 2001:db8::12 udp dport 5404-5405 accept
    ip6 saddr { 2001:db8::12, 2001:db8::200 } tcp dport { 3306, 7788 } accept
"""
# The same in iptables, for IPv4.
REJECTING = """\
*filter
:INPUT ACCEPT [0:0]
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -i lo -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A INPUT -p tcp -m multiport --dports 4505,4506 -j ACCEPT
-A INPUT -j REJECT --reject-with icmp-host-prohibited
COMMIT
"""


@pytest.fixture(params=["legacy", "nft"])
def host(request):
    with packet_filters.host(request.param, {"backend": "nftables"}) as made:
        yield made


@pytest.fixture
def wire(host):
    with packet_filters.wire(host) as knock:
        yield knock


def on_ipv6():
    """The pillar `minimal` with everything in IPv6 as well as the links, in which the client has no network of its own."""
    pillar = load_pillar("minimal")
    pillar["cluster"]["nodes"] = {"db1": {"addresses": [NODE, NODE6]}, "db2": {"addresses": [PEER, PEER6]}}
    return {**pillar, "vip": {"address": VIP6, "prefix": 64, "interface": "eth0"}}


def use_ipv6(host):
    host.firewall = {**host.firewall, "client_networks": [f"{CLIENT6}/128"]}
    host.use(on_ipv6())


def ruleset(host, *what):
    return host.run(["nft", "--stateless", "list", *(what or ("ruleset",))]).stdout


def load(host, text):
    host.run(["nft", "-f", "-"], stdin=text)


def test_a_look_makes_nothing(host):
    assert host.managed(test=True)["result"] is None
    assert host.absent("nftables")["changes"] == {}
    assert ruleset(host) == ""


def test_the_tables_are_loaded_once_and_nothing_else_changes(host):
    use_ipv6(host)
    load(host, OPEN)
    others = ruleset(host)
    predicted = host.managed(test=True)
    assert (predicted["result"], ruleset(host)) == (None, others)
    done = host.managed()
    assert (done["result"], done["changes"]) == (True, predicted["changes"])
    assert set(done["changes"]) == {"ipv4", "ipv6"}
    assert ruleset(host).startswith(others)
    for test in (True, False):
        again = host.managed(test)
        assert (again["result"], again["changes"]) == (True, {})
    assert set(host.absent("nftables")["changes"]) == {"ipv4", "ipv6"}
    assert ruleset(host) == others
    assert host.absent("nftables")["changes"] == {}


def test_who_reaches_what_in_both_families(host, wire):
    load(host, OPEN)
    host.managed()
    found = {source: packet_filters.opened(wire, NODE, VIP, source) for source in (PEER, CLIENT, STRANGER)}
    own = {"ssh", "salt", "other"}
    assert found == {PEER: own | {"corosync", "drbd", "database"}, CLIENT: own | {"database"}, STRANGER: own}
    assert wire(NODE, VIP, "tcp", 3306) == "open", "the node itself reaches its database"
    use_ipv6(host)
    assert host.managed()["result"] is True
    found = {source: packet_filters.opened(wire, NODE6, VIP6, source) for source in (PEER6, CLIENT6, STRANGER6)}
    assert found == {PEER6: own | {"corosync", "drbd", "database"}, CLIENT6: own | {"database"}, STRANGER6: own}
    assert wire(NODE6, VIP6, "tcp", 3306) == "open"


@pytest.mark.parametrize(
    "drift",
    [
        "add rule ip hamysql input accept",
        "insert rule ip hamysql input tcp dport 22 counter drop",
        "flush chain ip hamysql input",
        "add table ip hamysql { flags dormant; }",
        "add chain ip hamysql mine",
        "add set ip hamysql mine { type inet_service; }",
        "chain ip hamysql input { policy drop; }",
        "delete table ip hamysql",
        "flush ruleset",
    ],
)
def test_drift_is_seen_and_mended(host, drift):
    host.managed()
    good = ruleset(host)
    load(host, drift)
    assert ruleset(host) != good
    assert host.managed(test=True)["result"] is None
    assert host.managed()["changes"]
    assert ruleset(host) == good
    assert host.managed()["changes"] == {}


def test_a_new_pillar_replaces_the_rules_and_open_connections_live_on(host):
    host.managed()
    changed = load_pillar("minimal")
    changed["corosync"]["port"] = 5505
    host.use(changed)
    (change,) = host.managed()["changes"].values()
    assert any("{ 5504, 5505 }" in line for line in change["new"])
    assert "5405" not in ruleset(host)


def test_rules_that_nft_refuses_leave_the_old_ones(host):
    host.managed()
    good = ruleset(host)
    text = nftables.load_text({"ipv4": ["tcp dport 22 accept", "tcp dport no-such-port drop"]})
    assert host.run(["nft", "-f", "-"], stdin=text, accept=(1,)).stderr
    assert ruleset(host) == good


def test_the_file_for_the_boot_gives_the_same_tables_and_again_after_a_flush(host):
    use_ipv6(host)
    for before in ("", "flush ruleset\n" + OPEN, OPEN):
        load(host, before)
        load(host, host.config["firewall"]["text"])
        assert host.managed()["changes"] == {}


def test_a_missing_program(host, monkeypatch):
    monkeypatch.setattr(others, "NFT", "no-such-nft")
    host.module.run = command.run  # `ip netns exec` has its own exit code for a missing program
    assert "no-such-nft" in host.managed()["comment"]
    predicted = host.managed(test=True)
    assert (predicted["result"], predicted["changes"]["ipv4"]["old"]) == (None, [])
    assert host.absent("nftables")["changes"] == {}
    host.use({**load_pillar("minimal"), "package": {"firewall": {"nftables": []}}})
    assert host.managed(test=True)["result"] is False


def test_what_a_site_drops_stays_dropped_so_it_is_refused(host, wire):
    """The facts that the refusal rests on: `accept` in one chain does not help against `drop` in another."""
    load(host, CLOSED % "")
    before = ruleset(host)
    for test in (True, False):
        refused = host.managed(test)
        assert (refused["result"], refused["changes"]) == (False, {})
        assert "inet filter input drops udp port 5405 from 192.0.2.12/32" in refused["comment"]
        assert "inet filter input drops tcp port 3306 from 192.0.2.12/32, 192.0.2.200/32" in refused["comment"]
        assert "192.0.2.11" not in refused["comment"], "the node's own packets come over lo"
    assert ruleset(host) == before
    load(host, host.config["firewall"]["text"])
    assert packet_filters.opened(wire, NODE, VIP, PEER) == {"ssh", "salt"}


def test_a_site_that_drops_all_but_what_the_cluster_needs(host, wire):
    load(host, CLOSED % NEEDED)
    assert host.managed()["result"] is True
    found = {source: packet_filters.opened(wire, NODE, VIP, source) for source in (PEER, CLIENT, STRANGER)}
    own = {"ssh", "salt"}
    assert found == {PEER: own | {"corosync", "drbd", "database"}, CLIENT: own | {"database"}, STRANGER: own}
    use_ipv6(host)
    assert host.managed()["result"] is True
    found = {source: packet_filters.opened(wire, NODE6, VIP6, source) for source in (PEER6, CLIENT6, STRANGER6)}
    assert found == {PEER6: own | {"corosync", "drbd", "database"}, CLIENT6: own | {"database"}, STRANGER6: own}


def to(host, backend):
    host.firewall = {**host.firewall, "backend": backend}
    host.use(load_pillar("minimal"))


def test_from_one_firewall_to_the_other_and_back(host, wire):
    own, everything = {"ssh", "salt", "other"}, {"ssh", "salt", "other", "corosync", "drbd", "database"}
    for backend, old in (("iptables", "nftables"), ("nftables", "iptables"), ("iptables", "nftables")):
        to(host, backend)
        assert host.managed()["changes"]
        assert packet_filters.opened(wire, NODE, VIP, PEER) == everything, "with both of them"
        host.absent(old)
        assert packet_filters.opened(wire, NODE, VIP, PEER) == everything
        assert packet_filters.opened(wire, NODE, VIP, STRANGER) == own
        assert bool([line for line in host.saved() if iptables.CHAIN in line]) == (backend == "iptables")
        assert ("table ip hamysql" in ruleset(host)) == (backend == "nftables")
        assert host.managed()["changes"] == {}


def test_rules_that_iptables_let_through_are_not_given_up_for_tables_that_cannot(host, wire):
    """INPUT of iptables rejects all that hamysql's chain does not accept before: without that chain, the peer would be cut off."""
    host.run(["iptables-restore"], stdin=REJECTING)
    to(host, "iptables")
    assert host.managed()["result"] is True
    before = host.saved()
    to(host, "nftables")
    refused = host.managed()
    assert (refused["result"], refused["changes"]) == (False, {})
    assert "ip filter(iptables) INPUT drops tcp port 7788 from 192.0.2.12/32" in refused["comment"]
    assert host.saved() == before
    assert "drbd" in packet_filters.opened(wire, NODE, VIP, PEER)


def test_a_ruleset_in_json_is_what_the_reader_knows(host):
    """Each rule, set and chain of hamysql's own comes back as it was written."""
    use_ipv6(host)
    host.managed()
    for family, word in nftables.WORDS.items():
        said = host.run(["nft", "--json", "list", "table", word, nftables.TABLE]).stdout
        assert {key for item in json.loads(said)["nftables"] for key in item} == {"metainfo", "table", "chain", "rule"}
        assert nftables.parse(said).lines == [nftables.HEAD, *host.config["firewall"]["rules"][family]]
