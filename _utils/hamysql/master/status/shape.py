"""The form of what ``hamysql.status`` returns, which docs/status.md promises: keys may come, and none goes or changes its meaning.

Times are texts such as ``2026-01-31T12:00:00Z``. What is not known is ``None``.
"""

from __future__ import annotations

from typing import TypedDict

from hamysql.backup.manifest import Glance

WHOLE, DEGRADED, DOWN = STATES = ("whole", "degraded", "down")  # the index is the exit code of salt-run


class Service(TypedDict):
    """Who serves, since when, and why it is there."""

    node: str | None
    since: str | None
    why: str


class Vip(TypedDict):
    """The virtual IP; ``nodes`` have it now."""

    address: str
    prefix: int
    nodes: list[str]
    interface: str | None


class Storage(TypedDict):
    """A node's storage: its state in words, what is wrong with it, by how many bytes its copy lacks the newest data."""

    state: str
    trouble: str
    behind: int | None


class Device(TypedDict):
    """The fence devices of one level of a node, whether pacemaker runs all of them, and when they were last proven."""

    level: int
    devices: list[str]
    running: bool | None
    proven: str | None


class Node(TypedDict):
    """A node. ``unknown`` says why nothing more is known, and is empty where it is.

    ``role`` is serves, stands by, standby, maintenance, offline, stopped or unknown.
    """

    minion: str
    unknown: str
    role: str
    storage: Storage | None
    fencing: list[Device]
    pending: list[str]
    details: dict[str, object]


class Link(TypedDict):
    """A link of corosync's between the nodes, with the address of each; ``connected`` as the nodes see it."""

    link: int
    addresses: dict[str, str]
    connected: bool | None


class Replica(TypedDict):
    """A replica of the virtual IP. ``unknown`` says why nothing more is known, and is empty where it is.

    ``state`` is new, foreign, seeding, promoted, down, stopped, broken, follows or unknown; ``why`` says it in words. ``lag`` is in
    seconds, ``error`` what its server says last.
    """

    minion: str
    unknown: str
    state: str
    why: str
    receives: str
    applies: str
    lag: int | None
    position: str
    error: str


class Failure(TypedDict):
    """A failed action that nobody has cleaned up."""

    node: str
    action: str
    reason: str
    when: str


class Status(TypedDict):
    """All of it. ``reasons`` are why the cluster is not whole, ``left`` what somebody has put over it, ``notes`` all else."""

    cluster: str
    state: str
    retcode: int
    verdict: str
    reasons: list[str]
    service: Service
    vip: Vip | None
    nodes: dict[str, Node]
    links: list[Link]
    backup: Glance | None
    replicas: dict[str, Replica]
    failures: list[Failure]
    left: list[str]
    notes: list[str]
