"""What the data itself dictates: settings that cannot change while it stays where it is. Pure.

The evidence is on the nodes: the cluster's configuration, which pacemaker keeps in a file while it is stopped, and the latches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hamysql import cib_model
from hamysql.change import DATA, KEEP, REFUSED, Pending
from hamysql.plan import Latch, Stage

# A parameter of the cluster's resources, and the pillar's key that it comes from, with each backend.
_OF_ALL = {("p_fs_mysql", "fstype"): "storage:filesystem:type", ("p_fs_mysql", "directory"): "mysql:datadir"}
_PARAMETERS = {
    "drbd": {
        ("p_drbd_mysql", "drbd_resource"): "storage:drbd:resource",
        ("p_fs_mysql", "device"): "storage:drbd:device",
        **_OF_ALL,
    },
    "shared": {
        ("p_fs_mysql", "device"): "storage:shared:device",
        ("p_lvm_mysql", "vgname"): "storage:shared:lvm:volume_group",
        ("p_lvm_mysql", "lvname"): "storage:shared:lvm:logical_volume",
        **_OF_ALL,
    },
    "nfs": {("p_fs_mysql", "device"): "storage:nfs:export", ("p_fs_mysql", "directory"): "mysql:datadir"},
}


def pending(config: Mapping[str, Any], cib: str | None, latches: Iterable[Latch]) -> Iterator[Pending]:
    """What the pillar wants otherwise than the data is.

    config
        The resolved configuration.
    cib
        The cluster's configuration as XML; ``None`` where there is none yet.
    latches
        All latches of this node.
    """
    storage, latches = config["storage"], list(latches)
    backend, values = storage["backend"], _values(cib)
    ours = [
        latch.backend
        for latch in latches
        if (latch.cluster, latch.stage) == (config["cluster"]["name"], Stage.INITIALISED)
    ]
    there = _backend(values) or next(iter(ours), backend)
    if there != backend:  # everything else differs as well, and says nothing more
        yield Pending(REFUSED, DATA, "hamysql:storage:backend", there, backend, KEEP)
        return
    found = _by_latches(config, latches)
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
    if ("p_lvm_mysql", "vgname") in values:
        values.pop(("p_fs_mysql", "device"), None)  # the volume's path, which follows from both of its names
    for parameter, where in _PARAMETERS[backend].items():
        if parameter in values:
            found[where] = (values[parameter], wanted[where])
    for where, (old, new) in found.items():
        if old != new:
            yield Pending(REFUSED, DATA, f"hamysql:{where}", old, new, KEEP)


def _by_latches(config: Mapping[str, Any], latches: Iterable[Latch]) -> dict[str, tuple[str, str]]:
    """What the latches know better: the storage's plan would refuse these as well, but not say which pillar key it is about."""
    storage, name = config["storage"], config["cluster"]["name"]
    drbd, replicated = storage["drbd"], storage["backend"] == "drbd"
    known = {latch.resource: latch for latch in latches if latch.backend == storage["backend"]}
    latch = known.get(drbd["resource"] if replicated else "mysql")
    if latch:
        found = {"cluster:name": (latch.cluster, name)}
        if storage["backend"] == "shared":
            return found | {"storage:shared:device": (latch.disk, storage["shared"]["device"])}
        return found | {"storage:drbd:disk": (latch.disk, drbd["disk"])} if replicated else found
    of_this_disk = [other.resource for other in known.values() if (other.cluster, other.disk) == (name, drbd["disk"])]
    return {"storage:drbd:resource": (of_this_disk[0], drbd["resource"])} if of_this_disk else {}


def _values(cib: str | None) -> dict[tuple[str, str], str]:
    """All parameters of the cluster's resources: ``{(resource, name): value}``."""
    if not cib:
        return {}
    return {
        (element.get("id", ""), pair.get("name", "")): pair.get("value", "")
        for element in cib_model.parse(cib).iterfind("configuration/resources//primitive")
        for pair in element.findall("instance_attributes/nvpair")
    }


def _backend(values: Mapping[tuple[str, str], str]) -> str:
    """The storage that the cluster's configuration is about; "" where it has none."""
    if ("p_drbd_mysql", "drbd_resource") in values:
        return "drbd"
    kind = values.get(("p_fs_mysql", "fstype"), "")
    return ("nfs" if kind.startswith("nfs") else "shared") if kind else ""
