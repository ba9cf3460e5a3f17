"""Whether a pillar is about the cluster that somebody else has built: what cannot be changed in place has to be the same."""

from __future__ import annotations

from collections.abc import Iterator

from hamysql.adoption import cluster as adoption_cluster
from hamysql.adoption.cluster import Cluster
from hamysql.cib import maintenance
from hamysql.cib import names as cib_names
from hamysql.resolved import Resolved
from hamysql.storage import backends
from hamysql.system.command import Run

_NEEDED = (cib_names.SERVER, cib_names.FILE_SYSTEM, cib_names.ADDRESS)
# Parameters of the server's resource, and the pillar's keys of them.
_SERVER = {"datadir": "datadir", "socket": "socket", "pid": "pid_file", "user": "user"}


def lacking(run: Run, site: Resolved, xml: str) -> list[str]:
    """Why the pillar is not about this cluster, or hamysql cannot take it over, as sentences; none where it can.

    xml
        The cluster's configuration.
    """
    cluster = adoption_cluster.read(xml)
    reasons = [*cluster["unclear"], *_nodes(site, xml), *_resources(site, cluster)]
    if cluster["fencing"] and cluster["fences"] and not site["fencing"]["enabled"]:
        reasons.append("the cluster fences its nodes, and the pillar has no fence devices (hamysql:fencing:devices)")
    storage = backends.used(site)
    values = adoption_cluster.values(cluster)
    kind = backends.recognised(values)
    if kind != storage.name:
        reasons.append(f"the data is on storage of the kind {kind or 'none'}, and the pillar names {storage.name}")
        return reasons
    for (resource, name), (key, new) in storage.identity(site, values).items():
        old = values.get((resource, name), new)
        if old.rstrip("/") != str(new).rstrip("/"):
            reasons.append(f"hamysql:{key} is {new} in the pillar, and the cluster has {old}")
    return [*reasons, *storage.unlike(site, storage.written(run, values))]


def _nodes(site: Resolved, xml: str) -> Iterator[str]:
    there, wanted = sorted(maintenance.known(xml)), sorted(site["cluster"]["nodes"])
    if there != wanted:
        yield f"the cluster has the nodes {' and '.join(there)}, and the pillar has {' and '.join(wanted)}"


def _resources(site: Resolved, cluster: Cluster) -> Iterator[str]:
    if missing := [name for name in _NEEDED if name not in cluster["names"]]:
        yield f"the cluster has nothing that would be hamysql's {' and '.join(missing)}"
    agent = cluster["agents"].get(cib_names.SERVER, "")
    if agent and not agent.startswith("ocf:"):
        yield (
            f"the server is started by {agent}: hamysql takes over one that an OCF agent has started. Give the resource such an "
            "agent first, such as ocf:heartbeat:mysql"
        )
    address = cluster["params"].get(cib_names.ADDRESS, {}).get("ip", "")
    if address and address != site["vip"]["address"]:
        yield f"hamysql:vip:address is {site['vip']['address']} in the pillar, and the cluster has {address}"
    given = cluster["params"].get(cib_names.SERVER, {})
    wanted: dict[str, object] = dict(site["mysql"])
    for name, key in _SERVER.items():
        if name in given and given[name].rstrip("/") != str(wanted[key]).rstrip("/"):
            yield f"hamysql:mysql:{key} is {wanted[key]} in the pillar, and the cluster has {given[name]}"


def fencing(site: Resolved, xml: str) -> str:
    """What becomes of the fencing, as a sentence; "" where it stays as it is."""
    cluster = adoption_cluster.read(xml)
    fences = cluster["fencing"] and bool(cluster["fences"])
    if site["fencing"]["enabled"] and not fences:
        names = ", ".join(device["id"] for device in site["fencing"]["devices"])
        return f"nodes are not fenced, and are fenced from then on ({names}): prove the devices with `salt-run hamysql.fence_test`"
    if not site["fencing"]["enabled"]:
        return "WARNING: no node is fenced: when the nodes lose sight of each other, what one of them wrote is lost"
    return ""
