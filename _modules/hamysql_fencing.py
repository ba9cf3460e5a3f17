"""
Fencing, from one node: what its devices say, the proof that they work, and what is done when the other node does not come back.
"""

# Long because most of it is documentation: of every function for `salt NODE sys.doc`.

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from hamysql.errors import Refused
from hamysql.fencing import power as fencing_power
from hamysql.fencing import proof, proving
from hamysql.fencing import take_over as fencing_take_over
from hamysql.fencing import unused as fencing_unused
from hamysql.storage import alone, backends
from hamysql.system import kernels, wait
from hamysql.system.command import run

if TYPE_CHECKING:
    from injected import __salt__

    from hamysql.fencing.unused import Unused
    from hamysql.resolved import Resolved

__virtualname__ = "hamysql_fencing"


def __virtual__() -> str:
    return __virtualname__


def _site() -> Resolved:
    return __salt__["hamysql.config"]()


def boot_id() -> str:
    """
    The kernel's own id of this boot, which no two boots share.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_fencing.boot_id
    """
    return kernels.boot_id()


def power(node: str | None = None) -> dict[str, str]:
    """
    What the fence devices of a node say about its power; asked directly, pacemaker is not needed.

    node
        The peer by default.

    Returns ``{device: "on", "off" or "unknown"}``; a device that does not answer knows nothing.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_fencing.power
    """
    site = _site()
    return fencing_power.of(run, site["fencing"], node or site["peer"])


def registered(node: str) -> bool:
    """
    Whether a node is registered with the shared LUN, and so may write to it (``hamysql:storage:shared:reservations``).

    node
        A node's name.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_fencing.registered db2
    """
    return fencing_power.registered(run, _site()["fencing"], node)


def read_key() -> bool:
    """
    Have a multipathd that runs read its configuration again, and with it the key that it registers this node's paths with.

    Returns whether one runs. The I/O over the paths goes on.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_fencing.read_key
    """
    if run(["systemctl", "is-active", "--quiet", "multipathd.service"], accept=range(256)).returncode:
        return False
    run(["multipathd", "reconfigure"])
    return True


def reset() -> bool:
    """
    Start this machine anew at once, without an orderly shutdown: what is left of the cluster on it cannot end, since the LUN
    refuses its writes.

    Raises ``Refused`` while this node may still write to the LUN.

    CLI Example:

    .. code-block:: bash

        salt db2 hamysql_fencing.reset
    """
    if registered(_site()["self"]):
        raise Refused("this node is registered with the LUN: it was not cut off, and is not reset")
    # After this job has answered.
    run(["systemd-run", "--on-active=3", "systemctl", "reboot", "--force", "--force"])
    return True


def prove(node: str, level: int) -> float:
    """
    Fence another node with the devices of one level only, and wait for the devices to have confirmed it.

    node, level
        As in ``hamysql:fencing:devices``. Devices of other levels are switched off meanwhile.

    Returns the seconds that the devices took, without the head start of a favoured node. Raises ``CommandFailed`` with pacemaker's
    reason, and ``NotReady`` with the result if a device does not come back
    into use. ``salt-run hamysql.fence_test`` is what you want: it looks whether the cluster can afford it, and whether the node was
    really cut off.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_fencing.prove db2 1
    """
    site = _site()
    if node == site["self"]:
        raise Refused("a node cannot fence itself")
    return proving.prove(run, site["fencing"], node, int(level))


def mend() -> list[str]:
    """
    Put the fence devices back into use that a fence test has left out of use because it was killed.

    Returns their names, a list. Devices that somebody else has stopped stay stopped. ``hamysql_cib.apply`` does it as well.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_fencing.mend
    """
    return proving.mend(run)


def record(node: str, level: int) -> dict[str, list[proof.Proven]]:
    """
    Write down in the cluster that the devices of a level have cut a node off, now.

    Returns the record (see ``proofs``).

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_fencing.record db2 1
    """
    proof.record(run, _site()["fencing"], node, int(level))
    return proofs()


def proofs() -> dict[str, list[proof.Proven]]:
    """
    What is proven of each node's fence devices: ``{node: [{"level", "devices", "proven": time or None}]}``.

    A record counts as long as the devices are configured as they were then. ``{}`` without fence devices.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_fencing.proofs
    """
    fencing = _site()["fencing"]
    return proof.recorded(run, fencing) if fencing["enabled"] else {}


def evidence() -> fencing_take_over.Evidence:
    """
    What speaks for and against this node serving alone, after an outage of both from which only this one came back.

    Returns ``{"node", "peer", "database": whether it runs here, "members": number of nodes that corosync sees, "votes": {"total",
    "needed"} or {} where it does not run, "power": see power, "initialised": whether this node has ever held the database,
    "backend": the pillar's kind of storage, "elsewhere": the kind that the data is on, where that is another one, or "",
    "flags": what DRBD's metadata remembers, or {}}``. Reservations on a LUN say nothing of a node's power.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_fencing.evidence
    """
    site = _site()
    return alone.evidence(run, site, __salt__["hamysql_cluster.corosync"](), __salt__["hamysql_mysql.active"]())


def take_over(peer_is_off: str | None = None, timeout: float = 180) -> bool:
    """
    Have this node serve alone: declare the other one off, and stop waiting for it.

    peer_is_off
        The other node's name, where no fence device can say that it is off.
    timeout
        Seconds to wait for a controller, 180 by default.

    Returns True. Raises ``Refused`` with everything that speaks against it, and ``NotReady`` where there is no controller or no
    quorum. ``salt-run hamysql.take_over`` is what you want.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_fencing.take_over
    """
    site = _site()
    seen = evidence()
    reasons = backends.alone(seen) + fencing_take_over.unseen(seen, peer_is_off)
    if reasons:
        raise Refused("\n".join(reasons))
    __salt__["hamysql_cluster.start"]()
    alone.wait_controller(__salt__["hamysql_cluster.status"], timeout)
    alone.serve(run, site, __salt__["hamysql_cluster.corosync"], lambda: __salt__["hamysql_quorum.start"]())
    return True


def relax() -> bool:
    """
    Have DRBD's kernel module here do without its peer, and ask nobody, until ``restore``.

    For making the first data: there is no cluster yet that could fence a peer which is lost meanwhile, and no data either that
    anybody could lose; held writes would only hang. And for ``take_over``, when an operator has vouched for the peer.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_fencing.relax
    """
    site = _site()
    backends.used(site).relax(site, run)
    return True


def restore() -> bool:
    """
    Have DRBD's kernel module here do what its configuration file says, where there is DRBD and the resource is up.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_fencing.restore
    """
    site = _site()
    return backends.used(site).restore(site, run)


def unused() -> Unused:
    """
    What fence devices that left the pillar have left on this node: ``{"files": with their secrets, "units": started at boot}``.

    What the cluster's configuration still has is in use: the orchestration takes it out. A poison pill for a node without sbd would
    be reported as successful, although the node runs.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_fencing.unused
    """
    return fencing_unused.unused(run, _site())


def forget() -> list[str]:
    """
    Remove what ``unused`` returns. A highstate does that as well; the orchestration, once it is out of the cluster's configuration.

    Returns what was removed, a list.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_fencing.forget
    """
    found = unused()
    for path in found["files"]:
        Path(path).unlink(missing_ok=True)
    enabled = [unit for unit in found["units"] if __salt__["service.enabled"](unit)]
    for unit in enabled:
        run(["systemctl", "disable", unit])
    return [*found["files"], *(f"{unit}.service at boot" for unit in enabled)]


def wait_recovered(timeout: float = 300) -> bool:
    """
    Wait until both nodes are online and both replicas of DRBD UpToDate, as this node sees it.

    timeout
        Seconds, 300 by default.

    Returns True. Raises ``NotReady`` with what was seen last.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_fencing.wait_recovered
    """
    deadline = time.monotonic() + timeout
    site = _site()
    __salt__["hamysql_cluster.wait_online"](list(site["cluster"]["nodes"]), timeout=timeout)
    storage = backends.used(site)
    wait.until(
        lambda: storage.out_of_step(site, run),
        lambda reason: not reason,
        "both replicas are UpToDate",
        timeout=max(1, deadline - time.monotonic()),
        interval=1,
    )
    return True
