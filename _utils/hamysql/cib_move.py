"""Moving the service to a node: what is wanted in the cluster while that lasts. Pure.

A constraint for the moment, and not ``crm resource move``: it is listed in hamysql's own tag, so the next run takes away what a
run that was cut off has left, and pacemaker itself stops heeding it after a while. A move changes roles only: unlike standby,
or stopping a node's services, it leaves both replicas connected.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from hamysql import cib_desired

ID = "hamysql-move"


def desired(config: Mapping[str, Any], node: str, until: float) -> ET.Element:
    """What hamysql wants in a cluster, and in it the service on ``node`` until a moment (seconds since the epoch)."""
    wanted = cib_desired.desired(config)
    constraints = wanted.find("constraints")
    assert constraints is not None
    location = ET.SubElement(constraints, "rsc_location", id=ID, rsc="g_mysql")
    rule = ET.SubElement(location, "rule", {"id": f"{ID}-rule", "score": "INFINITY", "boolean-op": "and"})
    ET.SubElement(rule, "expression", id=f"{ID}-node", attribute="#uname", operation="eq", value=node)
    end = datetime.fromtimestamp(until, timezone.utc).strftime("%Y-%m-%d %H:%M:%SZ")
    ET.SubElement(rule, "date_expression", id=f"{ID}-end", operation="lt", end=end)
    return wanted
