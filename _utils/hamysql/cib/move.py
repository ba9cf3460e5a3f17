"""Moving the service to a node: the one constraint that is in the cluster while that lasts. Pure.

A constraint for the moment, and not ``crm resource move``: it is listed in hamysql's own tag, so the next run takes away what a
run that was cut off has left, and pacemaker itself stops heeding it after a while. A move changes roles only: unlike standby,
or stopping a node's services, it leaves both replicas connected. Nothing else of the configuration is touched: whoever moves the
service does not deploy what the pillar says meanwhile.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import datetime, timezone

from hamysql.cib import model
from hamysql.cib import plan as cib_plan
from hamysql.cib.names import MOVE, SERVICE
from hamysql.errors import Refused


def begun(live_xml: str, node: str, until: float) -> str:
    """A CIB with the service on ``node`` until a moment (seconds since the epoch), and all else as it is.

    Raises ``Refused`` where the cluster has no such service.
    """
    root = _without(live_xml)
    config = model.configuration(root)
    if SERVICE not in model.index(config):
        raise Refused(
            f"the cluster's configuration has no {SERVICE}: deploy it first, `salt-run state.orchestrate hamysql.orch`"
        )
    model.section(config, "constraints").append(constraint(node, until))
    cib_plan.claim(config, MOVE)
    return next_epoch(root)


def ended(live_xml: str) -> str:
    """A CIB without that constraint; the given text itself where it has none."""
    there = MOVE in model.index(model.configuration(model.parse(live_xml)))
    return next_epoch(_without(live_xml)) if there else live_xml


def constraint(node: str, until: float) -> ET.Element:
    """What draws the service to ``node`` until a moment (seconds since the epoch)."""
    location = ET.Element("rsc_location", id=MOVE, rsc=SERVICE)
    rule = ET.SubElement(location, "rule", {"id": f"{MOVE}-rule", "score": "INFINITY", "boolean-op": "and"})
    ET.SubElement(rule, "expression", id=f"{MOVE}-node", attribute="#uname", operation="eq", value=node)
    end = datetime.fromtimestamp(until, timezone.utc).strftime("%Y-%m-%d %H:%M:%SZ")
    ET.SubElement(rule, "date_expression", id=f"{MOVE}-end", operation="lt", end=end)
    return location


def _without(live_xml: str) -> ET.Element:
    root = model.parse(live_xml)
    model.drop(model.configuration(root), MOVE)
    return root


def next_epoch(root: ET.Element) -> str:
    """The CIB as text, one epoch later, as a patch needs it."""
    root.set("epoch", str(int(root.get("epoch", "0")) + 1))
    root.set("num_updates", "0")
    return ET.tostring(root, "unicode")
