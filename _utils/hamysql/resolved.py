"""A cluster's configuration with finished values: the form of what ``config.resolution`` makes of a pillar. Types alone.

The master sees the same of each node, with the secrets masked. ``Options`` is what has no type yet, or is free: options that a
pillar passes on to a program.
"""

from __future__ import annotations

from typing import Any, TypedDict

Options = dict[str, Any]


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
    options: Options
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


class _Fencing(TypedDict):
    i_accept_data_loss_without_fencing: bool
    delay: int
    favoured: str
    timeout: int
    monitor_interval: int
    devices: list[FenceDevice]
    sbd: Options
    sbd_file: str
    enabled: bool
    reservations: Options
    ipmitool: bool
    power_on: list[str]
    levels: dict[str, list[Level]]
    secret_files: list[SecretFile]


class Fencing(_Fencing, total=False):
    """``sbd`` and ``reservations`` are empty where there are none; ``levels`` has each node's, in their order.

    ``stonith_timeout`` is there where fencing is on.
    """

    stonith_timeout: int


class Quorum(TypedDict):
    """``device`` is empty where there is none."""

    device: Options


class Resolved(TypedDict):
    """The whole configuration, as ``self`` has it, one of the nodes."""

    cluster: Cluster
    vip: Vip
    fencing: Fencing
    quorum: Quorum
    corosync: Options
    repo: Options
    package: Options
    firewall: Options
    storage: Options
    mysql: Options
    pacemaker: Options
    self: str
    peer: str
    warnings: list[str]
