"""What a node says of itself, as it comes over Salt's bus: the form of what ``hamysql_node.survey`` returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from hamysql.resolved import Resolved


class Resource(TypedDict):
    """One instance of a primitive, see :class:`hamysql.cib.status.Resource`."""

    id: str
    agent: str
    role: str
    node: str | None
    parent: str | None
    managed: bool
    blocked: bool
    failed: bool


class Cluster(TypedDict):
    """The cluster as a node's pacemaker sees it, ``hamysql_cluster.status``.

    All but ``running`` and ``shell`` is empty where it does not run.
    """

    running: bool
    dc: str | None
    quorum: bool
    maintenance: bool
    nodes: Mapping[str, Mapping[str, str | bool]]  # the flags of each, see :class:`hamysql.cib.status.Node`
    resources: Sequence[Resource]
    failures: Sequence[Mapping[str, str]]
    fencing: Sequence[Mapping[str, str]]
    shell: str  # of the node, also where the cluster does not run, see :func:`hamysql.system.shells.installed`


class Interface(TypedDict):
    """A network interface; the addresses have their prefix."""

    mac: str
    addresses: list[str]


class Facts(TypedDict):
    """What a machine is, ``hamysql_node.facts``.

    ``storage`` is what the pillar's kind of storage has to know of it. All kinds have ``reached``: whether each ``address:port``
    answers from which the data comes. ``foreign`` is what is there of a cluster that hamysql has not made, "" where nothing is.
    """

    nodename: str
    system: Mapping[str, str]
    clock: Sequence[float]
    interfaces: Mapping[str, Interface]
    storage: Any  # of a form that the kind of storage declares
    packages: Mapping[str, str]
    unreachable: Sequence[str]
    absent: Sequence[str]
    vip_owner: str
    tls: Mapping[str, Sequence[Mapping[str, str]]]
    foreign: str
    account: Sequence[int]


class Survey(TypedDict):
    """All of it. ``storage`` is what the module of the pillar's kind of storage says, and that kind's plan reads it."""

    code: str
    pillar: str
    stale: bool
    settings: Resolved  # without its secrets
    storage: Any  # of a form that the kind of storage declares
    cluster: Cluster
    database: bool
    pending: Sequence[Mapping[str, str]]
    facts: Facts


Surveys = Mapping[str, Survey]  # of all members, in the pillar's order
