"""
Backups of the database: taken on the node that serves, listed, and tried out on the standby.

The pillar ``hamysql:backup`` says where they are and when they are taken. ``hamysql.orch.backup`` and ``hamysql.orch.restore_test``
choose the node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hamysql.backup import job, restore
from hamysql.backup import take as backup_take
from hamysql.backup.logs import job as logs_job
from hamysql.backup.logs import replay
from hamysql.backup.logs import ship as logs_ship
from hamysql.system import timers
from hamysql.system.command import run

if TYPE_CHECKING:
    from injected import __opts__, __salt__

    from hamysql.backup.logs.replay import Way
    from hamysql.backup.manifest import Glance, Kept, Manifest, Proof
    from hamysql.backup.take import Site
    from hamysql.system.timers import Unit


__virtualname__ = "hamysql_backup"
__func_alias__ = {"list_": "list"}


def __virtual__() -> str:
    return __virtualname__


def _site() -> Site:
    return job.of(__salt__["hamysql.config"]())


def take() -> Manifest:
    """
    Take a backup now, on the node that serves.

    Returns its manifest: ``{"name", "cluster", "node", "began", "seconds": of the copy, "size": bytes, "files", "speed": MB/s,
    "flavor", "tool": version, "server": version, "binlog": file, position and GTID, "tracer": {"label", "rows"}, "scheduled": bool,
    "late": seconds, "log": only with binary logs, {"name", "position", "ended"}}``. Raises ``NotReady`` where no server answers
    here, ``Refused`` where another backup is at work or the place is missing, and ``CommandFailed`` with the tool's last words. A
    backup that was cut off leaves nothing that looks like one.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_backup.take
    """
    return backup_take.take(run, _site())


def list_() -> list[Kept]:
    """
    The complete backups that this node sees, the newest first.

    Returns ``[{"manifest": see take, "proof": None or {"when", "node", "seconds", "tables", "rows"}}]``. The proof is that of
    ``restore_test``.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_backup.list
    """
    return _site().place(run).kept()


def glance() -> Glance | None:
    """
    The newest backup that this node sees, and when one was proven last.

    ``point`` is the newest second that can be restored with binary logs.

    Returns ``{"newest", "proven", "point": such as 2026-01-31T03:00:00Z, or None}``; None where the pillar names no place, or it
    is out of reach for some seconds.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_backup.glance
    """
    config = __salt__["hamysql.config"]()
    return job.of(config).place(run).glance(run) if config["backup"]["enabled"] else None


def restore_test(name: str = "", timeout: float = 3600, to: str = "") -> Proof:
    """
    Restore a backup into a server of its own, check it, and write the proof beside it. The server has no network and little memory.

    name
        The backup; the newest by default.
    timeout
        Seconds for that server to answer, 3600 by default.
    to
        A time in UTC, ``2026-05-01 12:00:03``: the newest backup before that is restored, and binary logs bring it there.

    Returns ``{"when", "node", "seconds", "tables": number, "rows": of the tracer}``. Raises ``Refused`` where there is no such
    backup or no room for it, and ``HamysqlError`` with what is wrong with it. Nothing of that server stays.

    CLI Example:

    .. code-block:: bash

        salt db2 hamysql_backup.restore_test
    """
    return restore.tried(run, _site(), name, timeout=timeout, to=to)


def way(to: str) -> Way:
    """
    Which backup and binary logs lead to a moment.

    to
        A time in UTC, ``2026-05-01 12:00:03``.

    Returns ``{"manifest": see take, "logs": number}``. Raises ``Refused`` with the moments that are possible.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_backup.way '2026-05-01 12:00:03'
    """
    found = replay.target(run, _site(), to)
    return {"manifest": found.backup, "logs": len(found.way.logs)}


def ship() -> str:
    """
    Ship the binary logs now, on the node that serves.

    Returns what was done, in words. Raises ``NotReady`` where no server answers here, ``Refused`` where somebody else is at work or
    the place is missing.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_backup.ship
    """
    return logs_ship.ship(run, _site())


def present() -> bool:
    """
    Whether this node has the timer's file: for the states, which take it away when the pillar names no place any more.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_backup.present
    """
    return job.FILE.exists()


def logs_present() -> bool:
    """
    Whether this node has the file of the timer that ships the binary logs: for the states, as ``present``.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_backup.logs_present
    """
    return logs_job.FILE.exists()


def unit() -> Unit:
    """
    What the timer's job has to know of this minion: ``{"python": program, "path": folder of the modules, "task": JSON}``.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_backup.unit
    """
    return timers.unit(job.task(__salt__["hamysql.config"]()), __opts__["extension_modules"])
