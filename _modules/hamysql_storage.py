"""
The storage of one node: what it sees of it, and with DRBD the verbs that make the file system and the first, empty database.

The verbs are called by the orchestration on the one node that its plan chose. Each looks at the latch and at the node itself
before it acts; none of them can be brought to run on the cluster's data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hamysql.storage import backends, latch
from hamysql.storage import lock as storage_lock
from hamysql.storage.drbd import verbs
from hamysql.system.command import run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from injected import __salt__

    from hamysql.resolved import Resolved

__virtualname__ = "hamysql_storage"

LATCHES = latch.Latches()


def __virtual__() -> str:
    return __virtualname__


def _site(misnamed: bool = False) -> Resolved:
    return __salt__["hamysql.config"](misnamed=misnamed)


def survey() -> dict[str, object]:
    """
    What this node sees of its storage, whichever it is; reads only, and works before anything is installed.

    Returns ``{"backend": the pillar's kind of storage, "latch": {...} or {}}`` and what the plan of that kind wants: with DRBD
    ``{"disk": path, "size": bytes or None, "signatures": [{"type", "offset", "uuid"}], "uses": [sentence], "partitions": [path],
    "names": [stable path], "generation": {...} or {}, "status": {...} or {}}``, otherwise what ``hamysql_lun.survey`` or
    ``hamysql_nfs.survey`` does.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_storage.survey
    """
    return backends.survey(run, _site(misnamed=True), LATCHES)


@storage_lock.held("wipe")
def wipe(found: Sequence[str], held_elsewhere: bool = False) -> bool:
    """
    Destroy what is on this node's disk, if the pillar gives up this very disk (``hamysql:storage:drbd:wipe``).

    found
        The signatures that are to be destroyed, as ``salt-run hamysql.plan`` shows them, a list of texts: the disk must hold
        exactly these.
    held_elsewhere
        Whether another member holds the cluster's data, and this is no replica of it: the plan knows that, a node does not. Without
        it, DRBD's metadata that has carried data may be a replica that this node has forgotten (default: False).

    Returns ``True`` when it was wiped, ``False`` when it is blank. Raises ``Refused`` for a disk that is in use, that the pillar
    does not name, that holds something else, or hamysql's own replica, or what may be one.

    CLI Example:

    .. code-block:: bash

        salt db2 hamysql_storage.wipe '["ext4 at byte 1080"]'
    """
    return verbs.wipe(run, _site(), LATCHES, found, held_elsewhere)


@storage_lock.held("adopt")
def adopt(device_uuid: str) -> bool:
    """
    Record that the replica on this node's disk is the cluster's own, where the node has forgotten it (it was installed again).

    The orchestration does so where the other member holds the same data, and where the pillar has another name for the disk of
    the node's own replica, which is only noted. By hand it says that a disk which no member knows holds this cluster's data.

    device_uuid
        The UUID of the DRBD metadata on this very disk, as ``wipefs`` and ``salt-run hamysql.plan`` show it.

    Returns ``True`` when it was recorded, ``False`` when it was before. Raises ``Refused`` for a disk without that metadata, for
    one without data that the node does not know, and where this node's latch is about something else.

    CLI Example:

    .. code-block:: bash

        salt-call hamysql_storage.adopt e7c4c235a46d231d
    """
    return verbs.adopt(run, _site(), LATCHES, device_uuid)


@storage_lock.held("make_filesystem")
def make_filesystem() -> bool:
    """
    Make the file system on the replicated device, on the node that was chosen as the seed, once.

    Returns ``True`` when it was made, ``False`` when an earlier run has made it.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_storage.make_filesystem
    """
    return verbs.make_filesystem(run, _site(), LATCHES)


@storage_lock.held("initialise_datadir")
def initialise_datadir() -> bool:
    """
    Make the empty database in the new file system, on the node that was chosen as the seed, once.

    Returns ``True`` when it was made, ``False`` when an earlier run has made it.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_storage.initialise_datadir
    """
    return verbs.initialise_datadir(run, _site(), LATCHES)


@storage_lock.held("seal")
def seal() -> bool:
    """
    Record that this node's replica belongs to an initialised cluster: nothing will ever be made on it again.

    Returns ``True`` when it was recorded now, ``False`` when it was before.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_storage.seal
    """
    return verbs.seal(_site(), LATCHES)
