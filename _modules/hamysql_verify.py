"""
Both replicas of the data are compared in service, and one that differs is made equal again: the verbs of ``hamysql.orch.verify``.

The pillar ``hamysql:storage:drbd:verify`` says by which digest, how fast and when.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hamysql.storage import backends
from hamysql.storage import lock as storage_lock
from hamysql.storage.drbd.care import job, record, resynchronise, site, verify
from hamysql.system import timers, wait
from hamysql.system.command import run

if TYPE_CHECKING:
    from injected import __opts__, __salt__

    from hamysql.storage.copies import Progress, Verified
    from hamysql.storage.drbd.care.site import Site
    from hamysql.system.timers import Unit


__virtualname__ = "hamysql_verify"


def __virtual__() -> str:
    return __virtualname__


def _site() -> Site:
    return site.place(site.task(__salt__["hamysql.config"]()))


@storage_lock.held("verify")
def begin() -> bool:
    """
    Begin to compare both replicas, on the node that serves. It goes on in the kernel, at the pillar's rate.

    Returns True, or False where a verification runs already. Raises ``Refused`` where this node does not serve, where the replicas
    are not both up to date, and where DRBD has no digest to compare them by.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_verify.begin
    """
    return verify.begin(run, _site())


def look(timeout: float = 0) -> Progress:
    """
    How far a verification is, after its end or so many seconds.

    timeout
        Seconds, 0 by default.

    Returns ``{"running": bool, "done": percent or None, "out_of_sync": KiB that differ so far}``.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_verify.look
    """
    here = _site()
    return wait.watch(lambda: verify.look(run, here), lambda seen: not seen["running"], timeout=timeout, interval=1)


@storage_lock.held("verify")
def finish() -> Verified:
    """
    After the end of a verification: the usual rate comes back, and what was found is recorded in the cluster.

    Returns ``{"node", "began": time in UTC, "seconds", "out_of_sync": KiB that differ, "late": seconds after its time}``. Raises
    ``NotReady`` where it runs still, and where it was cut off: then nothing is recorded.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_verify.finish
    """
    return verify.finish(run, _site())


def last() -> Verified | None:
    """
    The newest verification that the cluster knows of, see ``finish``; None without one.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_verify.last
    """
    return record.last(run)


@storage_lock.held("resynchronise")
def resynchronised() -> int:
    """
    Make the standby's replica equal to that of the node that serves: it disconnects and connects, and gets what differs.

    Returns how many KiB differed, 0 where none did. It does not wait for the end. Raises ``Refused`` unless this node is Secondary,
    its peer is Primary, and both are up to date.

    CLI Example:

    .. code-block:: bash

        salt db2 hamysql_verify.resynchronised
    """
    return resynchronise.standby(run, _site())


@storage_lock.held("reconnect")
def reconnect() -> bool:
    """
    Connect the replica again where ``resynchronised`` was cut off in its middle.

    Returns whether there was anything to do. A replica that was disconnected by anybody else stays.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_verify.reconnect
    """
    return resynchronise.reconnect(run, _site())


def wanted() -> bool:
    """
    Whether the pillar wants replicas to be compared by the clock: for the states.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_verify.wanted
    """
    config = __salt__["hamysql.config"]()
    return backends.used(config).replicates and bool(config["storage"]["drbd"]["verify"]["every"])


def present() -> bool:
    """
    Whether this node has the timer's file: for the states, which take it away when the pillar names no interval any more.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_verify.present
    """
    return job.FILE.exists()


def unit() -> Unit:
    """
    What the timer's job has to know of this minion: ``{"python": program, "path": folder of the modules, "task": JSON}``.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_verify.unit
    """
    return timers.unit(site.task(__salt__["hamysql.config"]()), __opts__["extension_modules"])
