"""Where the server may listen, and where its accounts may come from. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

ALL_ADDRESSES = ("*", "0.0.0.0", "::")


def wrong_address(value: str | None, vip: str | None) -> Iterator[str]:
    """An address that only one node has keeps the server from starting on the other one."""
    if vip is None:
        return
    parts = [part.strip() for part in (value or "").split(",")]
    for part in parts:
        if part not in ALL_ADDRESSES and part != "localhost" and _normal(part) != vip and not _is_loopback(part):
            yield f"the virtual IP ({vip}), '*', or both it and a loopback address: no other address is on both nodes"
    reached = {_normal(part) for part in parts} & {vip, *("*", "::"), *(("0.0.0.0",) if ":" not in vip else ())}
    if not reached:
        yield f"the virtual IP ({vip}) among the addresses: clients reach the server there"


def _normal(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text


def _is_loopback(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_loopback
    except ValueError:
        return False


def wrong_host(host: str) -> Iterator[str]:
    """What is wrong with an account's host: the server knows networks by their netmask only, ``10.0.0.0/24`` matches nobody."""
    if "/" not in host:
        return
    try:
        network = ipaddress.ip_network(host, strict=False)
    except ValueError:
        yield "a network with its netmask, such as '192.0.2.0/255.255.255.0', or a pattern, such as '192.0.2.%'"
        return
    if network.version == 6:
        yield "a pattern, such as '2001:db8::%': the database knows no networks of IPv6"
    elif host != (meant := f"{network.network_address}/{network.netmask}"):
        yield f"{meant!r}: the database knows a network by its first address and its netmask, any other form lets nobody in"
