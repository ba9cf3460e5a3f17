"""What fence devices say of a node: asked directly, pacemaker is not needed."""

from __future__ import annotations

from collections.abc import Mapping

from hamysql.errors import CommandFailed, Refused
from hamysql.resolved.cluster import Fencing
from hamysql.system.command import Run


def of(run: Run, fencing: Fencing, node: str) -> dict[str, str]:
    """Each device of a node, and what it says of the node's power: "on", "off" or "unknown"."""
    return {
        device["id"]: _ask(run, device["agent"], node, {**device["options"], **device["secrets"]}, device["timeout"])
        for device in fencing["devices"]
        if device["node"] == node
    }


def registered(run: Run, fencing: Fencing, node: str, key_of: str | None = None) -> bool:
    """Whether a node is registered with the shared LUN. Raises ``Refused`` where nothing is reserved.

    key_of
        The node of the pillar that has the same id, where ``node`` is not in the pillar any more; ``node`` itself by default.
    """
    device = fencing["reservations"]
    if not device:
        raise Refused("hamysql:storage:shared:reservations: nothing is reserved in this cluster")
    options = dict(device["options"])
    if device["agent"] == "fence_mpath":
        options["key"] = device["keys"][key_of or node]
    return _ask(run, device["agent"], node, options, device["timeout"]) == "on"


def _ask(run: Run, agent: str, node: str, given: Mapping[str, str], timeout: int) -> str:
    """fence agents take their options on standard input, and end with 0 for on, 2 for off (FenceAgentAPI)."""
    options = {"action": "status", "port": node, **given}
    if "plug" in options:
        del options["port"]
    text = "".join(f"{name}={value!s}\n" for name, value in options.items() if not name.startswith("pcmk_"))
    try:
        result = run([agent], stdin=text, timeout=timeout, accept=(0, 2))
    except CommandFailed:
        return "unknown"
    return "off" if result.returncode == 2 else "on"
