"""
A backup replaces the data of the cluster: the verbs of ``hamysql.orch.restore``, ``restore_confirm`` and ``restore_undo``.

All of them work on the node that has the data mounted. The folder ``.hamysql`` in the datadir has the copy, the data that is not in
use, and how far a restore has come. It moves to the other node with the data.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hamysql.backup import beside as backup_beside
from hamysql.backup import job, prepare, swap
from hamysql.cib import live as cib_live
from hamysql.cib import names as cib_names
from hamysql.cib import stop as cib_stop
from hamysql.errors import Refused
from hamysql.storage import lock as storage_lock
from hamysql.storage.move import copying, service, verbs
from hamysql.system import wait
from hamysql.system.command import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from injected import __salt__

    from hamysql.backup.beside import Beside, Intent, State

__virtualname__ = "hamysql_restore"
__func_alias__ = {"prepare_": "prepare"}


def __virtual__() -> str:
    return __virtualname__


@contextmanager
def _beside(make: bool = False) -> Iterator[Beside | None]:
    """The folder in the datadir, which has to be the cluster's own file system."""
    datadir, _ = verbs.in_service(run, __salt__["hamysql.config"]())
    with backup_beside.opened(datadir, make) as found:
        yield found


def state() -> State:
    """
    How far a restore has come, on the node that has the data mounted. Reads only.

    Returns ``{"name": backup or "", "direction": "restore" or "undo", "stage": "ready", "leaving", "entering" or "done", "point":
    the moment of the data, "tables": number, "to": the moment that was asked for or "",
    "kept": [folders with data that is not in use], "folder": path}``.
    Raises ``Refused`` where the data is not mounted here.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_restore.state
    """
    with _beside() as beside:
        return backup_beside.state(beside, beside.intent() if beside else None)


@storage_lock.held("prepare")
def prepare_(name: str, timeout: float = 3600, to: str = "") -> State:
    """
    Make a backup ready to be served, while the database serves: copy it beside the data, compare it, recover it, and try it out.

    name
        The backup.
    timeout
        Seconds for the scratch server to answer, 3600 by default.
    to
        A time in UTC, ``2026-05-01 12:00:03``, to which binary logs bring the backup; none by default.

    Returns as ``state`` does. Raises ``Refused`` where there is no such backup, no room, or another restore is not confirmed, and
    ``HamysqlError`` with what is wrong with the backup. Then nothing of the copy stays.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_restore.prepare 20260131T030000Z
    """
    site = job.of(__salt__["hamysql.config"]())
    with _beside(make=True) as beside:
        assert beside
        return backup_beside.state(beside, prepare.prepared(run, site, name, beside, timeout, to))


@storage_lock.held("swap")
def replace(name: str) -> State:
    """
    Put the prepared copy into the datadir, by renames; the data that was in it is kept. The server has to be stopped by
    ``hamysql_migration.stop_server``.

    name
        The backup, as it was given to ``prepare``.

    Returns as ``state`` does. Raises ``Refused`` where that backup is not prepared, a server answers here, or the cluster may start
    one, and ``NotReady`` while any process has a file of the datadir open.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_restore.replace 20260131T030000Z
    """

    def act(beside: Beside, intent: Intent) -> Intent:
        if (intent.name, intent.direction) != (name, backup_beside.RESTORE):
            raise Refused(
                f"not {name}, but the {intent.direction} of {intent.name} was begun here: nothing is replaced"
            )
        return swap.replaced(beside, intent)

    return _exchanged(act)


@storage_lock.held("swap")
def undo() -> State:
    """
    Put the data of before the restore back into the datadir, by renames; what was served since is kept. The server has to be
    stopped by ``hamysql_migration.stop_server``.

    Returns as ``state`` does. Raises as ``replace`` does.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_restore.undo
    """
    return _exchanged(swap.undone)


def _exchanged(act: Callable[[Beside, Intent], Intent]) -> State:
    folder = Path(__salt__["hamysql.config"]()["mysql"]["datadir"])
    if __salt__["hamysql_mysql.active"]():
        raise Refused("a database server answers on this node: stop it first, through the cluster")
    if cib_names.SERVER not in cib_stop.stopped_ones(cib_live.query(run)):
        raise Refused(
            f"the cluster may start {cib_names.SERVER} at any moment: `salt-call hamysql_migration.stop_server`"
        )
    what = f"nobody has anything in {folder} open"
    wait.until(lambda: copying.users(folder), lambda found: not found, what, timeout=20, interval=1, describe=", ".join)
    with _beside() as beside:
        intent = beside.intent() if beside else None
        if beside is None or intent is None:
            raise Refused("no restore was begun here: nothing is replaced")
        return backup_beside.state(beside, act(beside, intent))


def start() -> bool:
    """
    Let pacemaker start the database again, and forget that a start has failed.

    Returns True if it was stopped.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_restore.start
    """
    run(["crm_resource", "--cleanup", "--resource", cib_names.SERVER], timeout=120)
    return service.start(run)


@storage_lock.held("give_up")
def give_up() -> bool:
    """
    Give up a copy that was prepared and not served yet: it is taken away.

    Returns True if there was one. Raises ``Refused`` where the data was replaced already.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_restore.give_up
    """
    with _beside() as beside:
        done = beside is not None and swap.given_up(beside)
    _close()
    return done


@storage_lock.held("confirm")
def confirm() -> list[str]:
    """
    Take the data away that is kept and not in use. There is no way back. A database has to answer on this node.

    Returns the folders that were taken away. Raises ``Refused`` where a restore has not ended, or no database answers here.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_restore.confirm
    """
    with _beside() as beside:
        gone = swap.confirmed(beside, __salt__["hamysql_mysql.active"]) if beside else []
    _close()
    return gone


def _close() -> None:
    backup_beside.close(Path(__salt__["hamysql.config"]()["mysql"]["datadir"]))
