"""
Moving the data to another kind of storage: the verbs of ``hamysql.orch.migrate_storage``, on one node.

The new storage is made by the verbs of its own kind (``hamysql_drbd``, ``hamysql_shared``, ``hamysql_nfs``), whose latch is in
``/var/lib/hamysql/next`` meanwhile. These here copy the data, stop and start the service, and switch the latches. The old
storage is only read.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hamysql.cib import drift as cib_drift
from hamysql.cib import kept as cib_kept
from hamysql.cib import live as cib_live
from hamysql.cib import names as cib_names
from hamysql.cib import stop as cib_stop
from hamysql.errors import CommandFailed, NotReady, Refused
from hamysql.mysql import datadir
from hamysql.storage import backends, latch
from hamysql.storage import lock as storage_lock
from hamysql.storage import pending as storage_pending
from hamysql.storage.latch import Stage
from hamysql.storage.lun import claim as lun_claim
from hamysql.storage.move import copying
from hamysql.storage.move import switch as move_switch
from hamysql.storage.move.switch import READY
from hamysql.storage.nfs import mark as nfs_mark
from hamysql.storage.nfs.mark import NFS_FOLDER
from hamysql.system import wait
from hamysql.system.command import run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from injected import __salt__

    from hamysql.resolved import Resolved
    from hamysql.storage.latch import Latch

__virtualname__ = "hamysql_migration"
__func_alias__ = {"copy_": "copy"}

PLACE = Path(copying.PLACE)
BOOT = Path("/proc/sys/kernel/random/boot_id")
# How a sentence on what the move itself has stopped begins.
OURS = tuple(f"{name} has {cib_stop.ROLE}=" for name in cib_stop.PARTS)


def __virtual__() -> str:
    return __virtualname__


def _site(misnamed: bool = False) -> Resolved:
    return __salt__["hamysql.config"](misnamed=misnamed)


def _resource(site: Resolved) -> str:
    return site["storage"]["drbd"]["resource"] if site["storage"]["backend"] == "drbd" else "mysql"


def _live() -> str:
    """The cluster's configuration; "" where pacemaker does not run and never has."""
    try:
        return cib_kept.known(run) or ""
    except CommandFailed:  # pacemaker is just starting or ending
        return cib_kept.kept() or ""


def survey() -> dict[str, Any]:
    """
    How far this node's part of a move to the pillar's kind of storage is. Reads only.

    Returns ``{"backend": the pillar's, "in_use": [latches], "next": latch or {}, "moving": the kind to which a move was begun,
    or "", "cib": the kind that the cluster's configuration is about, or "", "datadir": where it mounts the data, or "",
    "stopped": [parts of the service that are stopped by it], "hands": [sentences, see hamysql_cib.interventions],
    "replication": why the DRBD in use
    does not stand for both sides, or ""}``.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_migration.survey
    """
    site = _site(misnamed=True)
    backend, live, there = site["storage"]["backend"], _live(), latch.in_use()
    values = storage_pending.parameters(live or None)
    moving = latch.moving_to()
    known = latch.read(_resource(site), backend) if moving == backend else None
    stopped = cib_stop.stopped_ones(live) if live else ()
    replica = next((item for item in there if item.backend == "drbd"), None)
    hands = cib_drift.interventions(live) if live else ()
    replaced = backend != "drbd" and storage_pending.backend_of(values) == "drbd"
    return {
        "backend": backend,
        "in_use": [item.as_dict() for item in there],
        "next": known.as_dict() if known and not move_switch.switched(backend) else {},
        "moving": moving,
        "cib": storage_pending.backend_of(values),
        "datadir": values.get((cib_names.FILE_SYSTEM, "directory"), ""),
        "stopped": list(stopped),
        "hands": [hand for hand in hands if not (moving and hand.startswith(OURS))],
        "replication": backends.replication(_old_drbd(replica, values)) if replica is not None and replaced else "",
    }


def _old_drbd(known: Latch, values: dict[tuple[str, str], str]) -> dict[str, Any]:
    """What the kernel says of the DRBD in use, which the pillar does not name any more."""
    device = values.get((cib_names.FILE_SYSTEM, "device"), "/dev/drbd0")
    minor = int(device.removeprefix("/dev/drbd")) if device.removeprefix("/dev/drbd").isdigit() else 0
    return __salt__["hamysql_drbd.status"](resource=known.resource, minor=minor)


@storage_lock.held("begin")
def begin(seed: bool = False) -> bool:
    """
    Begin the move of the data to the pillar's kind of storage, or begin its copy anew after a run that was cut off.

    seed
        Whether this is the node that serves, and so copies (default: False).

    Returns ``True`` when the move was begun now. Raises ``Refused`` where this node's data is on that kind already, where it has
    none, and where a move to a third kind was begun.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_migration.begin seed=True
    """
    site = _site()
    _unmount(site)
    return move_switch.begin(site["storage"]["backend"], seed)


def _known(site: Resolved) -> Latch:
    """The latch of the storage that is being prepared here, ready for its data; anything else is refused."""
    backend = site["storage"]["backend"]
    known = latch.read(_resource(site), backend)
    if latch.place(backend) != latch.FOLDER / latch.NEXT:
        raise Refused(f"no move to {backend} is under way on this node")
    if known is None or not READY[backend] <= known.stage < Stage.INITIALISED:
        raise Refused(f"{backend} is not ready for the data here: {known.stage.name if known else 'nothing was made'}")
    return known


@contextmanager
def _mounted(site: Resolved, known: Latch) -> Iterator[Path]:
    """The new storage's folder for the data, mounted inside the ``with`` block."""
    store, backend = site["storage"], site["storage"]["backend"]
    filesystem, volume = store["filesystem"], store["shared"]["lvm"]
    source, below = filesystem["device"], PLACE
    if backend == "nfs":
        source, below = store["nfs"]["source"], PLACE / NFS_FOLDER
    elif backend == "shared":
        signatures, _ = lun_claim.contents(run, store["shared"]["device"])
        if known.device_uuid not in {signature.uuid for signature in signatures}:
            raise Refused(
                f"{store['shared']['device']} does not hold what this node has made there ({known.device_uuid})"
            )
    elif __salt__["hamysql_drbd.status"]().get("role") != "Primary":
        raise Refused(f"{known.resource} is not Primary here")
    PLACE.mkdir(mode=0o755, parents=True, exist_ok=True)
    _unmount(site)
    if volume:
        lun_claim.activate(run, volume["volume_group"], True)
    try:
        run(["mount", "-t", filesystem["type"], "-o", filesystem["options"], source, str(PLACE)], timeout=180)
        try:
            if backend == "nfs":
                mark = nfs_mark.read(PLACE)
                if mark.get("id") != known.device_uuid:
                    raise Refused(f"{source} bears {mark or 'no mark'}, not this node's ({known.device_uuid})")
                below.mkdir(exist_ok=True)
            yield below
        finally:
            run(["umount", str(PLACE)], timeout=900)
    finally:
        if volume:
            lun_claim.activate(run, volume["volume_group"], False)


def _unmount(site: Resolved) -> None:
    """Take away what a run has left mounted whose minion was killed in the middle."""
    if not datadir.Folder(str(PLACE)).mounted():
        return
    run(["umount", str(PLACE)], timeout=900)
    volume = site["storage"]["shared"]["lvm"]
    if volume:
        lun_claim.activate(run, volume["volume_group"], False)


def _in_service(site: Resolved) -> tuple[Path, str]:
    """The datadir, which has to be where the cluster's configuration mounts the old storage, and its kind of file system.

    The folder below the mount point may have a database as well: Debian's package makes one there. It would replace the data.
    """
    folder = site["mysql"]["datadir"]
    wanted = storage_pending.parameters(_live() or None).get((cib_names.FILE_SYSTEM, "device"), "")
    argv = ["findmnt", "--noheadings", "--output", "SOURCE,FSTYPE", "--mountpoint", folder]
    source, _, kind = run(argv, accept=(0, 1)).stdout.strip().rpartition(" ")
    source = source.strip()
    same = source.rstrip("/") == wanted.rstrip("/") or os.path.realpath(source) == os.path.realpath(wanted)
    if not source or not wanted or not same:
        raise Refused(
            f"{folder} is not mounted from {wanted or 'the old storage'} here, but from {source or 'nothing'}: nothing is copied"
        )
    return Path(folder), kind


def _pass(site: Resolved, known: Latch, live: bool) -> dict[str, float]:
    """One pass of the copy; returns what it did."""
    began, path = time.monotonic(), latch.FOLDER / latch.NEXT / move_switch.COPIED
    boot = BOOT.read_text(encoding="ascii").strip()
    with _mounted(site, known) as target:
        source, kind = _in_service(site)
        note, before = copying.look(source, boot, known.device_uuid), copying.kept(path)
        copying.check_space(source, target)
        again = copying.changed(note, before)
        first = before is None or not before.is_of(note)
        attributes = not kind.startswith("nfs") and site["storage"]["backend"] != "nfs"
        copying.transfer(run, source, target, None if first else again, live=live, attributes=attributes)
        if _in_service(site) != (source, kind) or datadir.PROOF not in os.listdir(target):
            raise Refused(f"the copy of {source} has ended, and the new storage holds no database: run again")
        run(["sync", "--file-system", str(target)], timeout=3600)
    copying.keep(note, path)
    return {"seconds": round(time.monotonic() - began, 1), "files": len(note.files), "read": len(again)}


@storage_lock.held("copy")
def copy_() -> dict[str, float]:
    """
    Copy the data to the new storage while the database serves; again, and it copies what has changed since.

    It makes the last pass (``final``) short, and is no copy of a database by itself.

    Returns ``{"seconds", "files": how many there are, "read": how many of them were read}``. Raises ``Refused`` where no move is
    under way, where the datadir is not the old storage's, or the new one is too small.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_migration.copy
    """
    site = _site()
    known = _known(site)
    if known.stage >= Stage.DATADIR:
        known = replace(known, stage=READY[known.backend])
        latch.write(known)
    return _pass(site, known, live=True)


@storage_lock.held("final")
def final() -> dict[str, float]:
    """
    Copy what has changed since the last pass, with the database stopped: the new storage holds all of the data then.

    Returns as ``copy`` does. Raises ``Refused`` while a server answers, and ``NotReady`` while any process has a file of the
    datadir open.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_migration.final
    """
    site = _site()
    known = _known(site)
    if __salt__["hamysql_mysql.active"]():
        raise Refused("a database server answers on this node: stop it first, through the cluster")
    _wait_unused(site)
    done = _pass(site, known, live=False)
    _wait_unused(site)
    latch.write(replace(known, stage=Stage.DATADIR))
    return done


def _wait_unused(site: Resolved) -> None:
    """A monitor may look at the mount for a moment; whoever stays there may write."""
    folder = Path(site["mysql"]["datadir"])
    what = f"nobody has anything in {folder} open"
    wait.until(lambda: copying.users(folder), lambda found: not found, what, timeout=20, interval=1, describe=", ".join)


def wait_synchronised(timeout: float = 86400) -> bool:
    """
    Wait until both replicas of the new DRBD are up to date: from the switch on a node may be lost.

    timeout
        Seconds, a day by default.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_migration.wait_synchronised
    """
    wait.until(
        lambda: backends.replication(__salt__["hamysql_drbd.status"]()),
        lambda reason: not reason,
        "both replicas of the new storage are UpToDate",
        timeout=timeout,
        interval=5,
    )
    return True


@storage_lock.held("stop_server")
def stop_server(timeout: float = 900) -> bool:
    """
    Stop the database server through the cluster, after it has written its dirty pages. Its file system stays mounted.

    It stays stopped, over a loss of power as well, until ``hamysql_migration.start``. Run it on the node that serves.

    timeout
        Seconds for it to stop, 900 by default.

    Returns True. Raises ``NotReady`` with what was seen last.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_migration.stop_server
    """
    settings = {}
    try:
        settings = __salt__["hamysql_mysql.flush"]()["settings"]
        cib_live.edit(run, lambda live: cib_stop.stopped(live, cib_names.SERVER))
        _wait_stopped((cib_names.SERVER,), timeout)
    except BaseException:
        __salt__["hamysql_mysql.unflush"](settings)
        raise
    return True


@storage_lock.held("stop_service")
def stop_service(timeout: float = 900) -> bool:
    """
    Stop the whole service through the cluster: the file system is unmounted, and DRBD, where the data is on it, ends.

    timeout
        Seconds for it to stop, 900 by default.

    Returns True. Raises ``NotReady`` with what was seen last.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_migration.stop_service
    """
    cib_live.edit(run, cib_stop.all_stopped)
    _wait_stopped((cib_names.SERVER, cib_names.FILE_SYSTEM, cib_names.VOLUME, cib_names.REPLICA), timeout)
    return True


def _wait_stopped(names: Sequence[str], timeout: float) -> None:
    def look() -> list[str]:
        found = __salt__["hamysql_cluster.status"]()["resources"]
        return [
            f"{item['id']} {item['role']} on {item['node']}"
            for item in found
            if item["id"] in names and item["role"] != "Stopped"
        ]

    what = f"pacemaker has stopped {' and '.join(names)}"
    wait.until(look, lambda seen: not seen, what, timeout=timeout, interval=1, describe=", ".join)


def start() -> bool:
    """
    Let pacemaker start what ``stop_server`` and ``stop_service`` have stopped. It does not wait for that.

    Returns True if anything was stopped.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_migration.start
    """
    if not cib_stop.stopped_ones(cib_live.query(run)):
        return False
    cib_live.edit(run, cib_stop.started)
    return True


@storage_lock.held("switch")
def switch() -> bool:
    """
    From now on this node's data is on the new storage: its latch takes the place of the old one, which is kept in
    ``/var/lib/hamysql/before``. There is no way back but another move.

    Returns ``True`` when it was switched now. Raises ``Refused`` unless the new storage holds all of the data.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_migration.switch
    """
    return move_switch.switch(_site()["storage"]["backend"], time.strftime("%Y%m%dT%H%M%S", time.gmtime()))


@storage_lock.held("finish")
def finish() -> bool:
    """
    End a move that was switched: what was noted for it on this node goes.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_migration.finish
    """
    backend = _site()["storage"]["backend"]
    if latch.moving_to() and not move_switch.switched(backend):
        raise Refused(f"this node's data is not on {backend} yet")
    return move_switch.forget()


@storage_lock.held("abandon")
def abandon() -> bool:
    """
    Give up a move that was begun and not switched: the latches of the new storage are forgotten, and the service is started again
    where the move has stopped it. What is on the new storage stays there. The pillar then has to name the old storage again.

    Returns ``True`` when there was one. Raises ``Refused`` after the switch.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_migration.abandon
    """
    site = _site()
    moving = latch.moving_to()
    if not moving:
        return False
    values = storage_pending.parameters(_live() or None)
    if move_switch.switched(moving) or storage_pending.backend_of(values) == moving:
        raise Refused(
            f"the data is on {moving} already, or is being handed over: go on with "
            "`salt-run state.orchestrate hamysql.orch.migrate_storage`, and the new storage in the pillar"
        )
    sealed = [
        known
        for path in (latch.FOLDER / latch.NEXT).glob("*.json")
        if (known := latch.load(path)) is not None and known.stage == Stage.INITIALISED
    ]
    if sealed and cib_names.SERVICE in cib_stop.stopped_ones(_live()):
        raise Refused(
            "the other node may have been switched already: run hamysql.orch.migrate_storage with the new storage first"
        )
    _unmount(site)
    move_switch.forget()
    try:
        start()
    except NotReady:  # pacemaker does not run here: the other node does it
        pass
    return True
