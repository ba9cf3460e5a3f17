"""What the data itself dictates: settings that cannot change while it stays where it is. Pure.

The evidence is on the nodes: the cluster's configuration, which pacemaker keeps in a file while it is stopped, and the latches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hamysql import cib_model
from hamysql.change import DATA, KEEP, REFUSED, Pending
from hamysql.plan import Latch

_PARAMETERS = {
    ("p_drbd_mysql", "drbd_resource"): "storage:drbd:resource",
    ("p_fs_mysql", "device"): "storage:drbd:device",
    ("p_fs_mysql", "fstype"): "storage:filesystem:type",
    ("p_fs_mysql", "directory"): "mysql:datadir",
}


def pending(
    config: Mapping[str, Any], cib: str | None, latches: Iterable[Latch], device_uuid: str = ""
) -> Iterator[Pending]:
    """What the pillar wants otherwise than the data is.

    config
        The resolved configuration.
    cib
        The cluster's configuration as XML; ``None`` where there is none yet.
    latches
        All latches of this node.
    device_uuid
        Of the DRBD metadata on the disk that the pillar names, which may be the latch's under another name; "" where none is.
    """
    storage, name = config["storage"], config["cluster"]["name"]
    drbd = storage["drbd"]
    found: dict[str, tuple[str, str]] = {}
    known = {latch.resource: latch for latch in latches}
    # The storage's plan would refuse these as well, but it cannot say which pillar key it is about.
    if drbd["resource"] in known:
        latch = known[drbd["resource"]]
        found["cluster:name"] = (latch.cluster, name)
        if not _is_about(latch, drbd["disk"], device_uuid):
            found["storage:drbd:disk"] = (latch.disk, drbd["disk"])
    else:
        for latch in known.values():
            if latch.cluster == name and _is_about(latch, drbd["disk"], device_uuid):
                found["storage:drbd:resource"] = (latch.resource, drbd["resource"])
    wanted = {
        "storage:drbd:resource": drbd["resource"],
        "storage:drbd:device": storage["filesystem"]["device"],
        "storage:filesystem:type": storage["filesystem"]["type"],
        "mysql:datadir": config["mysql"]["datadir"],
    }
    for where, old in _in_service(cib).items():
        found[where] = (old, wanted[where])
    for where, (old, new) in found.items():
        if old != new:
            yield Pending(REFUSED, DATA, f"hamysql:{where}", old, new, KEEP)


def _is_about(latch: Latch, disk: str, device_uuid: str) -> bool:
    """The disk is the latch's, by its name or by what is on it."""
    return latch.disk == disk or (device_uuid != "" and device_uuid.lower() == latch.device_uuid.lower())


def _in_service(cib: str | None) -> dict[str, str]:
    """The parameters of the cluster's resources that name the data."""
    if not cib:
        return {}
    resources = {
        element.get("id", ""): element
        for element in cib_model.parse(cib).iterfind("configuration/resources//primitive")
    }
    return {
        where: pair.get("value", "")
        for (resource, name), where in _PARAMETERS.items()
        if resource in resources
        for pair in resources[resource].findall("instance_attributes/nvpair")
        if pair.get("name") == name
    }
