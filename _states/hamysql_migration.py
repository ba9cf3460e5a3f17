"""
The phases that move a cluster's data to another kind of storage, as states of an orchestration; they run on the master.

``salt-run state.orchestrate hamysql.orch.migrate_storage`` applies them, and then those of the deployment (:mod:`hamysql_orch`).
What each does is in :mod:`hamysql.master.orchestration`.

Killed at any moment and run again, it gets to its end. Until the first node is switched, a run that was cut off has changed nothing
that is in use, and its copy is begun anew; from then on there is only forward.

Arguments of every function: ``name``, an id, and ``cluster``, the name of the cluster, which may be left out when the
master's minions form only one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hamysql.master import phases
from hamysql.master.orchestration import move, switch

if TYPE_CHECKING:
    from typing import Any

    from injected import __context__, __opts__

__virtualname__ = "hamysql_migration"


def __virtual__() -> str | tuple[bool, str]:
    if __opts__.get("__role") != "master":
        return (
            False,
            "hamysql_migration's states run on the master: salt-run state.orchestrate hamysql.orch.migrate_storage",
        )
    return __virtualname__


def _phase(name: str, phase: str, cluster: str | None, body: phases.Body) -> dict[str, Any]:
    return phases.run(__opts__, __context__, name, phase, cluster, body, kind="migration")


def checked(name: str, cluster: str | None = None) -> dict[str, Any]:
    """
    The cluster is whole and serves from another kind of storage than the pillar names now, and the new storage is blank or ours.

    Where an earlier run has stopped the service and was cut off before the switch, it is started again on the old storage first.
    """
    return _phase(name, "checked", cluster, move.check)


def prepared(name: str, cluster: str | None = None) -> dict[str, Any]:
    """
    The new storage is made beside the old one, up to where a new cluster would get its first database.
    """
    return _phase(name, "prepared", cluster, move.prepare)


def copied(name: str, cluster: str | None = None, timeout: float = 86400) -> dict[str, Any]:
    """
    The data is copied while the database serves, and again until a pass is short: then the outage is as well.

    timeout
        Seconds for new replicas to be synchronised, a day by default.
    """
    return _phase(name, "copied", cluster, lambda deployment: move.copy(deployment, timeout))


def switched(name: str, cluster: str | None = None, timeout: float = 900) -> dict[str, Any]:
    """
    The service stops, what has changed since is copied, both nodes' latches are switched, and it starts on the new storage.

    Where anything fails before the latches are switched, it is started again on the old storage.

    timeout
        Seconds for the service to stop, and to answer, 900 by default.
    """
    return _phase(name, "switched", cluster, lambda deployment: switch.switch(deployment, timeout))
