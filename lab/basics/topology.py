"""What the lab consists of: nodes, their disks, and the networks between them.

Plain frozen data, so that another topology is another value and not another code path.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

# What a node is there for.
DATABASE, QUORUM, STORAGE = "database", "quorum", "storage"
# Where the data can be: on the nodes' own disks, on a SAN's LUN, on a file server.
STORAGES = ("drbd", "iscsi", "nfs")


@dataclass(frozen=True)
class Network:
    """One bridge in the lab's namespace. ``admin`` is the administrator's (and Salt master's) address on it."""

    name: str
    prefix: str
    admin: str
    length: int = 24


@dataclass(frozen=True)
class Disk:
    """A further disk of a node: ``ubdb``, ``ubdc``... in the order of ``Node.disks``. All nodes see the same shared one.

    One with a ``filesystem`` has it when it is new, others are empty.
    """

    name: str
    size_mib: int
    shared: bool = False
    filesystem: str = ""


@dataclass(frozen=True)
class Node:
    """One machine. ``host`` is the last part of its address on every network.

    Nodes of a SAN's or a file server's cluster have a disk of their own all the same: it is what DRBD takes.
    """

    name: str
    host: int
    memory_mib: int = 1024
    disks: tuple[Disk, ...] = (Disk("data", 512), Disk("lun", 8, shared=True))
    role: str = DATABASE

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
        """The nodes that the database runs on: not the quorum device's server, not the SAN or the file server."""
        return tuple(node for node in self.nodes if node.role == DATABASE)

    @property
    def minions(self) -> tuple[Node, ...]:
        """The nodes with a salt-minion: all but the storage, which is no part of what the formula looks after."""
        return tuple(node for node in self.nodes if node.role != STORAGE)

    @property
    def storage(self) -> Node | None:
        """The SAN or the file server, where there is one. It serves on the second network."""
        return next((node for node in self.nodes if node.role == STORAGE), None)

    @property
    def start_order(self) -> tuple[Node, ...]:
        """The storage before those that need it."""
        return tuple(sorted(self.nodes, key=lambda node: node.role != STORAGE))

    @property
    def names(self) -> tuple[str, ...]:
        """The nodes' names, in order."""
        return tuple(node.name for node in self.nodes)


QUORUM_SERVER = Node("qd1", 13, memory_mib=512, disks=(), role=QUORUM)
STORAGE_SERVERS = {
    "iscsi": Node("san1", 14, memory_mib=384, disks=(Disk("lun1", 512),), role=STORAGE),
    "nfs": Node("nas1", 15, memory_mib=384, disks=(Disk("export", 512, filesystem="ext4"),), role=STORAGE),
}
DEFAULT = Topology(
    networks=(Network("br0", "10.77.1", "10.77.1.1"), Network("br1", "10.77.2", "10.77.2.1")),
    nodes=(Node("db1", 11), Node("db2", 12)),
)


EVERYTHING = replace(DEFAULT, nodes=(*DEFAULT.nodes, QUORUM_SERVER, *STORAGE_SERVERS.values()))


def topology(*, quorum: bool = False, storage: str = "drbd") -> Topology:
    """The two nodes, with a third, small machine each for a quorum device and for storage where that is asked for."""
    further = [*([QUORUM_SERVER] if quorum else []), *([STORAGE_SERVERS[storage]] if storage != "drbd" else [])]
    return replace(DEFAULT, nodes=(*DEFAULT.nodes, *further))
