"""
The phases of what an operator does on the second day, as states of an orchestration; they run on the master.

``salt-run state.orchestrate hamysql.orch.switchover`` applies its own, and so does each other operation. What each does is in
:mod:`hamysql.master.second_day`. The file is long, since each phase has its state here, and a state names its arguments.

Killed at any moment and run again, each gets to its end: it looks at what there is, and does what is left.

Arguments of every function: ``name``, an id, and ``cluster``, the name of the cluster, which may be left out when the
master's minions form only one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hamysql.master import phases
from hamysql.master.second_day import (
    backups,
    maintenance,
    replacement,
    restores,
    rotation,
    split_brain,
    switchover,
    teardown,
    undo,
    updates,
    verify,
)
from hamysql.system.command import run

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
    All members answer, the cluster is whole, and no manual intervention is in effect. All that forbids the switchover is told at
    once.

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


def replacement_checked(
    name: str, backup: str | None = None, confirm: str | None = None, cluster: str | None = None
) -> dict[str, Any]:
    """
    The cluster is whole, the node that serves has the backup, and the cluster was named once more.

    backup
        The backup's name.
    confirm
        The cluster's name: what was written since the backup is not served afterwards.
    """

    def body(deployment: Any) -> phases.Outcome:
        return restores.check(deployment, backup, confirm)

    return _phase(name, "restore", "checked", cluster, body)


def replacement_prepared(
    name: str, backup: str | None = None, cluster: str | None = None, timeout: float = 3600
) -> dict[str, Any]:
    """
    The backup is copied beside the data, compared, recovered, and tried out by a server of its own. The database serves meanwhile.

    backup
        The backup's name.
    timeout
        Seconds for that server to answer, 3600 by default.
    """

    def body(deployment: Any) -> phases.Outcome:
        return restores.prepare(deployment, backup, timeout)

    return _phase(name, "restore", "prepared", cluster, body)


def replaced(name: str, backup: str | None = None, cluster: str | None = None, timeout: float = 900) -> dict[str, Any]:
    """
    The database serves the backup's data, with the pillar's accounts. The data of before is kept.

    backup
        The backup's name.
    timeout
        Seconds for the database to stop, and to answer, 900 by default.
    """

    def body(deployment: Any) -> phases.Outcome:
        return restores.replace(deployment, backup, timeout)

    return _phase(name, "restore", "replaced", cluster, body, last=True)


def replacement_undo_checked(name: str, confirm: str | None = None, cluster: str | None = None) -> dict[str, Any]:
    """
    There is a restore to undo, and the cluster was named once more.

    confirm
        The cluster's name: what was written since the restore is not served afterwards.
    """
    return _phase(name, "restore_undo", "checked", cluster, lambda deployment: restores.check_undo(deployment, confirm))


def replacement_undone(name: str, cluster: str | None = None, timeout: float = 900) -> dict[str, Any]:
    """
    The database serves the data of before the restore. What was served since is kept.

    timeout
        Seconds for the database to stop, and to answer, 900 by default.
    """
    return _phase(
        name, "restore_undo", "undone", cluster, lambda deployment: restores.undo(deployment, timeout), last=True
    )


def confirmation_checked(name: str, confirm: str | None = None, cluster: str | None = None) -> dict[str, Any]:
    """
    A restore or its undo has ended, a database serves, and the cluster was named once more.

    confirm
        The cluster's name: what is kept is gone afterwards.
    """
    return _phase(
        name, "restore_confirm", "checked", cluster, lambda deployment: restores.check_confirm(deployment, confirm)
    )


def confirmed(name: str, cluster: str | None = None) -> dict[str, Any]:
    """
    The data that is kept and not in use is taken away.
    """
    return _phase(name, "restore_confirm", "confirmed", cluster, restores.confirm, last=True)


def undo_checked(name: str, checkpoint: str | None = None, cluster: str | None = None) -> dict[str, Any]:
    """
    The cluster is whole, and nothing forbids that a checkpoint is put back.

    checkpoint
        Its name.
    """
    return _phase(name, "undo", "checked", cluster, lambda deployment: undo.check(deployment, checkpoint))


def undo_restored(
    name: str, checkpoint: str | None = None, cluster: str | None = None, timeout: float = 900
) -> dict[str, Any]:
    """
    The cluster's configuration is that of the checkpoint, as far as hamysql owns it. Files of the nodes stay as they are.

    checkpoint
        Its name.
    timeout
        Seconds for the database to answer, and for the cluster to be whole, 900 by default.
    """

    def body(deployment: Any) -> phases.Outcome:
        return undo.restore(deployment, checkpoint, timeout)

    return _phase(name, "undo", "restored", cluster, body, last=True)


def verify_checked(name: str, cluster: str | None = None) -> dict[str, Any]:
    """
    All members answer, both replicas are up to date, and one node serves.
    """
    return _phase(name, "verify", "checked", cluster, verify.check)


def verified(name: str, resynchronise: bool = False, cluster: str | None = None) -> dict[str, Any]:
    """
    The node that serves has compared all blocks of both replicas.

    resynchronise
        Whether ``resynchronised`` comes next: differences that are known already need no verification before. False by default.
    """

    def body(deployment: Any) -> phases.Outcome:
        return verify.verify(deployment, resynchronise)

    return _phase(name, "verify", "verified", cluster, body, last=not resynchronise)


def resynchronised(name: str, cluster: str | None = None, timeout: float = 86400) -> dict[str, Any]:
    """
    The standby's replica has what that of the node that serves has.

    timeout
        Seconds for that, 86400 by default.
    """

    def body(deployment: Any) -> phases.Outcome:
        return verify.resynchronise(deployment, timeout)

    return _phase(name, "verify", "resynchronised", cluster, body, last=True)


def split_looked(name: str, victim: str | None = None, cluster: str | None = None) -> dict[str, Any]:
    """
    Both sides of a split brain were looked at, and what each has is told. Nothing is changed, and nobody is named.

    victim
        The side whose changes are to be given up; None, the default, only looks.
    """

    def body(deployment: Any) -> phases.Outcome:
        return split_brain.look(deployment, victim)

    return _phase(name, "split_brain", "looked", cluster, body, last=victim is None)


def split_checked(name: str, victim: str | None = None, cluster: str | None = None) -> dict[str, Any]:
    """
    The side whose changes are to be given up serves nobody, and the other one is up to date.

    victim
        The side whose changes are to be given up.
    """
    return _phase(name, "split_brain", "checked", cluster, lambda deployment: split_brain.check(deployment, victim))


def split_kept(
    name: str, victim: str | None = None, folder: str | None = None, cluster: str | None = None
) -> dict[str, Any]:
    """
    The disk of that side was copied into a file.

    victim
        The side whose changes are to be given up.
    folder
        Where to, on that side; /var/lib/hamysql/kept by default.
    """

    def body(deployment: Any) -> phases.Outcome:
        return split_brain.keep(deployment, victim, folder)

    return _phase(name, "split_brain", "kept", cluster, body)


def split_resolved(
    name: str, victim: str | None = None, cluster: str | None = None, timeout: float = 86400
) -> dict[str, Any]:
    """
    That side has the other one's data, and both were compared where DRBD can do that.

    victim
        The side whose changes are given up.
    timeout
        Seconds for it to have all data, 86400 by default.
    """

    def body(deployment: Any) -> phases.Outcome:
        return split_brain.resolve(deployment, victim, timeout)

    return _phase(name, "split_brain", "resolved", cluster, body, last=True)


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


def secrets_checked(name: str, file: str | None = None, cluster: str | None = None) -> dict[str, Any]:
    """
    The cluster is whole, nothing but secrets is to change, and the fence devices answer with the pillar's secrets.

    file
        The pillar file whose secrets are made anew; None, the default, takes the pillar as it is.
    """
    return _phase(name, "rotate_secrets", "checked", cluster, lambda deployment: rotation.check(deployment, run, file))


def secrets_made(
    name: str, file: str | None = None, gpg_key: str | None = None, cluster: str | None = None
) -> dict[str, Any]:
    """
    The file has new secrets, and the members know them. The old file is kept beside it.

    file
        The pillar file whose secrets are made anew; None, the default, takes the pillar as it is.
    gpg_key
        For whom they are encrypted, where the file is.
    """

    def body(deployment: Any) -> phases.Outcome:
        return rotation.make(deployment, run, file, gpg_key)

    return _phase(name, "rotate_secrets", "made", cluster, body)


def secrets_rotated(name: str, cluster: str | None = None, timeout: float = 900) -> dict[str, Any]:
    """
    corosync, the storage, the fence devices and the database have the pillar's secrets. A client on each node writes meanwhile.

    timeout
        Seconds for the cluster to be whole afterwards, 900 by default.
    """
    return _phase(name, "rotate_secrets", "rotated", cluster, lambda deployment: rotation.rotate(deployment, timeout))


def secrets_verified(name: str, file: str | None = None, cluster: str | None = None) -> dict[str, Any]:
    """
    Each service uses the pillar's secrets, and the old file is gone.

    file
        The pillar file whose secrets were made anew.
    """
    return _phase(
        name, "rotate_secrets", "verified", cluster, lambda deployment: rotation.verify(deployment, file), last=True
    )


def teardown_checked(name: str, confirm: str | None = None, cluster: str | None = None) -> dict[str, Any]:
    """
    All members answer, and the cluster was named once more.

    confirm
        The cluster's name: its database ends.
    """
    return _phase(name, "teardown", "checked", cluster, lambda deployment: teardown.check(deployment, confirm))


def teardown_stopped(name: str, cluster: str | None = None, timeout: float = 900) -> dict[str, Any]:
    """
    The cluster runs nowhere; the standby has stopped first.

    timeout
        Seconds for all that a node runs to stop, 900 by default.
    """
    return _phase(name, "teardown", "stopped", cluster, lambda deployment: teardown.stop(deployment, timeout))


def teardown_removed(name: str, cluster: str | None = None) -> dict[str, Any]:
    """
    What hamysql has laid down is gone from all members. The data stays, and where it is is told.
    """
    return _phase(name, "teardown", "removed", cluster, teardown.remove, last=True)


def replace_checked(name: str, node: str | None = None, cluster: str | None = None) -> dict[str, Any]:
    """
    One node serves and has all data, the named one is provably out of the cluster, and a blank machine is in its place.

    node
        The node that died, by the name that the cluster knows.
    """
    return _phase(name, "replace_node", "checked", cluster, lambda deployment: replacement.check(deployment, node))


def replace_released(name: str, node: str | None = None, cluster: str | None = None) -> dict[str, Any]:
    """
    The node that serves has let the dead one go, and knows the new one's name and addresses. The database serves meanwhile.

    node
        The node that died.
    """
    return _phase(name, "replace_node", "released", cluster, lambda deployment: replacement.release(deployment, node))


def replace_joined(
    name: str, node: str | None = None, cluster: str | None = None, timeout: float = 180
) -> dict[str, Any]:
    """
    The new machine has packages, files and storage, and is a member of the cluster.

    node
        The node that died.
    timeout
        Seconds for the new one to be online, 180 by default.
    """

    def body(deployment: Any) -> phases.Outcome:
        return replacement.join(deployment, node, timeout)

    return _phase(name, "replace_node", "joined", cluster, body)


def replace_synchronised(
    name: str, node: str | None = None, cluster: str | None = None, timeout: float = 86400
) -> dict[str, Any]:
    """
    The new node has all data, and the cluster is whole.

    node
        The node that died.
    timeout
        Seconds for the data to be there, 86400 by default.
    """

    def body(deployment: Any) -> phases.Outcome:
        return replacement.synchronise(deployment, node, timeout)

    return _phase(name, "replace_node", "synchronised", cluster, body, last=True)
