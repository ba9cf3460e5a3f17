"""Fencing by SCSI-3 persistent reservations on the shared LUN: who is not registered with the LUN cannot write to it. Pure.

It does not switch a node off: a node that is cut off goes on running, gets errors from the LUN, and has to be started anew. The
LUN itself settles a tie: of two nodes that cut each other off at the same moment, the second is not registered any more.
Sources: fence_scsi(8), fence_mpath(8); Pacemaker Explained, "Fencing", on unfencing; SPC-3, "Persistent reservations".
"""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ET

from hamysql.cib import build as cib_build
from hamysql.cib import names as cib_names
from hamysql.resolved.cluster import Reservations
from hamysql.schema.values import Config


def device(config: Config, timeout: int, delay: int, favoured: str) -> Reservations:
    """The one fence device that cuts off either node: ``{"id", "agent", "options", "timeout", "delays": {node:
    seconds}, "keys"}``; ``{}`` without one.

    It runs on both nodes, also on the one that it cuts off: a node that joins registers itself (unfencing, action ``on``).
    """
    reserved = config["storage"]["reservations"]
    if not reserved:
        return {}
    kind = reserved["type"]
    nodes = config["cluster"]["nodes"]
    keys = {name: key(config["cluster"]["name"], node["id"]) for name, node in nodes.items()}
    options = {
        "devices": reserved["device"],
        "pcmk_host_check": "static-list",
        "pcmk_host_list": ",".join(nodes),
    }
    if kind == "mpath":
        # multipathd registers each path that comes back with the key of its own configuration; the agent has to use the same.
        options |= {
            "pcmk_host_map": ";".join(f"{name}:{value}" for name, value in keys.items()),
            "pcmk_host_argument": "key",
        }
    # The agents know no reboot. Their monitor wants files that only exist on a node that is registered, so it fails at each start.
    options |= {"pcmk_reboot_action": "off", "pcmk_monitor_action": "metadata"}
    options |= {f"pcmk_{action}_timeout": f"{timeout}s" for action in ("reboot", "off", "on")}
    delays = {favoured: delay} if delay and favoured in nodes else {}
    if delays:
        options["pcmk_delay_base"] = f"{favoured}:{delay}s"
    return {
        "id": f"{cib_names.FENCE}{kind}",
        "agent": f"fence_{kind}",
        "options": options,
        "timeout": timeout,
        "delays": delays,
        "keys": keys,
    }


def key(cluster: str, number: int) -> str:
    """A node's registration key for ``fence_mpath``: 8 hexadecimal digits, never with a leading zero, which tools leave out."""
    return f"1{hashlib.md5(cluster.encode(), usedforsecurity=False).hexdigest()[:3]}{number:04d}"


def element(found: Reservations, monitor: int) -> ET.Element:
    """The device in the CIB. ``provides=unfencing`` has pacemaker register a node before anything starts on it."""
    return cib_build.fence_device(found, monitor, found["options"], {"provides": "unfencing"})
