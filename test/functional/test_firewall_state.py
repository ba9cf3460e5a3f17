"""The firewall state against real kernels' tables: both variants of iptables, in network namespaces of their own."""

from __future__ import annotations

import os
import shutil

import packet_filters
import pytest
from packet_filters import CLIENT, NODE, PEER, STRANGER, VIP

from hamysql.firewall import iptables
from hamysql.system import command
from support import load_pillar

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(not shutil.which("iptables-legacy"), reason="iptables is not installed on this machine"),
]

ADMINISTRATORS = """\
*filter
:INPUT ACCEPT [0:0]
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p icmp -j ACCEPT
-A INPUT -i lo -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A INPUT -p tcp -m multiport --dports 4505,4506 -j ACCEPT
-A INPUT -j REJECT --reject-with icmp-host-prohibited
COMMIT
"""


@pytest.fixture(params=["legacy", "nft"])
def host(request):
    with packet_filters.host(request.param) as made:
        yield made


def test_a_look_makes_no_table(host):
    assert host.run(["iptables-save"]).stdout == ""
    assert host.managed(test=True)["result"] is None
    assert host.run(["iptables-save"]).stdout == ""


def test_the_chain_is_loaded_once_and_nothing_else_changes(host):
    host.run(["iptables-restore"], stdin=ADMINISTRATORS)
    before = host.saved()
    predicted = host.managed(test=True)
    assert (predicted["result"], host.saved()) == (None, before)
    done = host.managed()
    assert (done["result"], done["changes"]) == (True, predicted["changes"])
    assert [line for line in host.saved() if "HAMYSQL" not in line] == before
    assert host.saved()[0] == "-A INPUT -j HAMYSQL"
    for test in (True, False):
        again = host.managed(test)
        assert (again["result"], again["changes"]) == (True, {})


@pytest.mark.parametrize(
    "drift",
    [
        ["-I", "INPUT", "-p", "tcp", "-j", "REJECT"],
        ["-A", "HAMYSQL", "-j", "ACCEPT"],
        ["-A", "INPUT", "-j", "HAMYSQL"],
        ["-D", "INPUT", "-j", "HAMYSQL"],
        ["-D", "HAMYSQL", "1"],
    ],
    ids=["rule-in-front", "rule-added", "jump-twice", "jump-lost", "rule-lost"],
)
def test_drift_is_seen_and_mended(host, drift):
    host.managed()
    good = [line for line in host.saved() if "HAMYSQL" in line]
    host.run(["iptables", *drift])
    assert host.managed(test=True)["result"] is None
    assert host.managed()["changes"]
    assert [line for line in host.saved() if "HAMYSQL" in line] == good
    assert host.managed()["changes"] == {}


def test_a_new_pillar_replaces_the_rules(host):
    host.managed()
    changed = load_pillar("minimal")
    changed["corosync"]["port"] = 5505
    host.use(changed)
    (change,) = host.managed()["changes"].values()
    assert any("5504,5505" in line for line in change["new"])
    assert not any("5404,5405" in line for line in host.saved())


def test_absent_takes_the_chain_away_and_leaves_the_rest(host):
    host.run(["iptables-restore"], stdin=ADMINISTRATORS)
    before = host.saved()
    host.managed()
    host.state.__opts__["test"] = False
    assert host.state.absent("chain")["changes"]
    assert host.saved() == before
    assert host.state.absent("chain")["changes"] == {}


def test_ipv6_rules_go_to_ip6tables(host):
    host.use({**load_pillar("ipv6"), "firewall": {}} | {"vip": {"address": VIP, "prefix": 24, "interface": "eth0"}})
    changes = host.managed()["changes"]
    assert set(changes) == {"ipv4", "ipv6"}
    seen = iptables.parse(host.run(["ip6tables-save", "-t", "filter"]).stdout)
    assert iptables.converged(seen, host.config["firewall"]["rules"]["ipv6"])
    assert host.managed()["changes"] == {}


def test_the_file_for_the_next_boot_gives_the_same_chain(host):
    host.run(["iptables-restore"], stdin=ADMINISTRATORS)
    host.run(["iptables-restore", "-w", "--noflush"], stdin=host.config["firewall"]["files"]["ipv4"])
    assert host.managed()["changes"] == {}


@pytest.fixture
def bare(host, monkeypatch):
    """A machine on which iptables is not installed."""
    monkeypatch.setattr(iptables, "IPTABLES", {"ipv4": "no-such-iptables", "ipv6": "no-such-ip6tables"})
    host.module.run = command.run  # `ip netns exec` has its own exit code for a missing program
    return host


def test_a_missing_tool_is_an_error_with_its_name(bare):
    ret = bare.managed()
    assert ret["result"] is False
    assert "no-such-iptables-save" in ret["comment"]


def test_a_tool_that_is_about_to_be_installed_has_no_chain_yet(bare):
    ret = bare.managed(test=True)
    assert ret["result"] is None
    assert ret["changes"]["ipv4"]["old"] == []
    assert any("5404,5405" in line for line in ret["changes"]["ipv4"]["new"])
    assert bare.state.absent("chain")["changes"] == {}


def test_a_tool_that_no_package_brings_is_missed_in_test_mode_too(bare):
    bare.use({**load_pillar("minimal"), "package": {"firewall": {"iptables": []}}})
    ret = bare.managed(test=True)
    assert ret["result"] is False
    assert "no-such-iptables-save" in ret["comment"]


@pytest.fixture
def wire(host):
    with packet_filters.wire(host) as knock:
        yield knock


def test_who_reaches_what(host, wire):
    host.run(["iptables-restore"], stdin=ADMINISTRATORS)
    host.managed()
    opened = {source: packet_filters.opened(wire, NODE, VIP, source) for source in (PEER, CLIENT, STRANGER)}
    assert opened == {
        PEER: {"corosync", "drbd", "database", "ssh", "salt"},
        CLIENT: {"database", "ssh", "salt"},
        STRANGER: {"ssh", "salt"},
    }
    assert wire(NODE, VIP, "tcp", 3306) == "open", "the node itself reaches its database"


def test_without_rules_of_others_only_the_clusters_ports_are_closed_to_strangers(host, wire):
    host.managed()
    assert wire(STRANGER, NODE, "tcp", 8080) == "open"
    assert [wire(STRANGER, target, kind, port) for target, kind, port in
            ((NODE, "udp", 5405), (NODE, "tcp", 7788), (VIP, "tcp", 3306))] == ["closed"] * 3  # fmt: skip
