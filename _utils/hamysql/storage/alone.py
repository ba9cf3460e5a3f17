"""A node that serves alone, after an outage of both from which only this one came back.

What speaks against it is judged in :mod:`hamysql.fencing.take_over`, and by the kind of storage.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hamysql.corosync.membership import Seen as Membership
from hamysql.fencing import power
from hamysql.fencing import take_over as fencing_take_over
from hamysql.fencing.take_over import Evidence
from hamysql.resolved import Resolved
from hamysql.storage import backends, latch
from hamysql.storage.latch import Latches, Stage
from hamysql.survey import Cluster
from hamysql.system import wait
from hamysql.system.command import Run


def evidence(run: Run, site: Resolved, corosync: Membership, database: bool) -> Evidence:
    """What speaks for and against it, see ``hamysql_fencing.evidence``.

    database
        Whether a server answers on this node.
    """
    kind = backends.used(site)
    latches = Latches()
    known, there = latches.read(kind.latch_name(site), kind.name), latch.in_use(latches.folder)
    others = [item.backend for item in there if item.backend != kind.name and item.stage == Stage.INITIALISED]
    switched = any(item.backend == kind.name for item in there)
    return {
        "node": site["self"],
        "peer": site["peer"],
        "database": database,
        "members": len(corosync["members"]),
        "votes": _votes(corosync) if corosync["running"] else {},
        "power": power.of(run, site["fencing"], site["peer"]),
        "initialised": known is not None and known.stage == Stage.INITIALISED,
        "backend": kind.name,
        "elsewhere": others[0] if others and not switched else "",
        "flags": kind.flags(site, run),
    }


def wait_controller(status: Callable[[], Cluster], timeout: float) -> None:
    """Wait so many seconds until this node is the controller.

    status
        ``hamysql_cluster.status``.
    """
    wait.until(
        status,
        lambda seen: bool(seen["dc"]),
        "this node is the controller",
        timeout=timeout,
        interval=2,
        describe=lambda seen: "no controller" if seen["running"] else "pacemaker does not run",
    )


def serve(run: Run, site: Resolved, corosync: Callable[[], Membership], start_vote: Callable[[], object]) -> None:
    """Declare the peer off, and stop waiting for it; this node is the controller.

    corosync
        ``hamysql_cluster.corosync``.
    start_vote
        Starts the daemon of the quorum device, where the pillar has one.
    """
    kind = backends.used(site)
    if site["quorum"]["device"]:
        start_vote()
        what = "the quorum device votes for this node"
        _wait_for_votes(corosync, lambda seen: not fencing_take_over.outvoted(**_votes(seen)), what)
    kind.start_alone(site, run)
    if site["fencing"]["enabled"]:
        # Before there is quorum: with it, pacemaker would shoot the node that it has never seen, and wait for that.
        run(["stonith_admin", "--confirm", site["peer"]])
        kind.serve_alone(site, run)
    run(["corosync-cmapctl", "-s", "quorum.cancel_wait_for_all", "u8", "1"])
    _wait_for_votes(corosync, lambda seen: seen["quorate"], "this node is quorate")


def _wait_for_votes(corosync: Callable[[], Membership], met: Callable[[Membership], bool], what: str) -> None:
    wait.until(
        corosync,
        met,
        what,
        timeout=30,
        interval=1,
        describe=lambda seen: fencing_take_over.outvoted(**_votes(seen)) or "it has the votes, and is not quorate",
    )


def _votes(corosync: Membership) -> Mapping[str, int]:
    return {"total": corosync["total_votes"], "needed": corosync["needed_votes"]}
