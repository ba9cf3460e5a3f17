"""
The cluster's configuration (the CIB), as far as hamysql owns it. For one node of the cluster, whichever runs pacemaker.

Nothing is an argument: the states read the ``hamysql`` pillar themselves, since a ``crm configure`` text can hold passwords.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from salt.exceptions import CommandExecutionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from injected import __opts__, __salt__

__virtualname__ = "hamysql_cib"


def __virtual__() -> str:
    return __virtualname__


def managed(name: str) -> dict[str, Any]:
    """
    The cluster has the pillar's resources, constraints, properties and defaults; what others put there stays.

    name
        Only a label.

    .. code-block:: yaml

        hamysql-cib-resources-managed:
          hamysql_cib.managed: []
    """
    return _manage(name, __salt__["hamysql_cib.diff"], __salt__["hamysql_cib.apply"])


def configured(name: str) -> dict[str, Any]:
    """
    The cluster has what the pillar's own ``crm configure`` text makes, and no more what an earlier one made.

    name
        Only a label.

    .. code-block:: yaml

        hamysql-cib-configure-text-loaded:
          hamysql_cib.configured: []
    """
    configure = __salt__["hamysql_cib.configure"]
    return _manage(name, lambda: configure(test=True), configure)


def _manage(name: str, look: Callable[..., Any], act: Callable[..., Any]) -> dict[str, Any]:
    """Read and compare, stop if nothing differs or in test mode, act, read again."""
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    try:
        seen = look()
        if not seen["changes"]:
            return {**ret, "comment": _comment("The cluster is configured as the pillar says.", seen)}
        if __opts__["test"]:
            said = f"{_count(seen)} would be made in one step."
            return {**ret, "result": None, "changes": _changes(seen), "comment": _comment(said, seen, "would")}
        done = act()
        ret["changes"] = _changes(done)
        left = look()
    except CommandExecutionError as exc:
        return {**ret, "result": False, "comment": str(exc)}
    if left["changes"]:
        ids = ", ".join(change["id"] for change in left["changes"])
        return {**ret, "result": False, "comment": _comment(f"Read again, it still differs in {ids}.", left)}
    return {
        **ret,
        "comment": _comment(f"{_count(done)} made in one step.", {**left, "actions": done["actions"]}, "does"),
    }


def _changes(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {change["id"]: {"old": change["old"], "new": change["new"]} for change in found["changes"]}


def _count(found: dict[str, Any]) -> str:
    count = len(found["changes"])
    return f"{count} change{'' if count == 1 else 's'}"


def _comment(first: str, found: dict[str, Any], verb: str = "") -> str:
    lines = [first]
    if verb and found["actions"]:
        lines += [
            "What pacemaker would do:" if verb == "would" else "What pacemaker does about it:",
            *_listed(found["actions"]),
        ]
    if found["drift"]:
        lines += ["Manual changes that stay in effect:", *_listed(found["drift"])]
    return "\n".join(lines)


def _listed(sentences: Iterable[object]) -> list[str]:
    return [f"  - {sentence}" for sentence in sentences]
