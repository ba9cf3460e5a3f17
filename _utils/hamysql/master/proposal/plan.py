"""What two machines would be as a cluster: links, a virtual IP, disks, fence devices. Pure.

What only a human can know is :data:`hamysql.schema.language.TODO`.
"""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hamysql.preflight.look import Disk, Look
from hamysql.schema import values as v
from hamysql.schema.language import TODO

LINKS = 8  # of knet, at the most
CANDIDATES = 16  # addresses that are tried for the virtual IP

Looks = Mapping[str, Look]  # of both minions


@dataclass(frozen=True)
class Link:
    """A way between both machines: the interface and the address of each, and the length of their network's prefix."""

    interfaces: tuple[str, str]
    addresses: tuple[str, str]
    prefix: int

    @property
    def network(self) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
        return ipaddress.ip_network(f"{self.addresses[0]}/{self.prefix}", strict=False)


@dataclass(frozen=True)
class Vip:
    """The virtual IP; ``interfaces`` are those of both machines. ``candidates`` are to be tried where nobody has named one."""

    address: str
    prefix: str
    interfaces: tuple[str, str]
    candidates: tuple[str, ...] = ()


@dataclass(frozen=True)
class Host:
    """One machine of the proposal, in words for its comments."""

    minion: str
    name: str
    system: str
    addresses: tuple[str, ...]
    disk: str
    disk_size: str
    board: str
    board_why: str


@dataclass(frozen=True)
class Proposal:
    """All that the text of the pillar is made of. ``unfit`` are sentences about what was not found."""

    cluster: str
    hosts: tuple[Host, Host]
    links: tuple[Link, ...]
    vip: Vip
    other_disks: tuple[str, ...] = ()
    unfit: tuple[str, ...] = field(default=())


def candidates(looks: Looks) -> list[Link]:
    """Each pair of addresses by which the machines might reach each other: those in one network."""
    one, two = looks.values()
    common = {text.partition("/")[0] for text in _addresses(one)} & {text.partition("/")[0] for text in _addresses(two)}
    found = []
    for left, (left_interface, own) in _usable(one, common):
        for right, (right_interface, other) in _usable(two, common):
            if left.network == right.network:
                prefix = left.network.prefixlen
                found.append(Link((left_interface, right_interface), (own, other), prefix))
    return found


_Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface


def _addresses(look: Look) -> list[str]:
    return [address for interface in look["interfaces"].values() for address in interface["addresses"]]


def _usable(look: Look, common: set[str]) -> Iterator[tuple[_Interface, tuple[str, str]]]:
    """The addresses of a machine that could be a link's, and their interfaces. One that both have is no way between them."""
    for name, interface in look["interfaces"].items():
        for text in interface["addresses"]:
            own = ipaddress.ip_interface(text)
            alone = own.network.prefixlen == own.max_prefixlen
            if not (own.ip.is_loopback or own.ip.is_link_local or alone or str(own.ip) in common):
                yield own, (name, str(own.ip))


def links(found: Sequence[Link], looks: Looks, reached: Mapping[str, Sequence[Sequence[str]]]) -> tuple[Link, ...]:
    """The links that are proven: each machine has reached the other one. Each interface is used once, and IPv4 comes first.

    reached
        What ``hamysql_proposal.reached`` has returned on each machine.
    """
    there, back = ({tuple(pair) for pair in pairs} for pairs in reached.values())
    proven = [link for link in found if link.addresses in there and link.addresses[::-1] in back]
    proven.sort(key=lambda link: (link.network.version, link.interfaces[0] != link.interfaces[1]))
    used: set[tuple[int, str]] = set()
    chosen = []
    for link in proven:
        ends = set(enumerate(link.interfaces))
        if not ends & used:
            used |= ends
            chosen.append(link)
    routes = next(iter(looks.values()))["gateways"]
    chosen.sort(key=lambda link: link.interfaces[0] not in routes[:1])  # the clients' network is link 0
    return tuple(chosen[:LINKS])


def vip(given: str | None, found: Sequence[Link], looks: Looks) -> Vip:
    """The virtual IP: the given one, or candidates in the network of link 0."""
    home = next((link for link in found if given and ipaddress.ip_address(given) in link.network), None)
    home = home or (found[0] if found else None)
    if home is None:
        names = [look["gateways"][0] if look["gateways"] else TODO for look in looks.values()]
        return Vip(given or TODO, TODO, (names[0], names[1]))
    if given:
        address = ipaddress.ip_address(given)
        prefix = home.prefix if address in home.network else address.max_prefixlen
        return Vip(given, str(prefix), home.interfaces)
    return Vip(TODO, str(home.prefix), home.interfaces, tuple(_after(home, looks)))


def _after(link: Link, looks: Looks) -> Iterator[str]:
    """The addresses behind those of the machines, in their network."""
    have = {text.partition("/")[0] for look in looks.values() for text in _addresses(look)}
    last = max(int(ipaddress.ip_address(address)) for address in link.addresses)
    kind = type(ipaddress.ip_address(link.addresses[0]))
    end = int(link.network.broadcast_address)
    for number in range(last + 1, min(last + 1 + CANDIDATES, end)):
        if str(kind(number)) not in have:
            yield str(kind(number))


def disks(looks: Looks) -> tuple[tuple[Disk, Disk] | None, list[str]]:
    """The largest blank disks of equal size, and what other disks there are, in words."""
    one, two = ([disk for disk in look["disks"] if not disk["why"]] for look in looks.values())
    pairs = [(first, second) for first in one for second in two if first["size"] == second["size"]]
    chosen = max(pairs, key=lambda pair: pair[0]["size"], default=None)
    others = [
        f"{look['nodename']}: {disk['name']}, {size(disk['size'])}, {' '.join(disk['why'].split()) or 'blank'}"
        for look in looks.values()
        for disk in look["disks"]
        if chosen is None or disk not in chosen
    ]
    return chosen, others


def stable(disk: Disk) -> str:
    """The name of a disk for the pillar: the one that stays, where a pillar may have it."""
    try:
        return str(v.DEVICE.parse(disk["stable"]))
    except ValueError:
        return disk["name"]


def size(number: int) -> str:
    """Bytes in words: ``100.0 GiB``."""
    return f"{number / 2**30:.1f} GiB" if number >= 2**30 else f"{number / 2**20:.1f} MiB"


def cluster_name(looks: Looks, taken: Sequence[str]) -> str:
    """What the nodes' names have in common, unless another cluster of the master is called so."""
    one, two = (look["nodename"].partition(".")[0] for look in looks.values())
    same = itertools.takewhile(lambda letters: letters[0] == letters[1], zip(one, two))
    name = "".join(letters[0] for letters in same).rstrip("0123456789-_.")
    try:
        return str(v.NAME.parse(name)) if name not in taken else TODO
    except ValueError:
        return TODO


def proposal(looks: Looks, found: tuple[Link, ...], address: Vip, cluster: str) -> Proposal:
    """The whole proposal.

    found, address
        The proven links, and the virtual IP that was chosen.
    """
    chosen, others = disks(looks)
    names = [look["nodename"] for look in looks.values()]
    unfit = []
    if not found:
        unfit.append(
            f"no address of {names[0]} and {names[1]} in one network reaches the other: give the nodes a network"
        )
    if chosen is None:
        unfit.append("the nodes have no blank disks of equal size; a LUN or an NFS export can hold the data instead")
    hosts = []
    for index, (minion, look) in enumerate(looks.items()):
        disk = chosen[index] if chosen else None
        hosts.append(
            Host(
                minion=minion,
                name=look["nodename"],
                system=f"{look['system']['name']} {look['system']['release']}",
                addresses=tuple(link.addresses[index] for link in found) or (TODO,),
                disk=stable(disk) if disk else "",
                disk_size=size(disk["size"]) if disk else "",
                board=look["board"]["address"] or TODO,
                board_why=" ".join(look["board"]["why"].split()),
            )
        )
    return Proposal(cluster, (hosts[0], hosts[1]), found, address, tuple(others), tuple(unfit))
