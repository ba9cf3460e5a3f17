"""
The files of the database clients' TLS, from the pillar ``hamysql:mysql:tls``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from salt.exceptions import CommandExecutionError

if TYPE_CHECKING:
    from typing import Any

    from injected import __opts__, __salt__

__virtualname__ = "hamysql_tls"


def __virtual__() -> str:
    return __virtualname__


def installed(name: str) -> dict[str, Any]:
    """
    The pillar's certificate, key and authorities are on this node, as one set that was judged before it took the old one's place.

    name
        Only a label: everything comes from the pillar, so that no key is ever a state's argument.

    It warns, without a change, of a certificate that expires within 30 days.

    .. code-block:: yaml

        hamysql-mysql-tls-installed:
          hamysql_tls.installed: []
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": "Certificate, key and authorities are the pillar's."}
    try:
        verdict, pending = __salt__["hamysql_tls.judge"](), __salt__["hamysql_tls.pending"]()
        told = [_sentence(problem) for problem in verdict["warnings"]]
        if told:
            ret["warnings"] = told
        if verdict["refused"]:
            lines = [f"  - {_sentence(problem)}" for problem in verdict["refused"]]
            return {**ret, "result": False, "comment": "\n".join(["No file was changed:", *lines])}
        if not pending:
            return ret
        if __opts__["test"]:
            return {**ret, "result": None, "changes": pending, "comment": "These files would be changed together."}
        __salt__["hamysql_tls.install"]()
        left = __salt__["hamysql_tls.pending"]()
    except CommandExecutionError as exc:
        return {**ret, "result": False, "comment": str(exc)}
    ret["changes"] = {path: what for path, what in pending.items() if left.get(path) != what}
    if left:
        return {**ret, "result": False, "comment": f"Looked at again, it still differs: {', '.join(left)}."}
    return {**ret, "comment": "These files were changed together."}


def _sentence(problem: dict[str, Any]) -> str:
    return f"{problem['path']}: found {problem['found']}, expected {problem['expected']}"
