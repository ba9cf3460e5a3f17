"""The firewall state against real kernels' tables: both variants of iptables, in network namespaces of their own."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess

import pytest

from hamysql.config import resolution
from hamysql.firewall import iptables
from hamysql.system import command
from support import ROOT, load_pillar, parameters

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(not shutil.which("iptables-legacy"), reason="iptables is not installed on this machine"),
]

NODE, PEER, VIP, STRANGER, CLIENT = "192.0.2.11", "192.0.2.12", "192.0.2.100", "192.0.2.66", "192.0.2.200"
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
SERVE = """
import select, socket, sys
tcp = [socket.create_server(("0.0.0.0", port)) for port in (22, 4506, 3306, 7788, 8080)]
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("0.0.0.0", 5405))
print("ready", flush=True)
while True:
    for ready in select.select([*tcp, udp], [], [])[0]:
        if ready is udp:
            data, sender = udp.recvfrom(100)
            udp.sendto(data, sender)
        else:
            ready.accept()[0].close()
"""
KNOCK = """
import socket, sys
source, target, kind, port = sys.argv[1:]
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
sock.settimeout(0.4)
sock.bind((source, 0))
try:
    sock.connect((target, int(port)))
    if kind == "udp":
        sock.send(b"x")
        sock.recv(1)
    print("open")
except OSError:
    print("closed")
"""


def _load(folder: str):
    """A module or state by its path: both folders have files of the same name."""
    path = ROOT / folder / "hamysql_firewall.py"
    spec = importlib.util.spec_from_file_location(f"tested{folder}_hamysql_firewall", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Host:
    """A network namespace with the packet filter tools of one variant, and the state working in it."""

    def __init__(self, name: str, variant: str) -> None:
        self.name, self.variant = name, variant
        self.module, self.state = _load("_modules"), _load("_states")
        self.module.run = self.run
        self.module.__salt__ = {"hamysql.config": lambda: self.config}
        self.state.__opts__ = {"test": False}
        self.state.__salt__ = {
            **self.module.__salt__,
            **{f"hamysql_firewall.{verb}": getattr(self.module, verb) for verb in ("read", "apply", "remove")},
        }
        self.use(load_pillar("minimal"))

    def use(self, pillar) -> None:
        pillar["firewall"] = {"client_networks": [f"{CLIENT}/32"]}
        merged = resolution.layered(parameters(), pillar)
        self.config = resolution.resolve(merged, minion_id="db1", nodename="db1")

    def run(self, argv, **options):
        tool, dash, what = argv[0].partition("-")
        if tool in ("iptables", "ip6tables"):
            argv = [f"{tool}-{self.variant}{dash}{what}", *argv[1:]]
        return command.run(["ip", "netns", "exec", self.name, *argv], **options)

    def managed(self, test: bool = False):
        self.state.__opts__["test"] = test
        return self.state.managed("chain")

    def saved(self) -> list[str]:
        lines = self.run(["iptables-save", "-t", "filter"]).stdout.splitlines()
        return [line for line in lines if line.startswith("-A")]


@pytest.fixture(params=["legacy", "nft"])
def host(request):
    name = f"hamysql-test-{os.getpid()}-{request.param}"
    command.run(["ip", "netns", "add", name])
    try:
        yield Host(name, request.param)
    finally:
        command.run(["ip", "netns", "del", name])


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
    monkeypatch.setattr(iptables, "TOOLS", {"ipv4": "no-such-iptables", "ipv6": "no-such-ip6tables"})
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
    bare.use({**load_pillar("minimal"), "package": {"firewall": []}})
    ret = bare.managed(test=True)
    assert ret["result"] is False
    assert "no-such-iptables-save" in ret["comment"]


@pytest.fixture
def wire(host):
    """The node's addresses in its namespace, and a second namespace with those of the peer, a client and a stranger."""
    other = f"{host.name}-far"
    command.run(["ip", "netns", "add", other])
    with contextlib.ExitStack() as stack:
        stack.callback(command.run, ["ip", "netns", "del", other])
        command.run(
            ["ip", "-n", host.name, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", other]
        )
        for space, addresses in ((host.name, (NODE, VIP)), (other, (PEER, STRANGER, CLIENT))):
            for address in addresses:
                command.run(["ip", "-n", space, "address", "add", f"{address}/24", "dev", "eth0"])
            for link in ("lo", "eth0"):
                command.run(["ip", "-n", space, "link", "set", link, "up"])
        server = subprocess.Popen(
            ["ip", "netns", "exec", host.name, "python3", "-c", SERVE], stdout=subprocess.PIPE, text=True
        )
        stack.callback(server.wait)
        stack.callback(server.kill)
        assert server.stdout.readline() == "ready\n"

        def knock(source: str, target: str, kind: str, port: int) -> str:
            argv = ["python3", "-c", KNOCK, source, target, kind, str(port)]
            space = host.name if source in (NODE, VIP) else other
            return command.run(["ip", "netns", "exec", space, *argv]).stdout.strip()

        yield knock
        server.stdout.close()


def test_who_reaches_what(host, wire):
    host.run(["iptables-restore"], stdin=ADMINISTRATORS)
    host.managed()
    doors = {
        "corosync": (NODE, "udp", 5405),
        "drbd": (NODE, "tcp", 7788),
        "database": (VIP, "tcp", 3306),
        "ssh": (NODE, "tcp", 22),
        "salt": (NODE, "tcp", 4506),
        "other": (NODE, "tcp", 8080),
    }
    opened = {
        source: {door for door, (target, kind, port) in doors.items() if wire(source, target, kind, port) == "open"}
        for source in (PEER, CLIENT, STRANGER)
    }
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
