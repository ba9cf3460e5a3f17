"""
Changes of the pillar while the cluster is in service: the first and the last state of what a highstate applies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from salt.exceptions import CommandExecutionError

from hamysql import pending

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from injected import __opts__, __pillar__, __salt__

__virtualname__ = "hamysql_change"


def __virtual__() -> str:
    return __virtualname__


def possible(name: str) -> dict[str, Any]:
    """
    The pillar asks for nothing that cannot be changed in place; else nothing behind this state is touched.

    name
        Only a label.

    .. code-block:: yaml

        hamysql-change-possible:
          hamysql_change.possible: []
    """
    ret = {
        "name": name,
        "result": True,
        "changes": {},
        "comment": "Nothing that is in service stands against the pillar.",
    }
    try:
        # Of the job, from hamysql.orch.migrate_storage; never of the pillar's files.
        moving = __pillar__.get("hamysql_migration")
        refused = __salt__["hamysql_change.refused"](**({"moving": moving} if moving else {}))
    except CommandExecutionError as exc:
        return {**ret, "result": False, "comment": str(exc)}
    if refused:
        return {**ret, "result": False, "comment": "\n".join(["This cannot be changed in place:", *_listed(refused)])}
    return ret


def units_read(name: str) -> dict[str, Any]:
    """
    systemd has read the files of its units again; nothing is started, stopped or restarted. For `onchanges`.

    name
        Only a label.

    .. code-block:: yaml

        hamysql-pacemaker-unit-read:
          hamysql_change.units_read:
            - onchanges:
              - file: hamysql-pacemaker-hand-over-unit-managed
    """
    changes = {"systemd": "reads the files of its units again"}
    if __opts__["test"]:
        return {"name": name, "result": None, "changes": changes, "comment": "systemd would read its units again."}
    try:
        __salt__["hamysql_change.read_units"]()
    except CommandExecutionError as exc:
        return {"name": name, "result": False, "changes": {}, "comment": str(exc)}
    return {"name": name, "result": True, "changes": changes, "comment": "systemd has read its units again."}


def applied(name: str) -> dict[str, Any]:
    """
    The running services have taken over what they can without an interruption. What has to wait for a restart, or for the other
    node, is told, and is no change: that is the orchestration's.

    name
        Only a label.

    .. code-block:: yaml

        hamysql-change-applied:
          hamysql_change.applied: []
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    try:
        found = _look()
        live = pending.of_kind(pending.LIVE, found)
        if not live:
            return {**ret, "comment": _comment("Nothing is to be applied.", found)}
        if __opts__["test"]:
            changes = {item.path: {"old": item.old, "new": item.new} for item in live}
            return {**ret, "result": None, "changes": changes, "comment": _comment("It would be applied.", found)}
        try:
            ret["changes"] = __salt__["hamysql_change.apply"]()
        except CommandExecutionError as exc:
            still = {item.path for item in _look()}
            done = {item.path: {"old": item.old, "new": item.new} for item in live if item.path not in still}
            return {**ret, "result": False, "changes": done, "comment": str(exc)}
        left = _look()
    except CommandExecutionError as exc:
        return {**ret, "result": False, "comment": str(exc)}
    if pending.of_kind(pending.LIVE, left):
        paths = ", ".join(item.path for item in pending.of_kind(pending.LIVE, left))
        return {**ret, "result": False, "comment": _comment(f"Looked at again, it still differs: {paths}.", left)}
    return {**ret, "comment": _comment("Applied without an interruption.", left)}


def _look() -> tuple[pending.Pending, ...]:
    return pending.from_dicts(__salt__["hamysql_change.pending"]())


def _comment(first: str, found: Sequence[pending.Pending]) -> str:
    waiting = [*pending.of_kind(pending.BOTH, found), *pending.of_kind(pending.RESTART, found)]
    return "\n".join([first, *(["Pending:", *_listed(waiting)] if waiting else [])])


def _listed(sentences: Iterable[object]) -> list[str]:
    return [f"  - {sentence}" for sentence in sentences]
