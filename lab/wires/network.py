"""The lab's network: one namespace, a bridge for each network, a tap for each link of each node.

Everything of the lab runs inside the namespace, so nothing meets the host's own network, and another checkout's lab with the same
addresses does not either.
"""

from __future__ import annotations

import json
from pathlib import Path

from lab.basics.context import Lab
from lab.basics.errors import HostError, LabError
from lab.basics.host import run
from lab.basics.topology import Node


def tap(node: Node, link: int) -> str:
    """The host's end of a node's link."""
    return f"{node.name}-{link}"


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
    ip(lab, "link", "set", "lo", "up")
    there = {link["ifname"] for link in json.loads(ip(lab, "-json", "link", "show"))}
    for number, network in enumerate(lab.topology.networks):
        if network.name not in there:
            # No snooping: without a multicast router it would swallow corosync's multicast after some minutes.
            ip(lab, "link", "add", network.name, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
            ip(lab, "address", "add", f"{network.admin}/{network.length}", "dev", network.name)
            ip(lab, "link", "set", network.name, "up")
        for node in lab.topology.nodes:
            if number == 0:
                bmc = f"{lab.topology.bmc_address(node)}/{network.length}"
                ip(lab, "address", "replace", bmc, "dev", network.name)
            name = tap(node, number)
            if name not in there:
                ip(lab, "tuntap", "add", "dev", name, "mode", "tap")
                ip(lab, "link", "set", name, "master", network.name, "up")


def down(lab: Lab) -> None:
    """Remove the namespace, and with it every bridge and tap."""
    if exists(lab):
        run(["ip", "netns", "delete", lab.namespace])


def ip(lab: Lab, *words: str) -> str:
    """What an ``ip`` of the administrator's side says."""
    return run(["ip", "-n", lab.namespace, *words]).stdout
