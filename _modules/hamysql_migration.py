"""
Moving the data to another kind of storage: the verbs of ``hamysql.orch.migrate_storage``, on one node.

The new storage is made by the verbs of its own kind (``hamysql_drbd``, ``hamysql_lun``, ``hamysql_nfs``), whose latch is in
``/var/lib/hamysql/next`` meanwhile. These here copy the data, stop and start the service, and switch the latches. The old
storage is only read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hamysql.storage import latch
from hamysql.storage import lock as storage_lock
from hamysql.storage.move import service, verbs
from hamysql.system.command import run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from injected import __salt__

    from hamysql.resolved import Resolved
    from hamysql.survey import Resource

__virtualname__ = "hamysql_migration"
__func_alias__ = {"copy_": "copy"}

LATCHES = latch.Latches()


def __virtual__() -> str:
    return __virtualname__


def _site(misnamed: bool = False) -> Resolved:
    return __salt__["hamysql.config"](misnamed=misnamed)


def _resources() -> Sequence[Resource]:
    return __salt__["hamysql_cluster.status"]()["resources"]


def survey() -> verbs.Seen:
    """
    How far this node's part of a move to the pillar's kind of storage is. Reads only.

    Returns ``{"backend": the pillar's, "in_use": [latches], "next": latch or {}, "moving": the kind to which a move was begun,
    or "", "cib": the kind that the cluster's configuration is about, or "", "datadir": where it mounts the data, or "",
    "stopped": [parts of the service that are stopped by it], "hands": [sentences, see hamysql_cib.interventions],
    "replication": why the storage in use
    does not stand for both sides, or ""}``.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_migration.survey
    """
    return verbs.survey(run, _site(misnamed=True), LATCHES)


@storage_lock.held("begin")
def begin(seed: bool = False) -> bool:
    """
    Begin the move of the data to the pillar's kind of storage, or begin its copy anew after a run that was cut off.

    seed
        Whether this is the node that serves, and so copies (default: False).

    Returns ``True`` when the move was begun now. Raises ``Refused`` where this node's data is on that kind already, where it has
    none, and where a move to a third kind was begun.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_migration.begin seed=True
    """
    return verbs.begin(run, _site(), LATCHES, seed)


@storage_lock.held("copy")
def copy_() -> dict[str, float]:
    """
    Copy the data to the new storage while the database serves; again, and it copies what has changed since.

    It makes the last pass (``final``) short, and is no copy of a database by itself.

    Returns ``{"seconds", "files": how many there are, "read": how many of them were read}``. Raises ``Refused`` where no move is
    under way, where the datadir is not the old storage's, or the new one is too small.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_migration.copy
    """
    return verbs.copy(run, _site(), LATCHES)


@storage_lock.held("final")
def final() -> dict[str, float]:
    """
    Copy what has changed since the last pass, with the database stopped: the new storage holds all of the data then.

    Returns as ``copy`` does. Raises ``Refused`` while a server answers, and ``NotReady`` while any process has a file of the
    datadir open.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_migration.final
    """
    return verbs.final(run, _site(), LATCHES, __salt__["hamysql_mysql.active"])


def wait_synchronised(timeout: float = 86400) -> bool:
    """
    Wait until both replicas of the new DRBD are up to date: from the switch on a node may be lost.

    timeout
        Seconds, a day by default.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_migration.wait_synchronised
    """
    return verbs.wait_synchronised(run, _site(), timeout)


@storage_lock.held("stop_server")
def stop_server(timeout: float = 900) -> bool:
    """
    Stop the database server through the cluster, after it has written its dirty pages. Its file system stays mounted.

    It stays stopped, over a loss of power as well, until ``hamysql_migration.start``. Run it on the node that serves.

    timeout
        Seconds for it to stop, 900 by default.

    Returns True. Raises ``NotReady`` with what was seen last.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_migration.stop_server
    """
    flush, unflush = __salt__["hamysql_mysql.flush"], __salt__["hamysql_mysql.unflush"]
    return service.stop_server(run, _resources, flush, unflush, timeout)


@storage_lock.held("stop_service")
def stop_service(timeout: float = 900) -> bool:
    """
    Stop the whole service through the cluster: the file system is unmounted, and DRBD, where the data is on it, ends.

    timeout
        Seconds for it to stop, 900 by default.

    Returns True. Raises ``NotReady`` with what was seen last.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_migration.stop_service
    """
    return service.stop_service(run, _resources, timeout)


def start() -> bool:
    """
    Let pacemaker start what ``stop_server`` and ``stop_service`` have stopped. It does not wait for that.

    Returns True if anything was stopped.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_migration.start
    """
    return service.start(run)


@storage_lock.held("switch")
def switch() -> bool:
    """
    From now on this node's data is on the new storage: its latch takes the place of the old one, which is kept in
    ``/var/lib/hamysql/before``. There is no way back but another move.

    Returns ``True`` when it was switched now. Raises ``Refused`` unless the new storage holds all of the data.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_migration.switch
    """
    return verbs.switch(_site(), LATCHES)


@storage_lock.held("finish")
def finish() -> bool:
    """
    End a move that was switched: what was noted for it on this node goes.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_migration.finish
    """
    return verbs.finish(_site(), LATCHES)


@storage_lock.held("abandon")
def abandon() -> bool:
    """
    Give up a move that was begun and not switched: the latches of the new storage are forgotten, and the service is started again
    where the move has stopped it. What is on the new storage stays there. The pillar then has to name the old storage again.

    Returns ``True`` when there was one. Raises ``Refused`` after the switch.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_migration.abandon
    """
    return verbs.abandon(run, _site(), LATCHES)
