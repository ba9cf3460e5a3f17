"""ocf:hamysql:network and its watcher with a real kernel: what it tells pacemaker of interfaces that lose their carrier.

attrd_updater is a program that notes what it is told: no cluster runs here. test/cluster/test_everyday.py has the real one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import uuid

import ocf
import pytest

from hamysql.system import wait
from support import ROOT

FILES = ROOT / "hamysql" / "pacemaker" / "files"
SUCCESS, NOT_RUNNING, INSTALLED, CONFIGURED = 0, 7, 5, 6
VIP = "192.0.2.100"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


class Node:
    """The agent in a network namespace, whose eth0 is on a cable with a switch in another one."""

    def __init__(self, folder, one, two):
        self.folder, self.one, self.two = folder, one, two
        self.root = folder / "ocf"
        ocf.lay_down(self.root)
        (self.root / "resource.d/hamysql").mkdir(parents=True)
        address = self.root / "resource.d/hamysql/address"
        address.write_text((FILES / "address-agent.sh").read_text())
        address.chmod(0o755)
        self.program("attrd_updater", f'echo "$*" >>{folder}/told')
        self.watch = folder / "lib/watch-network"
        self.watch.parent.mkdir()
        self.watch.write_text((FILES / "watch-network.py").read_text())
        self.watch.chmod(0o755)
        (folder / "lib/reach.py").write_text((ROOT / "_utils/hamysql/system/reach.py").read_text())
        self.agent = folder / "agent"
        text = (FILES / "network-agent.sh").read_text()
        assert "\nWATCH=/usr/lib/hamysql/watch-network\n" in text
        self.agent.write_text(text.replace("WATCH=/usr/lib/hamysql/watch-network", f"WATCH={self.watch}"))

    def program(self, name, text):
        path = self.folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def run(self, agent, action, **parameters):
        given = {"nic": "eth0", "ip": VIP, "python": sys.executable, **parameters}
        environment = {
            **os.environ,
            **{f"OCF_RESKEY_{name}": value for name, value in given.items()},
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
            "HA_RSCTMP": str(self.folder),
            "OCF_ROOT": str(self.root),
        }
        argv = ["ip", "netns", "exec", self.one, "sh", str(agent), action]
        return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)

    def does(self, action, **parameters):
        return self.run(self.agent, action, **parameters).returncode

    def ip(self, name, *words):
        return subprocess.run(["ip", "-n", name, *words], check=True, capture_output=True, text=True).stdout

    def told(self):
        """What pacemaker was told, without the deletions at the beginning."""
        path = self.folder / "told"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line.split(" --delay")[0] for line in lines if "--delete" not in line]

    def hears(self, *expected, timeout=20):
        wait.until(self.told, lambda seen: seen == list(expected), "pacemaker is told", timeout=timeout, interval=0.1)


def told(name, value):
    return f"--name {name} --update-both {value}"


LOST, BACK = told("hamysql-carrier", -20000), told("hamysql-carrier", 0)


@pytest.fixture
def node(tmp_path):
    one, two = (f"hamysql-{side}-{uuid.uuid4().hex[:6]}" for side in ("a", "b"))
    made = []
    node = Node(tmp_path, one, two)
    try:
        for name in (one, two):
            subprocess.run(["ip", "netns", "add", name], check=True)
            made.append(name)
            node.ip(name, "link", "set", "lo", "up")
        cable(node, "eth0")
        node.ip(one, "address", "add", "192.0.2.1/24", "dev", "eth0")
        node.ip(two, "address", "add", "192.0.2.2/24", "dev", "eth0")
        yield node
        node.does("stop")
    finally:
        for name in made:
            subprocess.run(["ip", "netns", "delete", name], check=True)


def cable(node, name):
    """One more cable between the node and the switch, with both ends up."""
    node.ip(node.one, "link", "add", name, "type", "veth", "peer", "name", name, "netns", node.two)
    for end in (node.one, node.two):
        node.ip(end, "link", "set", name, "up")


def pull(node, name="eth0"):
    """The switch's port goes down: the node's end loses its carrier."""
    node.ip(node.two, "link", "set", name, "down")


def plug(node, name="eth0"):
    node.ip(node.two, "link", "set", name, "up")


def test_a_lost_carrier_is_told_at_once_and_its_return_when_it_lasts(node):
    assert node.does("start") == SUCCESS
    assert node.does("start") == SUCCESS
    assert node.does("monitor") == SUCCESS
    assert node.told() == []
    pull(node)
    node.hears(LOST)
    plug(node)
    node.hears(LOST, BACK, timeout=40)


def test_a_carrier_that_is_lost_at_the_start_is_told(node):
    pull(node)
    assert node.does("start") == SUCCESS
    node.hears(LOST)


def test_an_interface_that_is_not_there_is_told(node):
    assert node.does("start", nic="eth9") == SUCCESS
    node.hears(LOST)


def test_a_bridge_is_lost_with_its_uplink_though_a_guest_is_on_it(node):
    """The kernel keeps the bridge's carrier for the guest's port."""
    cable(node, "guest")
    node.ip(node.one, "link", "add", "br0", "type", "bridge")
    node.ip(node.one, "link", "add", "uplink", "link", "eth0", "type", "macvlan", "mode", "passthru")
    for port in ("uplink", "guest"):
        node.ip(node.one, "link", "set", port, "master", "br0", "up")
    node.ip(node.one, "link", "set", "br0", "up")
    assert node.does("start", nic="br0") == SUCCESS
    pull(node)
    node.hears(LOST)


def test_a_vlan_is_lost_with_what_it_lies_on(node):
    node.ip(node.one, "link", "add", "v7", "link", "eth0", "type", "macvlan", "mode", "bridge")
    node.ip(node.one, "link", "set", "v7", "up")
    assert node.does("start", nic="v7") == SUCCESS
    pull(node)
    node.hears(LOST)


def test_an_address_that_is_deleted_comes_back_and_one_that_the_cluster_took_away_does_not(node):
    address = node.root / "resource.d/hamysql/address"
    assert node.run(address, "start", cidr_netmask="24").returncode == SUCCESS
    assert node.does("start") == SUCCESS

    def there():
        return f" {VIP}/24 " in node.ip(node.one, "address", "show", "dev", "eth0")

    node.ip(node.one, "address", "delete", f"{VIP}/24", "dev", "eth0")
    wait.until(there, lambda seen: seen, "the address to be back", timeout=20, interval=0.1)
    assert node.run(address, "stop", cidr_netmask="24").returncode == SUCCESS
    pull(node)
    node.hears(LOST)  # it has heard of all that came before
    assert not there()


def test_targets_that_fall_silent_are_told_and_one_that_answers_only_arp_is_none(node):
    node.ip(node.two, "address", "add", "192.0.2.3/24", "dev", "eth0")
    subprocess.run(["ip", "netns", "exec", node.two, "sysctl", "-qw", "net.ipv4.icmp_echo_ignore_all=1"], check=True)
    assert node.does("start", reachable="192.0.2.2 192.0.2.3") == SUCCESS
    node.ip(node.two, "address", "delete", "192.0.2.3/24", "dev", "eth0")
    node.hears(told("hamysql-reach", -5000), timeout=40)


def test_a_stop_deletes_the_attributes_and_ends_the_watcher(node):
    assert node.does("start") == SUCCESS
    pull(node)
    node.hears(LOST)
    assert node.does("stop") == SUCCESS
    assert node.does("stop") == SUCCESS
    assert node.does("monitor") == NOT_RUNNING
    deleted = (node.folder / "told").read_text().splitlines()[-2:]
    assert deleted == ["--name hamysql-carrier --delete", "--name hamysql-reach --delete"]


def test_a_pid_that_another_program_has_got_since_is_no_watcher(node):
    other = subprocess.Popen(["sleep", "60"])
    try:
        (node.folder / "hamysql-network.pid").write_text(f"{other.pid}\n")
        assert node.does("monitor") == NOT_RUNNING
        assert node.does("stop") == SUCCESS
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


@pytest.mark.parametrize(("parameters", "code"), [
    ({"nic": ""}, CONFIGURED),
    ({"ip": ""}, CONFIGURED),
    ({"python": "/usr/bin/no-python"}, INSTALLED),
])  # fmt: skip
def test_what_is_wrong_has_its_exit_code(node, parameters, code):
    assert node.does("start", **parameters) == code


@ocf.needs_tester
def test_it_passes_ocf_tester(node):
    parameters = {"nic": "eth0", "ip": VIP, "python": sys.executable}
    ocf.assert_passes(node.agent, "p_network_mysql", parameters, ["ip", "netns", "exec", node.one])
