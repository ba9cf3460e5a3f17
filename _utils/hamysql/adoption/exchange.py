"""A cluster's configuration that somebody else has made becomes hamysql's, in one change. Pure; ``turn`` carries it out.

pacemaker is in maintenance mode meanwhile (:data:`hamysql.cib.names.ADOPTION`), so nothing of it is started or stopped. A resource
is renamed by that: pacemaker forgets the old name, and looks at what runs by the new one (:mod:`hamysql.cib.agents`, for agents).
"""

from __future__ import annotations

import copy
import re
import xml.etree.ElementTree as ET
from collections.abc import Collection, Iterator, Mapping, Sequence

from hamysql.cib import agents, model
from hamysql.cib import names as cib_names
from hamysql.cib import plan as cib_plan
from hamysql.cib.move import next_epoch
from hamysql.errors import Refused

HOLD = cib_names.ADOPTION
_MODE = agents.NAME
_SET = model.SETTING_SETS["crm_config"][1]
_REFERENCES = ("rsc", "with-rsc", "first", "then", "template")
_LISTED = ("resource_ref", "obj_ref")
# What pacemaker calls a resource's score for promotion, among a node's attributes for the moment.
_SCORE = "master-"

Names = Mapping[str, str]  # hamysql's id of something, and the one that it has had


def begun(xml: str) -> bool:
    """Whether a takeover is under way, or was cut off."""
    return HOLD in model.index(model.configuration(model.parse(xml)))


def held(xml: str) -> str:
    """A CIB in which pacemaker does nothing until :func:`released`, one epoch later; the given text itself where that is so."""
    if begun(xml):
        return xml
    root = model.parse(xml)
    _hold(model.configuration(root))
    return next_epoch(root)


def released(xml: str) -> str:
    """A CIB in which pacemaker acts again, one epoch later; the given text itself where no takeover holds it."""
    if not begun(xml):
        return xml
    root = model.parse(xml)
    model.drop(model.configuration(root), HOLD)
    _without_empty(model.configuration(root))
    return next_epoch(root)


def planned(live_xml: str, wanted: ET.Element, names: Names) -> cib_plan.Plan:
    """The change that makes a cluster hamysql's; its text holds pacemaker, where the live one does.

    wanted
        A <configuration> with all that hamysql shall own.
    names
        What hamysql takes over.

    Raises ``Refused`` where a name is taken by something else.
    """
    holding = begun(live_xml)
    root = model.parse(live_xml)
    config = model.configuration(root)
    model.drop(config, HOLD)
    _rename(config, names)
    gone = _fences(config, wanted)
    for name in gone:
        _remove(config, name)
    base = ET.tostring(root, "unicode")
    there = model.index(config)
    made = cib_plan.plan(base, wanted, adopt=set(there))
    changes = tuple(cib_plan.Change("removed", name, "a fence device of before", "") for name in gone) + made.changes
    renamed = any(ours != theirs for ours, theirs in names.items() if ours in there)
    if not changes and not renamed:
        return cib_plan.Plan(live_xml, ())
    new = model.parse(made.xml)
    if holding:
        _hold(model.configuration(new))
    new.set("epoch", str(int(root.get("epoch", "0")) + 1))
    new.set("num_updates", "0")
    return cib_plan.Plan(ET.tostring(new, "unicode"), changes)


def restored(live_xml: str, before: str) -> str:
    """The live CIB with the configuration of before, and pacemaker still held."""
    root, old = model.parse(live_xml), model.configuration(model.parse(before))
    config = model.configuration(root)
    nodes = config.find("nodes")
    for section in list(config):
        config.remove(section)
    for section in model.elements(old):
        config.append(copy.deepcopy(section if section.tag != "nodes" or nodes is None else nodes))
    model.drop(config, HOLD)
    _hold(config)
    return next_epoch(root)


def unknown(xml: str) -> str:
    """A CIB in which pacemaker has forgotten all resources, and has nothing noted of those that the configuration does not have."""
    root = model.parse(xml)
    for resources in root.iterfind("status/node_state/lrm/lrm_resources"):
        for noted in list(resources):
            resources.remove(noted)
    return ET.tostring(root, "unicode")


def foreseen(xml: str, places: Collection[str], names: Names) -> str:
    """A CIB as it is when pacemaker has looked at everything, has found what ran, and acts again.

    xml
        A CIB in which it has looked, and found nothing.
    places
        What ran, by its names now: `p_mysql Started on db1`.
    """
    root = model.parse(released(xml))
    found = {(name, node): role for name, role, _, node in (line.split() for line in places)}
    for node in root.iterfind("status/node_state"):
        for noted in node.iterfind("lrm/lrm_resources/lrm_resource"):
            role = found.get((noted.get("id", "").partition(":")[0], node.get("uname", "")))
            for look in noted.iterfind("lrm_rsc_op[@operation='monitor']") if role else ():
                code = "8" if role in ("Promoted", "Master") else "0"
                look.set("rc-code", code)
                look.set("transition-magic", f"0:{code};{look.get('transition-key')}")
    theirs = {old: new for new, old in names.items()}
    for pair in root.iterfind("status/node_state/transient_attributes/instance_attributes/nvpair"):
        name = pair.get("name", "").removeprefix(_SCORE)
        if name != pair.get("name"):
            pair.set("name", _SCORE + theirs.get(name, name))
    return ET.tostring(root, "unicode")


def interruptions(actions: Sequence[str], xml: str, names: Names) -> list[str]:
    """Those of what pacemaker would do that are about more than the start of something new.

    xml
        The CIB that it would do it by. Fence devices may start, stop and move: nothing runs on them.
    """
    every = list(model.parse(xml).iterfind("configuration/resources//primitive"))
    fences = {item.get("id", "") for item in every if item.get("class") == "stonith"}
    new = {item.get("id", "") for item in every} - set(names)
    found = []
    for line in actions:
        verb, _, rest = line.partition(" ")
        name = (rest.split() or [""])[0].partition(":")[0]
        if name not in fences and (verb not in ("start", "monitor") or name not in new):
            found.append(line)
    return found


def forgotten(xml: str) -> tuple[tuple[str, str], ...]:
    """What pacemaker has noted of resources that the configuration does not have: pairs of the name and a member.

    It would stop each of them when it acts again.
    """
    root = model.parse(xml)
    known = {item.get("id", "") for item in root.iterfind("configuration/resources//primitive")}
    return tuple(
        dict.fromkeys(
            (name, node.get("uname", ""))
            for node in root.iterfind("status/node_state")
            for noted in node.iterfind("lrm/lrm_resources/lrm_resource")
            if (name := noted.get("id", "").partition(":")[0]) not in known
        )
    )


def _hold(config: ET.Element) -> None:
    settings = model.section(config, "crm_config")
    for parent in model.elements(settings):
        for pair in [pair for pair in model.elements(parent) if pair.get("name") == _MODE]:
            parent.remove(pair)
    ET.SubElement(cib_plan.set_of(settings, _SET), "nvpair", id=HOLD, name=_MODE, value="true")
    cib_plan.claim(config, HOLD)


def _without_empty(config: ET.Element) -> None:
    settings = model.section(config, "crm_config")
    for parent in model.elements(settings):
        if not model.elements(parent):
            settings.remove(parent)
    tags = config.find("tags")
    if tags is not None and not model.elements(tags):
        config.remove(tags)


def _rename(config: ET.Element, names: Names) -> None:
    """Give each item hamysql's name, wherever it is named."""
    there = model.index(config)
    new = {theirs: ours for ours, theirs in names.items() if ours != theirs and theirs in there}
    taken = [ours for ours in new.values() if ours in there and ours not in new]
    if taken:
        raise Refused(
            f"{', '.join(taken)} exists in the cluster's configuration and is something else: rename it, and run this again"
        )
    sections = [section for section in model.elements(config) if section.tag in ("resources", "constraints")]
    for section in sections:
        for element in section.iter():
            if element.get("id") in new and (
                element.tag in model.RESOURCES or section.tag == "constraints" or element.tag in _LISTED
            ):
                element.set("id", new[element.get("id", "")])
            for key in _REFERENCES:
                if element.get(key) in new:
                    element.set(key, new[element.get(key, "")])
    for element in config.iter("obj_ref"):
        element.set("id", new.get(element.get("id", ""), element.get("id", "")))


def _fences(config: ET.Element, wanted: ET.Element) -> tuple[str, ...]:
    """The fence devices of before, where hamysql brings its own."""
    ours = {item.get("id") for item in wanted.iter("primitive") if item.get("class") == "stonith"}
    there = (item for item in config.iter("primitive") if item.get("class") == "stonith")
    return tuple(str(item.get("id")) for item in there if ours and item.get("id") not in ours)


def _remove(config: ET.Element, name: str) -> None:
    """Take a fence device out, with what is about it alone."""
    for parent in list(config.iter()):
        for child in model.elements(parent):
            about = name in (child.get(key) for key in _REFERENCES) and child.tag.startswith("rsc_")
            level = child.tag == "fencing-level" and name in re.split(r"[,\s]+", child.get("devices", ""))
            if about or level:
                parent.remove(child)
    for container in [*config.iter("clone"), *config.iter("group")]:
        inside = [item.get("id") for item in model.elements(container) if item.tag in model.RESOURCES]
        if inside == [name]:
            model.drop(config, container.get("id", ""))
    model.drop(config, name)


def moved(before: Collection[str], names: Names) -> set[str]:
    """What ran where, by hamysql's names: `p_mysql Started on db1`."""
    new = {theirs: ours for ours, theirs in names.items()}
    return set(_moved(before, new))


def _moved(before: Collection[str], new: Mapping[str, str]) -> Iterator[str]:
    for line in before:
        name, _, rest = line.partition(" ")
        yield f"{new.get(name, name)} {rest}"
