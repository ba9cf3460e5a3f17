"""Moving the data to another kind of storage: the verbs of ``hamysql.orch.migrate_storage``, on one node.

The new storage is made by the verbs of its own kind, whose latch is in ``/var/lib/hamysql/next`` meanwhile. These here copy the
data and switch the latches; the old storage is only read. :mod:`hamysql.storage.move.service` stops and starts the service.
``_modules/hamysql_migration.py`` says what each one is for; it holds the node's lock meanwhile. The arguments of all of them:

run
    Starts a program, see :func:`hamysql.system.command.run`.
site
    The resolved configuration.
latches
    This node's.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

from hamysql.cib import drift as cib_drift
from hamysql.cib import kept as cib_kept
from hamysql.cib import names as cib_names
from hamysql.cib import stop as cib_stop
from hamysql.errors import CommandFailed, NotReady, Refused
from hamysql.mysql import datadir
from hamysql.resolved import Resolved
from hamysql.storage import backends, latch
from hamysql.storage import pending as storage_pending
from hamysql.storage.latch import Latch, Latches, Stage
from hamysql.storage.move import copying, service
from hamysql.storage.move import switch as move_switch
from hamysql.system import kernels, mounts, root, shells, wait
from hamysql.system.command import Run

PLACE = Path(copying.PLACE)
# How a sentence on what the move itself has stopped begins.
OURS = tuple(f"{name} has {cib_stop.ROLE}=" for name in cib_stop.PARTS)


class Seen(TypedDict):
    """What ``hamysql_migration.survey`` says of a node; latches are as in their files."""

    backend: str
    in_use: Sequence[Mapping[str, str]]
    next: Mapping[str, str]
    moving: str
    cib: str
    datadir: str
    stopped: Sequence[str]
    hands: Sequence[str]
    replication: str


def _read(site: Resolved, latches: Latches) -> Latch | None:
    """The latch of the pillar's kind of storage."""
    kind = backends.used(site)
    return latches.read(kind.latch_name(site), kind.name)


def _live(run: Run) -> str:
    """The cluster's configuration; "" where pacemaker does not run and never has."""
    try:
        return cib_kept.known(run) or ""
    except CommandFailed:  # pacemaker is just starting or ending
        return cib_kept.kept() or ""


def survey(run: Run, site: Resolved, latches: Latches) -> Seen:
    """How far this node's part of a move is, see ``hamysql_migration.survey``."""
    backend, live, there = site["storage"]["backend"], _live(run), latch.in_use(latches.folder)
    values = storage_pending.parameters(live or None)
    moving = latch.moving_to(latches.folder)
    known = _read(site, latches) if moving == backend else None
    stopped = cib_stop.stopped_ones(live) if live else ()
    cib, hands = backends.recognised(values), cib_drift.interventions(live, shells.installed()) if live else ()
    left = next((item for item in there if item.backend == cib != backend), None)
    return {
        "backend": backend,
        "in_use": [item.as_dict() for item in there],
        "next": known.as_dict() if known and not move_switch.switched(backend, latches.folder) else {},
        "moving": moving,
        "cib": cib,
        "datadir": values.get((cib_names.FILE_SYSTEM, "directory"), ""),
        "stopped": list(stopped),
        "hands": [hand for hand in hands if not (moving and hand.startswith(OURS))],
        "replication": backends.KINDS[cib].left_out_of_step(run, left, values) if left is not None else "",
    }


def begin(run: Run, site: Resolved, latches: Latches, seed: bool) -> bool:
    """Begin the move to the pillar's kind of storage, or begin its copy anew; whether it was begun now.

    seed
        Whether this is the node that serves, and so copies.
    """
    _unmount(run, site)
    return move_switch.begin(site["storage"]["backend"], seed, latches.folder)


# --- the copy


def _known(site: Resolved, latches: Latches) -> Latch:
    """The latch of the storage that is being prepared here, ready for its data; anything else is refused."""
    backend = site["storage"]["backend"]
    known = _read(site, latches)
    if latch.place(backend, latches.folder) != latches.folder / latch.NEXT:
        raise Refused(f"no move to {backend} is under way on this node")
    if known is None or not backends.KINDS[backend].ready <= known.stage < Stage.INITIALISED:
        raise Refused(f"{backend} is not ready for the data here: {known.stage.name if known else 'nothing was made'}")
    return known


@contextmanager
def _mounted(run: Run, site: Resolved, known: Latch) -> Iterator[Path]:
    """The new storage's folder for the data, mounted inside the ``with`` block."""
    kind, filesystem = backends.used(site), site["storage"]["filesystem"]
    kind.check_made(site, run, known)
    root.at(PLACE).mkdir(mode=0o755, parents=True, exist_ok=True)
    _unmount(run, site)
    kind.activate(site, run, True)
    try:
        argv = ["mount", "-t", filesystem["type"], "-o", filesystem["options"], kind.source(site), str(PLACE)]
        run(argv, timeout=180)
        try:
            yield kind.data_folder(site, PLACE, known)
        finally:
            run(["umount", str(PLACE)], timeout=900)
    finally:
        kind.activate(site, run, False)


def _unmount(run: Run, site: Resolved) -> None:
    """Take away what a run has left mounted whose minion was killed in the middle."""
    if not mounts.source(run, PLACE):
        return
    run(["umount", str(PLACE)], timeout=900)
    backends.used(site).activate(site, run, False)


def in_service(run: Run, site: Resolved) -> tuple[Path, str]:
    """The datadir, which has to be where the cluster's configuration mounts the old storage, and that kind of storage.

    The folder below the mount point may have a database as well: Debian's package makes one there. It would replace the data.
    """
    folder = site["mysql"]["datadir"]
    values = storage_pending.parameters(_live(run) or None)
    wanted = values.get((cib_names.FILE_SYSTEM, "device"), "")
    source = mounts.source(run, folder)
    if not mounts.same(source.rstrip("/"), wanted.rstrip("/")):
        raise Refused(
            f"{folder} is not mounted from {wanted or 'the old storage'} here, but from {source or 'nothing'}: nothing is changed"
        )
    return Path(folder), backends.recognised(values)


def _pass(run: Run, site: Resolved, latches: Latches, known: Latch, live: bool) -> dict[str, float]:
    """One pass of the copy; returns what it did."""
    began, path = time.monotonic(), latches.folder / latch.NEXT / move_switch.COPIED
    boot = kernels.boot_id()
    with _mounted(run, site, known) as target:
        source, kind = in_service(run, site)
        note, before = copying.look(root.at(source), boot, known.device_uuid), copying.kept(path)
        copying.check_space(root.at(source), root.at(target))
        again = copying.changed(note, before)
        first = before is None or not before.is_of(note)
        attributes = all(backends.KINDS[name].local for name in (kind, site["storage"]["backend"]))
        copying.transfer(run, source, target, None if first else again, live=live, attributes=attributes)
        if in_service(run, site) != (source, kind) or datadir.PROOF not in os.listdir(root.at(target)):
            raise Refused(f"the copy of {source} has ended, and the new storage holds no database: run again")
        run(["sync", "--file-system", str(target)], timeout=3600)
    copying.keep(note, path)
    return {"seconds": round(time.monotonic() - began, 1), "files": len(note.files), "read": len(again)}


def copy(run: Run, site: Resolved, latches: Latches) -> dict[str, float]:
    """Copy the data to the new storage while the database serves; again, and it copies what has changed since."""
    known = _known(site, latches)
    if known.stage >= Stage.DATADIR:
        known = replace(known, stage=backends.KINDS[known.backend].ready)
        latches.write(known)
    return _pass(run, site, latches, known, live=True)


def final(run: Run, site: Resolved, latches: Latches, active: Callable[[], bool]) -> dict[str, float]:
    """Copy what has changed since the last pass: the new storage holds all of the data then.

    active
        Whether a database server answers on this node.
    """
    known = _known(site, latches)
    if active():
        raise Refused("a database server answers on this node: stop it first, through the cluster")
    _wait_unused(site)
    done = _pass(run, site, latches, known, live=False)
    _wait_unused(site)
    latches.write(replace(known, stage=Stage.DATADIR))
    return done


def _wait_unused(site: Resolved) -> None:
    """A monitor may look at the mount for a moment; whoever stays there may write."""
    folder = Path(site["mysql"]["datadir"])
    what = f"nobody has anything in {folder} open"
    wait.until(lambda: copying.users(folder), lambda found: not found, what, timeout=20, interval=1, describe=", ".join)


def wait_synchronised(run: Run, site: Resolved, timeout: float) -> bool:
    """Wait so many seconds until both nodes' copies on the new storage are up to date."""
    kind, what = backends.used(site), "both replicas of the new storage are UpToDate"
    wait.until(lambda: kind.out_of_step(site, run), lambda reason: not reason, what, timeout=timeout, interval=5)
    return True


# --- the latches


def switch(site: Resolved, latches: Latches) -> bool:
    """From now on this node's data is on the new storage; whether it was switched now."""
    moment = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    return move_switch.switch(site["storage"]["backend"], moment, latches.folder)


def finish(site: Resolved, latches: Latches) -> bool:
    """End a move that was switched: what was noted for it on this node goes."""
    backend = site["storage"]["backend"]
    if latch.moving_to(latches.folder) and not move_switch.switched(backend, latches.folder):
        raise Refused(f"this node's data is not on {backend} yet")
    return move_switch.forget(latches.folder)


def abandon(run: Run, site: Resolved, latches: Latches) -> bool:
    """Give up a move that was begun and not switched; whether there was one."""
    moving = latch.moving_to(latches.folder)
    if not moving:
        return False
    values = storage_pending.parameters(_live(run) or None)
    if move_switch.switched(moving, latches.folder) or backends.recognised(values) == moving:
        raise Refused(
            f"the data is on {moving} already, or is being handed over: go on with "
            "`salt-run state.orchestrate hamysql.orch.migrate_storage`, and the new storage in the pillar"
        )
    sealed = [
        known
        for path in (latches.folder / latch.NEXT).glob("*.json")
        if (known := latch.load(path)) is not None and known.stage == Stage.INITIALISED
    ]
    if sealed and cib_names.SERVICE in cib_stop.stopped_ones(_live(run)):
        raise Refused(
            "the other node may have been switched already: run hamysql.orch.migrate_storage with the new storage first"
        )
    _unmount(run, site)
    move_switch.forget(latches.folder)
    try:
        service.start(run)
    except NotReady:  # pacemaker does not run here: the other node does it
        pass
    return True
