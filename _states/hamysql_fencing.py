"""
Fencing, as far as a highstate has to say something about it.
"""

from __future__ import annotations

__virtualname__ = "hamysql_fencing"


def __virtual__():
    return __virtualname__


def enabled(name):
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
