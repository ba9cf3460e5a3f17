"""Whether an address answers: ICMP echo, ARP and neighbour solicitation from this machine, with sockets of root's.

A bare system has neither arping nor, always, ping. Nothing here changes anything: no address is claimed (an ARP probe of
RFC 5227 carries no sender address), and nobody's cache is updated.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress

WAIT = 3.0  # seconds for a ping: the kernel repeats a lost question for the neighbour's hardware address after one
LISTEN = 1.0  # seconds for an answer from a neighbour
PAUSE = 0.3  # seconds between two tries

_ARP = 0x0806
_ETHERNET = 1


def unreachable(pairs: Iterable[tuple[str, str]], wait: float = WAIT, interface: str = "") -> list[str]:
    """The targets that do not answer ICMP echo requests, all asked at the same time.

    pairs
        (own address, target): each target is asked from the own address that shall reach it; "" for any.
    wait
        Seconds until a silent target counts as such, 3 by default.
    interface
        The only one that they are asked through; "" (default) for any.
    """
    pairs = list(dict.fromkeys((own, target) for own, target in pairs))
    mark = os.urandom(8)
    with ExitStack() as stack:
        waiting: dict[socket.socket, str] = {}
        for own, target in pairs:
            try:
                link = stack.enter_context(_echo_socket(target))
                if interface:
                    link.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
                if own:
                    link.bind((own, 0))
                link.connect((target, 0))
            except OSError:
                continue  # not our address, no route: nothing comes from there
            waiting[link] = target
        silent = {target for _, target in pairs}

        def ask() -> None:
            for link, target in waiting.items():
                if target in silent:
                    _send(link, _echo_request(target, mark))

        def heard(link: socket.socket) -> bool:
            data = _receive(link)
            if mark in data and data[-len(mark) - 8] in (0, 129):  # echo reply of ICMP, of ICMPv6
                silent.discard(waiting[link])
            return not silent.intersection(waiting.values())

        _converse(list(waiting), ask, heard, wait)
    return [target for _, target in pairs if target in silent]


def silent(interface: str, targets: Iterable[str], wait: float) -> list[str]:
    """The targets that answer neither a ping nor, in the interface's own network, the question for their hardware address.

    interface
        All is asked through this one.
    wait
        Seconds to listen, of which neighbours have the second half.
    """
    found = unreachable((("", target) for target in targets), wait / 2, interface)
    for target in list(found):
        with suppress(OSError):  # not an Ethernet interface, or it has gone
            if owner(interface, target, wait / 2 / len(found)):
                found.remove(target)
    return found


def connects(host: str, port: int, wait: float = WAIT) -> bool:
    """Whether somebody accepts a TCP connection there; nothing is sent.

    wait
        Seconds, 3 by default.
    """
    try:
        socket.create_connection((host, port), wait).close()
    except OSError:
        return False
    return True


def owner(interface: str, address: str, wait: float = LISTEN) -> str:
    """The hardware address of whoever answers for ``address`` in the network of ``interface``; "" when nobody does.

    wait
        Seconds to listen, 1 by default.

    Raises ``OSError`` where that cannot be asked on the interface.
    """
    with _neighbour_socket(interface, address) as link:
        question = _question(link, interface, address)
        found: list[str] = []

        def heard(link: socket.socket) -> bool:
            mac = _answered(_receive(link), address)
            found.extend([mac] if mac else [])
            return bool(found)

        _converse([link], question, heard, wait)
        return found[0] if found else ""


def absent(neighbours: Iterable[tuple[str, str]]) -> list[str]:
    """The targets that nobody has: a packet filter keeps back pings, but not the question for a hardware address.

    neighbours
        (interface, target): each target is asked for in the network of its interface. What cannot be asked is not told absent.
    """
    found = []
    for interface, target in neighbours:
        with suppress(OSError):
            found += [] if owner(interface, target) else [target]
    return found


def _converse(
    links: list[socket.socket], ask: Callable[[], None], heard: Callable[[socket.socket], bool], wait: float
) -> None:
    """Ask at once and again in regular intervals, and listen, until ``heard`` has heard enough or the time is over."""
    started = time.monotonic()
    asked = 0
    while links and (passed := time.monotonic() - started) < wait:
        if passed >= asked * PAUSE:
            ask()
            asked += 1
        ready, _, _ = select.select(links, (), (), max(0.0, min(wait, asked * PAUSE) - passed))
        if any([heard(link) for link in ready]):
            return


def _send(link: socket.socket, data: bytes, where: tuple[str, int, int, int] | None = None) -> None:
    try:
        if where:
            link.sendto(data, where)
        else:
            link.send(data)
    except OSError:
        pass  # an answer of the kernel's to an earlier question: nobody is there


def _receive(link: socket.socket) -> bytes:
    try:
        return link.recv(2048)
    except OSError:
        return b""


def _echo_socket(target: str) -> socket.socket:
    if ":" in target:
        return socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)


def _echo_request(target: str, mark: bytes) -> bytes:
    if ":" in target:
        return struct.pack("!BBHHH", 128, 0, 0, os.getpid() & 0xFFFF, 1) + mark  # the kernel adds ICMPv6's checksum
    data = struct.pack("!BBHHH", 8, 0, 0, os.getpid() & 0xFFFF, 1) + mark
    return data[:2] + struct.pack("!H", _checksum(data)) + data[4:]


def _checksum(data: bytes) -> int:
    """RFC 1071, for an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _neighbour_socket(interface: str, address: str) -> socket.socket:
    if ":" not in address:
        link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ARP))
        link.bind((interface, _ARP))
        return link
    link = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex(interface))
    return link


def _question(link: socket.socket, interface: str, address: str) -> Callable[[], None]:
    """What asks for the owner of an address: RFC 5227's probe, or RFC 4861's neighbour solicitation."""
    if ":" in address:
        target = socket.inet_pton(socket.AF_INET6, address)
        group = socket.inet_ntop(socket.AF_INET6, bytes.fromhex("ff0200000000000000000001ff") + target[13:])
        with open(f"/sys/class/net/{interface}/address", encoding="ascii") as file:
            mac = bytes.fromhex(file.read().strip().replace(":", ""))
        data = struct.pack("!BBHI", 135, 0, 0, 0) + target + struct.pack("!BB", 1, 1) + mac
        where = (group, 0, 0, socket.if_nametoindex(interface))
        return lambda: _send(link, data, where)
    _, _, _, kind, mac = link.getsockname()
    if kind != _ETHERNET:
        raise OSError(f"{interface} is no Ethernet interface")
    target = socket.inet_aton(address)
    frame = b"\xff" * 6 + mac + struct.pack("!HHHBBH", _ARP, _ETHERNET, 0x0800, 6, 4, 1)
    frame += mac + bytes(4) + bytes(6) + target
    return lambda: _send(link, frame)


def _answered(data: bytes, address: str) -> str:
    """The hardware address in an ARP packet, or neighbour advertisement, of whoever has ``address``; "" in any other."""
    if ":" in address:
        target = socket.inet_pton(socket.AF_INET6, address)
        mac = data[26:32] if data[:1] == b"\x88" and data[8:24] == target and data[24:26] == b"\x02\x01" else b""
    else:
        mac = data[22:28] if data[12:14] == b"\x08\x06" and data[28:32] == socket.inet_aton(address) else b""
    return mac.hex(":")
