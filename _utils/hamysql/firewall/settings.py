"""What the pillar may say of the firewall (``hamysql:firewall``): its keys, their rules, and what follows."""

from __future__ import annotations

import ipaddress

from hamysql.firewall import iptables
from hamysql.schema import values as v
from hamysql.schema.language import Items, Report, Section
from hamysql.schema.values import Config

FIREWALL = Section(
    {
        "backend": v.one_of("auto", "iptables", "none"),
        "client_networks": Items(v.NETWORK, "a list of networks"),
    }
)


def derive_firewall(config: Config) -> None:
    rules = iptables.build(config)
    config["firewall"]["rules"] = rules
    config["firewall"]["files"] = {
        family: iptables.restore_text(rules[family]) if family in rules else "" for family in iptables.FAMILIES
    }
    tools = {
        "ipv4": ("/usr/sbin/iptables", "/etc/hamysql/firewall.rules"),
        "ipv6": ("/usr/sbin/ip6tables", "/etc/hamysql/firewall.rules6"),
    }
    config["firewall"]["boot"] = [list(tools[family]) for family in rules]


def check_firewall(config: Config, report: Report) -> None:
    address = config["vip"]["address"]
    for number, network in enumerate(config["firewall"]["client_networks"]):
        if network is not None and address is not None and ipaddress.ip_network(network).version != v.family(address):
            report.add(
                f"hamysql:firewall:client_networks:{number}",
                repr(network),
                f"an IPv{v.family(address)} network, as the VIP {address} is one",
            )
