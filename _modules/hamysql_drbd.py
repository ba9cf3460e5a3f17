"""
DRBD on one node: what it reports, and the verbs that make a replica.

Everything takes its names from the resolved ``hamysql`` pillar. The verbs are what the orchestration calls; each one looks
again at what the node itself sees before it acts, and can be called by hand and twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hamysql.storage import latch
from hamysql.storage import lock as storage_lock
from hamysql.storage.drbd import replica, verbs
from hamysql.system.command import run

if TYPE_CHECKING:
    from injected import __salt__

    from hamysql.resolved import Resolved
    from hamysql.storage.drbd.status import Identifiers, StatusSeen


__virtualname__ = "hamysql_drbd"

LATCHES = latch.Latches()


def __virtual__() -> str:
    return __virtualname__


def _site(misnamed: bool = False) -> Resolved:
    return __salt__["hamysql.config"](misnamed=misnamed)


def _managed() -> bool:
    return __salt__["hamysql_cluster.status"]()["running"]


def status(resource: str | None = None, minor: int | None = None) -> StatusSeen:
    """
    The resource as this node's kernel sees it.

    resource, minor
        Another one than the pillar's, which it is by default.

    Returns ``{"connection", "role", "peer_role", "disk", "peer_disk", "out_of_sync" (KiB), "done" (percent or None),
    "connected", "up_to_date"}``, or ``{}`` when the resource is not configured in the kernel.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_drbd.status
    """
    options = _site(misnamed=True)["storage"]["drbd"]
    if resource is None or minor is None:
        resource, minor = options["resource"], options["minor"]
    found = replica.status(run, resource, minor)
    return found.as_dict() if found else {}


def kernel() -> str:
    """
    Which configuration this node's kernel module understands, ``"8.4"`` or ``"9"``: the loaded module's version, or that of the
    module that would be loaded; ``"9"`` where none is installed yet.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_drbd.kernel
    """
    return replica.kernel(run)


def generation() -> Identifiers:
    """
    The generation identifiers of this node's data, as hexadecimal text: ``{"current", "bitmap", "history": [...],
    "consistent", "just_created"}``; ``{}`` without metadata. Source of their meaning: DRBD user's guide, "Generation
    identifiers".

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_drbd.generation
    """
    found = replica.generation(run, _site(misnamed=True))
    return found.as_dict() if found else {}


@storage_lock.held("keep_link")
def keep_link(link: int) -> bool:
    """
    Note the link that replication uses on the other node, where the pillar does not say (``hamysql:storage:drbd:link``).

    A node that was installed again has forgotten it. From then on the states write DRBD's configuration with this link.

    link
        The index of the nodes' addresses, as in the pillar.

    Returns ``True`` when it was noted, ``False`` when this node had it. Raises ``Refused`` where there is no such link, where the
    pillar names another one, and where DRBD is up with other addresses.

    CLI Example:

    .. code-block:: bash

        salt db2 hamysql_drbd.keep_link 0
    """
    return verbs.keep_link(run, _site(misnamed=True), link)


@storage_lock.held("create_metadata")
def create_metadata(run_id: str = "") -> bool:
    """
    Write DRBD's metadata to this node's disk (``drbdadm create-md``), if the disk is provably blank.

    run_id
        The orchestration's job, for the latch: what another run has made is not new. Empty by default.

    Returns ``True`` when metadata was written, ``False`` when hamysql's own was there. Raises ``Refused`` for a disk that
    holds anything else, whatever it is.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_drbd.create_metadata
    """
    return verbs.create_metadata(run, _site(), LATCHES, run_id)


@storage_lock.held("up")
def up() -> bool:
    """
    Load the kernel module and configure the resource in the kernel (``drbdadm up``): attach the disk, connect.

    Returns ``True`` when something was done, ``False`` when the resource was up already.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_drbd.up
    """
    return verbs.up(run, _site())


def wait_connected(timeout: float = 60) -> StatusSeen:
    """
    Wait until this node and its peer talk to each other.

    timeout
        Seconds, 60 by default.

    Returns the status (see ``status``). Raises ``NotReady`` with what was seen last.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_drbd.wait_connected timeout=30
    """
    found = verbs.wait_connected(run, _site(), timeout)
    return found.as_dict() if found else {}


@storage_lock.held("skip_initial_sync")
def skip_initial_sync(run_id: str) -> bool:
    """
    Declare two new, empty replicas equal (``drbdadm -- --clear-bitmap new-current-uuid``), on the node that is to be seeded.

    run_id
        The orchestration's job; the metadata must have been made in it.

    Returns ``True`` when it was done, ``False`` when it was before. Raises ``Refused`` unless this node's metadata was made in
    this run and never written to, and DRBD calls both connected sides ``Inconsistent``, which a side with data never
    is. The peer's kernel checks its own side again. Source: DRBD user's guide, "Skipping initial device synchronization".

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_drbd.skip_initial_sync 20260131120000000000
    """
    return verbs.skip_initial_sync(run, _site(), LATCHES, run_id)


@storage_lock.held("seed")
def seed() -> bool:
    """
    Make this node the source of the first data: ``drbdadm primary --force``, once in the life of a cluster.

    Returns ``True`` when the node was promoted, ``False`` when it was primary as the seed already. Raises ``Refused``
    unless both sides are connected, and new (generation "just created"), or this node was chosen by an earlier run.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_drbd.seed
    """
    return verbs.seed(run, _site(), LATCHES)


@storage_lock.held("release")
def release() -> bool:
    """
    Hand the device back (``drbdadm secondary``), so that pacemaker can promote where it wants.

    Returns ``True`` when the node was demoted, ``False`` when it was secondary already.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_drbd.release
    """
    return verbs.release(run, _site())


@storage_lock.held("rejoin")
def rejoin() -> bool:
    """
    Let DRBD and pacemaker try this node's replaced disk, after they have given up on the old one.

    Attaches the disk where the resource is up without one, and has pacemaker, where it runs here, forget the failures
    of ``p_drbd_mysql`` on this node and start it again.

    Returns ``True`` when something was done. Raises ``Refused`` unless the disk holds hamysql's new metadata, which DRBD
    fills from the other node.

    CLI Example:

    .. code-block:: bash

        salt db2 hamysql_drbd.rejoin
    """
    return verbs.rejoin(run, _site(), LATCHES, _managed)
