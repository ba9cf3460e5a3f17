"""What programs print of a node in a known state, in the form in which the product reads it."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from hamysql.cib.status import Cluster, Node, Resource
from hamysql.storage.drbd.status import Status

NODE = {"online": True, **dict.fromkeys(("standby", "maintenance", "pending", "unclean", "shutdown"), False)}
NO_SERVER = "ERROR 2002 (HY000): Can't connect to local server"


def module(version: str) -> str:
    """How ``/proc/drbd`` begins."""
    return f"version: {version} (api:1/proto:86-101)\n"


MODULE = module("8.4.11")


def proc(seen: Status) -> str:
    """The first device's lines in ``/proc/drbd``."""
    words = f"cs:{seen.connection} ro:{seen.role}/{seen.peer_role} ds:{seen.disk}/{seen.peer_disk}"
    flags = "s-----" if seen.held else "r-----"
    return f" 0: {words} C {flags}\n    ns:0 nr:0 dw:0 dr:0 al:8 bm:0 lo:0 pe:0 ua:0 ap:0 ep:1 wo:f oos:{seen.out_of_sync}\n"


def show(site: Any, disk: str) -> str:
    """``drbdsetup show`` of the resource in a node's kernel, as far as the product itself compares it.

    The rest is for ``drbdadm --dry-run adjust``, which has nothing to do.
    """
    nodes, port = site["cluster"]["nodes"], site["storage"]["drbd"]["port"]
    own, peer = (nodes[site[which]]["replication"] for which in ("self", "peer"))
    volume = f'volume 0 {{\ndevice minor 0;\ndisk "{disk}";\n}}\n'
    hosts = f"_remote_host {{\naddress ipv4 {peer}:{port};\n}}\n_this_host {{\naddress ipv4 {own}:{port};\n{volume}}}\n"
    return f"resource mysql {{\n{hosts}}}\n"


def interfaces(addresses: Mapping[str, Sequence[str]], node: str) -> str:
    """``ip -json address show`` of a node, with the addresses of each interface."""
    return json.dumps([_link(name, found, node) for name, found in addresses.items()])


def _link(name: str, addresses: Sequence[str], node: str) -> dict[str, Any]:
    pairs = (address.split("/") for address in addresses)
    return {
        "ifname": name,
        "address": mac(name, node),
        "addr_info": [{"local": address, "prefixlen": int(prefix)} for address, prefix in pairs],
    }


def mac(interface: str, node: str) -> str:
    """The hardware address that an interface of a node has."""
    return f"02:00:00:00:0{interface[-1]}:{node[-1]:0>2}"


def running(**fields: Any) -> Cluster:
    """The state of a cluster at work whose controller is db1; each field of :class:`Cluster` may be another one."""
    nodes = {name: Node(name, str(number), **NODE) for number, name in enumerate(("db1", "db2"), start=1)}
    empty: dict[str, Any] = {"resources": (), "failures": (), "fencing": ()}
    return Cluster(**{"dc": "db1", "quorum": True, "maintenance": False, "nodes": nodes, **empty, **fields})


def resource(name: str, node: str | None, role: str = "", **flags: bool) -> Resource:
    """A resource on a node, or on none; started where it is."""
    role = role or ("Started" if node else "Stopped")
    return Resource(name, "ocf:x:y", role, node, None, **{"managed": True, "blocked": False, "failed": False, **flags})


def crm_mon(seen: Cluster) -> str:
    """What ``crm_mon --output-as=xml`` prints of a cluster in this state (crm_mon-2.1.5-running.xml is one of a real cluster)."""
    top = ET.Element("pacemaker-result")
    summary = ET.SubElement(top, "summary")
    dc = {"present": "true", "name": seen.dc, "with_quorum": _word(seen.quorum)} if seen.dc else {"present": "false"}
    ET.SubElement(summary, "current_dc", dc)
    ET.SubElement(summary, "cluster_options", {"maintenance-mode": _word(seen.maintenance)})
    nodes, resources, failures, fencing = (
        ET.SubElement(top, name) for name in ("nodes", "resources", "failures", "fence_history")
    )
    for node in seen.nodes.values():
        ET.SubElement(nodes, "node", {key: _word(value) for key, value in asdict(node).items()})
    for item in seen.resources:
        flags = {key: _word(value) for key, value in asdict(item).items() if isinstance(value, bool)}
        inside = resources if item.parent is None else ET.SubElement(resources, "clone", id=item.parent)
        found = ET.SubElement(
            inside, "resource", {"id": item.id, "resource_agent": item.agent, "role": item.role, **flags}
        )
        if item.node:
            ET.SubElement(found, "node", name=item.node, cached="false")
    for failure in seen.failures:
        exit_status, _, status = failure.status.removesuffix(")").partition(" (")
        words = {"op_key": failure.action, "node": failure.node, "exitstatus": exit_status, "status": status}
        ET.SubElement(failures, "failure", {**words, "exitreason": failure.reason, "last-rc-change": failure.when})
    for shot in seen.fencing:
        words = {"target": shot.target, "action": shot.action, "status": shot.status, "client": shot.client}
        ET.SubElement(fencing, "fence_event", {**words, "completed": shot.completed, "exit-reason": shot.reason})
    return ET.tostring(top, "unicode")


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
