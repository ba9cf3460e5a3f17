"""What preflight wants to know of a machine, read before anything is installed."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping

from hamysql.errors import ParseError
from hamysql.survey import Interface
from hamysql.system.command import Run


def parse_interfaces(text: str) -> dict[str, Interface]:
    """The interfaces of ``ip -json address show``: ``{name: {"mac": text, "addresses": ["192.0.2.11/24", ...]}}``."""
    try:
        return {
            link["ifname"]: {
                "mac": link.get("address", ""),
                "addresses": [
                    f"{address['local']}/{address['prefixlen']}"
                    for address in link.get("addr_info", ())
                    if "local" in address
                ],
            }
            for link in json.loads(text or "[]")
            if link
        }
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as exc:
        raise ParseError(f"ip -json address printed something unknown: {exc!r}") from exc


def interfaces(run: Run) -> dict[str, Interface]:
    """This machine's interfaces with their addresses, see :func:`parse_interfaces`."""
    return parse_interfaces(run(["ip", "-json", "address", "show"]).stdout)


def interface_to(target: str, own: str, found: Mapping[str, Interface]) -> str:
    """The interface with the address ``own`` in whose network ``target`` is; "" where it is behind a router.

    found
        The interfaces, see :func:`parse_interfaces`.
    """
    for name, interface in found.items():
        for text in interface["addresses"]:
            address = ipaddress.ip_interface(text)
            if str(address.ip) == own and ipaddress.ip_address(target) in address.network:
                return name
    return ""
