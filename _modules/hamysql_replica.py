"""
An asynchronous replica of the virtual IP: the verbs of ``hamysql.orch.replica``.

They are for the replica's own machine, which is no member and has no pillar of the cluster's. It knows its cluster from a file that
the orchestration has laid down (``/etc/hamysql/replica.json``). What a member does for it is in ``hamysql_followed``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from hamysql.backup import take
from hamysql.errors import HamysqlError, Refused
from hamysql.replica import record, server, site, verbs
from hamysql.storage import lock as storage_lock
from hamysql.system.command import run

if TYPE_CHECKING:
    from injected import __pillar__

    from hamysql.backup.beside import State
    from hamysql.backup.manifest import Manifest
    from hamysql.mysql.flavours.replication import Following
    from hamysql.replica.record import Record
    from hamysql.replica.server import Looked, Server
    from hamysql.replica.site import Secrets

__virtualname__ = "hamysql_replica"


def __virtual__() -> str:
    return __virtualname__


def _server() -> Server:
    return server.Server(run, site.read())


def _pillar() -> Secrets:
    found = __pillar__.get(site.PILLAR)
    return cast("Secrets", found) if isinstance(found, dict) else {}


def look() -> Looked:
    """
    How the replica's machine is. Reads only.

    Returns ``{"answers": bool, "databases": [names], "record": None or {"stage": "seeding", "following" or "promoted", "cluster",
    "backup", "position", "when"}, "following": None or {"source", "receives", "applies", "ended", "error", "lag": seconds or None,
    "position", "received", "own", "read_only"}, "restore": see hamysql_restore.state, "waits": whether its options wait for a
    restart}``. Raises ``NotReady`` where this machine is no replica yet.

    CLI Example:

    .. code-block:: bash

        salt reports hamysql_replica.look
    """
    return server.look(_server())


def there() -> bool:
    """
    Whether this machine was made a replica: ``look`` can be asked.

    CLI Example:

    .. code-block:: bash

        salt reports hamysql_replica.there
    """
    try:
        site.read()
    except HamysqlError:
        return False
    return True


def holds(datadir: str) -> list[str]:
    """
    The databases in a folder of data, before this machine is a replica: they would be replaced.

    datadir
        The folder.

    CLI Example:

    .. code-block:: bash

        salt reports hamysql_replica.holds /var/lib/mysql
    """
    return server.databases(datadir)


def digest() -> str:
    """
    The hash of the password by which this machine follows. The password is made here, and stays here.

    CLI Example:

    .. code-block:: bash

        salt reports hamysql_replica.digest
    """
    return verbs.digest(_server())


@storage_lock.held("begin", "replica")
def begin(name: str) -> Record:
    """
    Note the backup that is about to replace the data of this machine.

    name
        The backup.

    Returns the note, see ``look``. Raises ``Refused`` where this machine does not see that backup.

    CLI Example:

    .. code-block:: bash

        salt reports hamysql_replica.begin 20260131T030000Z
    """
    return verbs.begin(_server(), _pillar(), name)


@storage_lock.held("prepare", "replica")
def prepare(timeout: float = 3600) -> State:
    """
    Copy the noted backup beside the data, compare it with its sums, recover it, and try it out. What serves meanwhile goes on.

    timeout
        Seconds for the scratch server to answer, 3600 by default.

    Returns as ``hamysql_restore.state`` does.

    CLI Example:

    .. code-block:: bash

        salt reports hamysql_replica.prepare
    """
    return verbs.prepared(_server(), _pillar(), timeout)


@storage_lock.held("swap", "replica")
def exchange(timeout: float = 900) -> State:
    """
    Stop the server, put the prepared copy into the datadir by renames, and start it. The data of before is kept until ``finish``.

    timeout
        Seconds for the server to answer, 900 by default.

    Returns as ``hamysql_restore.state`` does.

    CLI Example:

    .. code-block:: bash

        salt reports hamysql_replica.exchange
    """
    return verbs.exchanged(_server(), timeout)


def follow() -> Following:
    """
    Follow the virtual IP from the noted position on, or go on with that.

    Returns ``following``, see ``look``.

    CLI Example:

    .. code-block:: bash

        salt reports hamysql_replica.follow
    """
    return verbs.follows(_server())


def wait(position: str, timeout: float = 3600) -> Following:
    """
    Wait until this server has applied all up to a position.

    position
        What ``source`` has returned on the node that serves.
    timeout
        Seconds, 3600 by default.

    Returns ``following``, see ``look``. Raises ``NotReady`` with what the server says, as soon as it has stopped.

    CLI Example:

    .. code-block:: bash

        salt reports hamysql_replica.wait 0-7-42
    """
    return verbs.caught_up(_server(), position, timeout)


@storage_lock.held("finish", "replica")
def finish() -> list[str]:
    """
    Note that this machine follows, and take away the data that it had before.

    Returns the folders that went.

    CLI Example:

    .. code-block:: bash

        salt reports hamysql_replica.finish
    """
    return verbs.finished(_server())


def restart(timeout: float = 900) -> bool:
    """
    Start the server anew, with the options of its file.

    timeout
        Seconds for it to answer, 900 by default.

    Returns True.

    CLI Example:

    .. code-block:: bash

        salt reports hamysql_replica.restart
    """
    found = _server()
    found.stop()
    found.start(timeout)
    return True


def promote(confirm: str = "", timeout: float = 3600) -> Following:
    """
    Make this replica a server of its own, which takes writes. **The cluster must not serve any
    more**: see docs/operations/replica.md.

    confirm
        The cluster's name, once more.
    timeout
        Seconds for it to apply what it has received, 3600 by default.

    Returns ``following``, see ``look``. Killed and run again, it gets to its end.

    CLI Example:

    .. code-block:: bash

        salt reports hamysql_replica.promote confirm=galaxy-db
    """
    found = _server()
    if confirm != found.task["cluster"]:
        raise Refused(
            f"{found.task['name']} would take writes that {found.task['cluster']} never gets, and follow it no more. If the "
            f"cluster is lost and stays off, say confirm={found.task['cluster']}"
        )
    return verbs.promote(found, timeout)


@storage_lock.held("backup", "replica")
def back_up() -> Manifest:
    """
    Take a backup of this server, once it was promoted: the way back into a cluster, by ``hamysql.orch.restore``.

    Returns its manifest, see ``hamysql_backup.take``.

    CLI Example:

    .. code-block:: bash

        salt reports hamysql_replica.back_up
    """
    found, noted = _server(), record.read()
    if noted is None or noted["stage"] != record.PROMOTED:
        raise Refused(f"{found.task['name']} was not promoted: the node that serves takes the backups")
    return take.take(run, site.backups(found.task, _pillar()))
