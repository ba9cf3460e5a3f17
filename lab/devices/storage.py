"""Where the data is, if not on the nodes' own disks: a third, small node that is a SAN or a file server, and the way to it.

A node, so that it can be lost as a real one is. It has no minion: the formula does not look after it, the lab does.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

from lab.basics.context import Lab
from lab.basics.errors import LabError
from lab.basics.host import wait_for
from lab.basics.topology import Node
from lab.devices import nas, san
from lab.machines import node

SERVERS: dict[str, ModuleType] = {"iscsi": san, "nfs": nas}
DONE = "/var/lib/lab-storage"  # it has been set up


def start(lab: Lab) -> None:
    """Wait until the lab's storage serves; one with new disks is set up first. Its power is on already."""
    server = lab.topology.storage
    if server is None:
        return

    def reachable() -> bool:
        return node.ssh(lab, server, "true", check=False).returncode == 0

    wait_for(reachable, f"{server.name}'s ssh to answer", timeout=120)
    done = node.ssh(lab, server, "sh", stdin=setup(lab, server), check=False, timeout=300)
    log = lab.logs / f"{server.name}.log"
    log.write_text(done.stdout + done.stderr)
    if done.returncode:
        tail = " ".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-4:])
        raise LabError(f"{server.name} could not be set up (all of it: {log}): {tail}")
    look = f"ss -Hltn '( sport = :{SERVERS[lab.storage].PORT} )'"
    wait_for(lambda: node.ssh(lab, server, look).stdout, f"{server.name} to serve", timeout=60)


def setup(lab: Lab, server: Node) -> str:
    """The shell script that makes a bare node what it is there for, once."""
    network = lab.topology.networks[1]
    script: str = SERVERS[lab.storage].SETUP
    for name, value in {
        "{addresses}": " ".join(lab.topology.address(server, number) for number in range(len(lab.topology.networks))),
        "{clients}": f"{network.prefix}.0/{network.length}",
    }.items():
        script = script.replace(name, value)
    return f"set -eu\n[ ! -e {DONE} ] || exit 0\n{script}: >{DONE}\n"


def cut(lab: Lab, nodes: Sequence[Node] = ()) -> None:
    """Drop the traffic between the storage and these nodes (all by default), in both directions, and nothing else.

    On the second network, which is the only way there but for who knows the SAN's other portal.
    """
    server = lab.topology.storage
    if server is None:
        raise LabError("this lab has no storage besides the nodes' own disks: start it with --storage iscsi or nfs")
    heal(lab)
    port = SERVERS[lab.storage].PORT
    commands = ["set -e", "iptables -N LAB-IN", "iptables -N LAB-OUT"]
    for item in nodes or lab.topology.data_nodes:
        peer = lab.topology.address(item, 1)
        commands.append(f"iptables -A LAB-IN -s {peer} -p tcp --dport {port} -j DROP")
        commands.append(f"iptables -A LAB-OUT -d {peer} -p tcp --sport {port} -j DROP")
    node.ssh(lab, server, "; ".join([*commands, "iptables -I INPUT -j LAB-IN", "iptables -I OUTPUT -j LAB-OUT"]))


def heal(lab: Lab) -> None:
    """Undo every ``cut``; a start of the server does so as well."""
    server = lab.topology.storage
    if server is None or node.power_status(lab, server) != "on":
        return
    undo = [
        f"iptables -D {hook} -j {chain}; iptables -F {chain}; iptables -X {chain}"
        for hook, chain in (("INPUT", "LAB-IN"), ("OUTPUT", "LAB-OUT"))
    ]
    node.ssh(lab, server, f"exec 2>/dev/null; {'; '.join(undo)}", check=False)
