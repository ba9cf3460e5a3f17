"""A node that an operation has taken out of the service: in standby, with a mark that says so and since when. Pure.

And one that died for good: what people have said about it goes, before another machine takes its place.

Both are attributes of the node in the configuration, so they outlive its reboot. A standby without the mark is somebody else's.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

from hamysql.cib import model, plan
from hamysql.cib.move import next_epoch
from hamysql.errors import Refused

STANDBY, MARK = "standby", "hamysql-maintenance"


def begun(live_xml: str, node: str, since: str) -> str:
    """A CIB with the node in standby and marked; the given text itself where it is.

    since
        When that was, as text.

    Raises ``Refused`` where the cluster has no such node, or somebody else has put it into standby.
    """
    root = model.parse(live_xml)
    element = _node(root, node)
    if _since(element) is not None:
        return live_xml
    pair, mark = _attributes(element).get(STANDBY), _attributes(element).get(MARK)
    if pair is not None and model.is_true(pair):
        raise Refused(
            f"node {node} is in standby already, by somebody else: `crm_standby --node {node} --delete`, and run this again"
        )
    number = element.get("id", "")
    attributes = element.find("instance_attributes")
    if attributes is None:
        attributes = ET.SubElement(element, "instance_attributes", id=f"nodes-{number}")
    if pair is None:
        pair = ET.SubElement(attributes, "nvpair", id=f"{attributes.get('id')}-{STANDBY}", name=STANDBY)
    pair.set("value", "on")
    if mark is None:
        mark = ET.SubElement(attributes, "nvpair", id=f"{attributes.get('id')}-{MARK}", name=MARK)
    mark.set("value", since)
    return next_epoch(root)


def ended(live_xml: str, node: str) -> str:
    """A CIB in which the node has neither; the given text itself where it has no mark."""
    root = model.parse(live_xml)
    element = _node(root, node)
    if MARK not in _attributes(element):
        return live_xml
    for attributes in element.findall("instance_attributes"):
        for pair in attributes.findall("nvpair"):
            if pair.get("name") in (STANDBY, MARK):
                attributes.remove(pair)
        if not model.elements(attributes):
            element.remove(attributes)
    return next_epoch(root)


def since(live_xml: str) -> dict[str, str]:
    """The marked nodes, and since when. One whose standby somebody has ended by hand is none."""
    nodes = model.parse(live_xml).iterfind("configuration/nodes/node")
    return {node.get("uname", ""): when for node in nodes if (when := _since(node)) is not None}


def sentence(node: str, when: str) -> str:
    """What an operator is told of a marked node."""
    return (
        f"node {node} is in maintenance since {when}; `salt-run state.orchestrate hamysql.orch.maintenance "
        f'pillar=\'{{"hamysql_return": "{node}"}}\'` takes it back'
    )


def _since(node: ET.Element) -> str | None:
    found = _attributes(node)
    if MARK not in found or STANDBY not in found or not model.is_true(found[STANDBY]):
        return None
    return found[MARK].get("value", "")


def _node(root: ET.Element, name: str) -> ET.Element:
    for node in root.iterfind("configuration/nodes/node"):
        if node.get("uname") == name:
            return node
    raise Refused(f"the cluster has no node {name}: it has never been a member")


def _attributes(node: ET.Element) -> dict[str, ET.Element]:
    return {pair.get("name", ""): pair for pair in node.findall("instance_attributes/nvpair")}


def listed(text: str) -> list[str]:
    """The names of nodes that `crm_node --list` prints, one `ID NAME STATE` a line: those that the controller remembers."""
    return [words[1] for line in text.splitlines() if len(words := line.split()) > 1]


def known(live_xml: str) -> list[str]:
    """The nodes that the cluster's configuration has."""
    return [node.get("uname", "") for node in model.parse(live_xml).iterfind("configuration/nodes/node")]


def without(live_xml: str, node: str, gone: bool) -> str:
    """A CIB without what people have put over the configuration about a dead node; the given text itself where that is nothing.

    gone
        Whether its name goes as well. Then each constraint goes that is about that node alone, unless hamysql owns it: the pillar's
        configuration replaces those. Otherwise those of a move or a ban by hand go.
    """
    root = model.parse(live_xml)
    config = model.configuration(root)
    ours = {
        name
        for tag in config.iterfind("tags/tag")
        if tag.get("id") in (plan.TAG, plan.TEXT_TAG)
        for name in _listed(tag)
    }
    left = [
        element.get("id", "")
        for element in config.iterfind("constraints/rsc_location")
        if _is_about(element, node)
        and (element.get("id", "").startswith("cli-") or (gone and element.get("id") not in ours))
    ]
    for name in left:
        model.drop(config, name)
    return next_epoch(root) if left else live_xml


def _listed(tag: ET.Element) -> list[str]:
    return [item.get("id", "") for item in tag.iterfind("obj_ref")]


def _is_about(location: ET.Element, node: str) -> bool:
    """Whether a constraint names this node. DRBD's handler names the one that has the data, and means all others."""
    rules = location.iterfind("rule/expression")
    named = [rule.get("value") for rule in rules if (rule.get("attribute"), rule.get("operation")) == ("#uname", "eq")]
    return node in (location.get("node"), *named)


def unregistered(live_xml: str, node: str) -> str:
    """A CIB without a node's entry, as it is when pacemaker has forgotten the node; the given text itself where it has none."""
    root = model.parse(live_xml)
    entries = [(root.find("configuration/nodes"), "node"), (root.find("status"), "node_state")]
    found = [(parent, item) for parent, tag in entries if parent is not None for item in parent.findall(tag)]
    dead = [(parent, item) for parent, item in found if item.get("uname") == node]
    for parent, item in dead:
        parent.remove(item)
    return next_epoch(root) if dead else live_xml
