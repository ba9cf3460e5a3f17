"""What is on a LUN that both nodes see, and the verbs that make the first data there.

``_modules/hamysql_lun.py`` says what each one is for; it holds the node's lock meanwhile. Each looks at the latch and at the LUN
again before it acts. The arguments of all of them:

run
    Starts a program, see :func:`hamysql.system.command.run`.
site
    The resolved configuration.
latches
    This node's.
"""

from __future__ import annotations

import uuid as _uuid
from collections.abc import Callable, Sequence
from dataclasses import replace

from hamysql.errors import CommandFailed, Refused
from hamysql.mysql import datadir
from hamysql.resolved import Resolved
from hamysql.resolved.storage import Lun
from hamysql.storage import verbs as common
from hamysql.storage.latch import RESOURCE, Latch, Latches, Stage
from hamysql.storage.lun import NAME, iscsi, local
from hamysql.storage.lun import claim as lun_claim
from hamysql.storage.lun.local import Seen
from hamysql.system import disk, mounts
from hamysql.system.command import Run


def _kind(site: Resolved) -> str:
    """The signature that hamysql makes on the LUN."""
    return "LVM2_member" if site["storage"][NAME]["lvm"] else str(site["storage"]["filesystem"]["type"])


def _above(run: Run, site: Resolved, device: str) -> disk.Occupants:
    """What uses the LUN, apart from its own volume and its file system's place."""
    filesystem = site["storage"]["filesystem"]
    volume = site["storage"][NAME]["lvm"]
    own = lun_claim.mapper_name(volume) if volume else ""
    return disk.occupants(run, device, own, filesystem["directory"])


def _mounted(run: Run, site: Resolved) -> bool:
    """Whether the datadir is where the LUN's file system is mounted."""
    filesystem = site["storage"]["filesystem"]
    return mounts.same(mounts.source(run, filesystem["directory"]), str(filesystem["device"]))


def survey(run: Run, site: Resolved, latches: Latches) -> Seen:
    """What this node sees of the LUN, see ``hamysql_lun.survey``."""
    lun = site["storage"][NAME]
    device, known = local.disk(site), latches.read(RESOURCE, NAME)
    size = disk.size(run, device)
    found: Seen = {
        "disk": device,
        "size": size,
        "identity": "",
        "signatures": [],
        "claim": {},
        "uses": [],
        "partitions": [],
        "names": [],
        "mounted": _mounted(run, site),
        "session": iscsi.has_session(lun["iscsi"]["target"]) if lun["iscsi"] else None,
        "latch": known.as_dict() if known else {},
        "error": "",
    }
    if size is None:
        return found
    try:
        if not found["mounted"]:
            # What another node has written since is not in this one's page cache.
            run(["blockdev", "--flushbufs", device], accept=range(256))
        signatures, claimed = lun_claim.contents(run, device)
    except (OSError, CommandFailed) as exc:  # its path is lost
        return {**found, "error": str(exc)}
    above, names = _above(run, site, device), disk.stable_names(device)
    return {
        **found,
        "identity": lun_claim.identity(run, device, names),
        "signatures": [signature.as_dict() for signature in signatures],
        "claim": claimed,
        "uses": list(above.uses),
        "partitions": list(above.partitions),
        "names": list(names),
    }


def _free(run: Run, site: Resolved, device: str) -> None:
    """Raises ``Refused`` while this node uses the LUN."""
    above = _above(run, site, device)
    if above.uses or above.partitions or _mounted(run, site):
        used = [*above.uses, *above.partitions] or ["its file system is mounted"]
        raise Refused(f"{device} is in use: {', '.join(used)}")


def wipe(run: Run, site: Resolved, latches: Latches, found: Sequence[str]) -> bool:
    """Destroy what is on the LUN, if the pillar gives up this very LUN, and it holds exactly what was ``found``."""
    lun = site["storage"][NAME]
    device, known = local.disk(site), latches.read(RESOURCE, NAME)
    if lun["wipe"] not in (device, *disk.stable_names(device)):
        raise Refused(f"hamysql:storage:shared:wipe names {lun['wipe'] or 'nothing'}, not {device}")
    if known and known.stage == Stage.INITIALISED:
        raise Refused(f"{device} is the LUN of this node's data: it is not wiped")
    signatures, claimed = lun_claim.contents(run, device)
    seen = [f"the claim of cluster {claimed['cluster']} ({claimed['uuid']})"] if claimed else []
    seen += [str(signature) for signature in signatures]
    if seen != list(found):
        raise Refused(f"{device} holds {', '.join(seen) or 'nothing'}, not {', '.join(found)}")
    _free(run, site, device)
    disk.wipe(run, device)
    left = disk.signatures(run, device)
    if left:
        raise Refused(f"{device} was wiped, and still holds {', '.join(map(str, left))}")
    return True


def claim(run: Run, site: Resolved, latches: Latches) -> bool:
    """Take a blank LUN for this cluster: a UUID goes into the latch, then onto the LUN. ``False`` where it was there."""
    lun = site["storage"][NAME]
    device, known = local.disk(site), latches.read(RESOURCE, NAME)
    if known and known.stage != Stage.CLAIMED:
        raise Refused(f"this node's latch is about {known.disk} already ({known.stage.name})")
    signatures, claimed = lun_claim.contents(run, device)
    if known and claimed.get("uuid") == known.device_uuid and not signatures:
        return False
    if signatures or claimed:
        raise Refused(f"{device} is not blank: {', '.join(map(str, signatures)) or claimed}")
    _free(run, site, device)
    if known is None:
        uuid = str(_uuid.uuid4())
        if lun["lvm"]:
            uuid = lun_claim.pv_uuid(uuid)
        known = Latch(site["cluster"]["name"], RESOURCE, device, Stage.CLAIMED, uuid, backend=NAME)
        latches.write(known)
    lun_claim.write_claim(device, known.cluster, known.device_uuid)
    return True


def _chosen(run: Run, site: Resolved, latches: Latches) -> Latch:
    """The latch of this node, whose claim or work has to be on the LUN; anything else is refused."""
    device, known = local.disk(site), latches.read(RESOURCE, NAME)
    if known is None or known.backend != NAME or known.stage == Stage.INITIALISED:
        raise Refused(f"this node was not chosen to make the first data on {device}")
    signatures, claimed = lun_claim.contents(run, device)
    ours = [one for one in signatures if one.type == _kind(site) and one.uuid == known.device_uuid]
    strangers = [one for one in signatures if one not in ours]
    if strangers or not (ours or claimed.get("uuid") == known.device_uuid):
        held = ", ".join(map(str, strangers)) or "nothing of this node's"
        raise Refused(f"{device} holds {held}: it is left alone")
    return known


def make_volume(run: Run, site: Resolved, latches: Latches) -> bool:
    """Make LVM's volume on the claimed LUN; ``False`` where an earlier run has made it."""
    lun, known = site["storage"][NAME], _chosen(run, site, latches)
    if known.stage >= Stage.METADATA:
        return False
    device = local.disk(site)
    _free(run, site, device)
    lun_claim.know_device(run, device)
    lun_claim.make_volume(run, device, lun["lvm"], known.device_uuid)
    latches.write(replace(known, stage=Stage.METADATA))
    return True


def make_filesystem(run: Run, site: Resolved, latches: Latches) -> bool:
    """Make the file system on the claimed LUN, or on its volume; ``False`` where an earlier run has made it."""
    lun, known = site["storage"][NAME], _chosen(run, site, latches)
    if known.stage >= Stage.FILESYSTEM:
        return False
    if lun["lvm"] and known.stage < Stage.METADATA:
        raise Refused("the volume has not been made yet")
    _free(run, site, local.disk(site))
    _with_volume(run, lun, lambda: _mkfs(run, site, known))
    latches.write(replace(known, stage=Stage.FILESYSTEM))
    return True


def _mkfs(run: Run, site: Resolved, known: Latch) -> None:
    # On LVM's volume it has a UUID of its own: the latch has the physical volume's.
    uuid = "" if site["storage"][NAME]["lvm"] else known.device_uuid
    datadir.make_filesystem(run, site["storage"]["filesystem"], uuid)


def _with_volume(run: Run, lun: Lun, work: Callable[[], object]) -> None:
    """Do something while the volume is active here."""
    if not lun["lvm"]:
        work()
        return
    lun_claim.activate(run, lun["lvm"]["volume_group"], True)
    try:
        work()
    finally:
        lun_claim.activate(run, lun["lvm"]["volume_group"], False)


def initialise_datadir(run: Run, site: Resolved, latches: Latches) -> bool:
    """Make the empty database in the new file system; ``False`` where an earlier run has made it."""
    lun, known = site["storage"][NAME], _chosen(run, site, latches)
    if known.stage >= Stage.DATADIR:
        return False
    if known.stage < Stage.FILESYSTEM:
        raise Refused("the file system has not been made yet")
    filesystem = site["storage"]["filesystem"]

    def work() -> None:
        datadir.fill(run, filesystem, site["mysql"], remake=lambda: _mkfs(run, site, known))

    _with_volume(run, lun, work)
    latches.write(replace(known, stage=Stage.DATADIR))
    return True


def adopt(run: Run, site: Resolved, latches: Latches, uuid: str) -> bool:
    """Record that the data on the LUN, in what has this UUID, is the cluster's; ``False`` where it was before."""
    if common.adopted(latches, NAME, uuid):
        return False
    lun = site["storage"][NAME]
    device = local.disk(site)
    run(["blockdev", "--flushbufs", device], accept=range(256))
    signatures, _ = lun_claim.contents(run, device)
    if (_kind(site), uuid) not in {(signature.type, signature.uuid) for signature in signatures}:
        raise Refused(
            f"{device} holds {', '.join(map(str, signatures)) or 'nothing'}, not {_kind(site)} with the UUID {uuid}"
        )
    if lun["lvm"]:
        lun_claim.know_device(run, device)
    latches.write(Latch(site["cluster"]["name"], RESOURCE, device, Stage.INITIALISED, uuid, backend=NAME))
    return True
