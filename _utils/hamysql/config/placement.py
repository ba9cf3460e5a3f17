"""What draws the service away from a node: that node is about to stop, or clients may not reach it. Pure.

Each node says so itself, in attributes that end with its run of pacemaker: ``/usr/lib/hamysql/hand-over`` and
``/usr/lib/hamysql/watch-network``. The constraints here read them. A node without an attribute is taken as good, and a node that
is no better than the other one is not left.

pacemaker runs nothing on a node whose sum of scores is below zero. So all nodes get :data:`BONUS`, which outweighs all that may be
said against a node together: where both are bad, the service stays.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping

from hamysql.cib import build as cib_build
from hamysql.cib import names as cib_names
from hamysql.resolved import Resolved

LEAVING, CARRIER, REACH = "hamysql-leaving", "hamysql-carrier", "hamysql-reach"
# More than a lost network (-20000): a node that stops is left even for one that clients may not reach.
AWAY = "-30000"
BONUS = "60000"  # AWAY, and what watch-network may say: no carrier (-20000) and no target (-10000)
AGENT = "ocf:hamysql:network"


def watcher(config: Resolved) -> cib_build.Parameters:
    """The parameters of the network's watcher; ``nic`` only where it is the same on all nodes."""
    vip = config["vip"]
    return {"nic": cib_build.shared(vip["interfaces"]), "ip": vip["address"]} | {
        "reachable": " ".join(vip["reachable"]),
        "python": config["pacemaker"]["python"],
    }


def constraints(config: Resolved) -> Iterator[ET.Element]:
    """The constraints on where the service runs."""
    if config["pacemaker"]["hand_over"] or config["vip"]["watch"]:
        yield _rule(cib_names.ANYWHERE, {"score": BONUS}, {"attribute": "#uname", "operation": "defined"})
    if config["pacemaker"]["hand_over"]:
        leaving = {"attribute": LEAVING, "operation": "eq", "value": "1"}
        yield _rule(cib_names.NOT_WHERE_LEAVING, {"score": AWAY}, leaving)
    if config["vip"]["watch"]:
        # The attribute's value is the score: the watcher knows how bad it is.
        for name, attribute in ((cib_names.NOT_WITHOUT_CARRIER, CARRIER), (cib_names.NOT_OUT_OF_REACH, REACH)):
            yield _rule(name, {"score-attribute": attribute}, {"attribute": attribute, "operation": "defined"})


def _rule(name: str, score: Mapping[str, str], condition: Mapping[str, str]) -> ET.Element:
    location = ET.Element("rsc_location", id=name, rsc=cib_names.SERVICE)
    rule = ET.SubElement(location, "rule", {"id": f"{name}-rule", **score})
    ET.SubElement(rule, "expression", {"id": f"{name}-expression", **condition})
    return location
