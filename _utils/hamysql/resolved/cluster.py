"""The nodes, their virtual IP, and what keeps them together: fencing, the quorum, corosync and pacemaker."""

from __future__ import annotations

from typing import TypedDict

from hamysql.resolved.sections import Section


class Node(TypedDict):
    """A data node; ``replication`` is that of its addresses over which its storage talks to the other one's."""

    minion_id: str
    addresses: list[str]
    disk: str | None
    vip_interface: str | None
    id: int
    replication: str


class Cluster(TypedDict):
    """The nodes in the order of their ids; ``ids_from`` says where those are from."""

    name: str
    nodes: dict[str, Node]
    ids_from: str


class Vip(TypedDict):
    """The virtual IP; ``interface`` is this node's, ``interfaces`` has each node's."""

    address: str
    prefix: int
    interface: str
    agent: str
    watch: bool
    reachable: list[str]
    interfaces: dict[str, str]


class FenceDevice(TypedDict):
    """A fence device that cuts ``node`` off."""

    id: str
    node: str
    level: int
    agent: str
    options: dict[str, str]
    secrets: dict[str, str]
    timeout: int
    delay: int


class Level(TypedDict):
    """Fence devices that only help together."""

    level: int
    devices: list[str]


class SecretFile(TypedDict):
    """A file of a secret that an agent on this node reads; ``sign`` is what cibsecret writes beside it."""

    id: str
    path: str
    value: str
    sign: str


class Sbd(TypedDict, total=False):
    """A disk for poison pills; empty where there is none. Times are in seconds."""

    device: str
    watchdog: str
    watchdog_timeout: int
    msgwait: int
    config_file: str


class Reservations(TypedDict, total=False):
    """The fence device that cuts off either node by reservations; empty without. ``delays`` and ``keys`` are those of nodes."""

    id: str
    agent: str
    options: dict[str, str]
    timeout: int
    delays: dict[str, int]
    keys: dict[str, str]


class _Fencing(TypedDict):
    i_accept_data_loss_without_fencing: bool
    delay: int
    favoured: str
    timeout: int
    monitor_interval: int
    devices: list[FenceDevice]
    sbd: Sbd
    sbd_file: str
    enabled: bool
    reservations: Reservations
    ipmitool: bool
    power_on: list[str]
    levels: dict[str, list[Level]]
    secret_files: list[SecretFile]


class Fencing(_Fencing, total=False):
    """``sbd`` and ``reservations`` are empty where there are none; ``levels`` has each node's, in their order.

    ``stonith_timeout`` is there where fencing is on.
    """

    stonith_timeout: int


class QuorumDevice(TypedDict, total=False):
    """The third machine that has a vote; empty where there is none."""

    minion_id: str
    address: str
    port: int
    algorithm: str
    timeout: int


class Quorum(TypedDict):
    """What decides beside the nodes."""

    device: QuorumDevice


class Corosync(TypedDict):
    """``options`` has those of each section of its file; ``sections`` and ``text`` are the finished file."""

    series: int
    transport: str
    port: int
    token: int
    crypto_cipher: str
    crypto_hash: str
    authkey: str | None
    mcastaddr: str | None
    ttl: int
    logfile: str
    options: dict[str, dict[str, str]]
    encrypted: bool
    log_folder: str
    sections: list[Section]
    text: str


class Pacemaker(TypedDict):
    """``operations`` has those of each resource, by name, and their attributes."""

    hand_over: bool
    python: str
    properties: dict[str, str]
    rsc_defaults: dict[str, str]
    operations: dict[str, dict[str, dict[str, str | int]]]
    configure: str
