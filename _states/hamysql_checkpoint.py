"""
A checkpoint of this node's configuration before it is changed: the second state of what a highstate applies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from salt.exceptions import CommandExecutionError

if TYPE_CHECKING:
    from typing import Any

    from injected import __opts__, __salt__

__virtualname__ = "hamysql_checkpoint"


def __virtual__() -> str:
    return __virtualname__


def kept(name: str) -> dict[str, Any]:
    """
    The present configuration is kept in a checkpoint, unless the newest one has it already. It is no change, since nothing uses it.

    name
        Only a label.

    Where it cannot be kept, nothing behind this state is changed.

    .. code-block:: yaml

        hamysql-checkpoint-kept:
          hamysql_checkpoint.kept: []
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    if __opts__["test"]:
        return {**ret, "comment": "What there is would be kept before it is changed."}
    try:
        found = __salt__["hamysql_checkpoint.keep"]()
    except (CommandExecutionError, OSError) as exc:
        return {**ret, "result": False, "comment": f"The configuration cannot be kept before it is changed: {exc}"}
    return {**ret, "comment": f"The checkpoint {found} has it." if found else "There is no configuration yet."}
