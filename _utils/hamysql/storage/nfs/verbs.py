"""What is on an NFS export, and the verbs that make the first data there.

They mount the export's root for a moment, apart from where the cluster mounts the data's folder in it. Nothing on it is ever
deleted. ``_modules/hamysql_nfs.py`` says what each one is for; it holds the node's lock meanwhile. The arguments of all of them:

run
    Starts a program, see :func:`hamysql.system.command.run`.
site
    The resolved configuration.
latches
    This node's.
"""

from __future__ import annotations

import json
import os
import time
import uuid as _uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from hamysql.errors import CommandFailed, Refused
from hamysql.mysql import datadir
from hamysql.resolved import Resolved
from hamysql.resolved.storage import Nfs
from hamysql.storage import lock as storage_lock
from hamysql.storage import verbs as common
from hamysql.storage.latch import RESOURCE, Latch, Latches, Stage
from hamysql.storage.nfs import NAME
from hamysql.storage.nfs.mark import NFS_FOLDER, NFS_MARK
from hamysql.storage.nfs.mark import read as read_mark
from hamysql.storage.nfs.plan import Seen, ViewSeen, foreign
from hamysql.system import files, mounts, root
from hamysql.system.command import Run, exists

# Not below /run/hamysql, which is root's alone: the database's account makes its first files here.
PLACE = Path("/run/hamysql-export")
MOUNTS = Path("/proc/self/mounts")
# A look gives up where the database would wait: nothing is written, and a survey must end.
LOOK = "ro,soft,timeo=50,retrans=2"


@contextmanager
def _export(run: Run, nfs: Nfs, options: str) -> Iterator[Path]:
    """The export's root, mounted inside the ``with`` block."""
    root.at(PLACE).mkdir(mode=0o755, parents=True, exist_ok=True)
    if mounts.source(run, PLACE):  # left behind by a run whose minion was killed in the middle
        run(["umount", str(PLACE)])
    run(["mount", "-t", "nfs", "-o", options, nfs["source"], str(PLACE)], timeout=180)
    try:
        yield root.at(PLACE)
    finally:
        run(["umount", str(PLACE)], timeout=180)


def _view(top: Path) -> ViewSeen:
    folder = top / NFS_FOLDER
    return {
        "entries": sorted(os.listdir(top)),
        "mark": read_mark(top),
        "filled": folder.is_dir() and bool(os.listdir(folder)),
        "error": "",
    }


def _look(run: Run, nfs: Nfs) -> ViewSeen | None:
    """What is on the export; ``None`` where this node has no tools to mount it yet."""
    if not exists("mount.nfs"):
        return None
    try:
        with _export(run, nfs, f"vers={nfs['version']},{LOOK}") as top:
            return _view(top)
    except (CommandFailed, OSError) as exc:
        return {"entries": [], "mark": {}, "filled": False, "error": str(exc)}


def _look_alone(run: Run, nfs: Nfs) -> ViewSeen | None:
    try:
        with storage_lock.held("looking at the export"):
            return _look(run, nfs)
    except Refused as exc:
        return {"entries": [], "mark": {}, "filled": False, "error": str(exc)}


def _mounted(directory: str) -> bool:
    """Whether a file system of NFS is mounted on the datadir. From the kernel's list: asking the mount itself could hang."""
    lines = root.at(MOUNTS).read_text(encoding="utf-8", errors="replace").splitlines()
    return any(point == directory and kind.startswith("nfs") for _, point, kind, *_ in map(str.split, lines))


def survey(run: Run, site: Resolved, latches: Latches) -> Seen:
    """What this node sees of the export, see ``hamysql_nfs.survey``. It takes the node's lock itself, to look."""
    nfs, known = site["storage"]["nfs"], latches.read(RESOURCE, NAME)
    settled = known is not None and (known.backend, known.stage) == (NAME, Stage.INITIALISED)
    return {
        "disk": nfs["source"],
        "view": None if settled else _look_alone(run, nfs),
        "mounted": _mounted(site["storage"]["filesystem"]["directory"]),
        "latch": known.as_dict() if known else {},
    }


def look(run: Run, site: Resolved) -> bool:
    """Look at the export; changes nothing. Raises ``Refused`` where the node cannot."""
    nfs = site["storage"]["nfs"]
    seen = _look(run, nfs)
    if seen is None or seen["error"]:
        raise Refused(f"{nfs['source']}: {seen['error'] if seen else 'there is no program mount.nfs'}")
    return False


def claim(run: Run, site: Resolved, latches: Latches) -> bool:
    """Mark an empty export as this cluster's; ``False`` where this node's mark was there."""
    nfs, known = site["storage"]["nfs"], latches.read(RESOURCE, NAME)
    if known and known.stage != Stage.CLAIMED:
        raise Refused(f"this node's latch is about {known.disk} already ({known.stage.name})")
    with _export(run, nfs, nfs["mount_options"]) as top:
        mark, there = read_mark(top), foreign(os.listdir(top))
        if known and mark.get("id") == known.device_uuid:
            return False
        if mark or there:
            raise Refused(f"{nfs['source']} is not empty: {', '.join(there) or mark}")
        if known is None:
            name = site["cluster"]["name"]
            known = Latch(name, RESOURCE, nfs["source"], Stage.CLAIMED, str(_uuid.uuid4()), backend=NAME)
            latches.write(known)
        _write_mark(top, known)
    return True


def _write_mark(top: Path, known: Latch) -> None:
    """Whole or not at all, and never over another one: a link to a name that exists fails on the server."""
    new = top / f"{NFS_MARK}.{known.device_uuid}"
    files.create(new, json.dumps({"cluster": known.cluster, "id": known.device_uuid}) + "\n")
    try:
        os.link(new, top / NFS_MARK)
    except FileExistsError:
        raise Refused(f"the export bears the mark of {read_mark(top)} by now") from None
    finally:
        new.unlink()


def initialise_datadir(run: Run, site: Resolved, latches: Latches) -> bool:
    """Make the empty database in a folder of the marked export; ``False`` where an earlier run has made it."""
    nfs, known = site["storage"]["nfs"], latches.read(RESOURCE, NAME)
    if known is None or known.backend != NAME or known.stage == Stage.INITIALISED:
        raise Refused(f"this node was not chosen to make the first data on {nfs['source']}")
    if known.stage >= Stage.DATADIR:
        return False
    with _export(run, nfs, nfs["mount_options"]) as top:
        mark = read_mark(top)
        if mark.get("id") != known.device_uuid:
            raise Refused(f"{nfs['source']} bears {mark or 'no mark'}, not this node's ({known.device_uuid})")
        folder = top / NFS_FOLDER
        if folder.is_symlink():
            raise Refused(
                f"{nfs['source']}: {NFS_FOLDER} is a symbolic link there, to {os.readlink(folder)}: nothing is made"
            )
        if folder.exists() and os.listdir(folder):
            folder.rename(
                top / f"{NFS_FOLDER}-unfinished-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{os.getpid()}"
            )
        folder.mkdir(exist_ok=True)
        try:
            datadir.install(run, site["mysql"], str(PLACE / NFS_FOLDER))
        except CommandFailed as exc:
            if exc.argv[0] == "chown":
                how = "is it exported with no_root_squash? root has to give the folder to the database's account"
                raise Refused(f"{nfs['source']}: {exc} ({how})") from None
            raise
        run(["sync", "--file-system", str(PLACE / NFS_FOLDER)], timeout=600)
        # What the latch says from here on is for good, and a folder of this name is on the root file system as well.
        if read_mark(top) != mark or datadir.PROOF not in os.listdir(folder):
            raise Refused(f"{site['mysql']['install_db']} has ended, and {nfs['source']} holds no database: run again")
    latches.write(replace(known, stage=Stage.DATADIR))
    return True


def adopt(run: Run, site: Resolved, latches: Latches, uuid: str) -> bool:
    """Record that the data on the export, with the mark ``uuid``, is the cluster's; ``False`` where it was before."""
    if common.adopted(latches, NAME, uuid):
        return False
    nfs = site["storage"]["nfs"]
    seen = _look(run, nfs)
    if not seen or seen["error"] or seen["mark"].get("id") != uuid or not seen["filled"]:
        raise Refused(f"{nfs['source']} does not hold data with the mark {uuid}: {seen}")
    latches.write(Latch(site["cluster"]["name"], RESOURCE, nfs["source"], Stage.INITIALISED, uuid, backend=NAME))
    return True
