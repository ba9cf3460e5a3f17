"""
A split brain is looked at and ended on a node: the verbs of ``hamysql.orch.split_brain``. Each looks again before it acts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hamysql.storage import lock as storage_lock
from hamysql.storage.copies import FOLDER
from hamysql.storage.drbd import verbs
from hamysql.storage.drbd.care import split
from hamysql.system.command import run

if TYPE_CHECKING:
    from injected import __salt__

    from hamysql.storage.copies import Image, Looked, Note

__virtualname__ = "hamysql_split"


def __virtual__() -> str:
    return __virtualname__


@storage_lock.held("look")
def look() -> Looked:
    """
    What this side of a split brain has. Nothing is changed: a disk that is not mounted is read through a read-only loop device.

    Returns ``{"state": DRBD's words, "generation": identifiers, "tables": {"database.table": {"size": bytes, "written": seconds
    since 1970}}, "why": why the tables cannot be told, or ""}``.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_split.look
    """
    return split.look(run, __salt__["hamysql.config"]())


def noted() -> Note | None:
    """
    How far this node has come in giving up its changes: ``{"image": see keep, "given_up": bool}``; None where nothing was begun.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_split.noted
    """
    return split.noted()


@storage_lock.held("keep")
def keep(folder: str = FOLDER) -> Image:
    """
    Copy the disk of this side into a file, before its changes are given up. One that was made of the same data is taken as it is.

    folder
        Where to, /var/lib/hamysql/kept by default.

    Returns ``{"path", "made": time in UTC, "size": bytes, "sha256", "generation": identifier of the data, "writes": after which
    write}``. Raises ``Refused`` where this side may be written to, and where there is no room.

    CLI Example:

    .. code-block:: bash

        salt db2 hamysql_split.keep /mnt/backups
    """
    return split.keep(run, __salt__["hamysql.config"](), folder)


@storage_lock.held("give_up")
def give_up() -> bool:
    """
    Have DRBD take the other side's data in place of this one's (``drbdadm connect --discard-my-data``).

    Returns True, or False where it does so already. Raises ``Refused`` unless this side is Secondary and alone, and there is a copy
    of exactly what its disk holds.

    CLI Example:

    .. code-block:: bash

        salt db2 hamysql_split.give_up
    """
    return split.give_up(run, __salt__["hamysql.config"]())


@storage_lock.held("accept")
def accept() -> bool:
    """
    Connect the side whose data is kept (``drbdadm connect``).

    Returns True, or False where it is connected, or tries to be. Raises ``Refused`` unless its replica is UpToDate.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_split.accept
    """
    return split.accept(run, __salt__["hamysql.config"]())


def wait_connected(timeout: float = 60) -> bool:
    """
    Wait until both sides talk to each other.

    timeout
        Seconds, 60 by default.

    Returns True. Raises ``NotReady`` with what was seen last.

    CLI Example:

    .. code-block:: bash

        salt db2 hamysql_split.wait_connected timeout=30
    """
    verbs.wait_connected(run, __salt__["hamysql.config"](), timeout)
    return True


def forget() -> bool:
    """
    Take the note of a split brain away, after its end. The copy of the disk stays.

    Returns whether there was one.

    CLI Example:

    .. code-block:: bash

        salt db2 hamysql_split.forget
    """
    return split.forget()
