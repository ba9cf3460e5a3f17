"""Both replicas are compared, block by block, while the database serves (DRBD user's guide, "Using on-line device verification").

The kernel does it, and marks each block that differs as out of sync. So a verification goes on where those who began it are gone.
Whoever comes next waits for it. A mark on the node says since when, and of which generation of the data.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TypedDict

from hamysql.errors import CommandFailed, NotReady, ParseError, Refused
from hamysql.storage import latch
from hamysql.storage.copies import Progress, Verified
from hamysql.storage.drbd import drbdadm, pending
from hamysql.storage.drbd import status as drbd_status
from hamysql.storage.drbd.care import record, site
from hamysql.storage.drbd.care.site import RUNNING, Site
from hamysql.storage.drbd.status import Status
from hamysql.system.command import Run

MARK = "verify.json"


class Begun(TypedDict):
    """A verification of this node's: when it was begun (seconds since 1970), of which data, how many seconds late.

    ``started`` says that the kernel has begun as well: a job that was killed before that has verified nothing.
    """

    began: float
    generation: str
    late: float
    started: bool


def begin(run: Run, here: Site, late: float = 0, now: Callable[[], float] = time.time) -> bool:
    """Begin to verify, on the node that serves; ``False`` where a verification runs already.

    late
        How many seconds after its time it begins, where a schedule wants it.

    Raises ``Refused`` where this node does not serve, where the replicas are not both up to date, or DRBD in the kernel has no
    digest to compare them by.
    """
    seen = site.status(run, here)
    if seen is None or seen.role != "Primary" or not seen.up_to_date:
        raise Refused(
            f"nothing is verified on {here.node}: DRBD is {site.words(seen)}, expected Primary/Secondary, UpToDate/UpToDate"
        )
    if seen.connection in RUNNING:
        mark = _mark(here)
        if mark is None:
            raise Refused(
                f"a verification that was not begun on {here.node} runs, {seen.done} % are done: wait for its end"
            )
        _write(here, {**mark, "started": True})
        return False
    if seen.connection != "Connected":
        raise Refused(f"nothing is verified on {here.node} while DRBD is {seen.connection}: wait for its end")
    running = pending.parse_show(run(["drbdsetup", "show", here.resource]).stdout)
    if running is None or not running.options.get("net", {}).get("verify-alg"):
        raise Refused(
            f"DRBD on {here.node} has no digest to compare the replicas by: set hamysql:storage:drbd:verify:alg, and deploy it"
        )
    mark = {"began": now(), "generation": _generation(run, here), "late": late, "started": False}
    _write(here, mark)
    try:
        if here.rate:
            site.rate(run, here, here.rate)
        # From the first sector: DRBD would go on where an earlier one was cut off, and what was equal then may not be any more.
        drbdadm.call(run, None, "--", "--start=0", "verify", here.resource)
    except CommandFailed:
        _end(run, here)
        raise
    _write(here, {**mark, "started": True})
    return True


def look(run: Run, here: Site) -> Progress:
    """How far the verification is. Raises ``NotReady`` where the replica is not in the kernel."""
    seen = _there(run, here)
    running = seen.connection in RUNNING
    return {"running": running, "done": seen.done if running else None, "out_of_sync": seen.out_of_sync}


def finish(run: Run, here: Site, now: Callable[[], float] = time.time) -> Verified:
    """After its end: the usual rate comes back, and what was found is recorded in the cluster; returns that.

    Where nothing was begun here, it returns the newest record. Raises ``NotReady`` where one runs still, was cut off, or was never
    made.
    """
    seen = _there(run, here)
    if seen.connection in RUNNING:
        raise NotReady(f"the verification on {here.node} runs still, {seen.done} % are done")
    mark = _mark(here)
    if mark is None:
        last = record.last(run)
        if last is None:
            raise NotReady(f"no verification was begun on {here.node}")
        return last
    whole = mark["started"] and seen.up_to_date and mark["generation"] == _generation(run, here)
    found: Verified = {
        "node": here.node,
        "began": record.moment(mark["began"]),
        "seconds": round(now() - mark["began"]),
        "out_of_sync": seen.out_of_sync,
        "late": round(mark["late"]),
    }
    if whole:
        record.write(run, found)
    _end(run, here)
    if not whole:
        raise NotReady(
            f"the verification on {here.node} was cut off, since the replicas lost each other or a job was killed; DRBD is "
            f"{site.words(seen)} now. Run it again"
        )
    return found


def under_way(run: Run, here: Site) -> bool:
    """Whether a verification was begun on this node that runs still, or whose end nobody has looked at."""
    mark, seen = _mark(here), site.status(run, here)
    return mark is not None and (mark["started"] or (seen is not None and seen.connection in RUNNING))


def _end(run: Run, here: Site) -> None:
    if here.rate:
        site.rate(run, here, here.usual)
    (here.folder / MARK).unlink(missing_ok=True)


def _write(here: Site, mark: Begun) -> None:
    here.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    latch.write_file(here.folder / MARK, json.dumps(mark))


def _there(run: Run, here: Site) -> Status:
    seen = site.status(run, here)
    if seen is None:
        raise NotReady(f"DRBD's resource {here.resource} is not configured in the kernel of {here.node}")
    return seen


def _generation(run: Run, here: Site) -> str:
    """Which data it is: another one begins wherever the node that serves loses its peer."""
    return drbd_status.parse_generation(drbdadm.call(run, None, "get-gi", here.resource).stdout).identity


def _mark(here: Site) -> Begun | None:
    try:
        found: Begun = json.loads((here.folder / MARK).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as exc:
        raise ParseError(f"{here.folder / MARK} cannot be read: {exc}") from exc
    return found
