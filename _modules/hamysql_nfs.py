"""
An NFS export that both nodes mount in turn (``hamysql:storage:backend: nfs``), and the verbs that make the first data there.

They mount the export's root for a moment, apart from where the cluster mounts the data's folder in it. Nothing on it is ever
deleted.
"""

from __future__ import annotations

import json
import os
import time
import uuid as _uuid
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

from hamysql.errors import CommandFailed, Refused
from hamysql.mysql import datadir
from hamysql.storage import latch
from hamysql.storage import lock as storage_lock
from hamysql.storage.latch import Latch, Stage
from hamysql.storage.nfs.mark import NFS_FOLDER, NFS_MARK
from hamysql.storage.nfs.mark import read as _mark
from hamysql.storage.nfs.plan import foreign
from hamysql.system import files
from hamysql.system.command import PATH, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from injected import __salt__

    from hamysql.resolved import Resolved
    from hamysql.schema.values import Config

__virtualname__ = "hamysql_nfs"

RESOURCE = "mysql"  # of the latch
# Not below /run/hamysql, which is root's alone: the database's account makes its first files here.
PLACE = Path("/run/hamysql-export")
# A look gives up where the database would wait: nothing is written, and a survey must end.
LOOK = "ro,soft,timeo=50,retrans=2"


def __virtual__() -> str:
    return __virtualname__


def _site(misnamed: bool = False) -> tuple[Resolved, Config]:
    site = __salt__["hamysql.config"](misnamed=misnamed)
    return site, site["storage"]["nfs"]


@contextmanager
def _export(nfs: Config, options: str) -> Iterator[Path]:
    """The export's root, mounted inside the ``with`` block."""
    PLACE.mkdir(mode=0o755, parents=True, exist_ok=True)
    if datadir.Folder(str(PLACE)).mounted():  # left behind by a run whose minion was killed in the middle
        run(["umount", str(PLACE)])
    run(["mount", "-t", "nfs", "-o", options, nfs["source"], str(PLACE)], timeout=180)
    try:
        yield PLACE
    finally:
        run(["umount", str(PLACE)], timeout=180)


def _view(root: Path) -> dict[str, Any]:
    folder = root / NFS_FOLDER
    return {
        "entries": sorted(os.listdir(root)),
        "mark": _mark(root),
        "filled": folder.is_dir() and bool(os.listdir(folder)),
        "error": "",
    }


def _look(nfs: Config) -> dict[str, Any] | None:
    """What is on the export; ``None`` where this node has no tools to mount it yet."""
    if not which("mount.nfs", path=PATH):
        return None
    try:
        with _export(nfs, f"vers={nfs['version']},{LOOK}") as root:
            return _view(root)
    except (CommandFailed, OSError) as exc:
        return {"entries": [], "mark": {}, "filled": False, "error": str(exc)}


def _look_alone(nfs: Config) -> dict[str, Any] | None:
    try:
        with storage_lock.held("looking at the export"):
            return _look(nfs)
    except Refused as exc:
        return {"entries": [], "mark": {}, "filled": False, "error": str(exc)}


def survey() -> dict[str, Any]:
    """
    What this node sees of the export. Changes nothing there, and works before anything is installed.

    A node whose latch says that the data was made does not look; any other mounts the export's root for a moment, read-only, and
    holds the node's lock for that: a verb's mount is not to be taken away below it.

    Returns ``{"disk": what is mounted, "view": {"entries": [names], "mark": {"cluster", "id"} or {}, "filled": bool, "error"} or
    None, "mounted": whether the datadir is mounted from there, "latch": {...} or {}}``, as :mod:`hamysql.storage.nfs.plan` wants
    it.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_nfs.survey
    """
    site, nfs = _site(misnamed=True)
    known = latch.read(RESOURCE, "nfs")
    settled = known is not None and (known.backend, known.stage) == ("nfs", Stage.INITIALISED)
    return {
        "disk": nfs["source"],
        "view": None if settled else _look_alone(nfs),
        "mounted": _mounted(site["storage"]["filesystem"]["directory"]),
        "latch": known.as_dict() if known else {},
    }


def _mounted(directory: str) -> bool:
    """Whether a file system of NFS is mounted on the datadir. From the kernel's list: asking the mount itself could hang."""
    mounts = [
        line.split() for line in Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    ]
    return any(point == directory and kind.startswith("nfs") for _, point, kind, *_ in mounts)


@storage_lock.held("look")
def look() -> bool:
    """
    Look at the export, now that NFS's tools are installed.

    Returns ``False``, as nothing is changed. Raises ``Refused`` where the node still cannot look.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_nfs.look
    """
    _, nfs = _site()
    seen = _look(nfs)
    if seen is None or seen["error"]:
        raise Refused(f"{nfs['source']}: {seen['error'] if seen else 'there is no program mount.nfs'}")
    return False


@storage_lock.held("claim")
def claim() -> bool:
    """
    Mark an empty export as this cluster's: an id goes into this node's latch, then onto the export.

    Returns ``True`` when it was marked now, ``False`` when this node's mark was there. Raises ``Refused`` for an export that is not
    empty.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_nfs.claim
    """
    site, nfs = _site()
    known = latch.read(RESOURCE, "nfs")
    if known and known.stage != Stage.CLAIMED:
        raise Refused(f"this node's latch is about {known.disk} already ({known.stage.name})")
    with _export(nfs, nfs["mount_options"]) as root:
        mark, there = _mark(root), foreign(os.listdir(root))
        if known and mark.get("id") == known.device_uuid:
            return False
        if mark or there:
            raise Refused(f"{nfs['source']} is not empty: {', '.join(there) or mark}")
        if known is None:
            name = site["cluster"]["name"]
            known = Latch(name, RESOURCE, nfs["source"], Stage.CLAIMED, str(_uuid.uuid4()), backend="nfs")
            latch.write(known)
        _write_mark(root, known)
    return True


def _write_mark(root: Path, known: Latch) -> None:
    """Whole or not at all, and never over another one: a link to a name that exists fails on the server."""
    new = root / f"{NFS_MARK}.{known.device_uuid}"
    files.create(new, json.dumps({"cluster": known.cluster, "id": known.device_uuid}) + "\n")
    try:
        os.link(new, root / NFS_MARK)
    except FileExistsError:
        raise Refused(f"the export bears the mark of {_mark(root)} by now") from None
    finally:
        new.unlink()


@storage_lock.held("initialise_datadir")
def initialise_datadir() -> bool:
    """
    Make the empty database in a folder of the marked export, once.

    What an earlier run has left of it unfinished is put aside, under another name.

    Returns ``True`` when it was made, ``False`` when an earlier run has made it.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_nfs.initialise_datadir
    """
    site, nfs = _site()
    known = latch.read(RESOURCE, "nfs")
    if known is None or known.backend != "nfs" or known.stage == Stage.INITIALISED:
        raise Refused(f"this node was not chosen to make the first data on {nfs['source']}")
    if known.stage >= Stage.DATADIR:
        return False
    with _export(nfs, nfs["mount_options"]) as root:
        mark = _mark(root)
        if mark.get("id") != known.device_uuid:
            raise Refused(f"{nfs['source']} bears {mark or 'no mark'}, not this node's ({known.device_uuid})")
        folder = root / NFS_FOLDER
        if folder.is_symlink():
            raise Refused(
                f"{nfs['source']}: {NFS_FOLDER} is a symbolic link there, to {os.readlink(folder)}: nothing is made"
            )
        if folder.exists() and os.listdir(folder):
            folder.rename(
                root / f"{NFS_FOLDER}-unfinished-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{os.getpid()}"
            )
        folder.mkdir(exist_ok=True)
        try:
            datadir.install(run, site["mysql"], str(folder))
        except CommandFailed as exc:
            if exc.argv[0] == "chown":
                how = "is it exported with no_root_squash? root has to give the folder to the database's account"
                raise Refused(f"{nfs['source']}: {exc} ({how})") from None
            raise
        run(["sync", "--file-system", str(folder)], timeout=600)
        # What the latch says from here on is for good, and a folder of this name is on the root file system as well.
        if _mark(root) != mark or datadir.PROOF not in os.listdir(folder):
            raise Refused(f"{site['mysql']['install_db']} has ended, and {nfs['source']} holds no database: run again")
    latch.write(replace(known, stage=Stage.DATADIR))
    return True


@storage_lock.held("seal")
def seal() -> bool:
    """
    Record that the export holds the data of an initialised cluster: nothing will ever be made on it again.

    Returns ``True`` when it was recorded now, ``False`` when it was before.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_nfs.seal
    """
    known = latch.read(RESOURCE, "nfs")
    if known is None or known.stage < Stage.DATADIR:
        raise Refused(f"the first data is not complete here: {known.stage.name if known else 'nothing was made'}")
    if known.stage == Stage.INITIALISED:
        return False
    latch.write(replace(known, stage=Stage.INITIALISED))
    return True


@storage_lock.held("adopt")
def adopt(uuid: str) -> bool:
    """
    Record that the data on the export is the cluster's: the other node has made it, or this one has forgotten it.

    The orchestration does so where the other node's latch is about this very id. By hand it says that data which no node knows is
    this cluster's.

    uuid
        The id of the export's mark, as ``salt-run hamysql.plan`` shows it.

    Returns ``True`` when it was recorded, ``False`` when it was before. Raises ``Refused`` for an export without that mark or
    without data, and where this node's latch is about other data.

    CLI Example:

    .. code-block:: bash

        salt-call hamysql_nfs.adopt 627a22bb-ecf0-48ff-814b-c8b47add52c8
    """
    site, nfs = _site()
    known = latch.read(RESOURCE, "nfs")
    if known and (known.stage == Stage.INITIALISED or known.backend != "nfs"):
        if (known.backend, known.device_uuid) == ("nfs", uuid):
            return False
        raise Refused(f"this node's latch is about {known.device_uuid} on {known.disk} already ({known.stage.name})")
    seen = _look(nfs)
    if not seen or seen["error"] or seen["mark"].get("id") != uuid or not seen["filled"]:
        raise Refused(f"{nfs['source']} does not hold data with the mark {uuid}: {seen}")
    latch.write(Latch(site["cluster"]["name"], RESOURCE, nfs["source"], Stage.INITIALISED, uuid, backend="nfs"))
    return True
