"""What the lab consists of: nodes, their disks, and the networks between them.

Plain frozen data, so that another topology is another value and not another code path.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Network:
    """One bridge in the lab's namespace. ``admin`` is the administrator's (and Salt master's) address on it."""

    name: str
    prefix: str
    admin: str
    length: int = 24


@dataclass(frozen=True)
class Disk:
    """A further disk of a node: ``ubdb``, ``ubdc``... in the order of ``Node.disks``. All nodes see the same shared one."""

    name: str
    size_mib: int
    shared: bool = False


@dataclass(frozen=True)
class Node:
    """One machine. ``host`` is the last part of its address on every network."""

    name: str
    host: int
    memory_mib: int = 1024
    disks: tuple[Disk, ...] = (Disk("data", 512), Disk("lun", 8, shared=True))

    @property
    def bmc(self) -> int:
        """The last part of its BMC's address, which is on the first network only."""
        return self.host + 100


@dataclass(frozen=True)
class Topology:
    """Everything there is. Link N of every node is a tap on network N, called ethN inside."""

    networks: tuple[Network, ...]
    nodes: tuple[Node, ...]

    def address(self, node: Node, network: int = 0) -> str:
        """The address of a node on a network."""
        return f"{self.networks[network].prefix}.{node.host}"

    def bmc_address(self, node: Node) -> str:
        """Where a node's BMC answers: a power button that works whatever the node itself does."""
        return f"{self.networks[0].prefix}.{node.bmc}"

    @property
    def master(self) -> str:
        """The address on which the Salt master listens."""
        return self.networks[0].admin

    @property
    def data_nodes(self) -> tuple[Node, ...]:
        """The nodes that the database runs on: not the quorum device's server."""
        return tuple(node for node in self.nodes if node.disks)

    @property
    def names(self) -> tuple[str, ...]:
        """The nodes' names, in order."""
        return tuple(node.name for node in self.nodes)


DEFAULT = Topology(
    networks=(Network("br0", "10.77.1", "10.77.1.1"), Network("br1", "10.77.2", "10.77.2.1")),
    nodes=(Node("db1", 11), Node("db2", 12)),
)
# The same with a third, small machine for a quorum device.
WITH_QDEVICE = replace(DEFAULT, nodes=(*DEFAULT.nodes, Node("qd1", 13, memory_mib=512, disks=())))
