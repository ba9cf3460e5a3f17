"""
What a machine has for a cluster, before there is a pillar for it: ``hamysql.propose`` asks two machines.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

# Everything else is imported by the function that needs it, as in hamysql_node.
from hamysql import fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from injected import __grains__, __salt__

__virtualname__ = "hamysql_proposal"


def __virtual__() -> str:
    return __virtualname__


def look() -> dict[str, Any]:
    """
    What this machine has. Reads only, and needs no pillar.

    Returns ``{"stale": whether the minion has older code of the formula in memory, which is all then, "nodename": what uname -n
    prints, "system": {"name", "release"}, "interfaces": {name: {"mac", "addresses": [with prefix]}}, "gateways": [interfaces of
    default routes], "disks": [{"name", "stable": the name that stays, "size": bytes, "why": why it is not blank, or ""}], "board":
    {"address": of the management board or "", "why": why there is none}}``.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_proposal.look
    """
    if fingerprint.stale():
        return {"stale": True}
    from hamysql.preflight import look as preflight_look
    from hamysql.preflight import machine
    from hamysql.system.command import run

    return {**preflight_look.look(run, __grains__["nodename"], machine.system(__grains__), stale=False)}


def reached(pairs: Sequence[Sequence[str]]) -> list[list[str]]:
    """
    Which addresses of another machine answer this one: a ping from an address of its own.

    pairs
        A list of ``[own address, other's address]``.

    Returns those pairs that have answered.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_proposal.reached '[[192.0.2.11, 192.0.2.12]]'
    """
    from hamysql.system import reach

    found: list[list[str]] = []
    for own in dict.fromkeys(
        own for own, _ in pairs
    ):  # a target may be reached from one own address, and not from another
        mine = [(own, target) for source, target in pairs if source == own]
        silent = reach.unreachable(mine)
        found += [list(pair) for pair in mine if pair[1] not in silent]
    return found


def taken(interface: str, addresses: Sequence[str]) -> list[str]:
    """
    Which addresses somebody in the network of an interface has: by ARP, or neighbour solicitation.

    interface
        The interface to ask on.
    addresses
        A list of addresses.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_proposal.taken eth0 '[192.0.2.100]'
    """
    from hamysql.system import reach

    found = []
    for address in addresses:
        with suppress(OSError):  # no Ethernet: nobody can be asked
            if reach.owner(interface, address):
                found.append(address)
    return found


def understood(pillar: Mapping[str, Any]) -> dict[str, Any]:
    """
    What would become of a pillar on this minion, and what of this machine it would be compared with the other one's.

    pillar
        A whole pillar ``hamysql``.

    Returns ``{"settings": see hamysql.settings, "storage": what its kind of storage has to know of the machine, "packages": {name:
    version that is installed, or would be}}``. Raises ``ConfigError``.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_proposal.understood '{cluster: {...}}'
    """
    from hamysql.preflight import machine
    from hamysql.storage import backends

    site = __salt__["hamysql.settings"](misnamed=True, pillar=pillar)
    storage = backends.used(site)
    names = machine.compared(site["package"], storage.compared)
    debian = __grains__["os_family"] == "Debian"
    return {
        "settings": site,
        "storage": {"reached": {}, **storage.facts(site)},
        "packages": machine.versions(names, __salt__, candidates=debian),
    }
