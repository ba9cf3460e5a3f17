"""
An NFS export that both nodes mount in turn (``hamysql:storage:backend: nfs``), and the verbs that make the first data there.

They mount the export's root for a moment, apart from where the cluster mounts the data's folder in it. Nothing on it is ever
deleted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hamysql.storage import latch
from hamysql.storage import lock as storage_lock
from hamysql.storage import verbs as common
from hamysql.storage.nfs import NAME, verbs
from hamysql.system.command import run

if TYPE_CHECKING:
    from injected import __salt__

    from hamysql.resolved import Resolved
    from hamysql.storage.nfs.plan import Seen


__virtualname__ = "hamysql_nfs"

LATCHES = latch.Latches()


def __virtual__() -> str:
    return __virtualname__


def _site(misnamed: bool = False) -> Resolved:
    return __salt__["hamysql.config"](misnamed=misnamed)


def survey() -> Seen:
    """
    What this node sees of the export. Changes nothing there, and works before anything is installed.

    A node whose latch says that the data was made does not look; any other mounts the export's root for a moment, read-only, and
    holds the node's lock for that: a verb's mount is not to be taken away below it.

    Returns ``{"disk": what is mounted, "view": {"entries": [names], "mark": {"cluster", "id"} or {}, "filled": bool, "error"} or
    None, "mounted": whether the datadir is mounted from there, "latch": {...} or {}}``, as :mod:`hamysql.storage.nfs.plan` wants
    it.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_nfs.survey
    """
    return verbs.survey(run, _site(misnamed=True), LATCHES)


@storage_lock.held("look")
def look() -> bool:
    """
    Look at the export, now that NFS's tools are installed.

    Returns ``False``, as nothing is changed. Raises ``Refused`` where the node still cannot look.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_nfs.look
    """
    return verbs.look(run, _site())


@storage_lock.held("claim")
def claim() -> bool:
    """
    Mark an empty export as this cluster's: an id goes into this node's latch, then onto the export.

    Returns ``True`` when it was marked now, ``False`` when this node's mark was there. Raises ``Refused`` for an export that is not
    empty.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_nfs.claim
    """
    return verbs.claim(run, _site(), LATCHES)


@storage_lock.held("initialise_datadir")
def initialise_datadir() -> bool:
    """
    Make the empty database in a folder of the marked export, once.

    What an earlier run has left of it unfinished is put aside, under another name.

    Returns ``True`` when it was made, ``False`` when an earlier run has made it.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_nfs.initialise_datadir
    """
    return verbs.initialise_datadir(run, _site(), LATCHES)


@storage_lock.held("seal")
def seal() -> bool:
    """
    Record that the export holds the data of an initialised cluster: nothing will ever be made on it again.

    Returns ``True`` when it was recorded now, ``False`` when it was before.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_nfs.seal
    """
    return common.seal(LATCHES, NAME)


@storage_lock.held("adopt")
def adopt(uuid: str) -> bool:
    """
    Record that the data on the export is the cluster's: the other node has made it, or this one has forgotten it.

    The orchestration does so where the other node's latch is about this very id. By hand it says that data which no node knows is
    this cluster's.

    uuid
        The id of the export's mark, as ``salt-run hamysql.plan`` shows it.

    Returns ``True`` when it was recorded, ``False`` when it was before. Raises ``Refused`` for an export without that mark or
    without data, and where this node's latch is about other data.

    CLI Example:

    .. code-block:: bash

        salt-call hamysql_nfs.adopt 627a22bb-ecf0-48ff-814b-c8b47add52c8
    """
    return verbs.adopt(run, _site(), LATCHES, uuid)
