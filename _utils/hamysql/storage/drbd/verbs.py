"""The verbs that make a replica of DRBD on one node, and the first data on it.

``_modules/hamysql_drbd.py`` and ``_modules/hamysql_storage.py`` say what each one is for; they hold the node's lock meanwhile. Each
looks at the latch and at the node itself before it acts. They are in one long file, in the order of a replica's life: the guards of
one are the results of those before it. The arguments of all of them:

run
    Starts a program, see :func:`hamysql.system.command.run`.
site
    The resolved configuration.
latches
    This node's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from hamysql import pending
from hamysql.cib import names as cib_names
from hamysql.errors import Refused
from hamysql.mysql import datadir
from hamysql.resolved import Resolved
from hamysql.storage.drbd import NAME, drbdadm, replica
from hamysql.storage.drbd import conf as drbd_conf
from hamysql.storage.drbd import link as drbd_link
from hamysql.storage.drbd import pending as drbd_pending
from hamysql.storage.drbd.status import Status
from hamysql.storage.latch import Latch, Latches, Stage
from hamysql.system import disk, wait
from hamysql.system.command import Run


def _drbdadm(run: Run, site: Resolved, *words: str, timeout: float = 60) -> None:
    drbdadm.call(run, site["storage"]["drbd"]["shared_secret"], *words, timeout=timeout)


def keep_link(run: Run, site: Resolved, link: int) -> bool:
    """Note the link that replication uses on the other node, where the pillar does not say; ``False`` where this node had it."""
    options, nodes = site["storage"]["drbd"], site["cluster"]["nodes"].values()
    links = min(len(node["addresses"]) for node in nodes)
    if isinstance(link, bool) or not isinstance(link, int) or not 0 <= link < links:
        raise Refused(f"link {link!r} was given, and the nodes have the links 0 to {links - 1}")
    if options["link_from"] == drbd_link.PILLAR and options["link"] != link:
        raise Refused(f"hamysql:storage:drbd:link is {options['link']} in this node's pillar: link {link} is not noted")
    if replica.status_of(run, site) is not None:
        running = drbd_pending.parse_show(run(["drbdsetup", "show", options["resource"]]).stdout)
        wanted = {drbd_conf.endpoint(node["addresses"][link], options["port"]) for node in nodes}
        if running and not set(running.addresses) <= wanted:
            seen = " and ".join(running.addresses)
            raise Refused(
                f"DRBD is up with {seen}, not with link {link} ({' and '.join(sorted(wanted))}): {pending.STOPPED}"
            )
    if options["link_from"] != drbd_link.LAST and options["link"] == link:
        return False
    drbd_link.note(link)
    return True


# --- the disk


def wipe(run: Run, site: Resolved, latches: Latches, found: Sequence[str], held_elsewhere: bool = False) -> bool:
    """Destroy what is on this node's disk, if the pillar gives up this very disk, and it holds exactly what was ``found``.

    held_elsewhere
        Whether another member holds the cluster's data, and this is no replica of it: the plan knows that, a node does not.

    ``False`` where the disk is blank.
    """
    options, device = site["storage"]["drbd"], replica.disk(site)
    named = options["wipe"].get(site["self"])
    names = disk.stable_names(device)
    if named not in names:
        raise Refused(f"hamysql:storage:drbd:wipe names {named or 'nothing'} for {site['self']}, not {names[0]}")
    signatures = replica.signatures(run, site, disk.size(run, device) or 0)
    seen = [str(signature) for signature in signatures]
    if not seen:
        return False
    known = latches.read(options["resource"], "drbd")
    uuids = [signature.uuid.lower() for signature in signatures if signature.type == "drbd"]
    if known and known.device_uuid.lower() in uuids:
        raise Refused(f"{device} holds this node's replica of {options['resource']}: it is not wiped")
    if seen != list(found):
        raise Refused(f"{device} holds {', '.join(seen)}, not {', '.join(found)}")
    uses = disk.occupants(run, device, options["device"]).uses
    status = replica.status_of(run, site)
    if uses or status:
        raise Refused(f"{device} is in use: {', '.join(uses) or 'by DRBD'}")
    generation = replica.generation(run, site)
    if uuids and not held_elsewhere and not (generation and generation.just_created):
        raise Refused(
            f"{device} holds DRBD metadata that has carried data, and may be a replica of {options['resource']} that this node has "
            f"forgotten: the orchestration wipes it where the other member holds the data; by hand, `wipefs --all {device}`"
        )
    disk.wipe(run, device)
    left = disk.signatures(run, device)
    if left:
        raise Refused(f"{device} was wiped, and still holds {', '.join(map(str, left))}")
    return True


def create_metadata(run: Run, site: Resolved, latches: Latches, run_id: str = "") -> bool:
    """Write DRBD's metadata to this node's disk, if the disk is provably blank; ``False`` where hamysql's own was there.

    run_id
        The orchestration's job, for the latch: what another run has made is not new.
    """
    resource, device = site["storage"]["drbd"]["resource"], replica.disk(site)
    known = latches.read(resource, NAME)
    found = replica.signatures(run, site, disk.size(run, device) or 0)
    metadata = next((signature for signature in found if signature.type == "drbd"), None)
    uuid = metadata.uuid if metadata else ""
    if known and uuid and known.device_uuid == uuid:
        return False
    above = disk.occupants(run, device, site["storage"]["drbd"]["device"])
    if above.uses or above.partitions:
        raise Refused(f"{device} is in use: {', '.join((*above.uses, *above.partitions))}")
    if metadata and known and known.stage == Stage.CLAIMED:
        # Cut off between writing the metadata and recording it: it is ours if nothing was ever written through it.
        generations = replica.generation(run, site)
        if generations is None or not generations.just_created:
            raise Refused(f"{device} holds DRBD metadata that hamysql did not make")
        found = tuple(signature for signature in found if signature is not metadata)
        run_id = known.run
    if found:
        raise Refused(f"{device} is not blank: {', '.join(map(str, found))}")
    claim = Latch(site["cluster"]["name"], resource, device, Stage.CLAIMED, run=str(run_id))
    if not uuid:
        latches.write(claim)
        # Standard input is empty: drbdmeta cancels wherever it would have to ask. It would, about metadata that has no
        # device UUID: drbdadm writes that with a second program, and was cut off before it.
        force = ["--force"] if metadata else []
        _drbdadm(run, site, "create-md", *force, resource, timeout=600)
        uuid = next(signature.uuid for signature in disk.signatures(run, device) if signature.type == "drbd")
    latches.write(replace(claim, stage=Stage.METADATA, device_uuid=uuid))
    return True


def adopt(run: Run, site: Resolved, latches: Latches, device_uuid: str) -> bool:
    """Record that the replica on this node's disk is the cluster's own, where the node has forgotten it.

    ``False`` where that was recorded before.
    """
    resource, device = site["storage"]["drbd"]["resource"], replica.disk(site)
    known = latches.read(resource, NAME)
    wanted = str(device_uuid).lower()
    mine = known if known is not None and known.device_uuid.lower() == wanted else None
    if mine and mine.disk == device and mine.stage == Stage.INITIALISED:
        return False
    if known and not (mine and mine.disk != device):
        raise Refused(f"this node's latch is about {known.resource} on {known.disk} already ({known.stage.name})")
    signatures = replica.signatures(run, site, disk.size(run, device) or 0)
    uuid = next((signature.uuid for signature in signatures if signature.type == "drbd"), "")
    if not uuid or uuid.lower() != wanted:
        raise Refused(f"{device} holds {', '.join(map(str, signatures)) or 'nothing'}, not DRBD metadata {wanted}")
    if mine:
        latches.write(replace(mine, disk=device))
        return True
    generation = replica.generation(run, site)
    if generation is None or generation.just_created:
        raise Refused(f"the replica on {device} has never held data")
    latches.write(Latch(site["cluster"]["name"], resource, device, Stage.INITIALISED, uuid))
    return True


# --- the replica in the kernel


def up(run: Run, site: Resolved) -> bool:
    """Load the kernel module and configure the resource there; ``False`` where it was."""
    if replica.status_of(run, site) is not None:
        return False
    run(["modprobe", "drbd"])
    _drbdadm(run, site, "up", site["storage"]["drbd"]["resource"])
    return True


def wait_connected(run: Run, site: Resolved, timeout: float) -> Status | None:
    """Wait so many seconds until this node and its peer talk to each other; raises ``NotReady`` with what was seen last."""
    return wait.until(
        lambda: replica.status_of(run, site),
        lambda seen: seen is not None and seen.connected,
        f"DRBD resource {site['storage']['drbd']['resource']} is connected",
        timeout=timeout,
        describe=lambda seen: seen.connection if seen else "not configured",
    )


def skip_initial_sync(run: Run, site: Resolved, latches: Latches, run_id: str) -> bool:
    """Declare two new, empty replicas equal, whose metadata was made in this run; ``False`` where that was done before."""
    resource = site["storage"]["drbd"]["resource"]
    known = latches.read(resource, NAME)
    seen = replica.status_of(run, site)
    if known and known.stage == Stage.SEEDING and known.run == str(run_id) and seen and seen.up_to_date:
        return False
    if known is None or known.stage != Stage.METADATA or not known.run or known.run != str(run_id):
        raise Refused(
            f"the metadata of {resource} was not made in run {run_id}: its first synchronisation is not skipped"
        )
    state = (seen.connection, seen.role, seen.peer_role, seen.disk, seen.peer_disk) if seen else ()
    if state != ("Connected", "Secondary", "Secondary", "Inconsistent", "Inconsistent"):
        raise Refused(f"{resource} is {' '.join(state) or 'not configured'}: the sides are not both new and connected")
    new = replica.generation(run, site)
    if new is None or not new.just_created:
        raise Refused(f"{resource} holds data of generation {new}: its first synchronisation is not skipped")
    latches.write(replace(known, stage=Stage.SEEDING))
    _drbdadm(run, site, "--", "--clear-bitmap", "new-current-uuid", resource)
    return True


def seed(run: Run, site: Resolved, latches: Latches) -> bool:
    """Make this node the source of the first data, once in the life of a cluster; ``False`` where it is primary as that."""
    resource = site["storage"]["drbd"]["resource"]
    known = latches.read(resource, NAME)
    seen = replica.status_of(run, site)
    if known is None or known.stage in (Stage.CLAIMED, Stage.INITIALISED):
        raise Refused(
            f"this node's replica of {resource} is {known.stage.name if known else 'unknown'}: not to be seeded"
        )
    if seen is None or not seen.connected or seen.peer_role == "Primary":
        raise Refused(f"{resource} is {seen}: the peer has to be connected and secondary")
    if known.stage >= Stage.SEEDING and seen.role == "Primary":
        return False
    new = replica.generation(run, site)
    if new is not None and new.just_created:
        if seen.disk != "Inconsistent" or seen.peer_disk != "Inconsistent":
            raise Refused(f"{resource} is {seen.disk}/{seen.peer_disk}: one side holds data already")
        latches.write(replace(known, stage=Stage.SEEDING))
        _drbdadm(run, site, "primary", "--force", resource)
    elif known.stage >= Stage.SEEDING:
        _drbdadm(run, site, "primary", resource)
    else:
        raise Refused(
            f"{resource} holds data of generation {new.current:016X}" if new else f"{resource} has no metadata"
        )
    return True


def release(run: Run, site: Resolved) -> bool:
    """Hand the device back to pacemaker; ``False`` where this node is not primary."""
    seen = replica.status_of(run, site)
    if seen is None or seen.role != "Primary":
        return False
    _drbdadm(run, site, "secondary", site["storage"]["drbd"]["resource"])
    return True


def rejoin(run: Run, site: Resolved, latches: Latches, managed: Callable[[], bool]) -> bool:
    """Let DRBD and pacemaker try this node's replaced disk; whether there was anything to do.

    managed
        Whether pacemaker runs here.
    """
    resource = site["storage"]["drbd"]["resource"]
    known = latches.read(resource, NAME)
    new = replica.generation(run, site)
    if known is None or known.stage != Stage.INITIALISED or new is None or not new.just_created:
        raise Refused(f"this node has no new replica of {resource} that could join")
    seen = replica.status_of(run, site)
    attach = seen is not None and seen.disk == "Diskless"
    if attach:
        _drbdadm(run, site, "attach", resource)
    clean = managed()
    if clean:
        run(["crm_resource", "--cleanup", "--resource", cib_names.REPLICA, "--node", site["self"]], timeout=120)
    return attach or clean


# --- the first data


def _chosen(run: Run, site: Resolved, latches: Latches) -> Latch:
    """The latch of this node, which has to be the seed and primary; anything else is refused."""
    resource = site["storage"]["drbd"]["resource"]
    known = latches.read(resource, NAME)
    if known is None or not Stage.SEEDING <= known.stage < Stage.INITIALISED:
        raise Refused(f"this node was not chosen to make the first data of {resource}")
    seen = replica.status_of(run, site)
    if seen is None or seen.role != "Primary":
        raise Refused(f"{resource} is {seen.role if seen else 'not configured'} here, not Primary")
    return known


def make_filesystem(run: Run, site: Resolved, latches: Latches) -> bool:
    """Make the file system on the replicated device, on the seed; ``False`` where an earlier run has made it."""
    known = _chosen(run, site, latches)
    if known.stage >= Stage.FILESYSTEM:
        return False
    # Forced: the latch says that no data can be there.
    datadir.make_filesystem(run, site["storage"]["filesystem"])
    latches.write(replace(known, stage=Stage.FILESYSTEM))
    return True


def initialise_datadir(run: Run, site: Resolved, latches: Latches) -> bool:
    """Make the empty database in the new file system, on the seed; ``False`` where an earlier run has made it."""
    known = _chosen(run, site, latches)
    if known.stage >= Stage.DATADIR:
        return False
    if known.stage < Stage.FILESYSTEM:
        raise Refused("the file system has not been made yet")
    filesystem = site["storage"]["filesystem"]
    datadir.fill(run, filesystem, site["mysql"], remake=lambda: datadir.make_filesystem(run, filesystem))
    latches.write(replace(known, stage=Stage.DATADIR))
    return True


def seal(site: Resolved, latches: Latches) -> bool:
    """Record that this node's replica belongs to an initialised cluster; ``False`` where that was recorded before."""
    resource = site["storage"]["drbd"]["resource"]
    known = latches.read(resource, NAME)
    if known is None or known.stage == Stage.CLAIMED:
        raise Refused(f"this node has no replica of {resource} yet")
    if known.stage == Stage.INITIALISED:
        return False
    if Stage.SEEDING <= known.stage < Stage.DATADIR:
        raise Refused(f"the first data of {resource} is not complete here: {known.stage.name}")
    latches.write(replace(known, stage=Stage.INITIALISED))
    return True
