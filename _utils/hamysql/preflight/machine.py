"""What preflight wants to know of a machine, read before anything is installed."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from hamysql.errors import ParseError
from hamysql.survey import Interface
from hamysql.system import root
from hamysql.system.command import Run


class Salt(Protocol):
    """The functions of execution modules, by name."""

    def __getitem__(self, name: str, /) -> Callable[..., Any]: ...


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


def system(grains: Mapping[str, Any]) -> dict[str, str]:
    """The operating system by a minion's grains: ``{"name", "release"}``; those that are built alike have one name."""
    name = grains["os"]
    alike = grains["os_family"] == "RedHat" and name != "Fedora"
    return {"name": "Enterprise Linux" if alike else name, "release": str(grains["osrelease"])}


def account(user: str) -> list[int]:
    """The numbers of a local account, its own and its group's: ``[100, 102]``; empty where there is none (yet)."""
    try:
        lines = root.at("/etc/passwd").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    parts = next((line.split(":") for line in lines if line.startswith(f"{user}:")), [])
    return [int(part) for part in parts[2:4]]


def compared(package: Mapping[str, Any], keys: Iterable[str]) -> list[str]:
    """The packages whose versions the members have to agree on.

    keys
        Those of the kind of storage.
    """
    return [*package["cluster"], *(name for key in keys for name in package[key]), *package["database"]]


def versions(names: Sequence[str], salt: Salt, candidates: bool) -> dict[str, str]:
    """The version of each package that is installed, or would be; "" where there is none.

    candidates
        Whether the repositories are asked for what is not installed: where that needs no fetching of indexes.
    """
    listed = salt["pkg.list_pkgs"]()
    found = {name: listed.get(name, "") for name in names}
    missing = [name for name in names if not found[name]]
    if missing and candidates:
        latest = salt["pkg.latest_version"](*missing, refresh=False)
        found |= latest if isinstance(latest, dict) else {missing[0]: latest}
    return found


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
