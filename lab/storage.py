"""Where the data is, if not on the nodes' own disks: one face for the SAN and the file server."""

from __future__ import annotations

from lab import nas, network, san
from lab.context import Lab
from lab.errors import LabError
from lab.topology import STORAGES, Node

__all__ = ["STORAGES", "cut", "forget", "heal", "programs", "start"]


def programs(kind: str) -> dict[str, str]:
    """The programs that this machine needs for it, with their packages."""
    return san.PROGRAMS if kind == "iscsi" else {}


def start(lab: Lab) -> None:
    """Have the lab's storage serve, and wait until it does. The file server's power is on already."""
    if lab.storage == "iscsi":
        san.start(lab)
    elif lab.topology.nas:
        nas.start(lab, lab.topology.nas)


def forget(lab: Lab) -> None:
    """Throw away what is not on a node's disk."""
    san.forget(lab)


def cut(lab: Lab, nodes: tuple[Node, ...] = ()) -> None:
    """Drop the traffic between the storage and these nodes (all by default), and nothing else."""
    nodes = nodes or lab.topology.data_nodes
    if lab.storage == "iscsi":
        network.unblock(lab)
        for item in nodes:
            network.block(lab, lab.topology.address(item, 1), lab.topology.san_address)
    elif server := lab.topology.nas:
        nas.cut(lab, server, [lab.topology.address(item, 1) for item in nodes])
    else:
        raise LabError("this lab has no storage besides the nodes' own disks: start it with --storage iscsi or nfs")


def heal(lab: Lab) -> None:
    """Undo every ``cut``."""
    if lab.storage == "iscsi":
        network.unblock(lab)
    elif lab.topology.nas:
        nas.heal(lab, lab.topology.nas)
