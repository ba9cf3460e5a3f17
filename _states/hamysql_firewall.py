"""
The node's own packet filter rules, as the pillar asks for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hamysql.errors import CommandFailed, HamysqlError, Refused
from hamysql.firewall import backends
from hamysql.firewall.face import NO_PROGRAM
from hamysql.ports import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from injected import __opts__, __salt__

    from hamysql.firewall.face import Firewall, Seen

__virtualname__ = "hamysql_firewall"


def __virtual__() -> str:
    return __virtualname__


def managed(name: str) -> dict[str, Any]:
    """
    Have hamysql's own rules in the kernel as the pillar asks for them, in front of all others.

    name
        Only a label.

    It refuses where rules of others drop what the cluster needs, and hamysql's own cannot help that.

    .. code-block:: yaml

        hamysql-firewall-chain-managed:
          hamysql_firewall.managed: []
    """
    config = __salt__["hamysql.config"]()["firewall"]
    firewall = backends.named(config["backend"])
    try:
        _see_to_the_others(firewall)
    except HamysqlError as exc:
        return {"name": name, "result": False, "changes": {}, "comment": str(exc)}
    return _manage(name, firewall, config["rules"], __salt__["hamysql_firewall.apply"], "as the pillar asks")


def absent(name: str, backend: str = backends.AUTO) -> dict[str, Any]:
    """
    Have none of hamysql's own rules in the kernel. Without the firewall's program there are none.

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
        # All of them first: a firewall may have both families in one place, which is changed once.
        found = {family: _read(firewall, family, rules is not None) for family, rules in wanted.items()}
        for family, rules in wanted.items():
            before = found[family]
            if _as_wanted(firewall, before, rules):
                continue
            if __opts__["test"]:
                ret["changes"][family] = {"old": before.lines, "new": firewall.loaded(rules).lines}
                continue
            act(family)
            after = _read(firewall, family, rules is not None)
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


def _see_to_the_others(firewall: Firewall[Any]) -> None:
    try:
        found = __salt__["hamysql_firewall.obstacles"]()
    except CommandFailed as exc:
        if _is_to_come(firewall, exc):
            return
        raise
    if found:
        raise Refused(
            "rules of this system's own drop what the cluster needs, and nothing was changed. Accept it there, or choose another "
            "hamysql:firewall:backend:\n" + "\n".join(f"  - {sentence}" for sentence in found)
        )


def _read(firewall: Firewall[Any], family: str, wanted: bool) -> Seen:
    seen: Seen
    try:
        seen = firewall.seen(__salt__["hamysql_firewall.read"](family, firewall.name))
    except CommandFailed as exc:
        if not _is_to_come(firewall, exc) and (wanted or exc.returncode != NO_PROGRAM):
            raise
        seen = firewall.loaded(None)
    return seen


def _is_to_come(firewall: Firewall[Any], exc: CommandFailed) -> bool:
    """Whether its program is only missing as test mode installs nothing: the packages come before the rules."""
    package = __salt__["hamysql.config"]()["package"]
    own = package["firewall"].get(firewall.name, ())
    return exc.returncode == NO_PROGRAM and __opts__["test"] and bool(own) and set(own) <= set(package["names"])


def _as_wanted(firewall: Firewall[Any], seen: Seen, rules: Sequence[str] | None) -> bool:
    return not seen.exists if rules is None else firewall.converged(seen, rules)
