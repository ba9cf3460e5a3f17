"""
One node, all at once: what the orchestration and the runner ask every member before they decide anything.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

# Everything else is imported by the function that needs it: a minion may have an older version of the package in memory, whose
# modules are others. There ``survey`` has to work, to say so.
from hamysql import fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from injected import __grains__, __opts__, __pillar__, __salt__

    from hamysql.resolved.cluster import Vip
    from hamysql.survey import Facts, Interface

__virtualname__ = "hamysql_node"

# In whose file systems a node's programs write, beside the data: each may be one of its own.
_FOLDERS = ("/", "/run", "/tmp", "/var", "/var/lib/pacemaker", "/var/log")


def __virtual__() -> str:
    return __virtualname__


def survey() -> dict[str, Any]:
    """
    Everything that this node sees, in one job. Reads only, and works before anything is installed.

    Returns ``{"code": digest of the formula's code here, "pillar": digest of the pillar, "settings": the configuration with
    masked secrets, "storage": see hamysql_storage.survey, "cluster": see hamysql_cluster.status, "database": whether a server
    answers on the local socket, "pending": see hamysql_change.pending, "stale": whether this minion's process has other code
    of the formula in memory than is on its disk, "facts": see hamysql_node.facts}``. With other code in memory that is all: "code",
    "pillar" and "stale". Restart the minion then.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_node.survey
    """
    started = time.time()
    seen: dict[str, Any] = {
        "code": fingerprint.code(__opts__["extension_modules"]),
        "pillar": fingerprint.pillar(__pillar__.get("hamysql")),
        "stale": fingerprint.stale(),
    }
    if seen["stale"]:
        return seen  # the other modules of the formula may not even load
    from hamysql.storage import backends
    from hamysql.storage.latch import Latches
    from hamysql.system.command import run

    cluster = __salt__["hamysql_cluster.status"]()
    seen |= {
        "settings": __salt__["hamysql.settings"](misnamed=True),
        "storage": backends.survey(run, __salt__["hamysql.config"](misnamed=True), Latches()),
        "cluster": cluster,
        "database": __salt__["hamysql_mysql.active"](),
        "pending": __salt__["hamysql_change.pending"](),
        "facts": facts(cluster["running"]),
    }
    seen["facts"]["clock"] = [started, time.time()]
    return seen


def pending() -> dict[str, Any]:
    """
    What is left to do in the running cluster, as far as this node can tell. Reads only.

    Every member looks at the virtual IP, the controller also at the cluster's configuration, and the active node at the
    accounts. Returns ``{"service": "" or a sentence on why the database does not answer, "resources": ids that differ or
    None, "drift": see hamysql_cib.drift, "accounts": names that differ or None}``; None where it is another node's to tell.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_node.pending
    """
    seen = __salt__["hamysql_mysql.ping"]()
    found: dict[str, Any] = {
        "service": "" if seen["answers"] else seen["seen"],
        "resources": None,
        "drift": [],
        "accounts": None,
    }
    if __salt__["hamysql_cluster.status"]()["dc"] == __salt__["hamysql.config"]()["self"]:
        cluster = __salt__["hamysql_cib.preview"]()
        found["resources"] = [change["id"] for change in cluster["changes"]]
        found["drift"] = cluster["drift"]
    if __salt__["hamysql_mysql.active"]():
        found["accounts"] = list(__salt__["hamysql_mysql.pending"]())
    return found


def details() -> dict[str, Any]:
    """
    What the cluster on this node knows beyond its survey, for ``hamysql.status``. Reads only.

    Returns ``{"links": see hamysql_cluster.corosync, "left": see hamysql_cib.interventions, "notes": sentences on what else was put
    over the configuration, and on when the replicas were compared, "history": what pacemaker has done with the service last,
    {"events": [{"when": seconds since 1970, "node", "what": started, stopped or failed, "resource", "action", "reason"}],
    "attributes": {node: {name: value}}}, "proofs": see hamysql_fencing.proofs, "backup": see hamysql_backup.glance, "room":
    [{"folder", "size", "free": bytes}], of the file systems of the system, of logs and of the data}``. Raises ``NotReady`` where
    pacemaker does not run.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_node.details
    """
    from hamysql.cib import drift, history, live
    from hamysql.storage import backends
    from hamysql.system import mounts, shells
    from hamysql.system.command import run

    cib = live.query(run)
    site = __salt__["hamysql.config"](misnamed=True)
    storage = backends.used(site)
    shell = shells.installed()
    left = drift.interventions(cib, shell)
    notes = [sentence for sentence in drift.drift(cib, shell) if sentence not in left]
    return {
        "links": __salt__["hamysql_cluster.corosync"]()["links"],
        "left": list(left),
        "notes": [*notes, *drift.moving(cib), *storage.notes(cib)],
        "history": history.read(cib),
        "proofs": __salt__["hamysql_fencing.proofs"](),
        "backup": __salt__["hamysql_backup.glance"](),
        "room": mounts.room(run, [*_FOLDERS, site["mysql"]["datadir"]]),
    }


def facts(running: bool = False) -> Facts:
    """
    What this machine is, as far as it has to be fit for a cluster. Reads only, and works before anything is installed.

    running
        Whether the cluster runs here; where it does not, it is asked on the network whether anybody has the virtual IP. False by
        default.

    Returns ``{"nodename": what uname -n prints, "system": {"name", "release"}, "clock": [seconds since 1970, the same],
    "interfaces": {name: {"mac", "addresses": [with prefix]}}, "storage": {"reached": {"address:port" from which the data
    comes: whether it answers}}, "packages": {name: version that is installed, or would be}, "unreachable": [addresses of the
    peer that do not answer a ping], "absent": [those of them that provably nobody has: no neighbour answers for them on their
    own network; not asked where the cluster runs], "vip_owner": hardware address that answers for the virtual IP, or "",
    "tls": see hamysql_tls.judge, "foreign": what is there of a cluster that hamysql has not made, or "", "account": [numbers of the
    server's account and its group, where there is one]}``. With DRBD ``storage`` also has "module": {"version": of the loaded one
    or "", "loadable": bool}, with a LUN "initiator": the node's iSCSI name, or "".

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_node.facts
    """
    from hamysql.preflight import foreign, machine
    from hamysql.storage import backends
    from hamysql.system import reach
    from hamysql.system.command import run

    site = __salt__["hamysql.config"](misnamed=True)
    storage = backends.used(site)
    own, peer = (site["cluster"]["nodes"][site[which]]["addresses"] for which in ("self", "peer"))
    found = machine.interfaces(run)
    names = machine.compared(site["package"], storage.compared)
    silent = reach.unreachable(zip(own, peer))
    return {
        "nodename": __grains__["nodename"],
        "system": machine.system(__grains__),
        "clock": [time.time()] * 2,
        "interfaces": found,
        "storage": {"reached": _reached(storage.servers(site)), **storage.facts(site)},
        "packages": machine.versions(names, __salt__, candidates=__grains__["os_family"] == "Debian"),
        "unreachable": silent,
        "absent": [] if running else reach.absent(_neighbours(zip(own, peer), silent, found)),
        "vip_owner": "" if running else _vip_owner(site["vip"], found),
        "tls": __salt__["hamysql_tls.judge"](),
        "foreign": foreign.seen(run, site),
        "account": machine.account(site["mysql"]["user"]),
    }


def spare_foreign(saltenv: str | None = None) -> bool:
    """
    See that no cluster is here that somebody else has made: before any file of hamysql's is written. Each SLS file asks.

    saltenv
        As for ``hamysql.config``.

    Returns True, also while a takeover holds pacemaker, and for its plan (``test=True``). Raises ``Refused`` where there is one,
    and says what it is.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_node.spare_foreign
    """
    from hamysql.errors import Refused
    from hamysql.preflight import foreign
    from hamysql.system.command import run

    site = __salt__["hamysql.config"](saltenv=saltenv)
    if __opts__.get("test") and __pillar__.get("hamysql_adopting"):  # of the job, from hamysql.orch.adopt
        return True
    if there := foreign.seen(run, site, adopting=True):
        raise Refused(f"this node has a cluster that hamysql has not made ({there}), expected {foreign.EXPECTED}")
    return True


def _reached(servers: Sequence[tuple[str, int]]) -> dict[str, bool]:
    """Whether each of them answers."""
    from hamysql.system import reach

    return {f"{host}:{port}": reach.connects(host, port) for host, port in servers}


def _neighbours(
    pairs: Iterable[tuple[str, str]], silent: Sequence[str], interfaces: Mapping[str, Interface]
) -> list[tuple[str, str]]:
    """The silent targets of (own address, target) that are in the network of an interface: (interface, target)."""
    from hamysql.preflight import machine

    places = [(machine.interface_to(target, own, interfaces), target) for own, target in pairs if target in silent]
    return [(interface, target) for interface, target in places if interface]


def _vip_owner(vip: Vip, interfaces: Mapping[str, Interface]) -> str:
    """Who answers for the virtual IP; not asked where the interface is missing, or has the address itself."""
    from hamysql.system import reach

    addresses = interfaces.get(vip["interface"], {"addresses": [vip["address"]]})["addresses"]
    if any(address.partition("/")[0] == vip["address"] for address in addresses):
        return ""
    try:
        return reach.owner(vip["interface"], vip["address"])
    except OSError:
        return ""
