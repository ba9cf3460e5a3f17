"""What more than one part of the configuration has: a value that nodes may differ in, and a fence device."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping

from hamysql.cib.model import Parameters as Parameters
from hamysql.cib.model import pairs
from hamysql.resolved.cluster import FenceDevice, Reservations


def shared(values: Mapping[str, str]) -> str | None:
    """The value that all nodes have for something; ``None`` where they differ (see :func:`on_nodes`)."""
    found = set(values.values())
    return found.pop() if len(found) == 1 else None


def on_nodes(resource: str, name: str, values: Mapping[str, str]) -> list[ET.Element]:
    """A parameter of a resource that each node has another value for: a set with a rule for each node.

    Source: Pacemaker Explained, "Using Rules to Control Resource Options". The schema of pacemaker 2 demands a score of each rule,
    which means nothing in a set of parameters.
    """
    found = []
    for node, value in values.items():
        own = f"{resource}-instance_attributes-{node}"
        part = ET.Element("instance_attributes", id=own)
        rule = ET.SubElement(part, "rule", id=f"{own}-rule", score="INFINITY")
        ET.SubElement(rule, "expression", id=f"{own}-rule-node", attribute="#uname", operation="eq", value=node)
        ET.SubElement(part, "nvpair", id=f"{own}-{name}", name=name, value=value)
        found.append(part)
    return found


def fence_device(
    device: FenceDevice | Reservations, monitor: int, options: Parameters, meta: Parameters | None = None
) -> ET.Element:
    """A fence device as a resource.

    device
        Its ``id`` and ``agent``, and the ``timeout`` of one action in seconds.
    monitor
        Seconds between two checks that it answers.
    options, meta
        The agent's parameters, and meta attributes where there are any.
    """
    name = device["id"]
    primitive = ET.Element("primitive", {"id": name, "class": "stonith", "type": device["agent"]})
    if meta:
        pairs(primitive, "meta_attributes", f"{name}-meta_attributes", meta)
    pairs(primitive, "instance_attributes", f"{name}-instance_attributes", options)
    operations = ET.SubElement(primitive, "operations")
    for verb, seconds in (("start", 0), ("monitor", monitor)):
        said = {"id": f"{name}-{verb}-{seconds}s", "name": verb, "interval": f"{seconds}s"}
        ET.SubElement(operations, "op", {**said, "timeout": f"{device['timeout']}s"})
    return primitive
