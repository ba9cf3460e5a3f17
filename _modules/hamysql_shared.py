"""
A LUN that both nodes see (``hamysql:storage:backend: shared``): what is on it, and the verbs that make the first data there.

The verbs are called by the orchestration on the one node that its plan chose, after all nodes have seen the claim on the LUN.
Each looks at the latch and at the LUN again before it acts.
"""

from __future__ import annotations

import os
import uuid as _uuid
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from hamysql.errors import CommandFailed, Refused
from hamysql.mysql.datadir import Folder, fill
from hamysql.mysql.datadir import make_filesystem as make_fs
from hamysql.storage import latch
from hamysql.storage import lock as storage_lock
from hamysql.storage.latch import Latch, Stage
from hamysql.storage.lun import claim as lun_claim
from hamysql.system import disk
from hamysql.system.command import run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from injected import __salt__

    from hamysql.resolved import Resolved
    from hamysql.schema.values import Config

__virtualname__ = "hamysql_shared"

RESOURCE = "mysql"  # of the latch


def __virtual__() -> str:
    return __virtualname__


def _site(misnamed: bool = False) -> tuple[Resolved, Config]:
    site = __salt__["hamysql.config"](misnamed=misnamed)
    return site, site["storage"]["shared"]


def _kind(site: Resolved) -> str:
    """The signature that hamysql makes on the LUN."""
    return "LVM2_member" if site["storage"]["shared"]["lvm"] else site["storage"]["filesystem"]["type"]


def _above(site: Resolved, device: str) -> disk.Occupants:
    """What uses the LUN, apart from its own volume and its file system's place."""
    filesystem = site["storage"]["filesystem"]
    volume = site["storage"]["shared"]["lvm"]
    own = lun_claim.mapper_name(volume) if volume else ""
    return disk.occupants(run, device, own, filesystem["directory"])


def _mounted(site: Resolved) -> bool:
    """Whether the datadir is where the LUN's file system is mounted."""
    filesystem = site["storage"]["filesystem"]
    if not Folder(filesystem["directory"]).mounted():
        return False
    found = run(
        ["findmnt", "--noheadings", "--output", "SOURCE", "--mountpoint", filesystem["directory"]], accept=(0, 1)
    )
    return os.path.realpath(found.stdout.strip()) == os.path.realpath(str(filesystem["device"]))


def survey() -> dict[str, Any]:
    """
    What this node sees of the LUN; reads only, and works before anything is installed.

    Returns ``{"disk": path, "size": bytes or None, "identity": WWN and serial number, "signatures": [{"type", "offset", "uuid"}],
    "claim": {"cluster", "uuid"} or {}, "uses": [sentence], "partitions": [path], "names": [stable path], "mounted": bool,
    "session": bool or None without iSCSI, "latch": {...} or {}, "error": why it cannot be read, or ""}``, as
    :mod:`hamysql.storage.lun.plan` wants it.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_shared.survey
    """
    site, shared = _site(misnamed=True)
    device, known = shared["device"], latch.read(RESOURCE, "shared")
    size = disk.size(run, device)
    found = {
        "disk": device,
        "size": size,
        "identity": "",
        "signatures": [],
        "claim": {},
        "uses": [],
        "partitions": [],
        "names": [],
        "mounted": _mounted(site),
        "session": __salt__["hamysql_iscsi.session"]()["logged_in"] if shared["iscsi"] else None,
        "latch": known.as_dict() if known else {},
        "error": "",
    }
    if size is None:
        return found
    try:
        if not found["mounted"]:
            # What another node has written since is not in this one's page cache.
            run(["blockdev", "--flushbufs", device], accept=range(256))
        signatures, claim = lun_claim.contents(run, device)
    except (OSError, CommandFailed) as exc:  # its path is lost
        return found | {"error": str(exc)}
    above, names = _above(site, device), disk.stable_names(device)
    return found | {
        "identity": lun_claim.identity(run, device, names),
        "signatures": [asdict(signature) for signature in signatures],
        "claim": claim,
        "uses": list(above.uses),
        "partitions": list(above.partitions),
        "names": list(names),
    }


def login() -> bool:
    """
    Log this node in to the iSCSI target, as the highstate does.

    Returns True if it was not logged in before.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_shared.login
    """
    return bool(__salt__["hamysql_iscsi.apply"]())


def _free(site: Resolved, device: str) -> None:
    """Raises ``Refused`` while this node uses the LUN."""
    above = _above(site, device)
    if above.uses or above.partitions or _mounted(site):
        used = [*above.uses, *above.partitions] or ["its file system is mounted"]
        raise Refused(f"{device} is in use: {', '.join(used)}")


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

        salt db1 hamysql_shared.wipe '["ext4 at byte 1080"]'
    """
    site, shared = _site()
    device, known = shared["device"], latch.read(RESOURCE, "shared")
    if shared["wipe"] not in (device, *disk.stable_names(device)):
        raise Refused(f"hamysql:storage:shared:wipe names {shared['wipe'] or 'nothing'}, not {device}")
    if known and known.stage == Stage.INITIALISED:
        raise Refused(f"{device} is the LUN of this node's data: it is not wiped")
    signatures, claim = lun_claim.contents(run, device)
    seen = [f"the claim of cluster {claim['cluster']} ({claim['uuid']})"] if claim else []
    seen += [str(signature) for signature in signatures]
    if seen != list(found):
        raise Refused(f"{device} holds {', '.join(seen) or 'nothing'}, not {', '.join(found)}")
    _free(site, device)
    disk.wipe(run, device)
    left = disk.signatures(run, device)
    if left:
        raise Refused(f"{device} was wiped, and still holds {', '.join(map(str, left))}")
    return True


@storage_lock.held("claim")
def claim() -> bool:
    """
    Take a blank LUN for this cluster: the UUID of what will be made on it goes into this node's latch, then onto the LUN.

    Returns ``True`` when it was claimed now, ``False`` when this node's claim was there. Raises ``Refused`` for a LUN that is not
    blank, or in use.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_shared.claim
    """
    site, shared = _site()
    device, known = shared["device"], latch.read(RESOURCE, "shared")
    if known and known.stage != Stage.CLAIMED:
        raise Refused(f"this node's latch is about {known.disk} already ({known.stage.name})")
    signatures, claimed = lun_claim.contents(run, device)
    if known and claimed.get("uuid") == known.device_uuid and not signatures:
        return False
    if signatures or claimed:
        raise Refused(f"{device} is not blank: {', '.join(map(str, signatures)) or claimed}")
    _free(site, device)
    if known is None:
        uuid = str(_uuid.uuid4())
        if shared["lvm"]:
            uuid = lun_claim.pv_uuid(uuid)
        known = Latch(site["cluster"]["name"], RESOURCE, device, Stage.CLAIMED, uuid, backend="shared")
        latch.write(known)
    lun_claim.write_claim(device, known.cluster, known.device_uuid)
    return True


def _chosen(site: Resolved, device: str) -> Latch:
    """The latch of this node, whose claim or work has to be on the LUN; anything else is refused."""
    known = latch.read(RESOURCE, "shared")
    if known is None or known.backend != "shared" or known.stage == Stage.INITIALISED:
        raise Refused(f"this node was not chosen to make the first data on {device}")
    signatures, claimed = lun_claim.contents(run, device)
    ours = [one for one in signatures if one.type == _kind(site) and one.uuid == known.device_uuid]
    strangers = [one for one in signatures if one not in ours]
    if strangers or not (ours or claimed.get("uuid") == known.device_uuid):
        held = ", ".join(map(str, strangers)) or "nothing of this node's"
        raise Refused(f"{device} holds {held}: it is left alone")
    return known


@storage_lock.held("make_volume")
def make_volume() -> bool:
    """
    Make LVM's volume on the claimed LUN, once.

    Returns ``True`` when it was made, ``False`` when an earlier run has made it.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_shared.make_volume
    """
    site, shared = _site()
    known = _chosen(site, shared["device"])
    if known.stage >= Stage.METADATA:
        return False
    _free(site, shared["device"])
    lun_claim.know_device(run, shared["device"])
    lun_claim.make_volume(run, shared["device"], shared["lvm"], known.device_uuid)
    latch.write(replace(known, stage=Stage.METADATA))
    return True


@storage_lock.held("make_filesystem")
def make_filesystem() -> bool:
    """
    Make the file system on the claimed LUN, or on its volume, once.

    Returns ``True`` when it was made, ``False`` when an earlier run has made it.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_shared.make_filesystem
    """
    site, shared = _site()
    known = _chosen(site, shared["device"])
    if known.stage >= Stage.FILESYSTEM:
        return False
    if shared["lvm"] and known.stage < Stage.METADATA:
        raise Refused("the volume has not been made yet")
    _free(site, shared["device"])
    _with_volume(shared, lambda: _mkfs(site, known))
    latch.write(replace(known, stage=Stage.FILESYSTEM))
    return True


def _mkfs(site: Resolved, known: Latch) -> None:
    # On LVM's volume it has a UUID of its own: the latch has the physical volume's.
    make_fs(run, site["storage"]["filesystem"], "" if site["storage"]["shared"]["lvm"] else known.device_uuid)


def _with_volume(shared: Config, work: Callable[[], object]) -> None:
    """Do something while the volume is active here."""
    if not shared["lvm"]:
        work()
        return
    lun_claim.activate(run, shared["lvm"]["volume_group"], True)
    try:
        work()
    finally:
        lun_claim.activate(run, shared["lvm"]["volume_group"], False)


@storage_lock.held("initialise_datadir")
def initialise_datadir() -> bool:
    """
    Make the empty database in the new file system, once.

    Returns ``True`` when it was made, ``False`` when an earlier run has made it.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_shared.initialise_datadir
    """
    site, shared = _site()
    known = _chosen(site, shared["device"])
    if known.stage >= Stage.DATADIR:
        return False
    if known.stage < Stage.FILESYSTEM:
        raise Refused("the file system has not been made yet")
    filesystem = site["storage"]["filesystem"]
    folder = Folder(filesystem["directory"])
    _with_volume(shared, lambda: fill(run, filesystem, site["mysql"], folder, remake=lambda: _mkfs(site, known)))
    latch.write(replace(known, stage=Stage.DATADIR))
    return True


@storage_lock.held("seal")
def seal() -> bool:
    """
    Record that the LUN holds the data of an initialised cluster: nothing will ever be made on it again.

    Returns ``True`` when it was recorded now, ``False`` when it was before.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_shared.seal
    """
    known = latch.read(RESOURCE, "shared")
    if known is None or known.stage < Stage.DATADIR:
        raise Refused(f"the first data is not complete here: {known.stage.name if known else 'nothing was made'}")
    if known.stage == Stage.INITIALISED:
        return False
    latch.write(replace(known, stage=Stage.INITIALISED))
    return True


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

        salt-call hamysql_shared.adopt 627a22bb-ecf0-48ff-814b-c8b47add52c8
    """
    site, shared = _site()
    device, known = shared["device"], latch.read(RESOURCE, "shared")
    if known and (known.stage == Stage.INITIALISED or known.backend != "shared"):
        if (known.backend, known.device_uuid) == ("shared", uuid):
            return False
        raise Refused(f"this node's latch is about {known.device_uuid} on {known.disk} already ({known.stage.name})")
    run(["blockdev", "--flushbufs", device], accept=range(256))
    signatures, _ = lun_claim.contents(run, device)
    if (_kind(site), uuid) not in {(signature.type, signature.uuid) for signature in signatures}:
        raise Refused(
            f"{device} holds {', '.join(map(str, signatures)) or 'nothing'}, not {_kind(site)} with the UUID {uuid}"
        )
    if shared["lvm"]:
        lun_claim.know_device(run, device)
    latch.write(Latch(site["cluster"]["name"], RESOURCE, device, Stage.INITIALISED, uuid, backend="shared"))
    return True
