"""The cables between the nodes and their networks: cut, plugged in again, and what a node's cards hear of that."""

from __future__ import annotations

import json
import os
from pathlib import Path

from lab.basics.context import Lab
from lab.basics.topology import Node
from lab.wires import network


def sensor(lab: Lab, node: Node) -> Path:
    """The pipe on which a node's network cards hear that a cable is ``cut`` or ``plugged`` in: "NUMBER STATE" a line."""
    return lab.node_dir(node) / "cables"


def say(cables: Path, line: str) -> None:
    """Say a line to a node on its serial line; one that is off does not hear it."""
    try:
        serial = os.open(cables, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:  # no pipe yet, or nobody at its other end
        return
    try:
        os.write(serial, f"{line}\n".encode())
    finally:
        os.close(serial)


def cut(lab: Lab, node: Node, links: list[int]) -> None:
    """Pull the cables of these links out of their bridges; the node sees that the carrier has gone.

    The tap itself stays up: a node's kernel that cannot write to it takes the link for broken until it is reset. So the kernel
    cannot know, and is told (:func:`say`).
    """
    for link in links:
        network.ip(lab, "link", "set", network.tap(node, link), "nomaster")
        say(sensor(lab, node), f"{link} cut")


def is_cut(lab: Lab, node: Node, link: int) -> bool:
    """Is this cable pulled out?"""
    (found,) = json.loads(network.ip(lab, "-json", "link", "show", "dev", network.tap(node, link)))
    return "master" not in found


def heal(lab: Lab, node: Node, links: list[int]) -> None:
    """Plug the cables in again."""
    for link in links:
        network.ip(lab, "link", "set", network.tap(node, link), "master", lab.topology.networks[link].name)
        say(sensor(lab, node), f"{link} plugged")


def part(lab: Lab, *, heal: bool = False) -> None:
    """Cut the nodes off from each other on every link, or undo that; all else still reaches each of them.

    A bridge passes nothing from one isolated port to another. So both sides live, see their fence devices and their clients,
    and only not each other, as behind switches that have lost the line between them.
    """
    for node in lab.topology.data_nodes:
        for number in range(len(lab.topology.networks)):
            state = "off" if heal else "on"
            if not is_cut(lab, node, number):
                network.ip(
                    lab, "link", "set", "dev", network.tap(node, number), "type", "bridge_slave", "isolated", state
                )
