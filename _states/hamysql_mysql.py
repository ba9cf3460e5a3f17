"""
The pillar's databases, users and grants, on the node where the database is active.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from salt.exceptions import CommandExecutionError

if TYPE_CHECKING:
    from typing import Any

    from injected import __opts__, __salt__

__virtualname__ = "hamysql_mysql"


def __virtual__() -> str:
    return __virtualname__


def managed(name: str) -> dict[str, Any]:
    """
    The databases, users and grants of the pillar are on the server; others are left alone.

    name
        An id; everything else comes from the ``hamysql`` pillar, so that no password is ever a state's argument.

    .. code-block:: yaml

        hamysql-mysql-accounts-managed:
          hamysql_mysql.managed
    """
    ret: dict[str, Any] = {
        "name": name,
        "changes": {},
        "result": True,
        "comment": "databases, users and grants are as in the pillar",
    }
    refused = ""
    try:
        pending = __salt__["hamysql_mysql.pending"]()
        if not pending:
            return ret
        if __opts__["test"]:
            return {**ret, "result": None, "changes": pending, "comment": f"{len(pending)} changes would be made"}
        try:
            __salt__["hamysql_mysql.apply"]()
        except CommandExecutionError as exc:
            refused = str(exc)
        left = __salt__["hamysql_mysql.pending"]()
    except CommandExecutionError as exc:
        return {**ret, "result": False, "comment": refused or str(exc)}
    ret["changes"] = {change: what for change, what in pending.items() if left.get(change) != what}
    if refused:
        return {**ret, "result": False, "comment": refused}
    if left:
        return {**ret, "result": False, "comment": f"still different afterwards: {', '.join(left)}"}
    return {**ret, "comment": f"{len(ret['changes'])} changes made"}
