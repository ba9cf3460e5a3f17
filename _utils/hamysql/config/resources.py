"""What hamysql wants in a cluster: its resources, constraints and settings as elements of a CIB."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Mapping

from hamysql.cib import build as cib_build
from hamysql.cib import names as cib_names
from hamysql.cib.model import SETTING_SETS, Parameters, pairs, unreadable
from hamysql.config import placement
from hamysql.errors import Refused
from hamysql.fencing import devices
from hamysql.resolved import Resolved
from hamysql.resolved.software import Mysql
from hamysql.storage import backends

# What schema and scheduler know of an operation; any other name is a parameter that only this operation gives its agent.
_OP_ATTRIBUTES = frozenset({"interval", "timeout", "role", "on-fail", "start-delay", "enabled", "record-pending"})

_FROZEN_TIMEOUT = 4  # seconds: what our own agent takes when it is not told


def desired(config: Resolved) -> ET.Element:
    """The <configuration> with exactly what hamysql owns in a cluster, from the resolved configuration.

    Role names are the present ones; :func:`hamysql.cib.plan.plan` translates them for a CIB with an older schema.
    """
    operations = config["pacemaker"]["operations"]
    vip, mysql, storage = config["vip"], config["mysql"], backends.used(config)

    def primitive(name: str, kind: str, params: Parameters) -> ET.Element:
        return _primitive(name, kind, params, operations[name])

    root = ET.Element("configuration")
    resources, constraints = ET.SubElement(root, "resources"), ET.SubElement(root, "constraints")
    # The address does not wait for the storage and the file system, only the server does, and it binds to the address.
    ip = {"ip": vip["address"], "cidr_netmask": vip["prefix"], "nic": cib_build.shared(vip["interfaces"])}
    resources.append(_with_nics(primitive(cib_names.ADDRESS, vip["agent"], ip), vip["interfaces"]))
    near = {"rsc": cib_names.ADDRESS, "with-rsc": cib_names.SERVICE}
    ET.SubElement(constraints, "rsc_colocation", id=cib_names.ADDRESS_WITH_SERVICE, score="INFINITY", **near)  # type: ignore[arg-type]
    bound = {"first": cib_names.ADDRESS, "then": cib_names.SERVER}
    ET.SubElement(constraints, "rsc_order", id=cib_names.ADDRESS_BEFORE_SERVER, kind="Mandatory", **bound)  # type: ignore[arg-type]
    group = ET.SubElement(resources, "group", id=cib_names.SERVICE)
    for name, kind, params in storage.below_the_filesystem(config):
        group.append(primitive(name, kind, params))
    mount = storage.mount_parameters(config)
    group.append(primitive(cib_names.FILE_SYSTEM, config["storage"]["filesystem"]["agent"], mount))
    group.append(primitive(cib_names.SERVER, mysql["agent"], _server(mysql)))
    if "priority-fencing-delay" in config["pacemaker"]["properties"]:
        worth = devices.WORTH[config["fencing"]["favoured"]]
        _pairs(group, "meta_attributes", f"{cib_names.SERVICE}-meta_attributes", {"priority": worth})

    storage.add_resources(config, resources, constraints, primitive)
    if vip["watch"]:
        clone = ET.SubElement(resources, "clone", id=cib_names.WATCHERS)
        watcher = primitive(cib_names.WATCHER, placement.AGENT, placement.watcher(config))
        clone.append(_with_nics(watcher, vip["interfaces"]))
    constraints.extend(placement.constraints(config))

    for name, found in devices.elements(config).items():
        if found:
            parent = root.find(name)
            (ET.SubElement(root, name) if parent is None else parent).extend(found)

    pacemaker = config["pacemaker"]
    for section, values in (("crm_config", pacemaker["properties"]), ("rsc_defaults", pacemaker["rsc_defaults"])):
        tag, name = SETTING_SETS[section]
        _pairs(ET.SubElement(root, section), tag, name, values)
    _refuse_twins(root)
    if problems := list(unreadable(root)):
        raise Refused("\n".join(problems))
    return root


def _refuse_twins(root: ET.Element) -> None:
    """Raise ``Refused`` where an id is there twice: of two elements with one id a CIB keeps one, and nobody is told."""
    count = Counter(element.get("id") for element in root.iter() if element.get("id") and element.tag not in REFERENCES)
    twins = sorted(str(name) for name, number in count.items() if number > 1)
    if twins:
        raise Refused(
            f"two elements of the cluster's configuration would have the same id: {', '.join(twins)}. Ids are made from the "
            "names of the nodes: give one of them (hamysql:cluster:nodes) a name that does not begin with the other one's name"
        )


REFERENCES = ("obj_ref", "resource_ref", "role")  # their ids are those of others


def _with_nics(primitive: ET.Element, nics: Mapping[str, str]) -> ET.Element:
    """A primitive with the interface of each node, where the nodes' differ and its own ``nic`` is left out."""
    primitive[1:1] = [] if cib_build.shared(nics) else cib_build.on_nodes(primitive.get("id", ""), "nic", nics)
    return primitive


def _server(mysql: Mysql) -> Parameters:
    """The parameters of the database server's agent; our own has those of ocf:heartbeat:mysql, as far as it needs them."""
    if not mysql["agent"].startswith("ocf:"):
        return {}  # an init script takes none
    shared = {"binary": mysql["binary"], "config": mysql["config"], "datadir": mysql["datadir"]}
    shared |= {"socket": mysql["socket"], "pid": mysql["pid_file"], "log": mysql["error_log"]}
    shared |= {"user": mysql["user"], "group": mysql["group"]}
    if mysql["agent"] == "ocf:hamysql:mysql":
        patience = {key: mysql[key] for key in ("ping_timeout", "storage_timeout") if mysql[key]}
        # A further parameter has pacemaker restart the server, which an update of the formula must not.
        if mysql["frozen_timeout"] != _FROZEN_TIMEOUT:
            patience["frozen_timeout"] = mysql["frozen_timeout"]
        return shared | {"admin_binary": mysql["admin"]} | patience
    return shared | {"client_binary": mysql["client"]}


def _pairs(parent: ET.Element, tag: str, name: str, values: Parameters) -> None:
    """Add a set of those name/value pairs that have a value; none where there is nothing to set."""
    given = {key: value for key, value in values.items() if value not in (None, "")}
    if given:
        pairs(parent, tag, name, given)


def _primitive(
    name: str, kind: str, params: Parameters, operations: Mapping[str, Mapping[str, str | int]]
) -> ET.Element:
    """A primitive; `monitor_promoted` and `monitor_unpromoted` are the monitors of one role."""
    cls, *provider, agent = kind.split(":")
    by = {"provider": provider[0]} if provider else {}
    element = ET.Element("primitive", {"id": name, "class": cls, **by, "type": agent})
    _pairs(element, "instance_attributes", f"{name}-instance_attributes", params)
    parent = ET.SubElement(element, "operations")
    for action, given in operations.items():
        verb, _, role = action.partition("_")
        said = {"interval": "0s", **({"role": role.capitalize()} if role else {}), **given}
        own = {key: str(value) for key, value in said.items() if key in _OP_ATTRIBUTES}
        op = ET.SubElement(parent, "op", {"id": f"{name}-{verb}-{said['interval']}", "name": verb, **own})
        further = {key: value for key, value in said.items() if key not in _OP_ATTRIBUTES}
        _pairs(op, "instance_attributes", f"{op.get('id')}-instance_attributes", further)
    return element
