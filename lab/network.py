"""The lab's network: one namespace, a bridge for each network, a tap for each link of each node.

Everything of the lab runs inside the namespace, so nothing meets the host's own network, and another checkout's lab with the same
addresses does not either.
"""

from __future__ import annotations

import json
from pathlib import Path

from lab import machine
from lab.context import Lab
from lab.errors import HostError, LabError
from lab.host import run
from lab.topology import Node


def tap(node: Node, link: int) -> str:
    """The host's end of a node's link."""
    return f"{node.name}-{link}"


def sensor(lab: Lab, node: Node) -> Path:
    """The pipe on which a node's network cards hear that a cable is ``cut`` or ``plugged`` in: "NUMBER STATE" a line."""
    return lab.node_dir(node) / "cables"


def exists(lab: Lab) -> bool:
    """Is the namespace there?"""
    return Path("/run/netns", lab.namespace).exists()


def pids(lab: Lab) -> list[int]:
    """All processes in the namespace: the whole lab, and nothing else."""
    if not exists(lab):
        return []
    return [int(word) for word in run(["ip", "netns", "pids", lab.namespace], check=False).stdout.split()]


def commands(lab: Lab) -> dict[int, list[str]]:
    """The command line of each process in the namespace, by its id."""
    found = {}
    for pid in pids(lab):
        try:
            found[pid] = words(Path(f"/proc/{pid}/cmdline").read_bytes())
        except OSError:  # it ended meanwhile
            continue
    return found


def words(cmdline: bytes) -> list[str]:
    """A command line from /proc; a process that has given itself a title (Salt's do) has a text with blanks there."""
    return cmdline.replace(b"\0", b" ").decode(errors="replace").split()


def up(lab: Lab) -> None:
    """Make what is missing of the namespace, bridges and taps; what is there stays as it is."""
    if not exists(lab):
        try:
            run(["ip", "netns", "add", lab.namespace])
        except LabError as exc:
            raise HostError(f"no network namespace can be made (in a container: --privileged): {exc}") from exc
    _ip(lab, "link", "set", "lo", "up")
    there = {link["ifname"] for link in json.loads(_ip(lab, "-json", "link", "show"))}
    for number, network in enumerate(lab.topology.networks):
        if network.name not in there:
            # No snooping: without a multicast router it would swallow corosync's multicast after some minutes.
            _ip(lab, "link", "add", network.name, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
            _ip(lab, "address", "add", f"{network.admin}/{network.length}", "dev", network.name)
            _ip(lab, "link", "set", network.name, "up")
        for node in lab.topology.nodes:
            if number == 0:
                bmc = f"{lab.topology.bmc_address(node)}/{network.length}"
                _ip(lab, "address", "replace", bmc, "dev", network.name)
            name = tap(node, number)
            if name not in there:
                _ip(lab, "tuntap", "add", "dev", name, "mode", "tap")
                _ip(lab, "link", "set", name, "master", network.name, "up")


def down(lab: Lab) -> None:
    """Remove the namespace, and with it every bridge and tap."""
    if exists(lab):
        run(["ip", "netns", "delete", lab.namespace])


def cut(lab: Lab, node: Node, links: list[int]) -> None:
    """Pull the cables of these links out of their bridges; the node sees that the carrier has gone.

    The tap itself stays up: a node's kernel that cannot write to it takes the link for broken until it is reset. So the kernel
    cannot know, and is told (:mod:`lab.machine`).
    """
    for link in links:
        _ip(lab, "link", "set", tap(node, link), "nomaster")
        machine.say(sensor(lab, node), f"{link} cut")


def is_cut(lab: Lab, node: Node, link: int) -> bool:
    """Is this cable pulled out?"""
    (found,) = json.loads(_ip(lab, "-json", "link", "show", "dev", tap(node, link)))
    return "master" not in found


def heal(lab: Lab, node: Node, links: list[int]) -> None:
    """Plug the cables in again."""
    for link in links:
        _ip(lab, "link", "set", tap(node, link), "master", lab.topology.networks[link].name)
        machine.say(sensor(lab, node), f"{link} plugged")


def part(lab: Lab, *, heal: bool = False) -> None:
    """Cut the nodes off from each other on every link, or undo that; all else still reaches each of them.

    A bridge passes nothing from one isolated port to another. So both sides live, see their fence devices and their clients,
    and only not each other, as behind switches that have lost the line between them.
    """
    for node in lab.topology.data_nodes:
        for number in range(len(lab.topology.networks)):
            state = "off" if heal else "on"
            if not is_cut(lab, node, number):
                _ip(lab, "link", "set", "dev", tap(node, number), "type", "bridge_slave", "isolated", state)


def _ip(lab: Lab, *words: str) -> str:
    return run(["ip", "-n", lab.namespace, *words]).stdout
