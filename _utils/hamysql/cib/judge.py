"""What a site's own `crm configure` text must not add: what stops, blinds or doubles the database or its fencing. Pure.

Only the resulting configuration tells: crm has templates, rules, defaults and several spellings for the same.
"""

from __future__ import annotations

import ipaddress
import re
import xml.etree.ElementTree as ET
from collections.abc import Collection, Iterator, Mapping

from hamysql.cib import model
from hamysql.cib import plan as cib_plan
from hamysql.cib import properties as cib_properties
from hamysql.errors import Refused

# What makes two resources the same thing, by the name of the parameter.
_IDENTITY = ("ip", "device", "directory", "drbd_resource", "datadir", "vgname")
_UNITS = ("drbd", "corosync", "pacemaker", "sbd")
_INFINITY = 1_000_000


def judge(live_xml: str, added: ET.Element, services: Collection[str]) -> None:
    """Raise ``Refused`` with every reason against what a text adds.

    live_xml
        The CIB without it.
    added
        The <configuration> of what it adds.
    services
        What database servers are called where systemd starts them.
    """
    have = model.index(model.configuration(model.parse(live_xml)))
    listed = cib_plan.listed(have, cib_plan.TAG)
    ours = {name: item for name, item in have.items() if name in listed and item.section == "resources"}
    problems = [*_settings(added), *_fencing(added), *_twins(added, ours, services), *_constraints(added, ours)]
    problems += model.unreadable(added)
    if problems:
        raise Refused(
            "the text of hamysql:pacemaker:configure is not loaded:\n  - "
            + "\n  - ".join(dict.fromkeys(problems))
            + "\nWhat concerns the database, its storage and its fencing has keys of its own in the pillar hamysql"
        )


def _settings(added: ET.Element) -> Iterator[str]:
    for pair in added.iterfind("crm_config//nvpair"):
        name, value = pair.get("name", ""), pair.get("value", "")
        for expected in cib_properties.wrong_property(name, value):
            yield f"property {name}={value}: expected {expected}"
    for section in ("rsc_defaults", "op_defaults"):
        for pair in added.iterfind(f"{section}//nvpair"):
            name, value = pair.get("name", ""), pair.get("value", "")
            for expected in cib_properties.wrong_default(section, name, value):
                yield f"{section} {name}={value}: expected {expected}"


def _fencing(added: ET.Element) -> Iterator[str]:
    for element in added.iterfind("resources//*[@class='stonith']"):
        yield f"{element.get('id')} is a fence device: expected it under hamysql:fencing:devices, where it can be proven"
    if added.find("fencing-topology/*") is not None:
        yield "a fencing topology: expected the levels under hamysql:fencing:devices"


def _twins(added: ET.Element, ours: Mapping[str, model.Item], services: Collection[str]) -> Iterator[str]:
    """A second resource for what a resource of ours already is: address, device, folder, server."""
    known = {(name, value): owner for owner, item in ours.items() for name, value in _parameters(item.element)}
    units = re.compile(rf"({'|'.join((*_UNITS, *services))})(@.*)?(\.service)?")
    for element in added.iterfind("resources//*"):
        kind, said = (element.get("type") or "").lower(), dict(_parameters(element))
        if element.tag not in ("primitive", "template"):
            continue
        for pair in said.items():
            if pair in known:
                yield f"{element.get('id')} has the {pair[0]} of {known[pair]} ({pair[1]}): expected one resource for it"
        if element.get("class") in ("systemd", "service", "lsb", "upstart") and units.fullmatch(kind):
            yield f"{element.get('id')} starts {kind}: expected that only hamysql's own resources do"


def _parameters(element: ET.Element) -> Iterator[tuple[str, str]]:
    for pair in element.iterfind("instance_attributes/nvpair"):
        name, value = pair.get("name", ""), pair.get("value", "")
        if name == "ip":
            try:
                value = str(ipaddress.ip_address(value.partition("/")[0]))
            except ValueError:
                pass
        if name in _IDENTITY:
            yield name, value.rstrip("/") or "/"


def _constraints(added: ET.Element, ours: Collection[str]) -> Iterator[str]:
    for element in added.iterfind("constraints/*"):
        name = element.get("id")
        if element.tag == "rsc_location":
            targets = [one for one in ours if _means(element, one)]
            if targets and (reason := _banned(element)):
                yield f"{name}: {reason} for {', '.join(targets)}: expected that each node may run it, as a failover needs"
        elif element.tag in ("rsc_colocation", "rsc_order"):
            ends = [element.get(key) for key in ("rsc", "with-rsc", "first", "then")]
            ends += [one.get("id") for one in element.iter("resource_ref")]
            both = [one for one in ends if one in ours]
            if len(both) > 1:
                yield f"{name}: places or orders {' and '.join(map(str, both))}: expected that hamysql's own constraints do"


def _means(element: ET.Element, resource: str) -> bool:
    pattern = element.get("rsc-pattern")
    if pattern is not None:
        try:
            return bool(re.search(pattern.removeprefix("!"), resource)) is not pattern.startswith("!")
        except re.error:
            return True
    return element.get("rsc") == resource or any(one.get("id") == resource for one in element.iter("resource_ref"))


def _banned(element: ET.Element) -> str:
    """How a location keeps a resource from a node for good; "" where it only prefers, or asks for something that comes and goes."""
    if element.get("resource-discovery", "always") != "always":
        return f"resource-discovery={element.get('resource-discovery')}"
    if _never(element.get("score")) and element.get("node"):
        return f"a node ({element.get('node')}) is ruled out"
    for rule in element.iter("rule"):
        tests = [one for one in rule.iter() if one.tag in ("expression", "date_expression")]
        fixed = all(one.get("attribute") in ("#uname", "#id", "#kind") for one in tests)
        if _never(rule.get("score")) and fixed:
            return "a rule rules a node out"
    return ""


def _never(score: str | None) -> bool:
    text = (score or "").strip().lower()
    return text == "-infinity" or bool(re.fullmatch(r"-[0-9]{1,18}", text) and int(text) <= -_INFINITY)
