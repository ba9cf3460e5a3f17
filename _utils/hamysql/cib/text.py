"""What a site's own `crm configure` text has added to a configuration."""

from __future__ import annotations

import copy
import xml.etree.ElementTree as ET

from hamysql.cib import model
from hamysql.cib import plan as cib_plan
from hamysql.cib.model import Item
from hamysql.errors import Refused


def without(live_xml: str, tag: str) -> str:
    """A CIB without what a tag owns and without every constraint and tag that refers to it: a scratch copy only."""
    root = model.parse(live_xml)
    config = model.configuration(root)
    have = model.index(config)
    gone = cib_plan.listed(have, tag)
    gone |= {
        holder for name, holder in cib_plan.references(have) if name in gone and have[holder].section != "resources"
    }
    for parent in list(config.iter()):
        for child in model.elements(parent):
            if child.get("id") in gone and child.tag not in {"obj_ref", "resource_ref"}:
                parent.remove(child)
    return ET.tostring(root, "unicode")


def additions(before_xml: str, after_xml: str) -> ET.Element:
    """The <configuration> of all that only the second CIB has. Raises ``Refused`` where it differs in anything else."""
    before, after = model.parse(before_xml), model.parse(after_xml)
    old, new = model.index(model.configuration(before)), model.index(model.configuration(after))
    touched = [name for name, item in old.items() if name not in new or _says(item) != _says(new[name])]
    touched += [] if _nodes(before) == _nodes(after) else ["the attributes of nodes"]
    if touched:
        raise Refused(
            f"the text of hamysql:pacemaker:configure changes {', '.join(touched)}, which it did not make; it can only add. "
            "Settings of hamysql's own resources are in hamysql:pacemaker, and what others made is changed by hand"
        )
    result = ET.Element("configuration")
    for section in model.elements(model.configuration(after)):
        if section.tag == "nodes":
            continue
        target = ET.SubElement(result, section.tag)
        for child in model.elements(section):
            if child.get("id") in new:
                if child.get("id") not in old:
                    target.append(copy.deepcopy(child))
            else:  # a set of settings, each an item
                added = [pair for pair in model.elements(child) if pair.get("id") not in old]
                if added:
                    ET.SubElement(target, child.tag, child.attrib).extend(copy.deepcopy(added))
    return result


def _says(item: Item) -> list[str]:
    return sorted(model.clauses(item))


def _nodes(root: ET.Element) -> str:
    nodes = root.find("configuration/nodes")
    return ET.canonicalize(ET.tostring(nodes, "unicode"), strip_text=True) if nodes is not None else ""
