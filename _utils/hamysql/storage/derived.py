"""What follows from the pillar's ``storage`` for each backend: what is mounted, packages, resources of the cluster. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from hamysql.cib import names as cib_names
from hamysql.schema.values import Config
from hamysql.storage.nfs.mark import NFS_FOLDER


def derive(config: Config) -> None:
    """Complete a valid configuration's ``storage``.

    ``filesystem`` gets ``device``, ``directory`` and, over NFS, its type, options and agent; ``shared:lvm`` and ``shared:iscsi``
    are empty where they are not used; ``units`` are the services that have to run before pacemaker, and end after it.
    """
    storage = config["storage"]
    filesystem, shared, nfs = storage["filesystem"], storage["shared"], storage["nfs"]
    filesystem["directory"] = config["mysql"]["datadir"]
    storage["units"] = []
    if not shared["lvm"]["volume_group"] or storage["backend"] != "shared":
        shared["lvm"] = {}
    if not shared["iscsi"]["portal"] or storage["backend"] != "shared":
        shared["iscsi"] = {}
    if storage["backend"] == "drbd":
        filesystem["device"] = storage["drbd"]["device"]
    elif storage["backend"] == "shared":
        volume = shared["lvm"]
        filesystem["device"] = shared["device"]
        if volume:
            filesystem["device"] = f"/dev/{volume['volume_group']}/{volume['logical_volume']}"
        if filesystem["type"] == "ext4":
            # Multiple mount protection (ext4(5), "mmp"): a node that still has it mounted is seen by the next one.
            filesystem["mkfs_options"] = ["-O", "mmp", *filesystem["mkfs_options"]]
        if shared["iscsi"]:
            shared["iscsi"]["initiator"] = shared["iscsi"]["initiators"].get(config["self"])
            storage["units"].append(
                "open-iscsi.service" if config["package"]["iscsi"] == ["open-iscsi"] else "iscsi.service"
            )
        if volume:
            storage["units"].append("blk-availability.service")
        if shared["reservations"] == "mpath":
            storage["units"].append("multipathd.service")
    else:
        nfs["source"] = f"{_bracketed(nfs['server'])}:{nfs['export']}"
        nfs["mount_options"] = f"vers={nfs['version']},{nfs['options']}"
        filesystem.update(device=f"{nfs['source'].rstrip('/')}/{NFS_FOLDER}", type="nfs", options=nfs["mount_options"])
        filesystem["agent"] = "ocf:heartbeat:Filesystem"  # ours knows local ones only
        storage["units"].append("network-online.target")


def _bracketed(server: str) -> str:
    try:
        return f"[{server}]" if ipaddress.ip_address(server).version == 6 else server
    except ValueError:
        return server


def packages(config: Mapping[str, Any]) -> list[str]:
    """The packages of the backend in use, and of what lies on it."""
    storage, package = config["storage"], config["package"]
    if storage["backend"] == "nfs":
        return list(package["nfs"])
    shared = storage["shared"]
    on_shared = storage["backend"] == "shared"
    wanted = [
        ("drbd", not on_shared),
        ("iscsi", bool(shared["iscsi"])),
        ("lvm", bool(shared["lvm"])),
        ("reservations", on_shared and shared["reservations"] != "none"),
        ("multipath", on_shared and shared["reservations"] == "mpath"),
    ]
    found = [name for key, needed in wanted if needed for name in package[key]]
    return [*found, *package["filesystem"][storage["filesystem"]["type"]]]


def below_the_filesystem(config: Mapping[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """What the group ``g_mysql`` starts before it mounts: (id, agent, parameters) of each resource."""
    volume = config["storage"]["shared"]["lvm"] if config["storage"]["backend"] == "shared" else {}
    if not volume:
        return []
    params = {"vgname": volume["volume_group"], "lvname": volume["logical_volume"], "vg_access_mode": "system_id"}
    return [(cib_names.VOLUME, "ocf:heartbeat:LVM-activate", params)]


def mount_parameters(config: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of ``p_fs_mysql``."""
    filesystem = config["storage"]["filesystem"]
    mount = {name: filesystem[name] for name in ("device", "directory")}
    mount |= {"fstype": filesystem["type"], "options": filesystem["options"]}
    if config["storage"]["backend"] == "nfs":
        # fuser asks each file's server, and hangs when that is away; this one only reads /proc.
        mount["force_unmount"] = "safe"
    return mount
