"""
A LUN that both nodes see (``hamysql:storage:backend: shared``): what is on it, and the verbs that make the first data there.

The verbs are called by the orchestration on the one node that its plan chose, after all nodes have seen the claim on the LUN.
Each looks at the latch and at the LUN again before it acts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hamysql.storage import latch
from hamysql.storage import lock as storage_lock
from hamysql.storage import verbs as common
from hamysql.storage.lun import NAME, verbs
from hamysql.system.command import run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from injected import __salt__

    from hamysql.resolved import Resolved
    from hamysql.storage.lun.local import Seen


__virtualname__ = "hamysql_lun"

LATCHES = latch.Latches()


def __virtual__() -> str:
    return __virtualname__


def _site(misnamed: bool = False) -> Resolved:
    return __salt__["hamysql.config"](misnamed=misnamed)


def survey() -> Seen:
    """
    What this node sees of the LUN; reads only, and works before anything is installed.

    Returns ``{"disk": path, "size": bytes or None, "identity": WWN and serial number, "signatures": [{"type", "offset", "uuid"}],
    "claim": {"cluster", "uuid"} or {}, "uses": [sentence], "partitions": [path], "names": [stable path], "mounted": bool,
    "session": bool or None without iSCSI, "latch": {...} or {}, "error": why it cannot be read, or ""}``, as
    :mod:`hamysql.storage.lun.plan` wants it.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_lun.survey
    """
    return verbs.survey(run, _site(misnamed=True), LATCHES)


def login() -> bool:
    """
    Log this node in to the iSCSI target, as the highstate does.

    Returns True if it was not logged in before.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_lun.login
    """
    return bool(__salt__["hamysql_iscsi.apply"]())


@storage_lock.held("wipe")
def wipe(found: Sequence[str]) -> bool:
    """
    Destroy what is on the LUN, if the pillar gives up this very LUN (``hamysql:storage:shared:wipe``).

    found
        What is to be destroyed, as ``salt-run hamysql.plan`` shows it, a list of texts: the LUN must hold exactly this.

    Returns ``True``. Raises ``Refused`` for a LUN that is in use here, that the pillar does not name, that holds something else, or
    this node's data.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_lun.wipe '["ext4 at byte 1080"]'
    """
    return verbs.wipe(run, _site(), LATCHES, found)


@storage_lock.held("claim")
def claim() -> bool:
    """
    Take a blank LUN for this cluster: the UUID of what will be made on it goes into this node's latch, then onto the LUN.

    Returns ``True`` when it was claimed now, ``False`` when this node's claim was there. Raises ``Refused`` for a LUN that is not
    blank, or in use.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_lun.claim
    """
    return verbs.claim(run, _site(), LATCHES)


@storage_lock.held("make_volume")
def make_volume() -> bool:
    """
    Make LVM's volume on the claimed LUN, once.

    Returns ``True`` when it was made, ``False`` when an earlier run has made it.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_lun.make_volume
    """
    return verbs.make_volume(run, _site(), LATCHES)


@storage_lock.held("make_filesystem")
def make_filesystem() -> bool:
    """
    Make the file system on the claimed LUN, or on its volume, once.

    Returns ``True`` when it was made, ``False`` when an earlier run has made it.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_lun.make_filesystem
    """
    return verbs.make_filesystem(run, _site(), LATCHES)


@storage_lock.held("initialise_datadir")
def initialise_datadir() -> bool:
    """
    Make the empty database in the new file system, once.

    Returns ``True`` when it was made, ``False`` when an earlier run has made it.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_lun.initialise_datadir
    """
    return verbs.initialise_datadir(run, _site(), LATCHES)


@storage_lock.held("seal")
def seal() -> bool:
    """
    Record that the LUN holds the data of an initialised cluster: nothing will ever be made on it again.

    Returns ``True`` when it was recorded now, ``False`` when it was before.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_lun.seal
    """
    return common.seal(LATCHES, NAME)


@storage_lock.held("adopt")
def adopt(uuid: str) -> bool:
    """
    Record that the data on the LUN is the cluster's: the other node has made it, or this one has forgotten it (it was installed
    again).

    The orchestration does so where the other node's latch is about this very UUID. By hand it says that data which no node knows
    is this cluster's.

    uuid
        The UUID of the file system on the LUN, or of LVM's physical volume, as ``wipefs`` and ``salt-run hamysql.plan`` show it.

    Returns ``True`` when it was recorded, ``False`` when it was before. Raises ``Refused`` for a LUN without it, and where this
    node's latch is about other data.

    CLI Example:

    .. code-block:: bash

        salt-call hamysql_lun.adopt 627a22bb-ecf0-48ff-814b-c8b47add52c8
    """
    return verbs.adopt(run, _site(), LATCHES, uuid)
