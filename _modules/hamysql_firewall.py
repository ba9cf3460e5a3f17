"""
The node's own packet filter chain: what the kernel holds of it, and its one atomic change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from salt.exceptions import SaltInvocationError

from hamysql.firewall import iptables
from hamysql.system.command import run

if TYPE_CHECKING:
    from typing import Any

    from injected import __salt__

__virtualname__ = "hamysql_firewall"

TOOLS = {"ipv4": "iptables", "ipv6": "ip6tables"}


def __virtual__() -> str:
    return __virtualname__


def read(family: str = "ipv4") -> dict[str, Any]:
    """
    Return what the kernel holds of the chain: ``{"exists": bool, "rules": [text], "jumps": [position in INPUT]}``.

    family
        ``ipv4`` (default) or ``ipv6``.

    Raises ``CommandFailed``, for example without ``iptables-save``.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_firewall.read
    """
    seen = _read(family)
    return {"exists": seen.exists, "rules": list(seen.rules), "jumps": list(seen.jumps)}


def apply(family: str = "ipv4") -> bool:
    """
    Load the chain that the pillar asks for, in one transaction; all other chains and rules stay.

    family
        ``ipv4`` (default) or ``ipv6``.

    Returns whether anything had to change. Raises ``ConfigError`` and ``CommandFailed``.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_firewall.apply
    """
    rules = __salt__["hamysql.config"]()["firewall"]["rules"].get(_known(family))
    seen = _read(family)
    if rules is None or iptables.converged(seen, rules):
        return False
    _restore(family, iptables.restore_text(rules, len(seen.jumps)))
    return True


def remove(family: str = "ipv4") -> bool:
    """
    Take the chain away.

    family
        ``ipv4`` (default) or ``ipv6``.

    Returns whether there was one. Raises ``CommandFailed``.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_firewall.remove
    """
    seen = _read(family)
    if not seen.exists:
        return False
    _restore(family, iptables.removal_text(seen))
    return True


def _known(family: str) -> str:
    if family not in TOOLS:
        raise SaltInvocationError(f"family is {family!r}, expected ipv4 or ipv6")
    return family


def _read(family: str) -> iptables.Observed:
    # Without -t: naming a table that the kernel has not got yet makes it.
    return iptables.parse(run([f"{TOOLS[_known(family)]}-save"]).stdout)


def _restore(family: str, text: str) -> None:
    run([f"{TOOLS[family]}-restore", "-w", "10", "--noflush"], stdin=text)
