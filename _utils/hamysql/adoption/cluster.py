"""A cluster's configuration that somebody else has made, in hamysql's terms: which of its resources does what. Pure.

Resources are found by what they are and by what they depend on, never by their names. Secrets stay out of what is returned.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping
from typing import TypedDict

from hamysql.cib import model, names
from hamysql.cib.model import Item
from hamysql.mysql.flavours import registry
from hamysql.schema.secretnames import is_secret
from hamysql.storage import backends

# Types of agents, whoever has provided them.
_FILE_SYSTEM = ("Filesystem", "filesystem")
_ADDRESS = ("IPaddr2", "IPaddr", "address")

# Which node a device cuts off, and what pacemaker itself asks of it: hamysql writes these.
_OF_PACEMAKER = ("pcmk_host_list", "pcmk_host_check", "pcmk_host_map")
# Settings of the cluster that it writes itself.
_ITS_OWN = (
    *(
        "dc-version",
        "cluster-infrastructure",
        "cluster-name",
        "have-watchdog",
        "last-lrm-refresh",
        "stonith-watchdog-timeout",
    ),
    *("stonith-enabled", "stonith-timeout", "priority-fencing-delay", "maintenance-mode"),
)

# What hamysql calls a constraint, by what it is about.
_CONSTRAINTS = {
    ("rsc_colocation", names.SERVICE, names.REPLICAS): names.SERVICE_WITH_REPLICA,
    ("rsc_order", names.REPLICAS, names.SERVICE): names.REPLICA_BEFORE_SERVICE,
    ("rsc_colocation", names.ADDRESS, names.SERVICE): names.ADDRESS_WITH_SERVICE,
    ("rsc_order", names.ADDRESS, names.SERVER): names.ADDRESS_BEFORE_SERVER,
}


class Fence(TypedDict):
    """A fence device; ``secrets`` are the names of its secret options, ``nodes`` those that it says it cuts off."""

    id: str
    agent: str
    options: dict[str, str]
    secrets: list[str]
    nodes: list[str]


class Cluster(TypedDict):
    """All of it. ``names`` has the present id of what hamysql calls otherwise or likewise, ``params`` and ``agents`` go by
    hamysql's ids. ``others`` are what has no place there, in words, and ``unclear`` sentences about what was not found."""

    names: dict[str, str]
    agents: dict[str, str]
    params: dict[str, dict[str, str]]
    settings: dict[str, dict[str, str]]
    fencing: bool
    fences: list[Fence]
    others: list[str]
    unclear: list[str]


def read(xml: str) -> Cluster:
    """The cluster of a CIB."""
    have = model.index(model.configuration(model.parse(xml)))
    found: dict[str, str] = {}
    unclear = list(_find(have, found))
    fences = [item for item in have.values() if item.element.get("class") == "stonith"]
    known = {*found.values(), *(item.id for item in fences)}
    return {
        "names": found,
        "agents": {
            ours: _agent(have[theirs]) for ours, theirs in found.items() if have[theirs].element.tag == "primitive"
        },
        "params": {
            ours: {name: value for name, value in _params(have[theirs]).items() if not is_secret(name)}
            for ours, theirs in found.items()
            if have[theirs].element.tag == "primitive"
        },
        "settings": {section: _settings(have.values(), section) for section in ("crm_config", "rsc_defaults")},
        "fencing": _fencing(have.values()),
        "fences": [_fence(item) for item in fences],
        "others": [model.words(item) for item in have.values() if not item.is_setting and item.id not in known],
        "unclear": unclear,
    }


def values(cluster: Cluster) -> dict[tuple[str, str], str]:
    """The parameters of its resources in the form that a kind of storage recognises: ``{(hamysql's id, name): value}``."""
    return {(ours, name): value for ours, given in cluster["params"].items() for name, value in given.items()}


def secrets(xml: str) -> dict[str, dict[str, str]]:
    """The secret options of each fence device: ``{id: {name: value}}``. A value in a file of the nodes is told as such."""
    have = model.index(model.configuration(model.parse(xml)))
    fences = (item for item in have.values() if item.element.get("class") == "stonith")
    return {item.id: {name: value for name, value in _params(item).items() if is_secret(name)} for item in fences}


def _find(have: Mapping[str, Item], found: dict[str, str]) -> Iterator[str]:
    """Fill in which item is what; yields a sentence about each that is missing or not alone."""
    servers = [item for item in have.values() if _is_server(item)]
    if len(servers) != 1:
        yield _number("database server", servers)
        return
    server = servers[0]
    found[names.SERVER] = server.id
    group = have.get(server.place)
    members = [have[name] for name in group.members] if group is not None else [server]
    if group is not None and group.element.tag == "group":
        found[names.SERVICE] = group.id
    near = {server.id, *(item.id for item in members), *([group.id] if group is not None else [])}
    near |= _beside(have.values(), near)
    yield from _one(have.values(), near, found, names.FILE_SYSTEM, "file system", _FILE_SYSTEM)
    yield from _one(have.values(), near, found, names.ADDRESS, "virtual IP", _ADDRESS)
    for kind in backends.KINDS.values():
        for ours, agent in kind.agents_elsewhere.items():
            others = [
                item for item in have.values() if item.element.get("type") in agent and item.element.tag == "primitive"
            ]
            chosen = [item for item in others if {item.id, item.place} & near] or others
            if len(chosen) > 1:
                yield _number(f"resource of {agent[0]} that the database depends on", chosen)
            elif chosen:
                found[ours] = chosen[0].id
    replica = have[found[names.REPLICA]] if names.REPLICA in found else None
    if replica is not None and replica.place:
        found[names.REPLICAS] = replica.place
    back = {theirs: own for own, theirs in found.items()}
    for item in have.values():
        if (name := _constraint(item, back)) is not None:
            found[name] = item.id


def _one(
    items: Iterable[Item], near: set[str], found: dict[str, str], ours: str, what: str, types: tuple[str, ...]
) -> Iterator[str]:
    """The one resource of a type that goes with the server, or the only one that there is."""
    every = [item for item in items if item.element.tag == "primitive" and item.element.get("type") in types]
    chosen = [item for item in every if item.id in near] or every
    if len(chosen) == 1:
        found[ours] = chosen[0].id
    else:
        yield _number(what, chosen)


def _number(what: str, items: list[Item]) -> str:
    there = ", ".join(item.id for item in items) or "none"
    return f"the cluster has not one {what}, but {there}"


def _is_server(item: Item) -> bool:
    services = {name.removesuffix(".service") for name in registry.services()}
    return item.element.tag == "primitive" and item.element.get("type", "").removesuffix(".service") in services


def _beside(items: Iterable[Item], near: set[str]) -> set[str]:
    """What a colocation or an order has together with any of these."""
    found: set[str] = set()
    for item in items:
        ends = _ends(item)
        if set(ends) & near:
            found |= {*ends}
    return found


def _ends(item: Item) -> tuple[str, ...]:
    """Both ends of a plain colocation or order; none of anything else."""
    keys = {"rsc_colocation": ("rsc", "with-rsc"), "rsc_order": ("first", "then")}.get(item.element.tag, ())
    return tuple(item.element.get(key, "") for key in keys) if set(keys) <= set(item.element.attrib) else ()


def _constraint(item: Item, ours: Mapping[str, str]) -> str | None:
    ends = [ours.get(name, "") for name in _ends(item)]
    return _CONSTRAINTS.get((item.element.tag, ends[0], ends[1])) if len(ends) == 2 else None


def _agent(item: Item) -> str:
    return ":".join(filter(None, (item.element.get(name) for name in ("class", "provider", "type"))))


def _params(item: Item) -> dict[str, str]:
    return {pair.get("name", ""): pair.get("value", "") for pair in item.element.iterfind("instance_attributes/nvpair")}


def _settings(items: Iterable[Item], section: str) -> dict[str, str]:
    """The settings that the cluster does not write itself, and that are no secret."""
    pairs = [item.element for item in items if item.is_setting and item.section == section]
    return {
        pair.get("name", ""): pair.get("value", "")
        for pair in pairs
        if pair.get("name") not in _ITS_OWN and not is_secret(pair.get("name", ""))
    }


def _fencing(items: Iterable[Item]) -> bool:
    """Whether nodes are fenced at all: pacemaker's own is yes."""
    said: list[ET.Element] = [item.element for item in items if item.element.get("name") == "stonith-enabled"]
    return all(map(model.is_true, said))


def _fence(item: Item) -> Fence:
    params = _params(item)
    nodes = params.get("pcmk_host_list", "").replace(",", " ").split()
    nodes += [pair.partition(":")[0] for pair in params.get("pcmk_host_map", "").replace(";", " ").split()]
    return {
        "id": item.id,
        "agent": item.element.get("type", ""),
        "options": {key: value for key, value in params.items() if key not in _OF_PACEMAKER and not is_secret(key)},
        "secrets": [name for name in params if is_secret(name)],
        "nodes": list(dict.fromkeys(nodes)),
    }
