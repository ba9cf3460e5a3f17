"""A CIB as a flat set of items that can be owned, compared and put into words.

An item is one resource (a group or clone without what it contains), one constraint, one setting of ``crm_config``,
``rsc_defaults`` or ``op_defaults``, or any other element of the configuration that has an id of its own.
Nodes and status belong to pacemaker and are not items.
"""

from __future__ import annotations

import copy
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from hamysql.errors import ParseError
from hamysql.schema.secretnames import HIDDEN, is_secret

# pacemaker (2.1.5) escapes these in an attribute up to its first letter beyond ASCII only. What it then prints of its own
# configuration is no XML: neither crm nor hamysql can read it again.
UNREADABLE = re.compile(r'[^\x00-\x7f].*[<&"]', re.DOTALL)
UNREADABLE_IN_WORDS = 'no <, & or " behind a letter beyond ASCII: pacemaker could not print its configuration any more'

CONTAINERS = frozenset({"group", "clone", "master", "bundle"})
RESOURCES = CONTAINERS | {"primitive", "template"}
SETTINGS = {"crm_config": "property", "rsc_defaults": "rsc_defaults", "op_defaults": "op_defaults"}
SETTING_SETS = {  # where crm, pcs and pacemaker itself keep them
    "crm_config": ("cluster_property_set", "cib-bootstrap-options"),
    "rsc_defaults": ("meta_attributes", "rsc-options"),
    "op_defaults": ("meta_attributes", "op-options"),
}
SETS = {"instance_attributes": "params", "meta_attributes": "meta", "utilization": "utilization"}

# What `crm resource stop`, `unmanage` and `maintenance` write into a resource: an operator's decision of the moment.
RUNTIME_META = frozenset({"target-role", "is-managed", "maintenance"})
# Ids of such a decision that is a fence test's: what a test that was killed has left is undone by the next run.
PROVING = "hamysql-proving-"

Parameters = Mapping[str, object]  # of an agent, or of the cluster: each value is written as a text

_TRUE = frozenset({"true", "on", "yes", "y", "1"})
_PLAIN = re.compile(r"[\w./:@%+,*-]+")


@dataclass(frozen=True)
class Item:
    """One element with an id, where it is, and the ids of the resources directly inside it."""

    section: str
    place: str  # the id of the group, clone or set that it sits in; "" at the top of its section
    element: ET.Element  # without the resources inside
    members: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return self.element.get("id", "")

    @property
    def is_setting(self) -> bool:
        return self.element.tag == "nvpair"


def unreadable(root: ET.Element) -> Iterator[str]:
    """Sentences about the values that pacemaker could not print again, below an element."""
    for element in root.iter():
        for name, value in element.attrib.items():
            if UNREADABLE.search(value):
                yield f"{element.get('id')}: {name}={value}: expected {UNREADABLE_IN_WORDS}"


def parse(text: str) -> ET.Element:
    """The root of an XML text, with its comments, which belong to whoever wrote them."""
    try:
        return ET.fromstring(text, ET.XMLParser(target=ET.TreeBuilder(insert_comments=True)))
    except ET.ParseError as exc:
        raise ParseError(f"this is not XML ({exc}): {text[:200]!r}") from exc


def configuration(root: ET.Element) -> ET.Element:
    """The <configuration> of a <cib>."""
    found = root.find("configuration")
    if root.tag != "cib" or found is None:
        raise ParseError(f"expected a <cib> with a <configuration>, found <{root.tag}>")
    return found


def section(config: ET.Element, name: str) -> ET.Element:
    """A section of the configuration, made where there is none."""
    found = config.find(name)
    return found if found is not None else ET.SubElement(config, name)


def drop(config: ET.Element, name: str) -> None:
    """Take an element out of the configuration with every reference to it, and a tag that lists nothing any more."""
    for parent in reversed(list(config.iter())):  # what is inside goes first: it may leave a tag empty
        for child in elements(parent):
            if child.get("id") == name or (child.tag == "tag" and not elements(child)):
                parent.remove(child)


def pairs(parent: ET.Element, tag: str, name: str, values: Parameters) -> None:
    """Add a set of name/value pairs with the ids that crm would give: ``name`` for the set, ``NAME-KEY`` for each pair."""
    found = ET.SubElement(parent, tag, id=name)
    for key, value in values.items():
        ET.SubElement(found, "nvpair", id=f"{name}-{key}", name=key, value=str(value))


def is_true(pair: ET.Element) -> bool:
    """Whether a setting says yes, in any of pacemaker's words for it."""
    return pair.get("value", "").lower() in _TRUE


def elements(parent: ET.Element) -> list[ET.Element]:
    """The children without comments (whose tag is a function)."""
    return [child for child in parent if isinstance(child.tag, str)]


def index(config: ET.Element) -> dict[str, Item]:
    """Every item of a <configuration> by its id."""
    return {item.id: item for section in elements(config) for item in _items(section)}


def _items(section: ET.Element) -> Iterator[Item]:
    if section.tag == "nodes":
        return
    for child in elements(section):
        if section.tag == "resources":
            yield from _resource(child, "")
        elif section.tag in SETTINGS and _is_plain(child):
            for pair in elements(child):
                yield Item(section.tag, child.get("id", ""), pair)
        else:
            yield Item(section.tag, "", child)


def _resource(element: ET.Element, place: str) -> Iterator[Item]:
    inner = [child for child in elements(element) if child.tag in RESOURCES]
    own = ET.Element(element.tag, element.attrib)
    own.extend([copy.deepcopy(child) for child in element if child.tag not in RESOURCES])
    yield Item("resources", place, own, tuple(child.get("id", "") for child in inner))
    for child in inner:
        yield from _resource(child, own.get("id", ""))


def _is_plain(element: ET.Element) -> bool:
    """A set of name/value pairs that always applies: no rule, no reference to another set."""
    return set(element.attrib) <= {"id"} and all(
        child.tag == "nvpair" and "id-ref" not in child.attrib for child in elements(element)
    )


def _condition(element: ET.Element) -> str:
    """When a set of pairs applies, where it has one plain rule, such as `rule #uname eq db1:`; "" for anything else.

    The rule's score says nothing in such a set, and neither does the order of sets with different conditions.
    """
    rules = [child for child in elements(element) if child.tag == "rule"]
    pairs = [child for child in elements(element) if child.tag != "rule"]
    if set(element.attrib) != {"id"} or len(rules) != 1 or set(rules[0].attrib) - {"id", "score"}:
        return ""
    if any(pair.tag != "nvpair" or "id-ref" in pair.attrib for pair in pairs):
        return ""
    tests = elements(rules[0])
    said = tests[0].attrib if [test.tag for test in tests] == ["expression"] else {}
    if set(said) != {"id", "attribute", "operation", "value"}:
        return ""
    return f"rule {said['attribute']} {said['operation']} {word(said['value'])}:"


def is_proving(pair: ET.Element) -> bool:
    """Whether a meta attribute was set by a fence test (``hamysql_fencing.prove``), and not by an operator."""
    return pair.get("id", "").startswith(PROVING)


def meta_names(element: ET.Element) -> set[str]:
    """The names of the meta attributes that an element sets itself."""
    return {pair.get("name", "") for pair in element.findall("meta_attributes/nvpair")}


def clauses(item: Item, members: Collection[str] | None = None, ignore: Collection[str] = ()) -> list[str]:
    """What an item says, one clause a fact, in words close to crm's, without the ids inside it.

    members
        Only these members of a group or clone count, all by default.
    ignore
        Names of meta attributes to leave out.

    Two items that have the same clauses in any order mean the same to pacemaker.
    """
    element = item.element
    if item.is_setting:
        return [f"{SETTINGS[item.section]} {_pair(element)}"]
    if element.tag == "tag":
        return [f"tag {ref.get('id')}" for ref in elements(element)]
    inside = [member for member in item.members if members is None or member in members]
    rest = {name: value for name, value in element.attrib.items() if name not in {"id", "class", "provider", "type"}}
    if element.tag in RESOURCES:
        kind = ":".join(filter(None, (element.get("class"), element.get("provider"), element.get("type"))))
        found = [" ".join(filter(None, (element.tag, kind, *inside)))]
        found += [f"in {item.place}"] if item.place else []
        found += [f"{name}={word(value)}" for name, value in sorted(rest.items())]
    else:
        found = [_constraint(element, rest)]
    for child in elements(element):
        if child.tag in SETS and _is_plain(child):
            pairs = [
                pair for pair in elements(child) if child.tag != "meta_attributes" or pair.get("name") not in ignore
            ]
            found += [f"{SETS[child.tag]} {_pair(pair)}" for pair in pairs]
        elif child.tag == "instance_attributes" and (condition := _condition(child)):
            found += [f"params {condition} {_pair(pair)}" for pair in child.findall("nvpair")]
        elif child.tag == "select" and not any(elements(event) for event in elements(child)):  # of an alert
            found.append(" ".join(["select", *(event.tag.removeprefix("select_") for event in elements(child))]))
        elif element.tag == "rsc_location" and child.tag == "rule" and (said := _place(child)):
            found.append(said)
        elif child.tag == "operations" and not child.attrib:
            found += [_operation(op) for op in elements(child)]
        else:
            found.append(ET.canonicalize(ET.tostring(child, "unicode"), strip_text=True))
    return found


def words(item: Item) -> str:
    """An item as one line that may be shown: like crm's, secrets hidden."""
    if item.is_setting:
        return clauses(redacted(item))[0]
    said: list[str] = []
    before = ""
    for clause in clauses(redacted(item)):
        kind, _, rest = clause.partition(" ")
        said.append(rest if kind == before and kind in {"tag", *SETS.values()} else clause)
        before = kind
    kind, _, rest = said[0].partition(" ")
    return " ".join(filter(None, (kind, item.id, rest, *said[1:])))


def redacted(item: Item) -> Item:
    """The same item with the values of secrets hidden."""
    element = copy.deepcopy(item.element)
    for pair in element.iter("nvpair"):
        if is_secret(pair.get("name", "")):
            pair.set("value", HIDDEN)
    return Item(item.section, item.place, element, item.members)


def word(value: str) -> str:
    """A value in a form that cannot run into its neighbours."""
    return value if _PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False)


def _pair(pair: ET.Element) -> str:
    return f"{pair.get('name')}={word(pair.get('value', ''))}"


def _operation(op: ET.Element) -> str:
    said = [f"{name}={word(value)}" for name, value in sorted(op.attrib.items()) if name not in {"id", "name"}]
    for child in elements(op):
        if _is_plain(child):
            said += sorted(_pair(pair) for pair in elements(child))
        else:
            said.append(ET.canonicalize(ET.tostring(child, "unicode"), strip_text=True))
    return " ".join(["op", op.get("name", ""), *said])


def _constraint(element: ET.Element, rest: dict[str, str]) -> str:
    """The head of a constraint; what is not in crm's short form follows as name=value."""
    take = rest.pop
    if element.tag == "rsc_colocation" and {"rsc", "with-rsc"} <= set(rest):
        ends = [":".join(filter(None, (take(end), take(f"{end}-role", "")))) for end in ("rsc", "with-rsc")]
        said = ["colocation", f"{_score(take('score', 'INFINITY'))}:", *ends]
    elif element.tag == "rsc_order" and {"first", "then"} <= set(rest):
        first, then = take("first"), take("then")
        first_action = take("first-action", "start")
        ends = [f"{first}:{first_action}", f"{then}:{take('then-action', first_action)}"]
        by_score = "Optional" if take("score", "INFINITY") == "0" else "Mandatory"
        said = ["order", f"{take('kind', by_score)}:", *ends]
    elif element.tag == "rsc_location" and {"rsc", "node", "score"} <= set(rest):
        said = ["location", take("rsc"), f"{_score(take('score'))}:", take("node")]
    else:
        said = [element.tag]
    return " ".join([*said, *(f"{name}={word(value)}" for name, value in sorted(rest.items()))])


def _place(rule: ET.Element) -> str:
    """A location's rule with one plain test, as crm writes it: `rule -30000: hamysql-leaving eq 1`; "" for anything else."""
    tests = elements(rule)
    if set(rule.attrib) - {"id", "score", "score-attribute"} or len(tests) != 1 or tests[0].tag != "expression":
        return ""
    said = {name: value for name, value in tests[0].attrib.items() if name != "id"}
    if set(said) not in ({"attribute", "operation"}, {"attribute", "operation", "value"}):
        return ""
    score = rule.get("score-attribute") or _score(rule.get("score", ""))
    if "value" in said:
        return f"rule {score}: {said['attribute']} {said['operation']} {word(said['value'])}"
    return f"rule {score}: {said['operation']} {said['attribute']}"


def _score(score: str) -> str:
    return score.replace("INFINITY", "inf").removeprefix("+")
