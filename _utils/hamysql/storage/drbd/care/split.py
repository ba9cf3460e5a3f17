"""A split brain is ended: the changes of one side, which an operator has named, are given up, after its disk was copied.

DRBD user's guide, "Manual split brain recovery". A note on that node says which copy was made and how far this is. So it goes on
where it was killed. The node guards itself: nothing is given up there without a copy of exactly what its disk holds.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from hamysql.errors import HamysqlError, Refused
from hamysql.resolved import Resolved
from hamysql.storage import latch
from hamysql.storage.copies import Image, Looked, Note, Tables
from hamysql.storage.drbd import NAME, drbdadm, replica, verbs
from hamysql.storage.drbd import status as drbd_status
from hamysql.storage.drbd.care import image, site, tables
from hamysql.storage.drbd.care.image import Data
from hamysql.storage.drbd.status import Status
from hamysql.system import disk, kernels, mounts
from hamysql.system.command import Run

NOTE = "split-brain"  # files beside it that end in .json are latches
NOTHING = "0"  # was written: DRBD is down, or has just been started
ALONE = ("StandAlone", "WFConnection", "Connecting", "Unconnected")


def look(run: Run, config: Resolved) -> Looked:
    """What this side has. Nothing is changed."""
    seen, found = replica.status_of(run, config), replica.generation(run, config)
    known, why = {}, ""
    try:
        known = _tables(run, config, seen)
    except (HamysqlError, OSError) as exc:
        why = str(exc).splitlines()[0]
    return {"state": site.words(seen), "generation": str(found) if found else "", "tables": known, "why": why}


def _tables(run: Run, config: Resolved, seen: Status | None) -> Tables:
    filesystem = config["storage"]["filesystem"]
    datadir = Path(config["mysql"]["datadir"])
    if mounts.source(run, filesystem["directory"]):
        return tables.listed(datadir)
    if seen is not None and seen.role == "Primary":
        raise HamysqlError("this side is Primary, and its file system is not mounted: somebody else may write to it")
    below = datadir.relative_to(filesystem["directory"])
    with tables.mounted(run, replica.disk(config), filesystem["type"]) as place:
        return tables.listed(place / below)


def keep(run: Run, config: Resolved, folder: str) -> Image:
    """Copy the disk of the side whose changes are given up. Raises ``Refused`` where it may be written to meanwhile."""
    _alone(run, config)
    resource = config["storage"]["drbd"]["resource"]
    name = f"{config['cluster']['name']}-{config['self']}-{resource}"
    made = image.keep(run, replica.disk(config), name, lambda: data(run, config), folder)
    latch.write_file(_note(), json.dumps({"image": made, "given_up": False}))
    return made


def give_up(run: Run, config: Resolved) -> bool:
    """Have DRBD take the other side's data in place of this one's; ``False`` where it does so already.

    Raises ``Refused`` unless this side is alone and no primary, and there is a copy of exactly what its disk holds.
    """
    note, drbd = noted(), config["storage"]["drbd"]
    seen = replica.status_of(run, config)
    if note is not None and note["given_up"] and seen is not None and seen.connected:
        return False
    _alone(run, config)
    if note is None or image.read(Path(note["image"]["path"])) != note["image"]:
        raise Refused(f"nothing is given up on {config['self']}: there is no copy of its disk yet")
    if _changed(note["image"], data(run, config)):
        raise Refused(
            f"nothing is given up on {config['self']}: its disk holds other data than the copy {note['image']['path']} of "
            f"{note['image']['made']}; run this again, and it is copied anew"
        )
    latch.write_file(_note(), json.dumps({**note, "given_up": True}))
    if seen is None:
        verbs.up(run, config)
    drbdadm.call(run, drbd["shared_secret"], "disconnect", drbd["resource"], accept=range(256))
    drbdadm.call(run, drbd["shared_secret"], "connect", "--discard-my-data", drbd["resource"])
    return True


def accept(run: Run, config: Resolved) -> bool:
    """Connect the side whose data is kept; ``False`` where it is, or tries to. Raises ``Refused`` unless it is up to date."""
    drbd, seen = config["storage"]["drbd"], replica.status_of(run, config)
    if seen is None or seen.disk != "UpToDate":
        raise Refused(
            f"{config['self']} does not give its data to the other node: DRBD is {site.words(seen)}, expected UpToDate"
        )
    if seen.connection != "StandAlone":
        return False
    drbdadm.call(run, drbd["shared_secret"], "connect", drbd["resource"])
    return True


def data(run: Run, config: Resolved) -> Data:
    """Which data this side's disk holds. Raises ``Refused`` where it has no metadata of DRBD."""
    found = replica.generation(run, config)
    if found is None:
        raise Refused(f"{replica.disk(config)} has no metadata of DRBD: it is no replica")
    return Data(found.identity, writes(run, config))


def writes(run: Run, config: Resolved) -> str:
    """How much was written through DRBD since it was started, and in which boot: no replica is written to otherwise."""
    boot, drbd = kernels.boot_id(), config["storage"]["drbd"]
    if replica.status_of(run, config) is None:
        return f"{boot} {NOTHING}"
    text = replica.PROC.read_text(encoding="ascii")
    if drbd_status.kernel_version(text).startswith("8."):
        found = re.search(rf"^ *{drbd['minor']}: .*?\bdw:(\d+)", text, re.MULTILINE | re.DOTALL)
        return f"{boot} {found[1] if found else '?'}"
    resources = json.loads(run(["drbdsetup", "status", "--json", "--statistics", drbd["resource"]]).stdout)
    return f"{boot} {resources[0]['devices'][0]['written']}"


def _changed(made: Image, now: Data) -> bool:
    """Whether a disk may hold other data than its copy. A replica that was down when it was copied may be up now."""
    boot = made["writes"].split()[0]
    same = now.writes in (made["writes"], f"{boot} {NOTHING}")
    return made["generation"] != now.generation or not same


def noted() -> Note | None:
    """How far this is on this node; ``None`` where nothing was begun."""
    try:
        found: Note = json.loads(_note().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found


def forget() -> bool:
    """Take the note away, after the end; the copy stays. Returns whether there was one."""
    there = _note().exists()
    _note().unlink(missing_ok=True)
    return there


def _note() -> Path:
    return latch.FOLDER / NOTE


def _alone(run: Run, config: Resolved) -> None:
    """Raise ``Refused`` unless this side is alone and no primary, and nothing uses its disk but DRBD."""
    seen, device = replica.status_of(run, config), replica.disk(config)
    if seen is not None and (seen.role != "Secondary" or seen.connection not in ALONE):
        raise Refused(
            f"the changes of {config['self']} are not given up: DRBD is {site.words(seen)}, expected Secondary, and no connection"
        )
    uses = disk.occupants(run, device, config["storage"]["drbd"]["device"]).uses
    if uses:
        raise Refused(f"the changes of {config['self']} are not given up: {device} is in use: {', '.join(uses)}")
    known = latch.Latches().read(config["storage"]["drbd"]["resource"], NAME)
    if known is None or known.stage != latch.Stage.INITIALISED:
        raise Refused(f"the changes of {config['self']} are not given up: this node has no replica of its own")
