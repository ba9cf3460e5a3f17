"""
The phases of the deployment, as states of an orchestration: they run on the master, and act on a cluster's members.

``salt-run state.orchestrate hamysql.orch`` applies all of them in order (``hamysql/orch/init.sls``). Each one surveys the
members, has done what is missing, and reports what really changed; what it does is in :mod:`hamysql.master.orchestration`. They
share what the first one has found out about the members, so they only work inside one orchestration.

Arguments of every function: ``name``, an id, and ``cluster``, the name of the cluster, which may be left out when the
master's minions form only one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hamysql.master import phases
from hamysql.master.orchestration import nodes, resources, restarts, service, start

if TYPE_CHECKING:
    from typing import Any

    from injected import __context__, __opts__

__virtualname__ = "hamysql_orch"


def __virtual__() -> str | tuple[bool, str]:
    if __opts__.get("__role") != "master":
        return (False, "hamysql_orch runs on the master, in an orchestration: salt-run state.orchestrate hamysql.orch")
    return __virtualname__


def _phase(name: str, phase: str, cluster: str | None, body: phases.Body, last: bool = False) -> dict[str, Any]:
    return phases.run(__opts__, __context__, name, phase, cluster, body, last=last)


def members_checked(name: str, cluster: str | None = None) -> dict[str, Any]:
    """
    All members answer, have this formula's modules, a valid pillar and storage that is blank or ours, and pass preflight.

    Nothing is touched before all of this holds. All that forbids going on is told at once, see :mod:`hamysql.preflight.judge`.
    One thing goes before: a member that does not know the link of the replication notes the other one's.
    """
    return _phase(name, "members", cluster, nodes.check)


def nodes_configured(name: str, cluster: str | None = None) -> dict[str, Any]:
    """
    The ``hamysql`` states, which are those of a highstate, are applied on all members. What these must not differ in is
    taken over by both at the same moment.
    """
    return _phase(name, "nodes", cluster, nodes.configure)


def storage_initialised(name: str, cluster: str | None = None) -> dict[str, Any]:
    """
    The storage exists on all members and holds a file system and a database: made once, on one node, and never over anything.

    Performs the plan's steps, surveys all members again, and plans again until nothing is left.
    """
    return _phase(name, "storage", cluster, nodes.initialise_storage)


def cluster_online(name: str, cluster: str | None = None, timeout: float = 180) -> dict[str, Any]:
    """
    Corosync and pacemaker run on all members, they have elected a controller, and all members are online.

    Before the first start, a shared disk for sbd is prepared. With a quorum device, its server runs on the third machine, and each
    member has a certificate for it.

    timeout
        Seconds to wait for that, 180 by default.
    """
    return _phase(name, "cluster", cluster, lambda deployment: start.online(deployment, timeout))


def resources_managed(name: str, cluster: str | None = None) -> dict[str, Any]:
    """
    The cluster's configuration holds the pillar's resources, constraints and properties: one atomic change, from one node.
    """
    return _phase(name, "resources", cluster, resources.manage)


def changes_rolled(name: str, cluster: str | None = None, timeout: float = 1800) -> dict[str, Any]:
    """
    What waits for a restart has had it: the standby first, then a switchover, then the other node. Nothing moves where
    nothing is pending, and nothing at all unless the cluster is whole and no manual intervention is in effect.

    timeout
        Seconds for a node to be back and synchronised, 1800 by default.
    """
    return _phase(name, "changes", cluster, lambda deployment: restarts.roll(deployment, timeout))


def service_answering(name: str, cluster: str | None = None, timeout: float = 300) -> dict[str, Any]:
    """
    The database answers on the virtual IP, as seen from every member.

    timeout
        Seconds to wait for that, 300 by default: a crash recovery may be part of it.
    """
    return _phase(name, "service", cluster, lambda deployment: service.answer(deployment, timeout))


def accounts_managed(name: str, cluster: str | None = None) -> dict[str, Any]:
    """
    The pillar's databases, users and grants are on the active server.
    """
    return _phase(name, "accounts", cluster, service.manage_accounts)


def summarised(name: str, cluster: str | None = None) -> dict[str, Any]:
    """
    Says where what runs, how the storage is, and how much this orchestration has changed.
    """
    return _phase(name, "summary", cluster, service.summarise, last=True)
