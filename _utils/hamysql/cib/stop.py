"""Stopping parts of the service through the cluster's configuration, as `crm resource stop` does, and starting them again. Pure.

It outlives a loss of power of both nodes: what was stopped so that nobody writes stays stopped.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

from hamysql.cib import model
from hamysql.cib.move import next_epoch
from hamysql.cib.names import REPLICAS, SERVER, SERVICE
from hamysql.errors import Refused

# The server; with it the address and the file system; DRBD, where the data is on it.
PARTS = (SERVER, SERVICE, REPLICAS)
ROLE = "target-role"


def stopped(live_xml: str, name: str) -> str:
    """A CIB with that resource or group stopped; the given text itself where it is. Raises ``Refused`` where there is none."""
    root = model.parse(live_xml)
    element = _find(root, name)
    if element is None:
        raise Refused(
            f"the cluster's configuration has no {name}: deploy it first, `salt-run state.orchestrate hamysql.orch`"
        )
    pair = _role(element)
    if pair is not None and pair.get("value") == "Stopped":
        return live_xml
    if pair is None:
        attributes = element.find("meta_attributes")
        if attributes is None:
            attributes = ET.Element("meta_attributes", id=f"{name}-meta_attributes")
            element.insert(0, attributes)
        pair = ET.SubElement(attributes, "nvpair", id=f"{attributes.get('id')}-{ROLE}", name=ROLE)
    pair.set("value", "Stopped")
    return next_epoch(root)


def started(live_xml: str) -> str:
    """A CIB in which nothing of the service is stopped; the given text itself where that is so."""
    if not stopped_ones(live_xml):
        return live_xml
    root = model.parse(live_xml)
    for name in PARTS:
        element = _find(root, name)
        pair = _role(element) if element is not None else None
        if element is None or pair is None or pair.get("value") != "Stopped":
            continue
        for attributes in element.findall("meta_attributes"):
            if pair in list(attributes):
                attributes.remove(pair)
                if not model.elements(attributes):
                    element.remove(attributes)
    return next_epoch(root)


def stopped_ones(live_xml: str) -> tuple[str, ...]:
    """The parts of the service that are stopped."""
    root = model.parse(live_xml)
    found = {name: _find(root, name) for name in PARTS}
    roles = {name: _role(element) for name, element in found.items() if element is not None}
    return tuple(name for name, pair in roles.items() if pair is not None and pair.get("value") == "Stopped")


def all_stopped(live_xml: str) -> str:
    """A CIB with the whole service stopped, and DRBD where it is part of it; the given text itself where that is so.

    A clone that still runs must not leave the configuration: its copies on both nodes would be one resource that runs twice, which
    is an error to pacemaker.
    """
    replicated = _find(model.parse(live_xml), REPLICAS) is not None
    return stopped(stopped(live_xml, SERVICE), REPLICAS) if replicated else stopped(live_xml, SERVICE)


def at_rest(live_xml: str) -> str:
    """A CIB without what pacemaker has noted of the nodes: as if nothing ran anywhere."""
    root = model.parse(live_xml)
    for status in root.findall("status"):
        root.remove(status)
    ET.SubElement(root, "status")
    return ET.tostring(root, "unicode")


def _find(root: ET.Element, name: str) -> ET.Element | None:
    return next((item for item in root.iterfind("configuration/resources//*") if item.get("id") == name), None)


def _role(element: ET.Element) -> ET.Element | None:
    return next((pair for pair in element.findall("meta_attributes/nvpair") if pair.get("name") == ROLE), None)
