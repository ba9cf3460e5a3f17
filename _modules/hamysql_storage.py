"""
The storage of one node: what it sees of it, and with DRBD the verbs that make the file system and the first, empty database.

The verbs are called by the orchestration on the one node that its plan chose. Each looks at the latch and at the node itself
before it acts; none of them can be brought to run on the cluster's data.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from hamysql.errors import Refused
from hamysql.mysql.datadir import Folder, fill
from hamysql.mysql.datadir import make_filesystem as make_fs
from hamysql.storage import latch
from hamysql.storage import lock as storage_lock
from hamysql.storage.latch import Latch, Stage
from hamysql.system import disk
from hamysql.system.command import run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from injected import __salt__

    from hamysql.resolved import Resolved

__virtualname__ = "hamysql_storage"


def __virtual__() -> str:
    return __virtualname__


def _site(misnamed: bool = False) -> Resolved:
    return __salt__["hamysql.config"](misnamed=misnamed)


def _disk(site: Resolved) -> str:
    return str(site["cluster"]["nodes"][site["self"]]["disk"])


def survey() -> dict[str, Any]:
    """
    What this node sees of its storage, whichever it is; reads only, and works before anything is installed.

    Returns ``{"backend": "drbd", "disk": path, "size": bytes or None, "signatures": [{"type", "offset", "uuid"}],
    "uses": [sentence], "partitions": [path], "names": [stable path], "generation": {...} or {}, "status": {...} or {},
    "latch": {...} or {}}``, as :mod:`hamysql.storage.drbd.plan` wants it; with another backend what ``hamysql_shared.survey`` or
    ``hamysql_nfs.survey`` does.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_storage.survey
    """
    site = _site(misnamed=True)
    backend = site["storage"]["backend"]
    if backend != "drbd":
        return {"backend": backend, **__salt__[f"hamysql_{backend}.survey"]()}
    device = _disk(site)
    size = disk.size(run, device)
    there = size is not None
    above = disk.occupants(run, device, site["storage"]["drbd"]["device"]) if there else disk.Occupants()
    known = latch.read(site["storage"]["drbd"]["resource"], "drbd")
    return {
        "backend": backend,
        "disk": device,
        "size": size,
        "signatures": [asdict(signature) for signature in disk.signatures(run, device)] if there else [],
        "uses": list(above.uses),
        "partitions": list(above.partitions),
        "names": list(disk.stable_names(device)) if there else [],
        "generation": __salt__["hamysql_drbd.generation"](),
        "status": __salt__["hamysql_drbd.status"](),
        "latch": known.as_dict() if known else {},
    }


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
    site = _site()
    options, device = site["storage"]["drbd"], _disk(site)
    named = options["wipe"].get(site["self"])
    names = disk.stable_names(device)
    if named not in names:
        raise Refused(f"hamysql:storage:drbd:wipe names {named or 'nothing'} for {site['self']}, not {names[0]}")
    signatures = disk.signatures(run, device)
    seen = [str(signature) for signature in signatures]
    if not seen:
        return False
    known = latch.read(options["resource"], "drbd")
    uuids = [signature.uuid.lower() for signature in signatures if signature.type == "drbd"]
    if known and known.device_uuid.lower() in uuids:
        raise Refused(f"{device} holds this node's replica of {options['resource']}: it is not wiped")
    if seen != list(found):
        raise Refused(f"{device} holds {', '.join(seen)}, not {', '.join(found)}")
    uses = disk.occupants(run, device, options["device"]).uses
    status = __salt__["hamysql_drbd.status"]()
    if uses or status:
        raise Refused(f"{device} is in use: {', '.join(uses) or 'by DRBD'}")
    generation = __salt__["hamysql_drbd.generation"]()
    if uuids and not held_elsewhere and not generation.get("just_created"):
        raise Refused(
            f"{device} holds DRBD metadata that has carried data, and may be a replica of {options['resource']} that this node has "
            f"forgotten: the orchestration wipes it where the other member holds the data; by hand, `wipefs --all {device}`"
        )
    disk.wipe(run, device)
    left = disk.signatures(run, device)
    if left:
        raise Refused(f"{device} was wiped, and still holds {', '.join(map(str, left))}")
    return True


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
    site = _site()
    resource, device = site["storage"]["drbd"]["resource"], _disk(site)
    known = latch.read(resource, "drbd")
    wanted = str(device_uuid).lower()
    mine = known if known is not None and known.device_uuid.lower() == wanted else None
    if mine and mine.disk == device and mine.stage == Stage.INITIALISED:
        return False
    if known and not (mine and mine.disk != device):
        raise Refused(f"this node's latch is about {known.resource} on {known.disk} already ({known.stage.name})")
    signatures = disk.signatures(run, device)
    uuid = next((signature.uuid for signature in signatures if signature.type == "drbd"), "")
    if not uuid or uuid.lower() != wanted:
        raise Refused(f"{device} holds {', '.join(map(str, signatures)) or 'nothing'}, not DRBD metadata {wanted}")
    if mine:
        latch.write(replace(mine, disk=device))
        return True
    generation = __salt__["hamysql_drbd.generation"]()
    if not generation or generation["just_created"]:
        raise Refused(f"the replica on {device} has never held data")
    latch.write(Latch(site["cluster"]["name"], resource, device, Stage.INITIALISED, uuid))
    return True


def _chosen(site: Resolved) -> Latch:
    """The latch of this node, which has to be the seed and primary; anything else is refused."""
    resource = site["storage"]["drbd"]["resource"]
    known = latch.read(resource, "drbd")
    if known is None or not Stage.SEEDING <= known.stage < Stage.INITIALISED:
        raise Refused(f"this node was not chosen to make the first data of {resource}")
    role = __salt__["hamysql_drbd.status"]().get("role")
    if role != "Primary":
        raise Refused(f"{resource} is {role or 'not configured'} here, not Primary")
    return known


@storage_lock.held("make_filesystem")
def make_filesystem() -> bool:
    """
    Make the file system on the replicated device, on the node that was chosen as the seed, once.

    Returns ``True`` when it was made, ``False`` when an earlier run has made it.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_storage.make_filesystem
    """
    site = _site()
    known = _chosen(site)
    if known.stage >= Stage.FILESYSTEM:
        return False
    # Forced: the latch says that no data can be there.
    make_fs(run, site["storage"]["filesystem"])
    latch.write(replace(known, stage=Stage.FILESYSTEM))
    return True


@storage_lock.held("initialise_datadir")
def initialise_datadir() -> bool:
    """
    Make the empty database in the new file system, on the node that was chosen as the seed, once.

    Returns ``True`` when it was made, ``False`` when an earlier run has made it.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_storage.initialise_datadir
    """
    site = _site()
    known = _chosen(site)
    if known.stage >= Stage.DATADIR:
        return False
    if known.stage < Stage.FILESYSTEM:
        raise Refused("the file system has not been made yet")
    filesystem = site["storage"]["filesystem"]
    fill(run, filesystem, site["mysql"], Folder(filesystem["directory"]), remake=lambda: make_fs(run, filesystem))
    latch.write(replace(known, stage=Stage.DATADIR))
    return True


@storage_lock.held("seal")
def seal() -> bool:
    """
    Record that this node's replica belongs to an initialised cluster: nothing will ever be made on it again.

    Returns ``True`` when it was recorded now, ``False`` when it was before.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_storage.seal
    """
    resource = _site()["storage"]["drbd"]["resource"]
    known = latch.read(resource, "drbd")
    if known is None or known.stage == Stage.CLAIMED:
        raise Refused(f"this node has no replica of {resource} yet")
    if known.stage == Stage.INITIALISED:
        return False
    if Stage.SEEDING <= known.stage < Stage.DATADIR:
        raise Refused(f"the first data of {resource} is not complete here: {known.stage.name}")
    latch.write(replace(known, stage=Stage.INITIALISED))
    return True
