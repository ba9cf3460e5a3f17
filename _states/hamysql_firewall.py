"""
The node's own packet filter chain, as the pillar asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hamysql.errors import CommandFailed, HamysqlError
from hamysql.firewall import iptables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from injected import __opts__, __salt__

__virtualname__ = "hamysql_firewall"

_NO_PROGRAM = 127


def __virtual__() -> str:
    return __virtualname__


def managed(name: str) -> dict[str, Any]:
    """
    Have the chain HAMYSQL in the kernel as the pillar asks for it, and INPUT enter it first.

    name
        Only a label.

    .. code-block:: yaml

        hamysql-firewall-chain-managed:
          hamysql_firewall.managed: []
    """
    wanted = __salt__["hamysql.config"]()["firewall"]["rules"]
    return _manage(name, wanted, __salt__["hamysql_firewall.apply"], "as the pillar asks")


def absent(name: str) -> dict[str, Any]:
    """
    Have no chain HAMYSQL in the kernel.

    name
        Only a label.

    .. code-block:: yaml

        hamysql-firewall-chain-absent:
          hamysql_firewall.absent: []
    """
    return _manage(name, dict.fromkeys(iptables.FAMILIES), __salt__["hamysql_firewall.remove"], "gone")


def _manage(
    name: str, wanted: Mapping[str, Sequence[str] | None], act: Callable[..., Any], done: str
) -> dict[str, Any]:
    """Read, compare, stop if there is nothing to do or in test mode, act, read again."""
    ret: dict[str, Any] = {
        "name": name,
        "result": True,
        "changes": {},
        "comment": f"The chain {iptables.CHAIN} is {done}.",
    }
    try:
        for family, rules in wanted.items():
            before = _read(family)
            if _as_wanted(before, rules):
                continue
            change = {
                "old": before.lines,
                "new": [] if rules is None else iptables.Observed(True, tuple(rules), (0,)).lines,
            }
            if __opts__["test"]:
                ret["changes"][family] = change
                continue
            act(family)
            after = _read(family)
            ret["changes"][family] = {"old": before.lines, "new": after.lines}
            if not _as_wanted(after, rules):
                ret["result"] = False
                ret["comment"] = (
                    f"The {family} chain {iptables.CHAIN} is not what was loaded: something else changes it."
                )
                return ret
    except HamysqlError as exc:
        return {**ret, "result": False, "comment": str(exc)}
    if ret["changes"] and __opts__["test"]:
        return {**ret, "result": None, "comment": f"The chain {iptables.CHAIN} would be changed."}
    return ret


def _read(family: str) -> iptables.Observed:
    try:
        seen = __salt__["hamysql_firewall.read"](family)
    except CommandFailed as exc:
        if exc.returncode == _NO_PROGRAM and __opts__["test"] and _is_installed_first():
            return iptables.Observed(False, (), ())
        raise
    return iptables.Observed(seen["exists"], tuple(seen["rules"]), tuple(seen["jumps"]))


def _is_installed_first() -> bool:
    """Whether the packages, which come before the chain, bring the tool."""
    package = __salt__["hamysql.config"]()["package"]
    return bool(package["firewall"]) and set(package["firewall"]) <= set(package["names"])


def _as_wanted(seen: iptables.Observed, rules: Sequence[str] | None) -> bool:
    return not seen.exists if rules is None else iptables.converged(seen, rules)
