"""A resource that somebody else has set up: what drbd.conf says of it, in the pillar's terms.

Source: what ``drbdadm dump-xml`` prints (drbd-utils 9.22). A resource's own options overrule those of the section ``common``.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypedDict

from hamysql.errors import CommandFailed, NotReady, ParseError, Refused
from hamysql.resolved import Resolved
from hamysql.storage.drbd import drbdadm, replica, verbs
from hamysql.storage.drbd.link import RESOURCES
from hamysql.storage.drbd.settings import FENCE_HANDLERS, OWN_DRBD
from hamysql.storage.kind import Described
from hamysql.storage.latch import Latches
from hamysql.system import disk, files, root
from hamysql.system.command import Run

MAIN = Path("/etc/drbd.conf")
# As drbd-utils has it: hamysql's files are in that folder.
STANDARD = 'include "drbd.d/global_common.conf";\ninclude "drbd.d/*.res";\n'

_SECRET = "shared-secret"
_SECTIONS = ("startup", "disk", "net", "handlers", "options")


class Host(TypedDict):
    """One node's part of a resource."""

    volumes: int
    device: str
    minor: str
    disk: str
    meta: str
    address: str
    port: str


class Written(TypedDict):
    """A resource as its file has it, but for its secret, and in words what the kernel does with it.

    ``file`` is where it stands, and ``why`` has what kept it from being read, "" where nothing did.
    """

    file: str
    hosts: dict[str, Host]
    options: dict[str, dict[str, str]]
    secret: bool
    state: str
    why: str


def seen(run: Run, resource: str) -> Written:
    """What this node says of a resource."""
    try:
        file, hosts, options = parse(_dump(run), resource)
    except (CommandFailed, ParseError) as exc:
        why = (str(exc).strip().splitlines() or ["drbdadm failed"])[-1]
        return {"file": "", "hosts": {}, "options": {}, "secret": False, "state": "", "why": why}
    has = bool(options["net"].pop(_SECRET, ""))
    minor = next((host["minor"] for host in hosts.values()), "")
    state = _state(run, resource, minor)
    return {"file": file, "hosts": hosts, "options": options, "secret": has, "state": state, "why": ""}


def secret(run: Run, resource: str) -> str:
    """Its shared secret; "" without one."""
    return parse(_dump(run), resource)[2]["net"].get(_SECRET, "")


def _dump(run: Run) -> str:
    return drbdadm.call(run, None, "dump-xml").stdout


def _state(run: Run, resource: str, minor: str) -> str:
    found = replica.status(run, resource, int(minor)) if minor.isdecimal() else None
    return (
        f"{found.connection} {found.role} {found.disk}/{found.peer_disk}" if found else "not configured in the kernel"
    )


def parse(text: str, resource: str) -> tuple[str, dict[str, Host], dict[str, dict[str, str]]]:
    """The file, the nodes and the options of a resource, its secret among them. A ``ParseError`` never quotes the text."""
    try:
        root = ET.fromstring(text)
    except ET.ParseError:
        raise ParseError("drbdadm dump-xml printed no XML") from None
    found = next((item for item in root.iter("resource") if item.get("name") == resource), None)
    if found is None:
        raise ParseError(f"drbd.conf has no resource {resource}")
    options: dict[str, dict[str, str]] = {name: {} for name in _SECTIONS}
    for parent in (*root.iter("common"), found):
        for section in parent.findall("section"):
            pairs = {item.get("name", ""): item.get("value", "yes") for item in section.findall("option")}
            options.setdefault(section.get("name", ""), {}).update(pairs)
    file = found.get("conf-file-line", "").rpartition(":")[0]
    return file, {host.get("name", ""): _host(host) for host in found.findall("host")}, options


def _host(host: ET.Element) -> Host:
    volumes, address = host.findall("volume"), host.find("address")
    first = volumes[0] if volumes else ET.Element("volume")
    device = first.find("device")
    minor = device.get("minor", "") if device is not None else ""
    return {
        "volumes": len(volumes),
        "device": first.findtext("device", "").strip() or f"/dev/drbd{minor}",
        "minor": minor,
        "disk": first.findtext("disk", "").strip(),
        "meta": first.findtext("meta-disk", "").strip() or first.findtext("flexible-meta-disk", "").strip(),
        "address": (address.text or "").strip() if address is not None else "",
        "port": address.get("port", "") if address is not None else "",
    }


def described(resource: str, nodes: Mapping[str, Written]) -> Described:
    """The pillar's part about a resource.

    nodes
        What each node says of it.
    """
    unclear = [f"{name}: {said['why']}" for name, said in nodes.items() if said["why"]]
    read = {name: said for name, said in nodes.items() if not said["why"]}
    if not read:
        return Described({}, {}, unclear)
    first, *others = read.values()
    unclear += [
        f"{' and '.join(read)} have different files of the resource {resource}"
        for other in others
        if _differ(first, other)
    ]
    unclear += [
        f"{name}: the resource {resource} is {said['state']}" for name, said in read.items() if not _whole(said)
    ]
    hosts = first["hosts"]
    section: dict[str, object] = {"resource": resource}
    one = next(iter(hosts.values()))
    section |= {"device": one["device"], "port": one["port"]}
    for name, host in hosts.items():
        if name not in nodes:
            unclear.append(f"drbd.conf has {name}, which is neither {' nor '.join(nodes)}")
        if host["volumes"] != 1:
            unclear.append(f"{resource} has {host['volumes']} volumes on {name}, expected one")
        if host["meta"] != "internal":
            unclear.append(f"{resource} has its metadata on {host['meta'] or 'no disk'}, expected internal metadata")
        if (host["device"], host["port"]) != (one["device"], one["port"]):
            unclear.append(f"{resource} has another device or port on {name} than on the other node")
    section |= _options(first["options"], unclear)
    links = {name: host["address"] for name, host in hosts.items()}
    return Described(section, {name: {"disk": host["disk"]} for name, host in hosts.items()}, unclear, links)


def _differ(one: Written, other: Written) -> bool:
    return (one["hosts"], one["options"], one["secret"]) != (other["hosts"], other["options"], other["secret"])


def _whole(said: Written) -> bool:
    return said["state"].startswith("Connected ") and said["state"].endswith(" UpToDate/UpToDate")


def _options(options: Mapping[str, Mapping[str, str]], unclear: list[str]) -> dict[str, object]:
    """The keys of the pillar for options of drbd.conf; those that have no key of their own go below ``options``."""
    found: dict[str, object] = {}
    further: dict[str, dict[str, str]] = {}
    for section, given in options.items():
        for name, value in given.items():
            key = OWN_DRBD.get(section, {}).get(name, "")
            if section == "handlers" and name in FENCE_HANDLERS:
                unclear.append(f"the handler {name} is not taken over: hamysql:fencing writes its own")
            elif (section, name) == ("disk", "resync-rate"):
                found["rate"] = value
            elif (section, name) == ("net", "verify-alg"):
                found["verify"] = {"alg": value}
            elif (section, name) in (("disk", "c-plan-ahead"), ("disk", "fencing"), ("net", "fencing")):
                continue  # they follow from the rate, and from hamysql:fencing
            elif key:
                found[key] = value
            else:
                further.setdefault(section, {})[name] = value
    if "rate" not in found:
        found["rate"] = "auto"
    return found | ({"options": further} if further else {})


# --- a resource that becomes hamysql's


def unlike(site: Resolved, said: Written) -> Iterator[str]:
    """How a resource of somebody else's differs from the pillar's, as sentences; options aside, which are taken over in service.

    said
        What this node says of it.
    """
    drbd, nodes = site["storage"]["drbd"], site["cluster"]["nodes"]
    if said["why"]:
        yield f"DRBD's configuration cannot be read: {said['why']}"
        return
    if not _whole(said):
        yield f"the resource {drbd['resource']} is {said['state']}, expected Connected and UpToDate on both sides"
    if set(said["hosts"]) != set(nodes):
        yield f"drbd.conf has the nodes {' and '.join(said['hosts'])}, and the pillar has {' and '.join(nodes)}"
        return
    for name, host in said["hosts"].items():
        there = (host["device"], host["disk"], host["address"], host["port"], host["meta"])
        wanted = (drbd["device"], str(nodes[name]["disk"]), nodes[name]["replication"], str(drbd["port"]), "internal")
        if there != wanted:
            yield f"drbd.conf has {' '.join(there)} for {name}, and the pillar has {' '.join(wanted)}"
    for path, others in _homes(drbd["resource"]).items():
        if others:
            yield f"{path} has {', '.join(others)} beside {drbd['resource']}: give each of them a file of its own in /etc/drbd.d"


def own_files(resource: str) -> list[str]:
    """The files in which somebody else has written about a resource."""
    return list(_homes(resource))


def take(run: Run, site: Resolved, latches: Latches) -> list[str]:
    """The resource is in hamysql's files alone, and this node's latch says that its data is the cluster's; returns what was done.

    hamysql's files have to be there. Raises ``Refused`` where the disk has no metadata of DRBD that has carried data.
    """
    resource, device = site["storage"]["drbd"]["resource"], replica.disk(site)
    own = RESOURCES / f"{resource}.res"
    if not root.at(own).exists():
        raise NotReady(f"{own} is not there yet: run `salt-run state.orchestrate hamysql.orch.adopt` again")
    done = []
    for path in _homes(resource):
        if Path(path) == MAIN:
            new = root.at(MAIN).with_suffix(".hamysql")
            files.create(new, STANDARD)
            new.replace(root.at(MAIN))
            files.synchronise(new.parent)
        else:
            root.at(Path(path)).unlink()
        done.append(f"{path} leaves {resource} to {own}")
    found = replica.signatures(run, site, disk.size(run, device) or 0)
    uuid = next((one.uuid for one in found if one.type == "drbd"), "")
    if not uuid:
        raise Refused(f"{device} has no metadata of DRBD with an identifier: it cannot be taken over")
    if verbs.adopt(run, site, latches, uuid):
        done.append(f"{device} is noted as the cluster's replica")
    return done


def _homes(resource: str) -> dict[str, list[str]]:
    """The files that somebody else has written about a resource, each with the other resources in it."""
    found = {}
    own = f"{resource}.res"
    folder = root.at(RESOURCES)
    beside = sorted(path.name for path in folder.glob("*.res")) if folder.is_dir() else []
    for path in (MAIN, *(RESOURCES / name for name in beside if name != own)):
        there = _RESOURCE.findall(files.text_if_any(root.at(path), links=True) or "")
        if resource in there:
            found[str(path)] = [name for name in there if name != resource]
    return found


_RESOURCE = re.compile(r"""^\s*resource\s+["']?([^\s"'{]+)["']?\s*\{""", re.MULTILINE)
