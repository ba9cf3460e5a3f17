"""ocf:hamysql:address on a real interface, with a neighbour that has to learn where the address is."""

from __future__ import annotations

import json
import os
import subprocess
import time
import uuid
from pathlib import Path

import ocf
import pytest

from hamysql.system import wait
from support import ROOT

AGENT = ROOT / "hamysql" / "pacemaker" / "files" / "address-agent.sh"
HELPERS = Path("/usr/libexec/heartbeat")
SUCCESS, GENERIC, ARGS, UNIMPLEMENTED, INSTALLED, CONFIGURED, NOT_RUNNING = 0, 1, 2, 3, 5, 6, 7
ADDRESSES = {"192.0.2.100": "24", "2001:db8::100": "64"}
STALE = "02:00:00:00:00:99"

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(not (HELPERS / "send_arp").exists(), reason="resource-agents is missing"),
]


class Node:
    """The agent in a network namespace, as pacemaker calls it, on one cable with a neighbour."""

    def __init__(self, folder, one, two):
        self.folder, self.one, self.two = folder, one, two
        self.root = ocf.lay_down(folder / "ocf")

    def call(self, action, address="192.0.2.100", **parameters):
        words = {"ip": address, "cidr_netmask": ADDRESSES.get(address, "24"), "nic": "eth0", **parameters}
        given = {f"OCF_RESKEY_{name}": value for name, value in words.items()}
        argv = ["ip", "netns", "exec", self.one, "sh", str(AGENT), *action.split()]
        environment = {**os.environ, **given, "HA_RSCTMP": str(self.folder), "OCF_ROOT": self.root}
        return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)

    def does(self, action, *address, **parameters):
        return self.call(action, *address, **parameters).returncode

    def ip(self, name, *words):
        return subprocess.run(["ip", "-n", name, *words], check=True, capture_output=True, text=True).stdout

    def addresses(self):
        (link,) = json.loads(self.ip(self.one, "-json", "address", "show", "dev", "eth0"))
        return {item["local"]: item for item in link["addr_info"]}

    def link(self, name):
        (link,) = json.loads(self.ip(name, "-json", "link", "show", "dev", "eth0"))
        return link

    def mac(self):
        return self.link(self.one)["address"]

    def neighbour_has(self, address):
        return {item["dst"]: item.get("lladdr") for item in json.loads(self.ip(self.two, "-json", "neigh"))}.get(
            address
        )

    def senders(self):
        found = subprocess.run(["ip", "netns", "pids", self.one], check=True, capture_output=True, text=True).stdout
        return found.split()


@pytest.fixture
def node(tmp_path):
    one, two = (f"hamysql-{side}-{uuid.uuid4().hex[:6]}" for side in ("a", "b"))
    made = []
    try:
        for name in (one, two):
            subprocess.run(["ip", "netns", "add", name], check=True)
            made.append(name)
        node = Node(tmp_path, one, two)
        node.ip(one, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", two)
        for name, number in ((one, 1), (two, 2)):
            node.ip(name, "address", "add", f"192.0.2.{number}/24", "dev", "eth0")
            node.ip(name, "address", "add", f"2001:db8::{number}/64", "dev", "eth0", "nodad")
            node.ip(name, "link", "set", "eth0", "up")
        # The kernel says so up to a second later, and drops what comes in before that.
        wait.until(
            lambda: [node.link(name)["operstate"] for name in made],
            lambda seen: seen == ["UP", "UP"],
            "both ends are up",
            timeout=10,
            interval=0.05,
        )
        yield node
    finally:
        for name in made:
            subprocess.run(["ip", "netns", "delete", name], check=True)


STOPPING = """#!/bin/sh
# ip(8), and the cluster stops the address as soon as it has been added.
/usr/sbin/ip "$@"
code=$?
case "$*" in
*"address add"*) PATH=/usr/sbin:/usr/bin:/sbin:/bin sh {agent} stop || exit ;;
esac
exit $code
"""


@pytest.mark.parametrize("address", list(ADDRESSES))
def test_what_is_put_back_while_the_cluster_stops_it_goes_again(node, address, monkeypatch):
    """Otherwise both nodes would have it: the other one gets it next."""
    assert node.does("start", address) == SUCCESS
    node.ip(node.one, "address", "delete", f"{address}/{ADDRESSES[address]}", "dev", "eth0")
    programs = node.folder / "bin"
    programs.mkdir()
    (programs / "ip").write_text(STOPPING.format(agent=AGENT))
    (programs / "ip").chmod(0o755)
    with monkeypatch.context() as patched:
        patched.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        assert node.does("restore", address) == SUCCESS
    assert address not in node.addresses()
    assert not list(node.folder.glob("*.here"))
    assert node.does("monitor", address) == NOT_RUNNING


@pytest.mark.parametrize("address", list(ADDRESSES))
def test_what_is_put_back_stays_while_the_cluster_has_it(node, address):
    assert node.does("start", address) == SUCCESS
    node.ip(node.one, "address", "delete", f"{address}/{ADDRESSES[address]}", "dev", "eth0")
    assert node.does("restore", address) == SUCCESS
    assert address in node.addresses()
    assert list(node.folder.glob("*.here"))


@pytest.mark.parametrize("address", list(ADDRESSES))
def test_it_comes_and_goes_and_each_is_done_once(node, address):
    before = set(node.addresses())
    assert node.does("monitor", address) == NOT_RUNNING
    assert node.does("start", address) == SUCCESS
    assert set(node.addresses()) == {*before, address}
    assert node.addresses()[address]["prefixlen"] == int(ADDRESSES[address])
    assert not node.addresses()[address].get("tentative"), "nobody could bind to it"
    assert node.does("start", address) == SUCCESS
    assert node.does("monitor", address) == SUCCESS
    assert node.does("stop", address) == SUCCESS
    assert node.does("stop", address) == SUCCESS
    assert set(node.addresses()) == before
    assert node.does("monitor", address) == NOT_RUNNING


def test_an_interface_that_is_down_is_switched_on(node):
    node.ip(node.one, "link", "set", "eth0", "down")
    assert node.does("start") == SUCCESS
    assert "UP" in node.link(node.one)["flags"]


@pytest.mark.parametrize("address", list(ADDRESSES))
def test_a_neighbour_that_has_it_elsewhere_learns_where_it_is(node, address):
    node.ip(node.two, "neigh", "replace", address, "lladdr", STALE, "dev", "eth0", "nud", "stale")
    assert node.neighbour_has(address) == STALE
    assert node.does("start", address) == SUCCESS
    end = time.monotonic() + 10
    while node.neighbour_has(address) == STALE and time.monotonic() < end:
        time.sleep(0.1)
    assert node.neighbour_has(address) == node.mac()


def test_a_stop_ends_what_tells_the_network_where_it_is(node):
    assert node.does("start") == SUCCESS
    assert node.senders()
    assert node.does("stop") == SUCCESS
    end = time.monotonic() + 0.5  # it would go on for a second
    while node.senders() and time.monotonic() < end:
        time.sleep(0.02)
    assert not node.senders()


def test_a_stop_leaves_another_program_that_has_the_number_since(node):
    assert node.does("start") == SUCCESS
    other = subprocess.Popen(["sleep", "60"])
    try:
        (file,) = node.folder.glob("*.pid")
        file.write_text(f"{other.pid}\n")
        assert node.does("stop") == SUCCESS
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_an_interface_that_has_gone_has_no_address(node):
    assert node.does("monitor", nic="eth7") == NOT_RUNNING
    assert node.does("stop", nic="eth7") == SUCCESS
    done = node.call("start", nic="eth7")
    assert done.returncode == INSTALLED
    assert "eth7: no such interface" in done.stderr


@pytest.mark.parametrize(
    ("action", "parameters", "code"),
    [
        ("validate-all", {"address": ""}, CONFIGURED),
        ("start", {"nic": ""}, CONFIGURED),
        ("start", {"cidr_netmask": "255.255.255.0"}, CONFIGURED),
        ("start", {"address": "192.0.2.999"}, GENERIC),
        ("validate-all", {}, SUCCESS),
        ("promote", {}, UNIMPLEMENTED),
        ("", {}, ARGS),
    ],
)
def test_what_is_wrong_has_its_exit_code(node, action, parameters, code):
    assert node.does(action, **parameters) == code


@pytest.mark.parametrize(
    ("address", "prefix"), [("192.0.2.100", "25"), ("192.0.2.100", "32"), ("2001:db8::100", "128")]
)
def test_an_address_that_is_there_with_another_prefix_is_taken_over_and_goes_as_it_is(node, address, prefix):
    """Somebody has set it by hand; a stop that fails has its node fenced."""
    before = set(node.addresses())
    node.ip(node.one, "address", "add", f"{address}/{prefix}", "dev", "eth0")
    assert node.does("monitor", address) == SUCCESS
    assert node.does("start", address) == SUCCESS
    assert node.does("stop", address) == SUCCESS
    assert set(node.addresses()) == before
    assert node.does("monitor", address) == NOT_RUNNING


def test_a_stop_takes_it_from_another_interface_as_well(node):
    node.ip(node.one, "link", "add", "eth1", "type", "veth", "peer", "name", "eth2")
    node.ip(node.one, "address", "add", "192.0.2.100/32", "dev", "eth1")
    assert node.does("start") == SUCCESS
    assert node.does("stop") == SUCCESS
    assert "192.0.2.100" not in node.ip(node.one, "address", "show")


@pytest.mark.parametrize(
    ("address", "prefix"), [("198.51.100.7", "32"), ("198.51.100.7", "24"), ("2001:db8:1::7", "128")]
)
@pytest.mark.parametrize("own", [True, False], ids=["other network", "no own address"])
def test_it_may_be_of_another_network_or_the_interfaces_only_one(node, address, prefix, own):
    if not own:
        node.ip(node.one, "address", "flush", "dev", "eth0")
    assert node.does("start", address, cidr_netmask=prefix) == SUCCESS
    assert node.addresses()[address]["prefixlen"] == int(prefix)
    assert node.does("monitor", address, cidr_netmask=prefix) == SUCCESS
    assert node.does("stop", address, cidr_netmask=prefix) == SUCCESS
    assert address not in node.addresses()


def test_a_stop_does_not_care_about_a_duplicate_or_an_interface_that_is_down(node):
    assert node.does("start") == SUCCESS
    node.ip(node.one, "link", "set", "eth0", "down")
    assert node.does("stop") == SUCCESS
    assert "192.0.2.100" not in node.addresses()


def test_whoever_watches_knows_whether_it_has_to_be_here(node):
    here = node.folder / "hamysql-address-192.0.2.100.here"
    assert node.does("start") == SUCCESS
    assert here.read_text() == "24 eth0\n"
    assert node.does("stop") == SUCCESS
    assert not here.exists()


@ocf.needs_tester
def test_it_passes_ocf_tester(node):
    parameters = {"ip": "192.0.2.100", "cidr_netmask": "24", "nic": "eth0"}
    ocf.assert_passes(AGENT, "p_ip_mysql", parameters, ["ip", "netns", "exec", node.one])
