"""From a checkpoint back to the cluster's configuration of that time, as far as hamysql owns it. Pure.

What is put back is handed to the same plan and patch as a deployment's (:mod:`hamysql.cib.live`): what others made stays, and so
does what an operator has decided for the moment. The files of the nodes stay as they are, so what they say as well is refused.
"""

from __future__ import annotations

import copy
import xml.etree.ElementTree as ET
from collections.abc import Collection, Iterator, Mapping

from hamysql.cib import agents as cib_agents
from hamysql.cib import model
from hamysql.cib import names as cib_names
from hamysql.cib import plan as cib_plan
from hamysql.fencing.devices import MAGIC
from hamysql.storage import backends
from hamysql.storage.pending import parameters

Parameters = Mapping[tuple[str, str], str]  # of the cluster's resources: {(resource, name): value}

# What says which data the service has: the resource, and its parameters ("" for all).
_DATA: Mapping[str, tuple[str, ...]] = {
    cib_names.FILE_SYSTEM: ("device", "directory", "fstype"),
    cib_names.VOLUME: (),
    cib_names.REPLICA: ("drbd_resource", "minor"),
    cib_names.SERVER: ("datadir",),
}
# What files of the nodes say as well, which an undo leaves alone: the two would not fit any more.
_IN_FILES: Mapping[str, tuple[str, ...]] = {
    cib_names.ADDRESS: ("ip", "cidr_netmask"),
    cib_names.SERVER: ("binary", "config", "socket", "pid", "log", "user", "group"),
}
_POISON = "devices"  # of a fence device: the disk of sbd, whose own file names it
# For the moment of a run that was cut off: none of what a checkpoint is about.
_PASSING = (cib_names.MOVE, cib_agents.ID)
_ROLES = {"Master": "Promoted", "Slave": "Unpromoted"}  # the plan turns the present names into those of an older schema


def wanted(kept: str, tag: str) -> ET.Element:
    """The <configuration> with all that a tag owned in a checkpoint's CIB; for :func:`hamysql.cib.live.apply`."""
    root = model.parse(kept)
    config = model.configuration(root)
    for name in _PASSING:
        model.drop(config, name)
    ours = cib_plan.listed(model.index(config), tag) - {tag}
    for element in config.iter():
        for name, value in element.attrib.items():
            if name == "role" or name.endswith("-role"):
                element.set(name, _ROLES.get(value, value))
    result = ET.Element("configuration")
    for section in model.elements(config):
        if section.tag == "nodes":
            continue
        target = ET.SubElement(result, section.tag)
        for child in model.elements(section):
            if section.tag == "resources":
                target.extend(_resources(child, ours))
            elif child.get("id") in ours:
                target.append(copy.deepcopy(child))
            elif section.tag in model.SETTINGS:
                pairs = [copy.deepcopy(pair) for pair in model.elements(child) if pair.get("id") in ours]
                if pairs:
                    ET.SubElement(target, child.tag, child.attrib).extend(pairs)
    return result


def _resources(element: ET.Element, ours: Collection[str]) -> list[ET.Element]:
    """A resource of ours without foreign members; of a foreign one those of its members that are ours."""
    inside = [child for child in model.elements(element) if child.tag in model.RESOURCES]
    members = [found for child in inside for found in _resources(child, ours)]
    if element.get("id") not in ours:
        return members
    own = ET.Element(element.tag, element.attrib)
    for child in element:
        if child in inside:
            continue
        part = copy.deepcopy(child)
        if part.tag == "meta_attributes":  # an operator's decision of that moment; that of now stays
            for pair in [pair for pair in part.findall("nvpair") if _passing(pair)]:
                part.remove(pair)
            if not model.elements(part):
                continue
        own.append(part)
    own.extend(members)
    return [own]


def _passing(pair: ET.Element) -> bool:
    return pair.get("name") in model.RUNTIME_META or model.is_proving(pair)


def problems(live: str, kept: str) -> list[str]:
    """Why a checkpoint must not be put back, as sentences; none where it may be.

    live, kept
        The CIB as it is, and that of the checkpoint.
    """
    if not model.index(wanted(kept, cib_plan.TAG)):
        return [
            "the checkpoint is older than hamysql's configuration of this cluster: all of the service would be removed"
        ]
    now, then = parameters(live), parameters(kept)
    return [*_data(now, then), *_in_files(now, then), *_nodes(live, kept), *_fencing(live, kept)]


def _data(now: Parameters, then: Parameters) -> Iterator[str]:
    here, there = backends.recognised(now), backends.recognised(then)
    if here != there:
        yield f"the data was on storage of the kind {there or 'none'} then, and is on {here or 'none'} now"
        return
    for resource, names in _DATA.items():
        keys = [key for key in {**now, **then} if key[0] == resource and (not names or key[1] in names)]
        for key in sorted(keys):
            old, new = now.get(key, "nothing"), then.get(key, "nothing")
            if old != new:
                yield f"{resource} has {key[1]} {old} now and had {new} then: the service would come up with other data"


def _in_files(now: Parameters, then: Parameters) -> Iterator[str]:
    for resource, name in sorted({**now, **then}):
        named = name in _IN_FILES.get(resource, ())
        if named or (name == _POISON and resource.startswith(cib_names.FENCE)):
            old, new = now.get((resource, name), "nothing"), then.get((resource, name), "nothing")
            if old != new and (resource, name) in now:
                yield (
                    f"{name} of {resource} is {old} now and was {new} then, and files of the nodes have the same, which are not "
                    "put back: change the pillar, and run the orchestration"
                )


def _nodes(live: str, kept: str) -> Iterator[str]:
    now, then = (
        sorted(node.get("uname", "") for node in model.parse(text).iterfind("configuration/nodes/node"))
        for text in (live, kept)
    )
    if now != then:
        yield f"the cluster had the nodes {' and '.join(then) or 'none'} then, and has {' and '.join(now)} now"


def _fencing(live: str, kept: str) -> Iterator[str]:
    now, then = _devices(live), _devices(kept)
    if _fences(live) and not _fences(kept):
        yield "fencing was off then: the cluster would do without it"
    if now and not then:
        yield "the cluster had no fence device then: all of them would be removed"
    for name in sorted(then.keys() - now.keys()):
        if any(pair.get("value") == MAGIC for pair in then[name].iter("nvpair")):
            yield (
                f"fence device {name} would come back, and its passwords are not on the nodes any more: add it to the pillar, and "
                "run the orchestration"
            )


def _devices(text: str) -> dict[str, ET.Element]:
    """The fence devices of ours, by their ids."""
    owned = wanted(text, cib_plan.TAG)
    return {item.get("id", ""): item for item in owned.iter("primitive") if item.get("class") == "stonith"}


def _fences(text: str) -> bool:
    pairs = [pair for pair in model.parse(text).iter("nvpair") if pair.get("name") == "stonith-enabled"]
    return all(model.is_true(pair) for pair in pairs)  # it is on by default
