"""A cluster that somebody else has built becomes hamysql's: its CIB goes in, and the one with hamysql's elements comes out. Pure.

All of it is one change, made in maintenance mode: pacemaker stops nothing then that has another name. The resources get hamysql's
names first, together with all that refers to them, so what others have made beside them stays valid. Then the same plan as a
deployment's replaces what they say. :mod:`hamysql.adoption.take_over` carries it out.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Collection, Iterable, Iterator, Mapping

from hamysql.adoption import cluster as adoption_cluster
from hamysql.cib import agents as cib_agents
from hamysql.cib import model
from hamysql.cib import names as cib_names
from hamysql.cib import plan as cib_plan
from hamysql.cib.model import Item
from hamysql.cib.move import next_epoch

# Attributes that hold an id: an element's own, and those of others that it is about.
_IDS = ("id", "rsc", "with-rsc", "first", "then", "template")
# What identifies the service: the pillar has to say the same, or it is about another cluster.
_IDENTITY = {
    cib_names.ADDRESS: ("ip",),
    cib_names.REPLICA: ("drbd_resource",),
    cib_names.FILE_SYSTEM: ("device", "directory", "fstype"),
    # By these the agent finds the server that runs.
    cib_names.SERVER: ("datadir", "socket", "pid"),
}
_SCORE = "master-"  # what the name of a promotion score begins with; the resource follows


def is_ours(xml: str) -> bool:
    """Whether hamysql owns more in this CIB than the hold of an exchange."""
    have = model.index(model.configuration(model.parse(xml)))
    return bool(cib_plan.listed(have, cib_plan.TAG) - {cib_plan.TAG, cib_agents.ID})


def is_begun(xml: str) -> bool:
    """Whether a takeover has begun, and the cluster's elements are still somebody else's."""
    return cib_agents.begun(xml) and not is_ours(xml)


def held(xml: str) -> str:
    """The CIB in which hamysql has pacemaker do nothing, one epoch later; the given text itself where it is held already."""
    new = cib_agents.held(xml)
    return xml if new is xml else next_epoch(model.parse(new))


def problems(xml: str, wanted: ET.Element) -> list[str]:
    """Why a cluster cannot be taken over with this pillar, as sentences; none where it can.

    wanted
        The <configuration> that hamysql wants by the pillar.
    """
    found = adoption_cluster.read(xml)
    if found["unclear"]:
        return list(found["unclear"])
    have = model.index(model.configuration(model.parse(xml)))
    want = model.index(wanted)
    return [*_missing(found["names"], want), *_other_values(found, want), *_taken(have, want, found["names"])]


def _missing(names: Mapping[str, str], want: Mapping[str, Item]) -> Iterator[str]:
    for ours in _IDENTITY:
        if ours in want and ours not in names:
            yield f"the cluster has nothing that is {ours} of the pillar"
        elif ours in names and ours not in want:
            yield f"the cluster has {names[ours]}, and the pillar has no {ours}: it describes other storage"


def _other_values(found: adoption_cluster.Cluster, want: Mapping[str, Item]) -> Iterator[str]:
    """What the pillar says otherwise than the resources that run."""
    for ours, params in _IDENTITY.items():
        if ours not in want or ours not in found["params"]:
            continue
        wanted = {pair.get("name"): pair.get("value") for pair in want[ours].element.iter("nvpair")}
        for name in params:
            is_, shall = found["params"][ours].get(name), wanted.get(name)
            if is_ and shall and is_.rstrip("/") != shall.rstrip("/"):
                yield f"{found['names'][ours]} has {name} {is_}, and the pillar says {shall}"


def _taken(have: Mapping[str, Item], want: Mapping[str, Item], names: Mapping[str, str]) -> Iterator[str]:
    """Names of hamysql's that something else has."""
    going = {theirs for theirs in names.values()} | {item.id for item in have.values() if _is_fence(item)}
    for name, item in want.items():
        if name in have and not item.is_setting and name not in going:
            yield f"{name} is something else in this cluster, `{model.words(have[name])}`: rename it or delete it first"


def _is_fence(item: Item) -> bool:
    return item.element.get("class") == "stonith"


def planned(xml: str, wanted: ET.Element) -> cib_plan.Plan:
    """The change that makes the cluster hamysql's; without the hold.

    Raises ``Refused`` where that would change or break something that stays somebody else's.
    """
    root = model.parse(xml)
    config = model.configuration(root)
    before = model.index(config)
    want = model.index(wanted)
    changes = renames(xml)
    _rename(config, {theirs: ours for theirs, ours in changes})
    # The tag has the plan take them away: nothing runs on a fence device, and hamysql makes its own.
    for name in _going(before, want):
        cib_plan.claim(config, name)
    text = ET.tostring(root, "unicode")
    have = model.index(config)
    made = cib_plan.plan(text, wanted, adopt=have.keys() & want.keys() | {i.id for i in have.values() if i.is_setting})
    said = tuple(cib_plan.Change("renamed", ours, theirs, ours) for theirs, ours in changes)
    rest = tuple(change for change in made.changes if change.id not in (cib_agents.ID, cib_plan.TAG))
    return cib_plan.Plan(made.xml, said + rest)


def renames(xml: str) -> list[tuple[str, str]]:
    """What gets another name: its own, and hamysql's."""
    names = adoption_cluster.read(xml)["names"]
    return [(theirs, ours) for ours, theirs in names.items() if ours != theirs]


def _rename(config: ET.Element, names: Mapping[str, str]) -> None:
    for element in config.iter():
        for key in _IDS:
            if element.get(key) in names:
                element.set(key, names[element.attrib[key]])


def _going(have: Mapping[str, Item], want: Mapping[str, Item]) -> set[str]:
    """Fence devices that are not hamysql's, and what is about nothing but them."""
    fences = {item.id for item in have.values() if _is_fence(item)}
    gone = fences - want.keys()
    about: dict[str, set[str]] = {}
    for name, holder in cib_plan.references(have):
        if have[holder].section == "constraints":
            about.setdefault(holder, set()).add(name)
    levels = [
        item.id
        for item in have.values()
        if item.section == "fencing-topology"
        for level in [item.element, *item.element.iter("fencing-level")]
        if set(filter(None, level.get("devices", "").split(","))) & gone
    ]
    return gone | {holder for holder, names in about.items() if names <= gone} | set(levels)


def orphans(xml: str) -> tuple[str, ...]:
    """What pacemaker has noted on a member and no configuration names any more: it would be stopped. Fence devices aside."""
    root = model.parse(xml)
    config = model.configuration(root)
    known = {item.get("id") for item in config.iterfind("resources//primitive")}
    noted = root.iterfind("status/node_state[@join='member']/lrm/lrm_resources/lrm_resource")
    found = {item.get("id", "").partition(":")[0] for item in noted if item.get("class") != "stonith"}
    return tuple(sorted(found - known))


def service(xml: str) -> tuple[str, ...]:
    """The primitives of hamysql's in this CIB that the service consists of."""
    there = cib_agents.names(xml)
    return tuple(name for name in (*_IDENTITY, cib_names.VOLUME) if name in there)


def as_found(xml: str, before: str) -> str:
    """A CIB after the change, as if pacemaker had looked at everything and found it as it was: what it would do then.

    before
        The CIB before it, with the names of then.
    """
    root = model.parse(xml)
    names = dict(renames(before))
    for noted in root.iterfind("status/node_state/lrm/lrm_resources/lrm_resource"):
        old, colon, number = noted.get("id", "").partition(":")
        if old in names:
            noted.set("id", f"{names[old]}{colon}{number}")
            for done in list(noted.iterfind("lrm_rsc_op")):
                for key in ("id", "operation_key"):
                    done.set(key, done.get(key, "").replace(old, names[old], 1))
    for pair in root.iterfind("status/node_state/transient_attributes/instance_attributes/nvpair"):
        name = pair.get("name", "")
        if name.startswith(_SCORE) and name[len(_SCORE) :] in names:
            pair.set("name", _SCORE + names[name[len(_SCORE) :]])
    text = ET.tostring(root, "unicode")
    return cib_agents.looked_at(text, cib_agents.names(text))


def places(xml: str) -> list[tuple[str, str]]:
    """Each primitive that is noted on a node, with the node. Fence devices aside."""
    known = cib_agents.names(xml)
    return [(name, node) for name, node, _ in _noted(model.parse(xml)) if name in known]


def with_digests(xml: str, digests: Mapping[tuple[str, str], str]) -> str:
    """A CIB in which pacemaker has looked at resources with their present parameters, and at nothing else of them.

    digests
        Of each place (:func:`places`).
    """
    root = model.parse(xml)
    for name, node, noted in _noted(root):
        if (name, node) in digests:
            for done in list(noted):
                if done.get("interval") != "0":
                    noted.remove(done)  # what is looked at anew has no monitor yet
                else:
                    done.set("op-digest", digests[(name, node)])
    return ET.tostring(root, "unicode")


def _noted(root: ET.Element) -> Iterator[tuple[str, str, ET.Element]]:
    for state in root.iterfind("status/node_state"):
        for noted in state.iterfind("lrm/lrm_resources/lrm_resource"):
            yield noted.get("id", "").partition(":")[0], state.get("uname", ""), noted


def scores(xml: str, names: Iterable[str]) -> list[tuple[str, str]]:
    """The promotion scores of resources that are no more: each with its node."""
    wanted = {_SCORE + name for name in names}
    return [
        (state.get("uname", ""), pair.get("name", ""))
        for state in model.parse(xml).iterfind("status/node_state")
        for pair in state.iterfind("transient_attributes/instance_attributes/nvpair")
        if pair.get("name") in wanted
    ]


def interrupting(actions: Iterable[str], xml: str, before: Collection[str] = ()) -> list[str]:
    """Those of pacemaker's actions that touch what runs. Fence devices and a new watcher start, and nobody notices.

    xml
        The CIB that they follow from.
    before
        The fence devices that there were; none by default.
    """
    root = model.parse(xml)
    harmless = {item.get("id") for item in root.iterfind("configuration/resources//primitive[@class='stonith']")}
    harmless |= {*before, cib_names.WATCHER}
    return [line for line in actions if [*line.split(), "", ""][1].partition(":")[0] not in harmless]


def fences(xml: str) -> set[str]:
    """The fence devices of a CIB."""
    found = model.parse(xml).iterfind("configuration/resources//primitive[@class='stonith']")
    return {item.get("id", "") for item in found}


def put_back(now: str, before: str) -> str:
    """The CIB of before the change, still held, one epoch after the present one. What pacemaker has noted stays as it is."""
    root = model.parse(now)
    old = model.parse(cib_agents.held(before))
    root.remove(model.configuration(root))
    root.insert(0, model.configuration(old))
    return next_epoch(root)
