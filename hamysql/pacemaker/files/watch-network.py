"""Watches the network through which clients reach the service, and tells pacemaker. Managed by Salt.

    watch-network INTERFACE ADDRESS [TARGET...]

INTERFACE
    Whose carrier counts. The kernel says each change at once (rtnetlink(7)); a bond, a VLAN or a bridge has the carrier that its
    members leave it.
ADDRESS
    The virtual IP. Where its agent has set it and something else deletes it, it is put back at once. Its agent says so in a file.
TARGET
    Addresses that have to answer ARP, neighbour solicitation or a ping; `gateway` is what the default route names at the moment.

It sets two attributes of this node (attrd_updater(8)), which are scores for the service: 0 where all is well, less where clients
may not reach it. A node that is no better than the other one is not left. ocf:hamysql:network starts and ends it.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

CARRIER, REACH = "hamysql-carrier", "hamysql-reach"
NO_CARRIER = (
    -20000
)  # more than a promotion score of DRBD's agents (10000), so that an older score does not keep the service
NO_TARGET = -10000  # where none answers; a part of it for a part of them
# Seconds that a network has to be well before it counts as that again: one that comes and goes stays left.
CALM = 10
# Seconds until attributes are written. Both nodes may lose their network at once: then both are to be worse in one plan, and
# nothing moves. A loss of targets is seen within a second or two on one node and the other.
CARRIER_DELAY, REACH_DELAY = "0", "4s"
ROUND = 1.0  # seconds between two questions to the targets
MISSED = 3  # rounds without an answer until a target is lost
HERE = "{folder}/hamysql-address-{address}.here"

# linux/rtnetlink.h, linux/if.h
RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR = 0x1, 0x10, 0x100
RTM_NEWLINK, RTM_DELLINK, RTM_DELADDR = 16, 17, 21
IFA_ADDRESS, IFA_LOCAL = 1, 2
LINKS, ROUTES = Path("/sys/class/net"), Path("/proc/net")
GATEWAY = "gateway"


def parse(data: bytes) -> Iterator[str | None]:
    """The news in what was received from an rtnetlink socket.

    An address that some interface has no more, or ``None`` for a link's change; nothing for other news.
    """
    while len(data) >= 16:
        length, kind = struct.unpack_from("=IH", data)
        if length < 16:
            return
        body = data[16:length]
        if kind in (RTM_NEWLINK, RTM_DELLINK):
            yield None
        elif kind == RTM_DELADDR and len(body) >= 8:
            found = _attributes(body[8:])
            packed = found.get(IFA_LOCAL) or found.get(IFA_ADDRESS, b"")
            family = {4: socket.AF_INET, 16: socket.AF_INET6}.get(len(packed))
            if family is not None:
                yield socket.inet_ntop(family, packed)
        data = data[(length + 3) & ~3 :]


def works(interface: str, links: Path = LINKS) -> bool:
    """Whether an interface can send and receive.

    The kernel takes a bridge for working as long as a guest's port does, and a bond without a monitor always. So an interface that
    lies upon others also needs one of them that works; ports without hardware only count where there are no others.
    """
    place = links / interface
    try:
        if (place / "carrier").read_text().strip() != "1":
            return False
        if (place / "operstate").read_text().strip() not in ("up", "unknown"):
            return False
    except OSError:  # it is switched off, or has gone
        return False
    below = [path.name.removeprefix("lower_") for path in place.glob("lower_*")]
    hardware = [name for name in below if (links / name / "device").exists() or any((links / name).glob("lower_*"))]
    return not below or any(works(name, links) for name in hardware or below)


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4:
            break
        found[kind & 0x3FFF] = data[4:length]
        data = data[(length + 3) & ~3 :]
    return found


@dataclass
class Score:
    """What is said of one thing: a loss at once, and that all is well again only when it has been for a while.

    Nothing is said while all is well from the beginning: each attribute has pacemaker plan anew, and a start of the cluster waits.
    """

    said: int = 0
    seen: int = 0
    since: float = 0.0

    def see(self, value: int, now: float) -> None:
        """Note what is the case; ``now`` is in seconds of a steady clock."""
        if value != self.seen:
            self.seen, self.since = value, now

    def news(self, now: float) -> int | None:
        """What has to be said now, once; ``None`` where there is nothing new."""
        if self.seen < self.said or (self.seen > self.said and now >= self.since + CALM):
            self.said = self.seen
            return self.said
        return None

    def due(self, now: float) -> float | None:
        """In how many seconds there may be something to say; ``None`` where only news can change that."""
        return max(0.0, self.since + CALM - now) if self.seen > self.said else None


@dataclass
class Targets:
    """Which targets answer: one is lost after some rounds without an answer."""

    missed: dict[str, int]

    def heard(self, silent: list[str]) -> int:
        """The score after one more round, in which these were silent."""
        self.missed = {target: count + 1 if target in silent else 0 for target, count in self.missed.items()}
        lost = sum(count >= MISSED for count in self.missed.values())
        return NO_TARGET * lost // len(self.missed)


@dataclass
class Watch:
    """The watcher itself; what it does to the system is in ``tell`` and ``restore``."""

    interface: str
    address: str
    tell: Callable[[str, int, str], bool]
    restore: Callable[[], None]
    carrier: Score = field(default_factory=Score)
    reach: Score = field(default_factory=Score)
    targets: Targets | None = None

    def look(self, now: float) -> None:
        """Look at the interface."""
        self.carrier.see(0 if works(self.interface) else NO_CARRIER, now)

    def hear(self, news: Iterable[str | None], now: float) -> None:
        """Take in what the kernel says."""
        found = set(news)
        if None in found:
            self.look(now)
        if self.address in found:
            self.restore()

    def speak(self, now: float) -> bool:
        """Say what is new; whether that was taken. What was not is tried again."""
        taken = True
        for name, score, delay in ((CARRIER, self.carrier, CARRIER_DELAY), (REACH, self.reach, REACH_DELAY)):
            before = score.said
            value = score.news(now)
            if value is not None and not self.tell(name, value, delay):
                score.said, taken = before, False
        return taken

    def patience(self, now: float) -> float | None:
        """Seconds until it has to look again though nothing has happened; ``None`` for ever."""
        due = [wait for score in (self.carrier, self.reach) if (wait := score.due(now)) is not None]
        return min(due, default=None)


def tell(name: str, value: int, delay: str) -> bool:
    """Set an attribute of this node; whether that was taken."""
    argv = ["attrd_updater", "--name", name, "--update-both", str(value), "--delay", delay]
    return subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


def restorer(address: str, folder: str) -> Callable[[], None]:
    """What puts the virtual IP back where its agent has set it: that says so in a file, with prefix and interface in it.

    The cluster may stop the address at the same moment. The agent's ``restore`` sees to that.
    """
    path = HERE.format(folder=folder, address=address)

    def restore() -> None:
        try:
            with open(path, encoding="ascii") as file:
                prefix, interface = file.read().split()
        except (OSError, ValueError):
            return
        given = {"OCF_RESKEY_ip": address, "OCF_RESKEY_cidr_netmask": prefix, "OCF_RESKEY_nic": interface}
        root = os.environ.get("OCF_ROOT", "/usr/lib/ocf")
        subprocess.run([f"{root}/resource.d/hamysql/address", "restore"], env={**os.environ, **given}, check=False)

    return restore


def listen() -> socket.socket:
    """A socket that hears of links and addresses."""
    kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    kernel.bind((0, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR))
    return kernel


def follow(watch: Watch, targets: list[str], kernel: socket.socket) -> None:
    """Watch until this process ends."""
    inbox, outbox = socket.socketpair(type=socket.SOCK_SEQPACKET)
    if targets:
        watch.targets = Targets(dict.fromkeys(targets, 0))
        threading.Thread(target=question, args=(watch.interface, targets, outbox), daemon=True).start()
    watch.look(time.monotonic())
    watch.restore()  # it may have gone before anybody listened
    while True:
        taken = watch.speak(time.monotonic())
        ready, _, _ = select.select([kernel, inbox], [], [], watch.patience(time.monotonic()) if taken else ROUND)
        if kernel in ready:
            try:
                watch.hear(parse(kernel.recv(1 << 18)), time.monotonic())
            except OSError:  # news were lost: there were too many
                watch.look(time.monotonic())
                watch.restore()
        if inbox in ready and watch.targets:
            watch.reach.see(watch.targets.heard(inbox.recv(1 << 16).decode().split()), time.monotonic())


def question(interface: str, targets: list[str], outbox: socket.socket) -> None:
    """Ask the targets in each round, and say who was silent."""
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import reach  # the formula's own module, beside this file

    while True:
        began = time.monotonic()
        addresses = {target: gateway(interface) if target == GATEWAY else target for target in targets}
        silent = reach.silent(interface, filter(None, addresses.values()), ROUND)
        lost = [target for target, address in addresses.items() if not address or address in silent]
        outbox.send(" ".join(lost).encode() or b" ")
        time.sleep(max(0.0, began + ROUND - time.monotonic()))


def gateway(interface: str, routes: Path = ROUTES) -> str:
    """The gateway of the default route through an interface, IPv4 before IPv6; "" where there is none."""
    for line in _lines(routes / "route"):  # interface, destination, gateway, flags, ..., mask
        words = line.split()
        if words[0] == interface and words[1] == words[7] == "00000000" and words[2] != "00000000":
            return socket.inet_ntoa(struct.pack("=I", int(words[2], 16)))
    for line in _lines(routes / "ipv6_route"):  # destination, its length, source, its length, next hop, ..., interface
        words = line.split()
        if words[-1] == interface and words[1] == "00" and int(words[4], 16):
            return socket.inet_ntop(socket.AF_INET6, bytes.fromhex(words[4]))
    return ""


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text().splitlines() if line.strip()]
    except OSError:
        return []


def forget() -> None:
    """Delete the attributes: nobody keeps them true any more, or has since this was killed."""
    for name in (CARRIER, REACH):
        subprocess.run(["attrd_updater", "--name", name, "--delete"], stderr=subprocess.DEVNULL, check=False)


def main(words: list[str]) -> None:
    """Watch, until a signal ends this."""
    interface, address, *targets = words
    forget()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    restore = restorer(address, os.environ.get("HA_RSCTMP", "/run/resource-agents"))
    try:
        follow(Watch(interface, address, tell, restore), targets, listen())
    finally:
        forget()


if __name__ == "__main__":
    main(sys.argv[1:])
