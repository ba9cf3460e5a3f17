"""A cluster's configuration with finished values: the form of what ``config.resolution`` makes of a pillar. Types alone.

The master sees the same of each node, with the secrets masked. What a site does without is empty, so a type says of its keys only
that they may be there. Options that a program is given as they are, are texts: ``dict[str, str]``.
"""

from __future__ import annotations

from typing import TypedDict

from hamysql.resolved.cluster import Cluster, Corosync, Fencing, Pacemaker, Quorum, Vip
from hamysql.resolved.options import Options
from hamysql.resolved.software import Backup, Mysql, Package, Replica, Repo
from hamysql.resolved.storage import Storage


class Resolved(TypedDict):
    """The whole configuration, as ``self`` has it, one of the nodes."""

    cluster: Cluster
    vip: Vip
    fencing: Fencing
    quorum: Quorum
    corosync: Corosync
    repo: Repo
    package: Package
    firewall: Options
    storage: Storage
    mysql: Mysql
    backup: Backup
    replicas: dict[str, Replica]
    pacemaker: Pacemaker
    self: str
    peer: str
    warnings: list[str]
