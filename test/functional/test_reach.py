"""Pings, ARP probes and neighbour solicitations between two network namespaces, answered by real kernels."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support import ROOT

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces and raw sockets need root")

INSIDE = "import json, sys; from hamysql.system import reach; print(json.dumps(getattr(reach, sys.argv[1])(*json.loads(sys.argv[2]))))"
MAC = "02:aa:bb:cc:dd:02"


@pytest.fixture(scope="module")
def near() -> Iterator[Callable[..., Any]]:
    """Calls a function of ``hamysql.reach`` on a machine with a neighbour, which has 192.0.2.2 and 2001:db8::2."""
    one, two = (f"hamysql-{side}-{uuid.uuid4().hex[:6]}" for side in ("a", "b"))

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True)

    made = []
    try:
        for name in (one, two):
            ip("netns", "add", name)
            made.append(name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("-n", one, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", two)
        ip("-n", two, "link", "set", "eth0", "address", MAC)
        for name, number in ((one, 1), (two, 2)):
            ip("-n", name, "address", "add", f"192.0.2.{number}/24", "dev", "eth0")
            ip("-n", name, "address", "add", f"2001:db8::{number}/64", "dev", "eth0", "nodad")
            ip("-n", name, "link", "set", "eth0", "addrgenmode", "none")
            ip("-n", name, "address", "add", f"fe80::{number}/64", "dev", "eth0", "nodad")
            ip("-n", name, "link", "set", "eth0", "up")

        def call(function: str, *arguments: Any) -> Any:
            argv = ["ip", "netns", "exec", one, sys.executable, "-c", INSIDE, function, json.dumps(arguments)]
            environment = {**os.environ, "PYTHONPATH": str(ROOT / "_utils")}
            return json.loads(subprocess.run(argv, env=environment, check=True, capture_output=True).stdout)

        call.filter_pings = lambda on: ip(
            "netns", "exec", two, "sh", "-c", f"echo {on:d} > /proc/sys/net/ipv4/icmp_echo_ignore_all"
        )
        yield call
    finally:
        for name in made:
            ip("netns", "delete", name)


def test_only_what_does_not_answer_is_unreachable(near):
    pairs = [
        ["192.0.2.1", "192.0.2.2"],
        ["2001:db8::1", "2001:db8::2"],
        ["192.0.2.1", "192.0.2.77"],
        ["2001:db8::1", "2001:db8::77"],
        ["192.0.2.99", "192.0.2.2"],  # not an own address
        ["192.0.2.1", "198.51.100.1"],  # no route
    ]
    assert near("unreachable", pairs[:2]) == []
    assert near("unreachable", pairs[2:4]) == ["192.0.2.77", "2001:db8::77"]
    assert near("unreachable", pairs[4:]) == ["192.0.2.2", "198.51.100.1"]
    assert near("unreachable", pairs[:3]) == ["192.0.2.77"]
    assert near("unreachable", []) == []


@pytest.mark.parametrize("address", ["192.0.2.2", "2001:db8::2"])
def test_whoever_has_an_address_is_known_by_his_hardware_address(near, address):
    assert near("owner", "eth0", address) == MAC


@pytest.mark.parametrize("address", ["192.0.2.100", "2001:db8::100", "192.0.2.1"])
def test_an_address_that_nobody_else_has(near, address):
    assert near("owner", "eth0", address) == ""


def test_a_neighbour_that_keeps_back_pings_is_not_absent(near):
    near.filter_pings(True)
    try:
        assert near("unreachable", [["192.0.2.1", "192.0.2.2"]]) == ["192.0.2.2"]
    finally:
        near.filter_pings(False)
    neighbours = ["192.0.2.2", "192.0.2.77", "2001:db8::2", "2001:db8::77"]
    assert near("absent", [["eth0", address] for address in neighbours]) == ["192.0.2.77", "2001:db8::77"]
    assert near("absent", [["lo", "192.0.2.77"], ["eth9", "192.0.2.77"]]) == [], "it cannot be asked there"
