"""
The phases of what an operator does on the second day, as states of an orchestration; they run on the master.

``salt-run state.orchestrate hamysql.orch.switchover`` applies its own, and so does ``hamysql.orch.maintenance``. What each does
is in :mod:`hamysql.master.orchestration`.

Killed at any moment and run again, each gets to its end: it looks at what there is, and does what is left.

Arguments of every function: ``name``, an id, and ``cluster``, the name of the cluster, which may be left out when the
master's minions form only one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hamysql.master import phases
from hamysql.master.orchestration import backups, maintenance, switchover
from hamysql.master.renewal import updates

if TYPE_CHECKING:
    from typing import Any

    from injected import __context__, __opts__

__virtualname__ = "hamysql_operation"


def __virtual__() -> str | tuple[bool, str]:
    if __opts__.get("__role") != "master":
        return (
            False,
            "hamysql_operation runs on the master, in an orchestration: salt-run state.orchestrate hamysql.orch.switchover",
        )
    return __virtualname__


def _phase(
    name: str, kind: str, phase: str, cluster: str | None, body: phases.Body, last: bool = False
) -> dict[str, Any]:
    return phases.run(__opts__, __context__, name, phase, cluster, body, last=last, kind=kind)


def switchover_checked(name: str, to: str | None = None, cluster: str | None = None) -> dict[str, Any]:
    """
    All members answer, the cluster is whole, and nobody has a hand on it. All that forbids the switchover is told at once.

    to
        The node that shall serve.
    """
    return _phase(name, "switchover", "checked", cluster, lambda deployment: switchover.check(deployment, to))


def switchover_moved(
    name: str, to: str | None = None, cluster: str | None = None, timeout: float = 900
) -> dict[str, Any]:
    """
    The service runs on the node, and the cluster is whole. A client on each node writes meanwhile, and tells the longest gap.

    to
        The node that shall serve. Where it serves already, nothing is moved.
    timeout
        Seconds for the service to run there, and for the cluster to be whole, 900 by default.
    """

    def body(deployment: Any) -> phases.Outcome:
        return switchover.move(deployment, to, timeout)

    return _phase(name, "switchover", "moved", cluster, body, last=True)


def drain_checked(name: str, node: str | None = None, cluster: str | None = None) -> dict[str, Any]:
    """
    All members answer, the cluster could lose a node, and no other one is in maintenance.

    node
        The node that shall be taken out of the service.
    """
    return _phase(name, "drain", "checked", cluster, lambda deployment: maintenance.check_drain(deployment, node))


def drained(name: str, node: str | None = None, cluster: str | None = None, timeout: float = 900) -> dict[str, Any]:
    """
    The service has left the node, and the node is in standby, with a mark that says since when. It may be switched off then.

    node
        The node that shall be taken out of the service.
    timeout
        Seconds for the service to move, and for all that the node runs to stop, 900 by default.
    """

    def body(deployment: Any) -> phases.Outcome:
        return maintenance.drain(deployment, node, timeout)

    return _phase(name, "drain", "drained", cluster, body, last=True)


def return_checked(name: str, node: str | None = None, cluster: str | None = None) -> dict[str, Any]:
    """
    All members answer, one node serves, and nothing but the maintenance keeps the service from the node.

    node
        The node that shall be taken back.
    """
    return _phase(name, "return", "checked", cluster, lambda deployment: maintenance.check_return(deployment, node))


def returned(name: str, node: str | None = None, cluster: str | None = None, timeout: float = 3600) -> dict[str, Any]:
    """
    The cluster runs on the node, its standby has ended, and its data is synchronised: the cluster is whole.

    node
        The node that shall be taken back.
    timeout
        Seconds for the node to be synchronised, 3600 by default.
    """

    def body(deployment: Any) -> phases.Outcome:
        return maintenance.take_back(deployment, node, timeout)

    return _phase(name, "return", "returned", cluster, body, last=True)


def maintenance_refused(name: str, cluster: str | None = None) -> dict[str, Any]:
    """
    Fails: it was not said which node, and whether it is taken out or taken back.
    """
    return _phase(name, "drain", "checked", cluster, maintenance.refused, last=True)


def backup_checked(name: str, cluster: str | None = None) -> dict[str, Any]:
    """
    All members answer, the pillar names a folder for backups, and one node serves.
    """
    return _phase(name, "backup", "checked", cluster, backups.check_backup)


def backup_taken(name: str, cluster: str | None = None) -> dict[str, Any]:
    """
    The node that serves has taken a backup, and what retention does not keep is gone.
    """
    return _phase(name, "backup", "taken", cluster, backups.back_up, last=True)


def restore_checked(
    name: str, node: str | None = None, backup: str | None = None, cluster: str | None = None
) -> dict[str, Any]:
    """
    There is a backup, and the node sees it.

    node
        The node that tries it out, the standby by default.
    backup
        Its name, that of the newest one by default.
    """

    def body(deployment: Any) -> phases.Outcome:
        return backups.check_restore(deployment, node, backup)

    return _phase(name, "restore_test", "checked", cluster, body)


def restored(
    name: str, node: str | None = None, backup: str | None = None, cluster: str | None = None, timeout: float = 3600
) -> dict[str, Any]:
    """
    The backup was restored into a server of its own on the node, checked, and the proof is written beside it.

    node
        The node that tries it out, the standby by default.
    backup
        Its name, that of the newest one by default.
    timeout
        Seconds for that server to answer, 3600 by default.
    """

    def body(deployment: Any) -> phases.Outcome:
        return backups.restore(deployment, node, backup, timeout)

    return _phase(name, "restore_test", "restored", cluster, body, last=True)


def update_checked(name: str, confirm: str | None = None, cluster: str | None = None) -> dict[str, Any]:
    """
    All members answer, the cluster could lose a node, and nothing speaks against what there is to update.

    confirm
        The cluster's name, where the database is to be updated and hamysql takes no backups.
    """
    return _phase(name, "update", "checked", cluster, lambda deployment: updates.check(deployment, confirm))


def update_saved(name: str, cluster: str | None = None) -> dict[str, Any]:
    """
    The node that serves has taken a backup, where the database is to be updated.
    """
    return _phase(name, "update", "saved", cluster, updates.save)


def update_standby(name: str, cluster: str | None = None, timeout: float = 3600) -> dict[str, Any]:
    """
    The standby has its updates, has booted where that was needed, and is back in the service.

    timeout
        Seconds for each step on the node, and for its data to be synchronised, 3600 by default.
    """
    return _phase(name, "update", "standby", cluster, lambda deployment: updates.first(deployment, timeout))


def update_other(name: str, cluster: str | None = None, timeout: float = 3600) -> dict[str, Any]:
    """
    The service has left the other node, and that one is updated as well.

    timeout
        Seconds for each step on the node, and for its data to be synchronised, 3600 by default.
    """
    return _phase(name, "update", "other", cluster, lambda deployment: updates.second(deployment, timeout))


def update_finished(name: str, cluster: str | None = None) -> dict[str, Any]:
    """
    The database's own tables are as its release needs them, nothing is left to update, and the cluster is whole.
    """
    return _phase(name, "update", "finished", cluster, updates.finish, last=True)
