"""Another agent for what runs, without stopping it. Pure; :func:`hamysql.cib.live.apply` carries it out.

pacemaker stops what was started by another agent than the configuration names, and starts it by that one. With the primary of a
promotable clone it does not even stop what runs on it before (seen with 2.1.5: the demotion of a DRBD that is mounted is tried
until its time is over, and the database is restarted then). Nothing of that has to be: agents are programs that look at the same
DRBD, mount or server. So the new agent comes together with maintenance mode, in one change; pacemaker is told to forget what it
knows of the resource, and looks at it by the new agent; when it has found everything where it was, maintenance mode ends.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Collection, Iterator

from hamysql.cib import model
from hamysql.cib import plan as cib_plan
from hamysql.cib.move import next_epoch

# Listed in our own tag while it is there: a run that was cut off leaves it, and the next one ends what was begun.
ID = "hamysql-maintenance-mode"
NAME = "maintenance-mode"
_SET = model.SETTING_SETS["crm_config"][1]
_PENDING = "-1"  # op-status of an operation that has not ended


def exchanged(xml: str) -> tuple[str, ...]:
    """The resources that are noted, on a member of the cluster, under another agent than the configuration of this CIB names."""
    return tuple(sorted(_exchanged(model.parse(xml))))


def running(xml: str) -> tuple[str, ...]:
    """Those of them that run there. For one that is stopped pacemaker has nothing to stop, and starts it by the new agent."""
    root = model.parse(xml)
    others = _exchanged(root)
    return tuple(sorted({name for name, _, noted in _noted(root) if name in others and not _stopped(noted)}))


def begun(xml: str) -> bool:
    """Whether an exchange is under way, or was cut off."""
    return ID in model.index(model.configuration(model.parse(xml)))


def unseen(xml: str) -> tuple[str, ...]:
    """`p_mysql on db1`: what pacemaker has not looked at on a member by the agent that the configuration names."""
    root = model.parse(xml)
    seen = {
        (name, node, _agent(noted))
        for name, node, noted in _noted(root)
        if any(operation.get("op-status") != _PENDING for operation in noted.iterfind("lrm_rsc_op"))
    }
    return tuple(
        f"{name} on {node.get('uname')}"
        for name, agent in _agents(root).items()
        for node in _members(root)
        if (name, node.get("uname"), agent) not in seen
    )


def held(xml: str) -> str:
    """A CIB in which pacemaker does nothing for the moment; the given text itself where somebody has asked for that already."""
    root = model.parse(xml)
    config = model.configuration(root)
    settings = model.section(config, "crm_config")
    for parent, pair in list(_modes(settings)):
        if model.is_true(pair):
            return xml
        parent.remove(pair)
    ET.SubElement(cib_plan.set_of(settings, _SET), "nvpair", id=ID, name=NAME, value="true")
    cib_plan.claim(config, ID)
    return ET.tostring(root, "unicode")


def released(live_xml: str, before: str) -> str:
    """A CIB in which pacemaker acts again, one epoch later; the given text itself where it is not held by us.

    before
        The CIB without the hold: what it says of maintenance mode comes back.
    """
    if not begun(live_xml):
        return live_xml
    root = model.parse(live_xml)
    config = model.configuration(root)
    model.drop(config, ID)
    settings = model.section(config, "crm_config")
    for parent, pair in _modes(model.section(model.configuration(model.parse(before)), "crm_config")):
        if pair.get("id") != ID:
            cib_plan.set_of(settings, parent.get("id", "")).append(pair)
    return next_epoch(root)


def looked_at(xml: str, names: Collection[str]) -> str:
    """A CIB in which these resources were started by the agents that it names: what pacemaker would do when all is exchanged."""
    root = model.parse(xml)
    agents = _agents(root)
    for name, _, noted in _noted(root):
        if name in names:
            noted.attrib.update(zip(("class", "provider", "type"), agents[name]))
            for operation in noted.iterfind("lrm_rsc_op"):
                for digest in ("op-digest", "op-restart-digest", "op-force-restart", "op-secure-digest"):
                    operation.attrib.pop(digest, None)
    return ET.tostring(root, "unicode")


def names(xml: str) -> frozenset[str]:
    """The primitives of a CIB that are no fence devices."""
    return frozenset(_agents(model.parse(xml)))


def _exchanged(root: ET.Element) -> set[str]:
    agents = _agents(root)
    return {name for name, _, noted in _noted(root) if _agent(noted) != agents.get(name, _agent(noted))}


def _agents(root: ET.Element) -> dict[str, tuple[str, ...]]:
    """The agent of each primitive. Fence devices aside: pacemaker stops and starts them at no cost."""
    found = root.iterfind("configuration/resources//primitive")
    return {item.get("id", ""): _agent(item) for item in found if item.get("class") != "stonith"}


def _agent(element: ET.Element) -> tuple[str, ...]:
    return tuple(element.get(name, "") for name in ("class", "provider", "type"))


def _members(root: ET.Element) -> Iterator[ET.Element]:
    return (node for node in root.iterfind("status/node_state") if node.get("join") == "member")


def _noted(root: ET.Element) -> Iterator[tuple[str, str, ET.Element]]:
    """What pacemaker has noted of each resource on each member; a clone's instance goes by the primitive's name."""
    for node in _members(root):
        for noted in node.iterfind("lrm/lrm_resources/lrm_resource"):
            yield noted.get("id", "").partition(":")[0], node.get("uname", ""), noted


def _stopped(noted: ET.Element) -> bool:
    """Whether pacemaker has seen or had it stopped last; what it has never looked at is not known to run either."""
    last = noted.find(f"lrm_rsc_op[@id='{noted.get('id')}_last_0']")
    return last is None or (last.get("operation"), last.get("rc-code")) in (("stop", "0"), ("monitor", "7"))


def _modes(settings: ET.Element) -> Iterator[tuple[ET.Element, ET.Element]]:
    """Every pair that says whether the cluster is in maintenance, with its set."""
    for parent in model.elements(settings):
        for pair in model.elements(parent):
            if pair.get("name") == NAME:
                yield parent, pair
