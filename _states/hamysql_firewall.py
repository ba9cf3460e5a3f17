"""
The node's own packet filter chain, as the pillar asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hamysql.errors import CommandFailed, HamysqlError
from hamysql.firewall import backends
from hamysql.ports import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from injected import __opts__, __salt__

    from hamysql.firewall.face import Firewall, Seen

__virtualname__ = "hamysql_firewall"

_NO_PROGRAM = 127


def __virtual__() -> str:
    return __virtualname__


def managed(name: str) -> dict[str, Any]:
    """
    Have hamysql's own rules in the kernel as the pillar asks for them, in front of all others.

    name
        Only a label.

    .. code-block:: yaml

        hamysql-firewall-chain-managed:
          hamysql_firewall.managed: []
    """
    config = __salt__["hamysql.config"]()["firewall"]
    firewall = backends.named(config["backend"])
    return _manage(name, firewall, config["rules"], __salt__["hamysql_firewall.apply"], "as the pillar asks")


def absent(name: str, backend: str = backends.AUTO) -> dict[str, Any]:
    """
    Have none of hamysql's own rules in the kernel.

    name
        Only a label.
    backend
        The kind of firewall, as ``firewall:backend`` in the pillar; ``auto`` by default.

    .. code-block:: yaml

        hamysql-firewall-chain-absent:
          hamysql_firewall.absent: []
    """

    def remove(family: str) -> None:
        __salt__["hamysql_firewall.remove"](family, backend)

    return _manage(name, backends.named(backend), dict.fromkeys(FAMILIES), remove, "gone")


def _manage(
    name: str,
    firewall: Firewall[Any],
    wanted: Mapping[str, Sequence[str] | None],
    act: Callable[[str], Any],
    done: str,
) -> dict[str, Any]:
    """Read, compare, stop if there is nothing to do or in test mode, act, read again."""
    ret: dict[str, Any] = {
        "name": name,
        "result": True,
        "changes": {},
        "comment": f"The {firewall.what} is {done}.",
    }
    try:
        for family, rules in wanted.items():
            before = _read(firewall, family)
            if _as_wanted(firewall, before, rules):
                continue
            if __opts__["test"]:
                ret["changes"][family] = {"old": before.lines, "new": firewall.loaded(rules).lines}
                continue
            act(family)
            after = _read(firewall, family)
            ret["changes"][family] = {"old": before.lines, "new": after.lines}
            if not _as_wanted(firewall, after, rules):
                ret["result"] = False
                ret["comment"] = f"The {family} {firewall.what} is not what was loaded: something else changes it."
                return ret
    except HamysqlError as exc:
        return {**ret, "result": False, "comment": str(exc)}
    if ret["changes"] and __opts__["test"]:
        return {**ret, "result": None, "comment": f"The {firewall.what} would be changed."}
    return ret


def _read(firewall: Firewall[Any], family: str) -> Seen:
    try:
        seen: Seen = firewall.seen(__salt__["hamysql_firewall.read"](family, firewall.name))
    except CommandFailed as exc:
        if exc.returncode == _NO_PROGRAM and __opts__["test"] and _is_installed_first():
            nothing: Seen = firewall.loaded(None)
            return nothing
        raise
    return seen


def _is_installed_first() -> bool:
    """Whether the packages, which come before the chain, bring the tool."""
    package = __salt__["hamysql.config"]()["package"]
    return bool(package["firewall"]) and set(package["firewall"]) <= set(package["names"])


def _as_wanted(firewall: Firewall[Any], seen: Seen, rules: Sequence[str] | None) -> bool:
    return not seen.exists if rules is None else firewall.converged(seen, rules)
