"""What the pillar may say of the firewall (``hamysql:firewall``): its keys, their rules, and what follows."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import TypedDict

from hamysql import ports
from hamysql.firewall import backends
from hamysql.ports import Access
from hamysql.schema import values as v
from hamysql.schema.language import Items, Report, Section
from hamysql.schema.values import Config

FIREWALL = Section(
    {
        "backend": v.one_of(backends.AUTO, *backends.BACKENDS, backends.NONE),
        "client_networks": Items(v.NETWORK, "a list of networks"),
    }
)


def derive_firewall(config: Config, accesses: Iterable[Access]) -> None:
    """Complete ``firewall``: the backend, and the rules in its language.

    accesses
        What each subject says of its ports.
    """
    firewall, own = config["firewall"], config["cluster"]["nodes"][config["self"]]["addresses"]
    firewall["backend"] = backends.chosen(firewall["backend"])
    wanted = ports.by_family(accesses, [*own, config["vip"]["address"]])
    firewall.update(backends.named(firewall["backend"]).derive(wanted))
    here = {str(ipaddress.ip_network(address)) for address in own}
    firewall["from_outside"] = {family: [_plain(access, here) for access in wanted[family]] for family in wanted}


class Plain(TypedDict):
    """An :class:`Access` for Salt."""

    protocol: str
    ports: tuple[int, ...]
    sources: list[str]
    family: str
    to: str


def _plain(access: Access, here: set[str]) -> Plain:
    """An access without the node's own addresses, whose packets come over the loopback interface."""
    sources = [source for source in access.sources if source not in here]
    return Plain(protocol=access.protocol, ports=access.ports, sources=sources, family=access.family, to=access.to)


def from_outside(firewall: Config) -> dict[str, list[Access]]:
    """Who else than the node itself has to reach which port, from the resolved configuration's ``firewall``."""
    return {
        family: [Access(**{**one, "ports": tuple(one["ports"]), "sources": tuple(one["sources"])}) for one in plain]
        for family, plain in firewall["from_outside"].items()
    }


def check_firewall(config: Config, report: Report) -> None:
    address = config["vip"]["address"]
    for number, network in enumerate(config["firewall"]["client_networks"]):
        if network is not None and address is not None and ipaddress.ip_network(network).version != v.family(address):
            report.add(
                f"hamysql:firewall:client_networks:{number}",
                repr(network),
                f"an IPv{v.family(address)} network, as the VIP {address} is one",
            )
