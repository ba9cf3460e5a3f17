"""The change that leads from the configuration that a cluster has to the one that is wanted.

Pure: a CIB comes in as text and leaves as text; :mod:`hamysql.cib.live` reads and patches the real one.
What hamysql itself wants is in :mod:`hamysql.config.resources`.

Ownership is written in the CIB itself: a tag lists the ids that hamysql made. What no tag of ours lists is never
changed or deleted, and what a tag lists but is wanted no more is removed.

The file is long because the comparison, what forbids it and the new CIB go by the same items: none is read without the others.
"""

from __future__ import annotations

import copy
import re
import xml.etree.ElementTree as ET
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from hamysql.cib import model
from hamysql.cib.model import Item
from hamysql.cib.names import ADOPTION
from hamysql.errors import Refused

TAG = "hamysql"
BEGUN = "a takeover of this cluster was begun and has not ended: `salt-run state.orchestrate hamysql.orch.adopt` goes on with it"
TEXT_TAG = "hamysql-configure"  # owns what the pillar's own crm text makes, so that neither plan removes the other's


@dataclass(frozen=True)
class Change:
    """One element that is added, changed or removed; old and new in words, "" where there is none."""

    kind: str
    id: str
    old: str
    new: str


@dataclass(frozen=True)
class Plan:
    """What has to change, and the whole CIB as it will be (the given text itself where nothing changes)."""

    xml: str
    changes: tuple[Change, ...]


def plan(live_xml: str, wanted: ET.Element, *, tag: str = TAG, adopt: Collection[str] = ()) -> Plan:
    """The change from a live CIB to one that has what is wanted and is the same everywhere else.

    live_xml
        What `cibadmin --query` prints.
    wanted
        A <configuration> with what the tag shall own, all of it and nothing else.
    tag
        Id of the tag that lists what is ours.
    adopt
        Ids that are ours from now on although no tag says so.

    The result's version is one epoch after the live one's, as a patch needs it. Raises ``Refused`` with every
    reason at once where doing it would change or break something that is not ours.
    """
    root = model.parse(live_xml)
    have = model.index(model.configuration(root))
    if ADOPTION in have:
        raise Refused(BEGUN)
    want = _wanted(root, have, wanted, tag)
    ours = listed(have, tag) | (set(adopt) & set(want)) | _distributions(have, want)
    taken = listed(have, TEXT_TAG) & set(want) if tag == TAG else set()
    if taken:  # what the pillar's own settings say belongs to the text no longer
        left = [ref for ref in have[TEXT_TAG].element if ref.get("id") not in taken]
        want |= {TEXT_TAG: _tag(TEXT_TAG, [ref.get("id", "") for ref in left])} if left else {}
        ours |= taken | {TEXT_TAG}
    gone = [name for name in have if name in ours and name not in want]
    _refuse(have, want, ours, gone)

    changes = []
    for name, item in want.items():
        old, new = _difference(have.get(name), item, {*ours, *want})
        if old or new:
            changes.append(Change("changed" if name in have else "added", name, old, new))
    changes += [Change("removed", name, model.words(have[name]), "") for name in gone]
    if not changes:
        return Plan(live_xml, ())
    changed = {change.id for change in changes}
    # What already says the same stays as it is written, with the ids that somebody else's tool gave its parts.
    want = {name: item if name in changed else replace(item, element=have[name].element) for name, item in want.items()}
    return Plan(_build(root, have, want, gone), tuple(changes))


def owned(live_xml: str) -> dict[str, dict[str, str]]:
    """What each of our tags owns in a live CIB: ``{tag: {id: the element in words}}``."""
    have = model.index(model.configuration(model.parse(live_xml)))
    return {
        tag: {name: model.words(have[name]) for name in sorted(listed(have, tag) & set(have)) if name != tag}
        for tag in (TAG, TEXT_TAG)
    }


def listed(have: Mapping[str, Item], tag: str) -> set[str]:
    """The ids that a tag owns, its own among them; none where there is no such tag."""
    item = have.get(tag)
    return {tag, *(ref.get("id", "") for ref in item.element)} if item and item.element.tag == "tag" else set()


def claim(config: ET.Element, name: str) -> None:
    """List one more id in our own tag: for what is there for the moment, and goes with the next run if this one is cut off."""
    tags = model.section(config, "tags")
    tag = next((tag for tag in model.elements(tags) if tag.get("id") == TAG), None)
    if tag is None:
        tag = ET.SubElement(tags, "tag", id=TAG)
    ET.SubElement(tag, "obj_ref", id=name)


# Settings with which a distribution's build of pacemaker begins a new configuration (--with-resource-stickiness-default).
_DISTRIBUTIONS = re.compile(r"build-[a-z-]+")


def _distributions(have: Mapping[str, Item], want: Mapping[str, Item]) -> set[str]:
    """Those of them that are wanted otherwise, while the cluster is new: nobody has decided for them."""
    if any(item.section in ("resources", "constraints", "tags") for item in have.values()):
        return set()
    return {name for name, item in want.items() if name in have and item.is_setting and _DISTRIBUTIONS.fullmatch(name)}


def _wanted(root: ET.Element, have: Mapping[str, Item], wanted: ET.Element, tag: str) -> dict[str, Item]:
    """The wanted items in the terms of this CIB: its role names, the ids of its settings, and the tag itself."""
    wanted = copy.deepcopy(wanted)
    schema = re.fullmatch(r"pacemaker-(\d+)\.(\d+)", root.get("validate-with", ""))
    # constraints-3.7.rng and resources-3.7.rng of pacemaker brought the present names
    if schema and (int(schema[1]), int(schema[2])) < (3, 7):
        for element in wanted.iter():
            for name, value in element.attrib.items():
                if name == "role" or name.endswith("-role"):
                    element.set(name, {"Promoted": "Master", "Unpromoted": "Slave"}.get(value, value))
    # pacemaker prefers the set of this name; a setting that another set has already is that one, not a second one
    settings = [item for item in have.values() if item.is_setting]
    settings.sort(key=lambda item: item.place == model.SETTING_SETS[item.section][1])
    by_name = {(item.section, item.element.get("name")): item for item in settings}
    items = {}
    for item in model.index(wanted).values():
        known = by_name.get((item.section, item.element.get("name"))) if item.is_setting else None
        if known:
            pair = ET.Element("nvpair", {**item.element.attrib, "id": known.id})
            item = replace(item, place=known.place, element=pair)
        items[item.id] = item
    return items | {tag: _tag(tag, items)} if items else {}


def _tag(tag: str, names: Collection[str]) -> Item:
    element = ET.Element("tag", id=tag)
    element.extend([ET.Element("obj_ref", id=name) for name in names])
    return Item("tags", "", element)


def _difference(old: Item | None, new: Item, ours: Collection[str]) -> tuple[str, str]:
    """What only the old item says and what only the new one says, in words; two empty texts where they mean the same.

    Foreign members of a group and an operator's decisions of the moment do not count.
    """
    if old is None:
        return "", model.words(new)
    left = {pair.get("name", "") for pair in old.element.findall("meta_attributes/nvpair") if model.is_proving(pair)}
    ignore = model.RUNTIME_META - model.meta_names(new.element) - left
    before, after = model.clauses(old, ours, ignore), model.clauses(new)
    shown_before, shown_after = model.clauses(model.redacted(old), ours, ignore), model.clauses(model.redacted(new))
    lost = [shown for clause, shown in zip(before, shown_before) if clause not in after]
    found = [shown for clause, shown in zip(after, shown_after) if clause not in before]
    return "; ".join(lost), "; ".join(found)


def _refuse(have: Mapping[str, Item], want: Mapping[str, Item], ours: Collection[str], gone: Collection[str]) -> None:
    """Raise if reaching what is wanted touches what is not ours."""
    problems = []
    for name, item in want.items():
        old = have.get(name)
        if old is None:
            continue
        if name not in ours and any(_difference(old, item, {*ours, *want})):
            problems.append(
                f"{name} exists and was not made by hamysql: `{model.words(old)}`, wanted `{model.words(item)}`"
            )
        if old.place and old.place != item.place and old.place not in {*ours, *want} and not item.is_setting:
            problems.append(f"{name} was moved into {old.place}, which was not made by hamysql: take it out again")
    for name in {*gone, *want} & set(have):
        foreign = [member for member in have[name].members if member not in ours and member not in want]
        if foreign and (name in gone or have[name].element.tag != "group"):
            problems.append(f"{name} contains {', '.join(foreign)}, not made by hamysql: take that out of it first")
    for name, holder in references(have):
        if name in gone and holder not in ours and holder not in want:
            problems.append(
                f"{name} is to be removed, but {holder}, not made by hamysql, refers to it: remove {holder} first"
            )
    if problems:
        raise Refused(
            "the cluster configuration stays as it is:\n  - "
            + "\n  - ".join(sorted(problems))
            + "\nLook at it with `cibadmin --query --xpath \"//*[@id='ID']\"`. An element of the same name is either deleted or "
            "renamed by hand, or handed over to hamysql with `salt NODE hamysql_cib.apply adopt=ID`."
        )


def references(have: Mapping[str, Item]) -> list[tuple[str, str]]:
    """Every reference to a resource: its id, and the id of the item that refers to it."""
    found = []
    for name, item in have.items():
        for element in item.element.iter():
            attributes = ["rsc", "with-rsc", "first", "then", "template"]
            attributes += ["id"] if element.tag in {"resource_ref", "obj_ref"} else []
            found += [(element.attrib[key], name) for key in attributes if key in element.attrib]
    return found


def _build(root: ET.Element, have: Mapping[str, Item], want: Mapping[str, Item], gone: Collection[str]) -> str:
    """The CIB as it will be."""
    new = copy.deepcopy(root)
    config = model.configuration(new)
    for name in ("resources", *dict.fromkeys(item.section for item in want.values())):
        if config.find(name) is None:
            ET.SubElement(config, name)
    _build_resources(_child(config, "resources"), have, want, gone)
    present = {}
    for section in model.elements(config):
        for child in model.elements(section):
            present[child.get("id", "")] = (section, child)
            if section.tag in model.SETTINGS:
                present |= {pair.get("id", ""): (child, pair) for pair in model.elements(child)}
    for name in gone:
        if have[name].section != "resources":
            parent, element = present[name]
            parent.remove(element)
            if have[name].is_setting and not model.elements(parent):
                _child(config, have[name].section).remove(parent)
    for name, item in want.items():
        if item.section == "resources":
            continue
        element = copy.deepcopy(item.element)
        if name in have:
            parent, old = present[name]
            parent[list(parent).index(old)] = element
        elif item.is_setting:
            set_of(_child(config, item.section), item.place).append(element)
        else:
            _child(config, item.section).append(element)
    new.set("epoch", str(int(root.get("epoch", "0")) + 1))
    new.set("num_updates", "0")
    return ET.tostring(new, "unicode")


def _child(config: ET.Element, section: str) -> ET.Element:
    found = config.find(section)
    assert found is not None, section
    return found


def set_of(section: ET.Element, name: str) -> ET.Element:
    """The set of settings of this name, made where there is none."""
    found = next((child for child in model.elements(section) if child.get("id") == name), None)
    return found if found is not None else ET.SubElement(section, model.SETTING_SETS[section.tag][0], id=name)


def _build_resources(
    section: ET.Element, have: Mapping[str, Item], want: Mapping[str, Item], gone: Collection[str]
) -> None:
    """Put the wanted resources where they belong; foreign ones keep their place, also inside a group of ours."""
    parents = {child: parent for parent in section.iter() for child in parent if child.tag in model.RESOURCES}
    live = {element.get("id", ""): element for element in parents}

    def render(name: str) -> ET.Element:
        element = copy.deepcopy(want[name].element)
        old = have.get(name)
        if old is not None:
            _keep_runtime_meta(element, old.element)
        for member in _members(want[name].members, old.members if old else (), {*want, *gone}):
            element.append(render(member) if member in want else live[member])
        return element

    top = {name: render(name) for name, item in want.items() if item.section == "resources" and not item.place}
    for name, element in live.items():
        parent = parents[element]
        if name in top and parent is section:
            parent[list(parent).index(element)] = top.pop(name)
        elif name in want or name in gone:
            parent.remove(element)
    section.extend(top.values())


def _members(wanted: Collection[str], live: Collection[str], ours: Collection[str]) -> list[str]:
    """The wanted members in their order, each foreign one still after the member that it follows now."""
    result = list(wanted)
    at = 0
    for member in live:
        if member not in ours:
            result.insert(at, member)
            at += 1
        elif member in result:
            at = result.index(member) + 1
    return result


def _keep_runtime_meta(element: ET.Element, old: ET.Element) -> None:
    """Carry over what an operator decided about a resource for the moment, unless it is among what is wanted."""
    keep = model.RUNTIME_META - model.meta_names(element)
    kept = [
        pair
        for pair in old.findall("meta_attributes/nvpair")
        if pair.get("name") in keep and not model.is_proving(pair)
    ]
    if kept:
        found = element.find("meta_attributes")
        if found is None:
            found = ET.Element("meta_attributes", id=f"{element.get('id')}-meta_attributes")
            element.insert(0, found)
        found.extend(copy.deepcopy(kept))
