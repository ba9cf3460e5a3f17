"""What the data itself dictates: settings that cannot change while it stays where it is. Pure.

The evidence is on the nodes: the cluster's configuration, which pacemaker keeps in a file while it is stopped, and the latches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hamysql.cib import model as cib_model
from hamysql.cib import names as cib_names
from hamysql.pending import DATA, KEEP, MIDDLE, MOVE, REFUSED, Pending
from hamysql.storage.latch import Latch, Stage

BACKEND = "hamysql:storage:backend"

# A parameter of the cluster's resources, and the pillar's key that it comes from, with each backend.
_OF_ALL = {
    (cib_names.FILE_SYSTEM, "fstype"): "storage:filesystem:type",
    (cib_names.FILE_SYSTEM, "directory"): "mysql:datadir",
}
_PARAMETERS = {
    "drbd": {
        (cib_names.REPLICA, "drbd_resource"): "storage:drbd:resource",
        (cib_names.FILE_SYSTEM, "device"): "storage:drbd:device",
        **_OF_ALL,
    },
    "shared": {
        (cib_names.FILE_SYSTEM, "device"): "storage:shared:device",
        (cib_names.VOLUME, "vgname"): "storage:shared:lvm:volume_group",
        (cib_names.VOLUME, "lvname"): "storage:shared:lvm:logical_volume",
        **_OF_ALL,
    },
    "nfs": {
        (cib_names.FILE_SYSTEM, "device"): "storage:nfs:export",
        (cib_names.FILE_SYSTEM, "directory"): "mysql:datadir",
    },
}


def pending(
    config: Mapping[str, Any], cib: str | None, latches: Iterable[Latch], device_uuid: str = "", moving: str = ""
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
    moving
        The kind of storage to which a move has begun here and not ended; "" without one.
    """
    storage, latches = config["storage"], list(latches)
    backend, values = storage["backend"], parameters(cib)
    ours = [
        latch.backend
        for latch in latches
        if (latch.cluster, latch.stage) == (config["cluster"]["name"], Stage.INITIALISED)
    ]
    there = backend_of(values) or next(iter(ours), backend)
    if there != backend:  # everything else differs as well, and says nothing more
        yield Pending(REFUSED, DATA, BACKEND, there, backend, MIDDLE if moving else MOVE)
        return
    if moving:
        yield Pending(REFUSED, DATA, BACKEND, f"{there}, with a move to {moving} under way,", backend, MIDDLE)
    found = _by_latches(config, latches, device_uuid)
    volume, device = storage["shared"]["lvm"], storage["filesystem"]["device"]
    wanted = {
        "storage:drbd:resource": storage["drbd"]["resource"],
        "storage:drbd:device": device,
        "storage:shared:device": device,
        "storage:shared:lvm:volume_group": volume.get("volume_group", "none"),
        "storage:shared:lvm:logical_volume": volume.get("logical_volume", "none"),
        "storage:nfs:export": device,
        "storage:filesystem:type": storage["filesystem"]["type"],
        "mysql:datadir": config["mysql"]["datadir"],
    }
    if (cib_names.VOLUME, "vgname") in values:
        values.pop((cib_names.FILE_SYSTEM, "device"), None)  # the volume's path, which follows from both of its names
    for parameter, where in _PARAMETERS[backend].items():
        if parameter in values:
            found[where] = (values[parameter], wanted[where])
    for where, (old, new) in found.items():
        if old != new:
            yield Pending(REFUSED, DATA, f"hamysql:{where}", old, new, KEEP)


def _is_about(latch: Latch, disk: str, device_uuid: str) -> bool:
    """The disk is the latch's, by its name or by what is on it."""
    return latch.disk == disk or (device_uuid != "" and device_uuid.lower() == latch.device_uuid.lower())


def _by_latches(config: Mapping[str, Any], latches: Iterable[Latch], device_uuid: str) -> dict[str, tuple[str, str]]:
    """What the latches know better: the storage's plan would refuse these as well, but not say which pillar key it is about.

    A LUN is told by its name alone: the array's own copies of it have the same UUIDs.
    """
    storage, name = config["storage"], config["cluster"]["name"]
    backend, drbd = storage["backend"], storage["drbd"]
    known = {latch.resource: latch for latch in latches if latch.backend == backend}
    latch = known.get(drbd["resource"] if backend == "drbd" else "mysql")
    if latch:
        found = {"cluster:name": (latch.cluster, name)}
        if backend == "shared":
            found["storage:shared:device"] = (latch.disk, storage["shared"]["device"])
        elif backend == "drbd" and not _is_about(latch, drbd["disk"], device_uuid):
            found["storage:drbd:disk"] = (latch.disk, drbd["disk"])
        return found
    if backend != "drbd":
        return {}
    of_this_disk = [
        other.resource
        for other in known.values()
        if other.cluster == name and _is_about(other, drbd["disk"], device_uuid)
    ]
    return {"storage:drbd:resource": (of_this_disk[0], drbd["resource"])} if of_this_disk else {}


def parameters(cib: str | None) -> dict[tuple[str, str], str]:
    """All parameters of the cluster's resources: ``{(resource, name): value}``."""
    if not cib:
        return {}
    return {
        (element.get("id", ""), pair.get("name", "")): pair.get("value", "")
        for element in cib_model.parse(cib).iterfind("configuration/resources//primitive")
        for pair in element.findall("instance_attributes/nvpair")
    }


def backend_of(values: Mapping[tuple[str, str], str]) -> str:
    """The storage that the cluster's configuration is about; "" where it has none."""
    if (cib_names.REPLICA, "drbd_resource") in values:
        return "drbd"
    kind = values.get((cib_names.FILE_SYSTEM, "fstype"), "")
    return ("nfs" if kind.startswith("nfs") else "shared") if kind else ""
