"""
This node's session with the iSCSI target that holds the data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from salt.exceptions import CommandExecutionError

if TYPE_CHECKING:
    from typing import Any

    from injected import __opts__, __salt__

__virtualname__ = "hamysql_iscsi"


def __virtual__() -> str:
    return __virtualname__


def logged_in(name: str) -> dict[str, Any]:
    """
    The node is logged in to the pillar's target, and will be at boot. A session that is there is never ended, nothing is mounted.

    name
        Only a label: target, portal and password come from the pillar.

    .. code-block:: yaml

        hamysql-storage-iscsi-logged-in:
          hamysql_iscsi.logged_in: []
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": "The node is logged in."}
    try:
        pending = __salt__["hamysql_iscsi.pending"]()
        if not pending:
            return ret
        if __opts__["test"]:
            return {
                **ret,
                "result": None,
                "changes": pending,
                "comment": "The node would log in, or its record be changed.",
            }
        try:
            __salt__["hamysql_iscsi.apply"]()
        except CommandExecutionError as exc:
            return {**ret, "result": False, "changes": _done(pending, _look()), "comment": str(exc)}
        left = _look()
    except CommandExecutionError as exc:
        return {**ret, "result": False, "comment": str(exc)}
    ret["changes"] = _done(pending, left)
    if left:
        return {**ret, "result": False, "comment": f"Looked at again, it still differs: {', '.join(left)}."}
    return ret


def _look() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = __salt__["hamysql_iscsi.pending"]()
    return found


def _done(before: dict[str, dict[str, Any]], left: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {key: change for key, change in before.items() if key not in left}
