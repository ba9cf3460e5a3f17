"""
DRBD on one node: what it reports, and the verbs that make a replica.

Everything takes its names from the resolved ``hamysql`` pillar. The verbs are what the orchestration calls; each one looks
again at what the node itself sees before it acts, and can be called by hand and twice.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hamysql import pending
from hamysql.cib import names as cib_names
from hamysql.errors import CommandFailed, Refused
from hamysql.storage import latch
from hamysql.storage import lock as storage_lock
from hamysql.storage.drbd import conf as drbd_conf
from hamysql.storage.drbd import drbdadm
from hamysql.storage.drbd import link as drbd_link
from hamysql.storage.drbd import pending as drbd_pending
from hamysql.storage.drbd import status as drbd_status
from hamysql.storage.latch import Latch, Stage
from hamysql.system import disk, wait
from hamysql.system.command import run

if TYPE_CHECKING:
    from typing import Any

    from injected import __salt__

    from hamysql.resolved import Resolved
    from hamysql.schema.values import Config
    from hamysql.storage.drbd.status import Generation, Status
    from hamysql.system.command import Result

__virtualname__ = "hamysql_drbd"

PROC = Path("/proc/drbd")


def __virtual__() -> str:
    return __virtualname__


def _site(misnamed: bool = False) -> tuple[Resolved, Config]:
    site = __salt__["hamysql.config"](misnamed=misnamed)
    return site, site["storage"]["drbd"]


def _status(options: Config) -> Status | None:
    if not PROC.exists():
        return None
    text = PROC.read_text(encoding="ascii")
    if drbd_status.kernel_version(text).startswith("8."):
        return drbd_status.parse_proc(text, options["minor"])
    return drbd_status.parse_json(run(["drbdsetup", "status", "--json"]).stdout, options["resource"])


def _generation(site: Resolved) -> Generation | None:
    """``None`` where there is no metadata. From the disk itself where DRBD is not installed or configured yet."""
    options = site["storage"]["drbd"]
    if Path(f"/etc/drbd.d/{options['resource']}.res").exists():
        try:
            result = _drbdadm(options, "get-gi", options["resource"], accept=range(256))
        except CommandFailed:
            result = None
        if result is not None and not result.returncode:
            return drbd_status.parse_generation(result.stdout)
    device = _disk(site)
    size = disk.size(run, device)
    return None if size is None else drbd_status.read_generation(device, size)


def _drbdadm(options: Config, *words: str, **how: Any) -> Result:
    return drbdadm.call(run, options["shared_secret"], *words, **how)


def _disk(site: Resolved) -> str:
    return str(site["cluster"]["nodes"][site["self"]]["disk"])


def status(resource: str | None = None, minor: int | None = None) -> dict[str, Any]:
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
    options = _site(misnamed=True)[1]
    if resource is not None:
        options = {**options, "resource": resource, "minor": minor}
    found = _status(options)
    return found.as_dict() if found else {}


def kernel() -> str:
    """
    Which configuration this node's kernel module understands, ``"8.4"`` or ``"9"``: the loaded module's version, or that of the
    module that would be loaded; ``"9"`` where none is installed yet.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_drbd.kernel
    """
    if PROC.exists():
        version = drbd_status.kernel_version(PROC.read_text(encoding="ascii"))
    else:
        try:
            version = run(["modinfo", "--field", "version", "drbd"]).stdout.strip()
        except CommandFailed:
            version = ""
    return "8.4" if version.startswith("8.") else "9"


def generation() -> dict[str, Any]:
    """
    The generation identifiers of this node's data, as hexadecimal text: ``{"current", "bitmap", "history": [...],
    "consistent", "just_created"}``; ``{}`` without metadata. Source of their meaning: DRBD user's guide, "Generation
    identifiers".

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_drbd.generation
    """
    found = _generation(_site(misnamed=True)[0])
    if found is None:
        return {}
    return {
        "current": f"{found.current:016X}",
        "bitmap": f"{found.bitmap:016X}",
        "history": [f"{uuid:016X}" for uuid in found.history],
        "consistent": found.consistent,
        "just_created": found.just_created,
    }


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
    site, options = _site(misnamed=True)
    nodes = site["cluster"]["nodes"].values()
    links = min(len(node["addresses"]) for node in nodes)
    if isinstance(link, bool) or not isinstance(link, int) or not 0 <= link < links:
        raise Refused(f"link {link!r} was given, and the nodes have the links 0 to {links - 1}")
    if options["link_from"] == drbd_link.PILLAR and options["link"] != link:
        raise Refused(f"hamysql:storage:drbd:link is {options['link']} in this node's pillar: link {link} is not noted")
    if _status(options) is not None:
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
    site, options = _site()
    device = _disk(site)
    resource = options["resource"]
    known = latch.read(resource, "drbd")
    found = disk.signatures(run, device)
    metadata = next((signature for signature in found if signature.type == "drbd"), None)
    uuid = metadata.uuid if metadata else ""
    if known and uuid and known.device_uuid == uuid:
        return False
    above = disk.occupants(run, device, options["device"])
    if above.uses or above.partitions:
        raise Refused(f"{device} is in use: {', '.join((*above.uses, *above.partitions))}")
    if metadata and known and known.stage == Stage.CLAIMED:
        # Cut off between writing the metadata and recording it: it is ours if nothing was ever written through it.
        generations = _generation(site)
        if generations is None or not generations.just_created:
            raise Refused(f"{device} holds DRBD metadata that hamysql did not make")
        found = tuple(signature for signature in found if signature is not metadata)
        run_id = known.run
    if found:
        raise Refused(f"{device} is not blank: {', '.join(map(str, found))}")
    claim = Latch(site["cluster"]["name"], resource, device, Stage.CLAIMED, run=str(run_id))
    if not uuid:
        latch.write(claim)
        # Standard input is empty: drbdmeta cancels wherever it would have to ask. It would, about metadata that has no
        # device UUID: drbdadm writes that with a second program, and was cut off before it.
        force = ["--force"] if metadata else []
        _drbdadm(options, "create-md", *force, resource, timeout=600)
        uuid = next(signature.uuid for signature in disk.signatures(run, device) if signature.type == "drbd")
    latch.write(replace(claim, stage=Stage.METADATA, device_uuid=uuid))
    return True


@storage_lock.held("up")
def up() -> bool:
    """
    Load the kernel module and configure the resource in the kernel (``drbdadm up``): attach the disk, connect.

    Returns ``True`` when something was done, ``False`` when the resource was up already.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_drbd.up
    """
    _, options = _site()
    if _status(options) is not None:
        return False
    run(["modprobe", "drbd"])
    _drbdadm(options, "up", options["resource"])
    return True


def wait_connected(timeout: float = 60) -> dict[str, Any]:
    """
    Wait until this node and its peer talk to each other.

    timeout
        Seconds, 60 by default.

    Returns the status (see ``status``). Raises ``NotReady`` with what was seen last.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_drbd.wait_connected timeout=30
    """
    _, options = _site()
    found = wait.until(
        lambda: _status(options),
        lambda seen: seen is not None and seen.connected,
        f"DRBD resource {options['resource']} is connected",
        timeout=timeout,
        describe=lambda seen: seen.connection if seen else "not configured",
    )
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
    site, options = _site()
    resource = options["resource"]
    known = latch.read(resource, "drbd")
    seen = _status(options)
    if known and known.stage == Stage.SEEDING and known.run == str(run_id) and seen and seen.up_to_date:
        return False
    if known is None or known.stage != Stage.METADATA or not known.run or known.run != str(run_id):
        raise Refused(
            f"the metadata of {resource} was not made in run {run_id}: its first synchronisation is not skipped"
        )
    state = (seen.connection, seen.role, seen.peer_role, seen.disk, seen.peer_disk) if seen else ()
    if state != ("Connected", "Secondary", "Secondary", "Inconsistent", "Inconsistent"):
        raise Refused(f"{resource} is {' '.join(state) or 'not configured'}: the sides are not both new and connected")
    new = _generation(site)
    if new is None or not new.just_created:
        raise Refused(f"{resource} holds data of generation {new}: its first synchronisation is not skipped")
    latch.write(replace(known, stage=Stage.SEEDING))
    _drbdadm(options, "--", "--clear-bitmap", "new-current-uuid", resource)
    return True


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
    site, options = _site()
    resource = options["resource"]
    known = latch.read(resource, "drbd")
    seen = _status(options)
    if known is None or known.stage in (Stage.CLAIMED, Stage.INITIALISED):
        raise Refused(
            f"this node's replica of {resource} is {known.stage.name if known else 'unknown'}: not to be seeded"
        )
    if seen is None or not seen.connected or seen.peer_role == "Primary":
        raise Refused(f"{resource} is {seen}: the peer has to be connected and secondary")
    if known.stage >= Stage.SEEDING and seen.role == "Primary":
        return False
    new = _generation(site)
    if new is not None and new.just_created:
        if seen.disk != "Inconsistent" or seen.peer_disk != "Inconsistent":
            raise Refused(f"{resource} is {seen.disk}/{seen.peer_disk}: one side holds data already")
        latch.write(replace(known, stage=Stage.SEEDING))
        _drbdadm(options, "primary", "--force", resource)
    elif known.stage >= Stage.SEEDING:
        _drbdadm(options, "primary", resource)
    else:
        raise Refused(
            f"{resource} holds data of generation {new.current:016X}" if new else f"{resource} has no metadata"
        )
    return True


@storage_lock.held("release")
def release() -> bool:
    """
    Hand the device back (``drbdadm secondary``), so that pacemaker can promote where it wants.

    Returns ``True`` when the node was demoted, ``False`` when it was secondary already.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_drbd.release
    """
    _, options = _site()
    seen = _status(options)
    if seen is None or seen.role != "Primary":
        return False
    _drbdadm(options, "secondary", options["resource"])
    return True


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
    site, options = _site()
    resource = options["resource"]
    known = latch.read(resource, "drbd")
    new = _generation(site)
    if known is None or known.stage != Stage.INITIALISED or new is None or not new.just_created:
        raise Refused(f"this node has no new replica of {resource} that could join")
    seen = _status(options)
    attach = seen is not None and seen.disk == "Diskless"
    if attach:
        _drbdadm(options, "attach", resource)
    managed: bool = __salt__["hamysql_cluster.status"]()["running"]
    if managed:
        run(["crm_resource", "--cleanup", "--resource", cib_names.REPLICA, "--node", site["self"]], timeout=120)
    return attach or managed
