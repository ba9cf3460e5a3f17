"""
DRBD on one node: what it reports, and the verbs that make a replica.

Everything takes its names from the resolved ``hamysql`` pillar. The verbs are what the orchestration calls; each one looks
again at what the node itself sees before it acts, and can be called by hand and twice.
"""

from __future__ import annotations

from pathlib import Path

from hamysql import disk, drbd, latch, wait
from hamysql.command import run
from hamysql.errors import CommandFailed, Refused
from hamysql.plan import Latch, Stage

__virtualname__ = "hamysql_drbd"

PROC = Path("/proc/drbd")


def __virtual__():
    return __virtualname__


def _site():
    site = __salt__["hamysql.config"]()
    return site, site["storage"]["drbd"]


def _status(options):
    if not PROC.exists():
        return None
    text = PROC.read_text(encoding="ascii")
    if drbd.kernel_version(text).startswith("8."):
        return drbd.parse_proc(text, options["minor"])
    return drbd.parse_json(run(["drbdsetup", "status", "--json"]).stdout, options["resource"])


def _generation(options):
    """``None`` where there is no metadata, or nothing yet to read it with."""
    result = None
    if Path(f"/etc/drbd.d/{options['resource']}.res").exists():
        try:
            result = run(["drbdadm", "get-gi", options["resource"]], accept=range(256))
        except CommandFailed:
            return None
    if result is None or result.returncode:
        return None
    return drbd.parse_generation(result.stdout)


def status():
    """
    The resource as this node's kernel sees it.

    Returns ``{"connection", "role", "peer_role", "disk", "peer_disk", "out_of_sync" (KiB), "done" (percent or None),
    "connected", "up_to_date"}``, or ``{}`` when the resource is not configured in the kernel.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_drbd.status
    """
    found = _status(_site()[1])
    return found.as_dict() if found else {}


def kernel():
    """
    Which configuration this node's kernel module understands, ``"8.4"`` or ``"9"``: the loaded module's version, or that of the
    module that would be loaded; ``"9"`` where none is installed yet.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_drbd.kernel
    """
    if PROC.exists():
        version = drbd.kernel_version(PROC.read_text(encoding="ascii"))
    else:
        try:
            version = run(["modinfo", "--field", "version", "drbd"]).stdout.strip()
        except CommandFailed:
            version = ""
    return "8.4" if version.startswith("8.") else "9"


def generation():
    """
    The generation identifiers of this node's data, as hexadecimal text: ``{"current", "bitmap", "history": [...],
    "just_created"}``; ``{}`` without metadata. Source of their meaning: DRBD user's guide, "Generation identifiers".

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_drbd.generation
    """
    found = _generation(_site()[1])
    if found is None:
        return {}
    return {
        "current": f"{found.current:016X}",
        "bitmap": f"{found.bitmap:016X}",
        "history": [f"{uuid:016X}" for uuid in found.history],
        "just_created": found.just_created,
    }


def create_metadata():
    """
    Write DRBD's metadata to this node's disk (``drbdadm create-md``), if the disk is provably blank.

    Returns ``True`` when metadata was written, ``False`` when hamysql's own was there. Raises ``Refused`` for a disk that
    holds anything else, whatever it is.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_drbd.create_metadata
    """
    site, options = _site()
    device = site["cluster"]["nodes"][site["self"]]["disk"]
    resource = options["resource"]
    known = latch.read(resource)
    found = disk.signatures(run, device)
    metadata = next((signature for signature in found if signature.type == "drbd"), None)
    uuid = metadata.uuid if metadata else ""
    if known and uuid and known.device_uuid == uuid:
        return False
    used = disk.uses(run, device)
    if used:
        raise Refused(f"{device} is in use: {', '.join(used)}")
    if metadata and known and known.stage == Stage.CLAIMED:
        # Cut off between writing the metadata and recording it: it is ours if nothing was ever written through it.
        generations = _generation(options)
        if generations is None or not generations.just_created:
            raise Refused(f"{device} holds DRBD metadata that hamysql did not make")
        found = [signature for signature in found if signature is not metadata]
    if found:
        raise Refused(f"{device} is not blank: {', '.join(map(str, found))}")
    claim = Latch(site["cluster"]["name"], resource, device, Stage.CLAIMED)
    if not uuid:
        latch.write(claim)
        # Standard input is empty: drbdmeta cancels wherever it would have to ask. It would, about metadata that has no
        # device UUID: drbdadm writes that with a second program, and was cut off before it.
        force = ["--force"] if metadata else []
        run(["drbdadm", "create-md", *force, resource], timeout=600)
        uuid = next(signature.uuid for signature in disk.signatures(run, device) if signature.type == "drbd")
    latch.write(Latch(claim.cluster, resource, device, Stage.METADATA, uuid))
    return True


def up():
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
    run(["drbdadm", "up", options["resource"]])
    return True


def wait_connected(timeout=60):
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
    return found.as_dict()


def seed():
    """
    Make this node the source of the first data: ``drbdadm primary --force``, once in the life of a cluster.

    Returns ``True`` when the node was promoted, ``False`` when it was primary as the seed already. Raises ``Refused``
    unless both sides are connected, and new (generation "just created"), or this node was chosen by an earlier run.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_drbd.seed
    """
    _, options = _site()
    resource = options["resource"]
    known = latch.read(resource)
    seen = _status(options)
    if known is None or known.stage in (Stage.CLAIMED, Stage.INITIALISED):
        raise Refused(
            f"this node's replica of {resource} is {known.stage.name if known else 'unknown'}: not to be seeded"
        )
    if seen is None or not seen.connected or seen.peer_role == "Primary":
        raise Refused(f"{resource} is {seen}: the peer has to be connected and secondary")
    if known.stage >= Stage.SEEDING and seen.role == "Primary":
        return False
    new = _generation(options)
    if new is not None and new.just_created:
        if seen.disk != "Inconsistent" or seen.peer_disk != "Inconsistent":
            raise Refused(f"{resource} is {seen.disk}/{seen.peer_disk}: one side holds data already")
        latch.write(Latch(known.cluster, resource, known.disk, Stage.SEEDING, known.device_uuid))
        run(["drbdadm", "primary", "--force", resource])
    elif known.stage >= Stage.SEEDING:
        run(["drbdadm", "primary", resource])
    else:
        raise Refused(
            f"{resource} holds data of generation {new.current:016X}" if new else f"{resource} has no metadata"
        )
    return True


def release():
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
    run(["drbdadm", "secondary", options["resource"]])
    return True
