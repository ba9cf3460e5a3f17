"""
Fencing, as far as a highstate has to say something about it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from salt.exceptions import CommandExecutionError

if TYPE_CHECKING:
    from typing import Any

    from injected import __opts__, __salt__

__virtualname__ = "hamysql_fencing"


def __virtual__() -> str:
    return __virtualname__


def enabled(name: str) -> dict[str, Any]:
    """
    Each node has a fence device, or the pillar has opted out of that: then each run warns, without a change.

    name
        Only a label.

    .. code-block:: yaml

        hamysql-fencing-enabled:
          hamysql_fencing.enabled: []
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": "Each node has a fence device."}
    if warnings := __salt__["hamysql.settings"]()["warnings"]:
        return {**ret, "comment": "\n".join(f"WARNING: {warning}" for warning in warnings), "warnings": warnings}
    return ret


def key_read(name: str) -> dict[str, Any]:
    """
    A multipathd that runs has read its configuration again; one that does not run reads it when it starts.

    name
        Only a label. Meant for ``onchanges`` of the file with this node's registration key.

    .. code-block:: yaml

        hamysql-storage-multipath-key-read:
          hamysql_fencing.key_read:
            - onchanges:
              - file: hamysql-storage-multipath-key-managed
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": "multipathd does not run."}
    if __opts__["test"]:
        return {**ret, "result": None, "comment": "A multipathd that runs would read its configuration again."}
    try:
        if __salt__["hamysql_fencing.read_key"]():
            ret |= {
                "changes": {"multipathd": "reconfigured"},
                "comment": "multipathd has read its configuration again.",
            }
    except CommandExecutionError as exc:
        return {**ret, "result": False, "comment": str(exc)}
    return ret
