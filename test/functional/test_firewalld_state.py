"""The firewall state against a real firewalld with a message bus of its own, in network namespaces of their own."""

from __future__ import annotations

import os
import shutil
import threading

import packet_filters
import pytest
from packet_filters import CLIENT, CLIENT6, NODE, NODE6, PEER, PEER6, STRANGER, STRANGER6, VIP, VIP6

from hamysql.firewall import firewalld
from hamysql.system import command
from support import load_pillar

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    *(
        pytest.mark.skipif(not shutil.which(program), reason=f"{program} is not installed on this machine")
        for program in ("firewalld", "dbus-daemon", "nft", "iptables-legacy")
    ),
]

OWN = {"ssh"}  # of the zone `public`
ALL = {"ssh", "salt", "other", "corosync", "drbd", "database"}
CLUSTER = {"corosync", "drbd", "database"}

CLOSED = """
table inet site {
  chain input {
    type filter hook input priority 0; policy accept;
    udp dport 5405 drop
  }
}
"""


@pytest.fixture
def host():
    with packet_filters.host("nft", {"backend": "firewalld"}) as made:
        yield made


@pytest.fixture
def daemon(host):
    with packet_filters.firewalld(host) as running:
        yield running


@pytest.fixture
def wire(host):
    with packet_filters.wire(host) as knock:
        yield knock


def on_ipv6(host):
    pillar = load_pillar("minimal")
    pillar["cluster"]["nodes"] = {"db1": {"addresses": [NODE, NODE6]}, "db2": {"addresses": [PEER, PEER6]}}
    pillar["vip"] = {"address": VIP6, "prefix": 64, "interface": "eth0"}
    host.firewall = {**host.firewall, "client_networks": [f"{CLIENT6}/128"]}
    host.use(pillar)


def to(host, backend):
    host.firewall = {**host.firewall, "backend": backend}
    host.use(load_pillar("minimal"))


def reached(wire):
    return {source: packet_filters.opened(wire, NODE, VIP, source) for source in (PEER, CLIENT, STRANGER)}


def everything(host):
    """All zones and policies of firewalld, in the runtime and permanently."""
    asked = ("--list-all-zones", "--list-all-policies")
    return [host.cmd(*words, ask) for ask in asked for words in ([], ["--permanent"])]


def permanently(host, *words):
    host.cmd("--permanent", *words)
    host.cmd("--reload")


@pytest.mark.parametrize("settings", ["", "FirewallBackend=iptables"], ids=["by-nftables", "by-iptables"])
def test_who_reaches_what_in_both_families(host, wire, settings):
    with packet_filters.firewalld(host, settings) as daemon:
        assert wire(PEER, NODE, "tcp", 7788) == "closed"
        assert daemon.managed()["result"] is True
        assert reached(wire) == {PEER: OWN | CLUSTER, CLIENT: OWN | {"database"}, STRANGER: OWN}
        assert wire(NODE, VIP, "tcp", 3306) == "open", "the node itself reaches its database"
        on_ipv6(host)
        assert daemon.managed()["result"] is True
        sources = (PEER6, CLIENT6, STRANGER6)
        found = {source: packet_filters.opened(wire, NODE6, VIP6, source) for source in sources}
        assert found == {PEER6: OWN | CLUSTER, CLIENT6: OWN | {"database"}, STRANGER6: OWN}


def test_the_policy_is_loaded_once_and_nothing_else_changes(host, daemon):
    on_ipv6(host)
    before = everything(host)
    predicted = host.managed(test=True)
    assert (predicted["result"], everything(host)) == (None, before)
    done = daemon.managed()
    assert (done["result"], done["changes"]) == (True, predicted["changes"])
    assert set(done["changes"]) == {"ipv4", "ipv6"}
    for test in (True, False):
        again = daemon.managed(test)
        assert (again["result"], again["changes"]) == (True, {})
    assert host.absent("firewalld")["changes"]
    assert everything(host) == before
    assert sorted(file.name for file in daemon.policy.parent.iterdir()) == ["hamysql.xml.old"], "one of `files`"
    assert host.absent("firewalld")["changes"] == {}


@pytest.mark.parametrize("zone", ["drop", "block", "trusted", "site"])
def test_whatever_zone_the_packets_come_through(host, daemon, wire, zone):
    """Its own services stay those of the zone; hamysql's ports are those of the cluster in each one."""
    if zone == "site":
        host.cmd("--permanent", "--new-zone=site")
        host.cmd("--permanent", "--zone=site", "--add-service=mysql")
        host.cmd("--permanent", "--zone=site", "--add-port=4506/tcp")
    permanently(host, f"--zone={zone}", "--add-interface=eth0")
    assert daemon.managed()["result"] is True
    own = {"trusted": {"ssh", "salt", "other"}, "site": {"salt"}}.get(zone, set())
    assert reached(wire) == {PEER: own | CLUSTER, CLIENT: own | {"database"}, STRANGER: own}


def test_sources_that_somebody_bound_to_a_zone(host, daemon, wire):
    host.cmd("--permanent", "--zone=drop", f"--add-source={PEER}")
    permanently(host, "--zone=trusted", f"--add-source={STRANGER}")
    assert daemon.managed()["result"] is True
    assert reached(wire) == {PEER: CLUSTER, CLIENT: OWN | {"database"}, STRANGER: {"ssh", "salt", "other"}}


def test_a_policy_of_somebody_else_comes_later(host, daemon, wire):
    host.cmd("--permanent", "--new-policy=aaa")
    for words in (
        ["--set-target=DROP"],
        ["--set-priority=-100"],
        ["--add-ingress-zone=ANY"],
        ["--add-egress-zone=HOST"],
    ):
        host.cmd("--permanent", "--policy=aaa", *words)
    host.cmd("--reload")
    assert daemon.managed()["result"] is True
    assert reached(wire) == {PEER: CLUSTER, CLIENT: {"database"}, STRANGER: set()}


@pytest.mark.parametrize("how", ["--reload", "--complete-reload", "restart"])
def test_the_policy_outlives_firewalld(host, daemon, wire, how):
    daemon.managed()
    if how == "restart":
        daemon.stop()
        daemon.start()
    else:
        host.cmd(how)
    assert host.managed()["changes"] == {}
    assert reached(wire) == {PEER: OWN | CLUSTER, CLIENT: OWN | {"database"}, STRANGER: OWN}


@pytest.mark.parametrize(
    "drift",
    [
        ["--policy=hamysql", "--add-service=mysql"],
        ["--policy=hamysql", "--add-rich-rule=rule port port=3306 protocol=tcp accept"],
        ["--policy=hamysql", "--remove-ingress-zone=ANY", "--add-ingress-zone=public"],
        ["--policy=hamysql", '--remove-rich-rule=rule priority="2" family="ipv4" port port="5404" protocol="udp" drop'],
    ],
)
def test_drift_is_seen_and_mended(host, daemon, drift):
    daemon.managed()
    good = everything(host)
    for word in drift[1:]:
        host.cmd(drift[0], word)
    assert everything(host) != good
    assert host.managed(test=True)["result"] is None
    assert daemon.managed()["changes"]
    assert everything(host) == good


def test_a_policy_deleted_by_hand_comes_back(host, daemon):
    daemon.managed()
    permanently(host, "--delete-policy=hamysql")
    assert daemon.managed()["changes"]
    assert daemon.managed()["changes"] == {}


def test_open_connections_live_on_when_the_pillar_changes(host, daemon):
    daemon.managed()
    changed = load_pillar("minimal")
    changed["corosync"]["port"] = 5505
    host.use(changed)
    (change,) = daemon.managed()["changes"].values()
    assert any('port="5505"' in line for line in change["new"])
    assert "5405" not in host.cmd("--info-policy=hamysql")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--add-service=http"], "zone public: services: dhcpv6-client http ssh, runtime only"),
        (["--zone=work", "--add-rich-rule=rule family=ipv4 source address=192.0.2.66 drop"], "zone work: rule family="),
        (["--zone=internal", "--add-interface=eth7"], "zone internal: interfaces: eth7, runtime only"),
        (
            ["--direct", "--add-rule", "ipv4", "filter", "INPUT", "0", "-s", STRANGER, "-j", "DROP"],
            "direct rules: ipv4",
        ),
        (["--permanent", "--remove-service=ssh"], "zone public: services: dhcpv6-client, permanent only"),
        (["--permanent", "--new-zone=later"], "zone later: all of it, permanent only"),
        (["--permanent", "--new-ipset=later", "--type=hash:ip"], "ipset later: all of it, permanent only"),
    ],
)
def test_what_a_reload_would_change_of_others_is_not_changed(host, daemon, words, said):
    """A reload forgets what is runtime only, and takes up what is permanent only: ssh may go by that."""
    host.cmd(*words)
    before = everything(host)
    refused = host.managed()
    assert (refused["result"], refused["changes"]) == (False, {})
    assert said in refused["comment"]
    assert everything(host) == before
    host.cmd("--runtime-to-permanent" if "--permanent" not in words else "--reload")
    assert daemon.managed()["result"] is True
    host.cmd("--add-port=8888/tcp")
    assert "8888/tcp" in host.absent("firewalld")["comment"]
    assert "hamysql" in host.cmd("--permanent", "--get-policies"), "nothing is half removed"


def test_an_interface_that_is_in_the_default_zone_by_hand_is_no_matter(host, daemon):
    host.cmd("--zone=public", "--add-interface=eth0")
    assert daemon.managed()["result"] is True


def test_rules_of_others_that_come_before_firewalld(host, daemon, wire):
    """Direct rules are asked before all policies, and another table of nft's has a word of its own."""
    rule = ["ipv4", "filter", "INPUT", "0", "-p", "tcp", "--dport", "7788", "-j", "DROP"]
    host.cmd("--permanent", "--direct", "--add-rule", *rule)
    host.cmd("--reload")
    for test in (True, False):
        refused = host.managed(test)
        assert (refused["result"], refused["changes"]) == (False, {})
        assert "INPUT drops tcp port 7788 from 192.0.2.12/32" in refused["comment"]
    host.cmd("--permanent", "--direct", "--remove-rule", *rule)
    host.cmd("--reload")
    host.run(["nft", "-f", "-"], stdin=CLOSED)
    assert "inet site input drops udp port 5405" in host.managed()["comment"]
    host.run(["nft", "delete", "table", "inet", "site"])
    assert daemon.managed()["result"] is True
    assert packet_filters.opened(wire, NODE, VIP, PEER) == OWN | CLUSTER


def test_panic_mode(host, daemon, wire):
    daemon.managed()
    host.cmd("--panic-on")
    refused = host.managed()
    assert refused["result"] is False
    assert "firewall-cmd --panic-off" in refused["comment"]
    host.cmd("--panic-off")
    assert host.managed()["changes"] == {}
    assert packet_filters.opened(wire, NODE, VIP, PEER) == OWN | CLUSTER


def test_firewalld_that_does_not_run_is_not_started(host, daemon):
    daemon.stop()
    for test in (True, False):
        refused = host.managed(test)
        assert (refused["result"], refused["changes"]) == (False, {})
        assert "firewalld is not running" in refused["comment"]
        assert "systemctl enable --now firewalld" in refused["comment"]
    assert host.absent("firewalld")["result"] is True
    daemon.lay()
    daemon.start()
    assert host.managed()["changes"] == {}, "the file is what firewalld begins with"


def test_a_missing_program(host, monkeypatch):
    monkeypatch.setattr(firewalld, "CMD", "no-such-cmd")
    host.module.run = command.run  # `ip netns exec` has its own exit code for a missing program
    assert "no-such-cmd" in host.managed()["comment"]
    predicted = host.managed(test=True)
    assert (predicted["result"], predicted["changes"]["ipv4"]["old"]) == (None, [])
    assert host.absent("firewalld")["changes"] == {}


def test_without_its_file_the_policy_is_not_loaded(host, daemon):
    failed = host.managed()
    assert failed["result"] is False
    assert "is not what was loaded" in failed["comment"]


def test_two_at_once(host, daemon):
    daemon.lay()
    results = []
    both = [threading.Thread(target=lambda: results.append(host.module.apply("ipv4"))) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert True in results
    assert len(results) == 2
    assert host.managed()["changes"] == {}


def test_rules_of_others_in_iptables_are_not_lost_in_a_reload(host, daemon):
    rule = ["INPUT", "-s", f"{STRANGER}/32", "-j", "DROP"]
    host.run(["iptables", "-A", *rule])
    refused = host.managed()
    assert (refused["result"], refused["changes"]) == (False, {})
    assert f"iptables: -A {' '.join(rule)}, lost in a reload" in refused["comment"]
    assert f"-A {' '.join(rule)}" in host.saved()
    host.run(["iptables", "-D", *rule])
    assert daemon.managed()["result"] is True


def test_from_nftables_to_firewalld_and_back(host, daemon, wire):
    """firewalld's zone lets all in here: then strangers are what tells whose rules are loaded."""
    permanently(host, "--zone=trusted", "--add-interface=eth0")
    own = {"ssh", "salt", "other"}
    for backend, old in (("nftables", "firewalld"), ("firewalld", "nftables"), ("nftables", "firewalld")):
        to(host, backend)
        done = daemon.managed() if backend == "firewalld" else host.managed()
        assert (done["result"], bool(done["changes"])) == (True, True), done["comment"]
        assert host.absent(old)["result"] is True
        assert reached(wire) == {PEER: ALL, CLIENT: own | {"database"}, STRANGER: own}
        assert ("hamysql" in host.cmd("--get-policies").split()) == (backend == "firewalld")
        assert ("hamysql" in host.run(["nft", "list", "tables"]).stdout) == (backend == "nftables")
        assert host.managed()["changes"] == {}


def test_from_iptables_to_firewalld_and_back(host, daemon, wire):
    """firewalld takes away all of iptables' rules whenever it loads its own, so only one of the two can run."""
    daemon.stop()
    to(host, "iptables")
    assert host.managed()["result"] is True
    daemon.start()
    to(host, "firewalld")
    assert daemon.managed()["result"] is True
    assert host.absent("iptables")["result"] is True
    assert not any("HAMYSQL" in line for line in host.saved())
    assert reached(wire) == {PEER: OWN | CLUSTER, CLIENT: OWN | {"database"}, STRANGER: OWN}
    to(host, "iptables")
    for test in (True, False):
        refused = host.managed(test)
        assert (refused["result"], refused["changes"]) == (False, {})
        assert "firewalld is running, and it takes away all rules of iptables" in refused["comment"]
    daemon.stop()
    assert host.managed()["result"] is True
    assert host.absent("firewalld")["result"] is True
    own = {"ssh", "salt", "other"}
    assert reached(wire) == {PEER: ALL, CLIENT: own | {"database"}, STRANGER: own}


def test_iptables_is_refused_where_firewalld_works_by_iptables(host):
    with packet_filters.firewalld(host, "FirewallBackend=iptables"):
        to(host, "iptables")
        assert "firewalld is running" in host.managed()["comment"]


@pytest.mark.parametrize("before", [True, False], ids=["from-firewalld", "at-first"])
def test_nftables_is_refused_where_firewalld_drops_the_cluster(host, daemon, wire, before):
    """As on Enterprise Linux, whose firewalld is on: nftables cannot let in what firewalld rejects later."""
    if before:
        daemon.managed()
    to(host, "nftables")
    refused = host.managed()
    assert (refused["result"], refused["changes"]) == (False, {})
    assert "inet firewalld filter_INPUT drops tcp port 7788 from 192.0.2.12/32" in refused["comment"]
    assert "`firewall: {backend: firewalld}`" in refused["comment"]
    if before:
        assert packet_filters.opened(wire, NODE, VIP, PEER) == OWN | CLUSTER
    daemon.stop()
    assert host.managed()["result"] is True
    assert packet_filters.opened(wire, NODE, VIP, PEER) == ALL


def test_a_file_that_firewalld_refuses_leaves_the_old_policy(host, daemon):
    daemon.managed()
    good = host.cmd("--info-policy=hamysql")
    daemon.policy.write_text("<policy target='NONE'>")
    host.cmd("--policy=hamysql", "--add-service=mysql")
    failed = host.managed()
    assert (failed["result"], failed["changes"]) == (False, {})
    assert "ended with exit code" in failed["comment"]
    host.cmd("--policy=hamysql", "--remove-service=mysql")
    assert host.cmd("--info-policy=hamysql") == good
