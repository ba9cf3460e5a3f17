"""A replica that differs is made equal again: the standby disconnects and connects, and DRBD sends it each block that is marked.

DRBD user's guide, "Using on-line device verification". The node that serves is the source: it begins a new generation of the data
when its peer leaves it, so the peer's is the older one.
"""

from __future__ import annotations

from hamysql.errors import Refused
from hamysql.storage import latch
from hamysql.storage.drbd import drbdadm
from hamysql.storage.drbd.care import site
from hamysql.storage.drbd.care.site import RUNNING, Site
from hamysql.system.command import Run

MARK = "resynchronise"


def standby(run: Run, here: Site) -> int:
    """Have the standby's replica be made equal to that of the node that serves; returns how many KiB differ, 0 where none does.

    Raises ``Refused`` unless this node is Secondary, its peer is Primary, and both have all data.
    """
    if reconnect(run, here):
        return 0
    seen = site.status(run, here)
    if seen is None or (seen.role, seen.peer_role) != ("Secondary", "Primary") or not seen.up_to_date:
        raise Refused(
            f"nothing is resynchronised on {here.node}: DRBD is {site.words(seen)}, expected Secondary/Primary, UpToDate/UpToDate"
        )
    if seen.connection in RUNNING:
        raise Refused(
            f"the replicas are being compared still, {seen.done} % are done: wait for that, and run this again"
        )
    if not seen.out_of_sync:
        return 0
    here.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    latch.write_file(here.folder / MARK, here.resource)
    drbdadm.call(run, None, "disconnect", here.resource)
    reconnect(run, here)
    return seen.out_of_sync


def reconnect(run: Run, here: Site) -> bool:
    """Connect a replica that a resynchronisation has left alone when it was cut off; ``False`` where there is none."""
    mark = here.folder / MARK
    if not mark.exists():
        return False
    seen = site.status(run, here)
    alone = seen is not None and (seen.connection, seen.role) == ("StandAlone", "Secondary")
    if alone:
        drbdadm.call(run, None, "connect", here.resource)
    mark.unlink(missing_ok=True)
    return alone
