"""The nodes' BMCs: IPMI over LAN, as a server's management board speaks it, with a node's power button behind it.

Each one is a process of its own in the lab's namespace, ``python -m lab.devices.bmc NODE``. Stock fence agents use it like any
other.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any

from pyghmi.ipmi.bmc import Bmc

from lab.basics.context import PROJECT, Lab
from lab.basics.errors import LabError
from lab.basics.host import run, wait_for
from lab.basics.topology import Node
from lab.machines import node
from lab.wires import network

# Constants of the lab, published with the project: never use them elsewhere.
USER, PASSWORD = "fence", "lab-only-bmc"
PORT = 623
# What its command line names it by.
MODULE = "lab.devices.bmc"


class NodeBmc(Bmc):  # type: ignore[misc]
    """One node's management board; each method is what an IPMI chassis command does."""

    def __init__(self, lab: Lab, item: Node, address: str) -> None:
        self.lab, self.node = lab, item
        super().__init__({USER: PASSWORD}, port=PORT, address=address)

    def get_power_state(self) -> str:
        """A frozen machine has its power on."""
        return "off" if node.power_status(self.lab, self.node) == "off" else "on"

    def power_off(self) -> None:
        node.power_off(self.lab, self.node)

    def power_on(self) -> None:
        node.power_on(self.lab, self.node)

    def power_cycle(self) -> None:
        self.power_off()
        self.power_on()

    power_reset = power_cycle


def start(lab: Lab) -> None:
    """Start the BMCs that do not run, and wait until each one answers."""
    lab.logs.mkdir(parents=True, exist_ok=True)
    running = processes(lab)
    for item in lab.topology.nodes:
        if item.name not in running:
            _start(lab, item)
    for item in lab.topology.nodes:
        _wait(lab, item, lab.topology.bmc_address(item))


def listen(lab: Lab, item: Node, address: str) -> None:
    """Have a node's BMC answer on a further address, of IPv6, of the first network."""
    network.ip(lab, "address", "replace", f"{address}/64", "dev", lab.topology.networks[0].name, "nodad")
    _start(lab, item, address)
    _wait(lab, item, address)


def _wait(lab: Lab, item: Node, address: str) -> None:
    what = f"the BMC of {item.name} to listen (its log: {log(lab, item)})"
    wait_for(lambda: listening(lab, address), what, timeout=30)


def _start(lab: Lab, item: Node, *address: str) -> None:
    with open(log(lab, item), "ab") as out:
        command = lab.in_namespace(sys.executable, "-m", MODULE, item.name, *address)
        environment = {**os.environ, "HAMYSQL_LAB_DIR": str(lab.dir)}
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            cwd=PROJECT,
            env=environment,
        )


def log(lab: Lab, item: Node) -> str:
    """The file with what a node's BMC says."""
    return str(lab.logs / f"bmc-{item.name}.log")


def listening(lab: Lab, address: str) -> bool:
    """Does a BMC listen on this address?"""
    out = run(lab.in_namespace("ss", "-Hlun", f"( sport = :{PORT} )"), check=False).stdout
    return f"{address}]:{PORT} " in out


def processes(lab: Lab) -> dict[str, int]:
    """The BMCs that run: ``{node: pid}``; those of further addresses are not among them."""
    found = {}
    for pid, words in network.commands(lab).items():
        if MODULE in words[:-1] and words[-2] == MODULE:
            found[words[-1]] = pid
    return found


def fail(lab: Lab, item: Node) -> None:
    """Break a node's BMC: it is silent until the next ``start``, as one that has lost its power along with the node."""
    pid = processes(lab).get(item.name)
    if pid is None:
        raise LabError(f"the BMC of {item.name} does not run")
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: item.name not in processes(lab), f"the BMC of {item.name} to end", timeout=10, interval=0.1)


def main(words: Any) -> None:
    """Be one node's BMC until somebody ends this process."""
    lab = Lab()
    item = lab.node(words[0])
    NodeBmc(lab, item, *(words[1:] or [f"::ffff:{lab.topology.bmc_address(item)}"])).listen()


if __name__ == "__main__":
    main(sys.argv[1:])
