"""Where one lab keeps its things, and the names that keep two labs on one machine apart."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from lab.basics.errors import LabError
from lab.basics.setup import Setup, read
from lab.basics.topology import Node, Topology, topology

PROJECT = Path(__file__).resolve().parents[2]


def lab_dir() -> Path:
    """The lab's folder: ``HAMYSQL_LAB_DIR``, or ``.lab`` in the project."""
    return Path(os.environ.get("HAMYSQL_LAB_DIR") or PROJECT / ".lab").resolve()


@dataclass(frozen=True)
class Lab:
    """The paths and names of one lab. Holds no state: what runs is always read from the system."""

    dir: Path = field(default_factory=lab_dir)
    project: Path = PROJECT

    @property
    def topology(self) -> Topology:
        """Its nodes; the quorum device's server and the storage are among them where ``up`` has been asked for them."""
        return topology(quorum=self.qdevice.exists(), storage=self.storage)

    @property
    def storage(self) -> str:
        """The kind of storage that ``up`` was asked for last: "drbd" (at first), "iscsi" or "nfs"."""
        return self.setup.storage

    @property
    def setup(self) -> Setup:
        """What ``up`` was asked for last."""
        return read(self.setup_file)

    @property
    def setup_file(self) -> Path:
        """Has the setup in it."""
        return self.dir / "setup.json"

    @property
    def qdevice(self) -> Path:
        """There when the lab has a third machine for a quorum device."""
        return self.dir / "qdevice"

    @property
    def id(self) -> str:
        """Eight hexadecimal digits from the lab's folder: two checkouts can each run a lab at the same time."""
        return hashlib.sha256(str(self.dir).encode()).hexdigest()[:8]

    @property
    def namespace(self) -> str:
        """The network namespace in which everything of the lab runs."""
        return f"hamysql-{self.id}"

    @property
    def run_dir(self) -> Path:
        """A short folder for sockets: their paths are limited to 107 bytes, a checkout's may be longer."""
        return Path("/run") / self.namespace

    @property
    def cache(self) -> Path:
        """What is expensive to make; survives everything but ``make clean``. ``HAMYSQL_LAB_CACHE`` lets several labs share one."""
        return Path(os.environ.get("HAMYSQL_LAB_CACHE") or self.dir / "cache").resolve()

    @property
    def log_level(self) -> str:
        """How much Salt writes into its log files: ``HAMYSQL_LAB_LOG_LEVEL``, ``info`` by default. ``debug`` slows nodes down."""
        return os.environ.get("HAMYSQL_LAB_LOG_LEVEL") or "info"

    @property
    def logs(self) -> Path:
        """Logs of the programs that the lab runs."""
        return self.dir / "log"

    @property
    def salt(self) -> Path:
        """The Salt master's configuration, keys, caches, pillar."""
        return self.dir / "salt"

    def node_dir(self, node: Node) -> Path:
        """A node's disks, console and seed."""
        return self.dir / "nodes" / node.name

    def umid(self, node: Node) -> str:
        """The machine id on a node's command lines: unique on this host, and how its processes are found."""
        return f"{self.namespace}-{node.name}"

    def node(self, name: str) -> Node:
        """A node by its name."""
        for node in self.topology.nodes:
            if node.name == name:
                return node
        raise LabError(f"there is no node {name!r} in this lab, there are: {', '.join(self.topology.names)}")

    def in_namespace(self, *argv: str | Path) -> list[str]:
        """A command line that runs on the administrator's side of the lab's network."""
        return ["ip", "netns", "exec", self.namespace, *map(str, argv)]
