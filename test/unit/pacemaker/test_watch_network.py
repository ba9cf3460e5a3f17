"""The watcher of the clients' network: what it says of each state, and when; all without a kernel or a cluster."""

from __future__ import annotations

import importlib.util
import socket
import struct
import sys

import pytest

from hamysql.config import placement
from support import ROOT

SPEC = importlib.util.spec_from_loader("watch_network", loader=None)
watch_network = importlib.util.module_from_spec(SPEC)
sys.modules["watch_network"] = watch_network
source = ROOT / "hamysql" / "pacemaker" / "files" / "watch-network.py"
exec(compile(source.read_text(), str(source), "exec"), watch_network.__dict__)

BAD = watch_network.NO_CARRIER


def links(folder, **interfaces):
    """A /sys/class/net: each interface is (carrier, operstate, members, hardware)."""
    for name, (carrier, state, members, hardware) in interfaces.items():
        place = folder / name
        place.mkdir()
        (place / "carrier").write_text(f"{carrier}\n")
        (place / "operstate").write_text(f"{state}\n")
        for member in members:
            (place / f"lower_{member}").mkdir()
        if hardware:
            (place / "device").mkdir()
    return folder


UP, DOWN = (1, "up", (), True), (0, "down", (), True)
GUEST = (1, "unknown", (), False)


@pytest.mark.parametrize(("interfaces", "works"), [
    ({"eth0": UP}, True),
    ({"eth0": DOWN}, False),
    ({"eth0": (1, "unknown", (), True)}, True),
    ({"eth0": (1, "dormant", (), True)}, False),
    ({"eth0": (0, "lowerlayerdown", ("port0",), False), "port0": UP}, False),
    ({}, False),
    # A bond without a monitor has its carrier for ever.
    ({"eth0": (1, "up", ("a", "b"), False), "a": UP, "b": DOWN}, True),
    ({"eth0": (1, "up", ("a", "b"), False), "a": DOWN, "b": DOWN}, False),
    # A guest's port keeps a bridge up though its uplink is lost.
    ({"eth0": (1, "up", ("uplink", "tap0"), False), "uplink": DOWN, "tap0": GUEST}, False),
    ({"eth0": (1, "up", ("uplink", "tap0"), False), "uplink": UP, "tap0": GUEST}, True),
    ({"eth0": (1, "up", ("tap0",), False), "tap0": GUEST}, True),
    # A VLAN on a bond, the bond below a bridge.
    ({"eth0": (1, "up", ("bond0",), False), "bond0": (1, "up", ("a",), False), "a": DOWN}, False),
    ({"eth0": (1, "up", ("bond0", "tap0"), False), "bond0": (1, "up", ("a",), False), "a": DOWN, "tap0": GUEST}, False),
])  # fmt: skip
def test_an_interface_works_as_its_members_do(tmp_path, interfaces, works):
    assert watch_network.works("eth0", links(tmp_path, **interfaces)) is works


class Cluster:
    """Takes what it is told, unless it does not run."""

    def __init__(self):
        self.told, self.runs, self.restored = [], True, 0

    def tell(self, name, value, delay):
        if self.runs:
            self.told.append((name, value))
        return self.runs

    def restore(self):
        self.restored += 1


@pytest.fixture
def cluster():
    return Cluster()


@pytest.fixture
def watch(cluster):
    return watch_network.Watch("eth0", "192.0.2.100", cluster.tell, cluster.restore)


def carrier(watch, value, now):
    watch.carrier.see(value, now)
    return watch.speak(now)


def test_nothing_is_said_while_all_is_well_from_the_beginning(watch, cluster):
    """Each attribute has pacemaker plan anew, and a cluster that starts waits for that."""
    assert carrier(watch, 0, 0)
    assert cluster.told == []
    assert watch.patience(0) is None


def test_a_loss_is_said_at_once_and_a_return_when_it_has_lasted(watch, cluster):
    carrier(watch, BAD, 5.0)
    assert cluster.told == [("hamysql-carrier", BAD)]
    carrier(watch, 0, 7.0)
    assert cluster.told == [("hamysql-carrier", BAD)]
    assert watch.patience(7.0) == watch_network.CALM
    watch.speak(7.0 + watch_network.CALM)
    assert cluster.told == [("hamysql-carrier", BAD), ("hamysql-carrier", 0)]


def test_a_network_that_comes_and_goes_is_said_once(watch, cluster):
    for second in range(0, 60, 2):
        carrier(watch, BAD if second % 4 == 0 else 0, float(second))
    assert cluster.told == [("hamysql-carrier", BAD)]


def test_what_nobody_takes_is_said_again(watch, cluster):
    cluster.runs = False
    assert not carrier(watch, BAD, 0.0)
    cluster.runs = True
    assert watch.speak(1.0)
    assert cluster.told == [("hamysql-carrier", BAD)]


def test_a_target_is_lost_after_some_rounds_and_counts_its_share():
    targets = watch_network.Targets({"192.0.2.1": 0, "192.0.2.2": 0})
    assert [targets.heard(["192.0.2.1"]) for _ in range(3)] == [0, 0, -5000]
    assert targets.heard(["192.0.2.1", "192.0.2.2"]) == -5000
    assert targets.heard([]) == 0


def message(kind, body):
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body


def gone(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    packed = socket.inet_pton(family, address)
    kind = watch_network.IFA_ADDRESS if ":" in address else watch_network.IFA_LOCAL
    return message(watch_network.RTM_DELADDR, bytes(8) + struct.pack("=HH", 4 + len(packed), kind) + packed)


@pytest.mark.parametrize("address", ["192.0.2.100", "2001:db8::100"])
def test_the_kernels_news_are_read(address):
    link = message(watch_network.RTM_NEWLINK, bytes(16))
    other = message(20, bytes(8))
    assert list(watch_network.parse(link + gone(address) + other)) == [None, address]


@pytest.mark.parametrize("data", [b"", b"\0" * 40, b"\x05\0\0\0" * 9, gone("192.0.2.1")[:-3]])
def test_what_is_cut_off_is_not_read_as_something_else(data):
    assert [item for item in watch_network.parse(data) if item == "192.0.2.1"] == []


def test_the_virtual_ip_is_put_back_and_no_other_address(watch, cluster):
    watch.hear(["192.0.2.7"], 0.0)
    assert cluster.restored == 0
    watch.hear(["192.0.2.100"], 0.0)
    assert cluster.restored == 1


ROUTE = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth1\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
eth0\t00000000\tFE0200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
"""
ROUTE6 = f"{'0' * 32} 00 {'0' * 32} 00 20010db8{'0' * 23}1 00000400 1 0 00000003     eth0\n"


@pytest.mark.parametrize(("route", "route6", "gateway"), [
    (ROUTE, "", "192.0.2.254"),
    (ROUTE.replace("eth0", "eth2"), ROUTE6, "2001:db8::1"),
    ("", "", ""),
])  # fmt: skip
def test_the_gateway_is_the_interfaces_own(tmp_path, route, route6, gateway):
    (tmp_path / "route").write_text(route)
    (tmp_path / "ipv6_route").write_text(route6)
    assert watch_network.gateway("eth0", tmp_path) == gateway


def test_all_that_may_be_said_against_a_node_is_outweighed():
    """pacemaker runs nothing where the sum is below zero, and where both nodes are bad the service has to stay."""
    worst = watch_network.NO_CARRIER + watch_network.NO_TARGET + int(placement.AWAY)
    assert int(placement.BONUS) + worst >= 0
