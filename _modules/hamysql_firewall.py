"""
The node's own packet filter rules: what the kernel holds of them, and their one atomic change.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from salt.exceptions import SaltInvocationError

from hamysql.firewall import backends, settings
from hamysql.ports import FAMILIES
from hamysql.system.command import run

if TYPE_CHECKING:
    from typing import Any

    from injected import __salt__

    from hamysql.firewall.face import Firewall

__virtualname__ = "hamysql_firewall"


def __virtual__() -> str:
    return __virtualname__


def read(family: str = "ipv4", backend: str = backends.AUTO) -> dict[str, Any]:
    """
    Return what the kernel holds of hamysql's own rules: ``exists``, and the rules with their place in the firewall's own words.

    family
        ``ipv4`` (default) or ``ipv6``.
    backend
        The kind of firewall, as ``firewall:backend`` in the pillar; ``auto`` by default.

    Raises ``CommandFailed``, for example where the program is not installed.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_firewall.read
    """
    seen: dict[str, Any] = _named(backend).read(run, _known(family)).plain()
    return seen


def obstacles() -> list[str]:
    """
    Return the rules of others that certainly drop what the cluster needs, in spite of hamysql's own: a sentence for each.

    Only a firewall in which others have the last word has any. Raises ``ConfigError`` and ``CommandFailed``.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_firewall.obstacles
    """
    config = __salt__["hamysql.config"]()["firewall"]
    found: list[str] = _named(config["backend"]).obstacles(run, settings.from_outside(config))
    return found


def left() -> dict[str, list[str]]:
    """
    Return which files of hamysql's are on this node, of each firewall that has any.

    Of a firewall that the pillar no longer names, they say that its rules may be loaded, too.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_firewall.left
    """
    found = {one.name: [file for file in one.files if os.path.lexists(file)] for one in backends.BACKENDS.values()}
    return {name: files for name, files in found.items() if files}


def apply(family: str = "ipv4") -> bool:
    """
    Load the rules that the pillar asks for, in one transaction; all others stay.

    family
        ``ipv4`` (default) or ``ipv6``.

    Returns whether anything had to change. Raises ``ConfigError`` and ``CommandFailed``.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_firewall.apply
    """
    config = __salt__["hamysql.config"]()["firewall"]
    firewall, rules = _named(config["backend"]), config["rules"].get(_known(family))
    seen = firewall.read(run, family)
    if rules is None or firewall.converged(seen, rules):
        return False
    firewall.load(run, family, rules, seen)
    return True


def remove(family: str = "ipv4", backend: str = backends.AUTO) -> bool:
    """
    Take hamysql's own rules away.

    family
        ``ipv4`` (default) or ``ipv6``.
    backend
        The kind of firewall, as ``firewall:backend`` in the pillar; ``auto`` by default.

    Returns whether there were any. Raises ``CommandFailed``.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_firewall.remove
    """
    firewall = _named(backend)
    seen = firewall.read(run, _known(family))
    if not seen.exists:
        return False
    firewall.remove(run, family, seen)
    return True


def _named(backend: str) -> Firewall[Any]:
    try:
        return backends.named(backend)
    except KeyError:
        known = " or ".join((backends.AUTO, *backends.BACKENDS))
        raise SaltInvocationError(f"backend is {backend!r}, expected {known}") from None


def _known(family: str) -> str:
    if family not in FAMILIES:
        raise SaltInvocationError(f"family is {family!r}, expected ipv4 or ipv6")
    return family
