"""Who may reach which port of a node, whatever firewall sees to it. Each subject says it of its own ports. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

FAMILIES = ("ipv4", "ipv6")


@dataclass(frozen=True)
class Access:
    """Some ports of this node, and who may reach them: nobody else does.

    ``protocol`` is ``tcp`` or ``udp``. ``sources`` are addresses and networks. Without a ``family`` it holds in each one that the
    cluster uses, and without an address ``to`` for all addresses of the node.
    """

    protocol: str
    ports: tuple[int, ...]
    sources: tuple[str, ...]
    family: str = ""
    to: str = ""


def family(network: str) -> str:
    """``ipv4`` or ``ipv6``, of an address or a network."""
    return f"ipv{ipaddress.ip_network(network).version}"


def by_family(accesses: Iterable[Access], own: Iterable[str]) -> dict[str, list[Access]]:
    """What holds in each family in use, with the sources of that family, as networks.

    own
        The node's addresses, the virtual one among them: their families are in use, and those that an access names.
    """
    accesses = list(accesses)
    used = {*map(family, own), *(access.family for access in accesses)}
    return {
        one: [_of(one, access) for access in accesses if access.family in ("", one)] for one in FAMILIES if one in used
    }


def _of(one: str, access: Access) -> Access:
    sources = [str(ipaddress.ip_network(source)) for source in access.sources if family(source) == one]
    return Access(access.protocol, access.ports, tuple(dict.fromkeys(sources)), one, access.to)
