"""``status``: what runs where, collected from all nodes at once, with whatever of them is alive."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lab.basics.context import Lab
from lab.basics.errors import LabError
from lab.basics.topology import Node
from lab.machines import node
from lab.software import probe, settings
from lab.wires import network

LOOK = r"""
echo '== drbd'; cat /proc/drbd 2>/dev/null
echo '== path'; cat /sys/class/iscsi_session/*/state 2>/dev/null; grep -s ' nfs4 ' /proc/mounts
echo '== crm_mon'; command -v crm_mon >/dev/null && timeout 8 crm_mon -1 --output-as=xml 2>/dev/null
echo '== end'
"""
DRBD = re.compile(r"^\s*\d+: cs:(?P<connection>\S+) ro:(?P<role>\w+)/\w+ ds:(?P<disk>\w+)/\w+", re.MULTILINE)
TIMEOUT = 15  # seconds for one node


def collect(lab: Lab) -> dict[str, Any]:
    """What ``status --json`` prints.

    Returns ``{"cluster": name, "vip": address, "active": node or None, "database": whether it answers on the virtual IP,
    "backend": what the pillar says the data is on ("drbd", "shared" or "nfs"), "nodes": {name: {"power": "on", "off" or
    "frozen", "reachable": by ssh, "member": online in the cluster, "drbd": {"role", "disk", "connection"} or None, "path": to a
    SAN or a file server: the iSCSI session's state ("logged_in", "failed", "free"), "mounted", or None}}}``.
    """
    nodes = lab.topology.data_nodes
    report: dict[str, Any] = {"cluster": None, "vip": None, "active": None, "database": False, "backend": None}
    report["nodes"] = {}
    try:
        known = settings.read(lab)
        report |= {"cluster": known.cluster, "vip": known.vip, "backend": known.backend}
    except LabError:
        pass  # nothing was ever started
    if not network.exists(lab):
        report["nodes"] = {item.name: _dead("off") for item in nodes}
        return report
    with ThreadPoolExecutor() as pool:
        answers = pool.submit(probe.ping, lab)
        looks = list(pool.map(lambda item: _look(lab, item), nodes))
        report["database"] = answers.result()[0]
    online, active = _cluster_view([view for _, view in looks if view is not None])
    for item, (facts, _) in zip(nodes, looks, strict=True):
        facts["member"] = item.name in online
        report["nodes"][item.name] = facts
    report["active"] = active
    return report


def _dead(power: str) -> dict[str, Any]:
    return {"power": power, "reachable": False, "member": False, "drbd": None, "path": None}


def _look(lab: Lab, item: Node) -> tuple[dict[str, Any], ET.Element | None]:
    """One node's facts, and pacemaker's view of the cluster from there."""
    power = node.power_status(lab, item)
    if power != "on":
        return _dead(power), None
    try:
        out = node.ssh(lab, item, LOOK, timeout=TIMEOUT).stdout
    except LabError:
        return _dead(power), None
    drbd = DRBD.search(_section(out, "drbd"))
    facts: dict[str, Any] = {"power": power, "reachable": True, "member": False}
    facts["drbd"] = {key: drbd[key] for key in ("role", "disk", "connection")} if drbd else None
    facts["path"] = _path(_section(out, "path"))
    try:
        return facts, ET.fromstring(_section(out, "crm_mon"))
    except ET.ParseError:
        return facts, None  # not installed, or pacemaker does not run


def _path(text: str) -> str | None:
    """The states of a node's iSCSI sessions, or that it has something mounted from a file server."""
    states = {"mounted" if " nfs4 " in line else line.lower() for line in text.splitlines()}
    return ", ".join(sorted(states)) or None


def _section(text: str, name: str) -> str:
    return ("\n" + text.partition(f"== {name}\n")[2]).partition("\n== ")[0].lstrip("\n")


def _cluster_view(views: list[ET.Element]) -> tuple[set[str], str | None]:
    """The online members and the node that runs the database, from the view with quorum (or any, without one)."""

    def quorate(view: ET.Element) -> bool:
        dc = view.find("summary/current_dc")
        return dc is not None and dc.get("with_quorum") == "true"

    views = [view for view in views if view.find("nodes") is not None]
    if not views:
        return set(), None
    view = max(views, key=quorate)
    online = {item.get("name", "") for item in view.findall("nodes/node") if item.get("online") == "true"}
    for resource in view.iter("resource"):
        if resource.get("id") == "p_mysql" and resource.get("role") == "Started" and resource.get("failed") != "true":
            host = resource.find("node")
            if host is not None:
                return online, host.get("name")
    return online, None
