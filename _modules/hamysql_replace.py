"""
A node that died for good is replaced: the verbs of ``hamysql.orch.replace_node``, on the node that serves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hamysql.cib import drift as cib_drift
from hamysql.cib import live as cib_live
from hamysql.cib import maintenance as cib_maintenance
from hamysql.corosync import replaced
from hamysql.errors import Refused
from hamysql.fencing import power as fencing_power
from hamysql.system import shells, wait
from hamysql.system.command import run

if TYPE_CHECKING:
    from injected import __salt__

    from hamysql.corosync.replaced import Looked


__virtualname__ = "hamysql_replace"


def __virtual__() -> str:
    return __virtualname__


def look(node: str | None = None) -> Looked:
    """
    What this node knows of a node that died. Reads only.

    node
        The name of the node that died; none by default.

    Returns ``{"noted": {"old", "new", "since"} of a replacement that has begun, or None, "known": names of the nodes in the
    cluster's configuration, "members": corosync's node ids, "registered": whether the dead node may still write to the shared
    LUN, "left": sentences on what keeps the service from a node, without what is about the dead one}``. Raises ``NotReady``
    where pacemaker does not run.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_replace.look db2
    """
    site, live = __salt__["hamysql.config"](), cib_live.query(run)
    noted = replaced.noted()
    reserved = bool(node) and noted is None and bool(site["fencing"]["reservations"])
    later = live if node is None else cib_maintenance.unregistered(_without(live, node), node)
    left = cib_drift.interventions(later, shells.installed())
    return {
        "noted": noted,
        "known": cib_maintenance.known(live),
        "members": __salt__["hamysql_cluster.corosync"]()["members"],
        "registered": reserved and fencing_power.registered(run, site["fencing"], str(node), site["peer"]),
        "left": [line for line in left if not line.startswith("drbd-fence-by-handler-")],
    }


def begin(node: str) -> bool:
    """
    Note that the other node of the pillar takes the place of a dead one. From then on a highstate of this node has corosync and
    the storage take over the new one's name and addresses while they run.

    node
        The name of the node that died.

    Returns True, or False where that was noted. Raises ``Refused`` where that is this node, or one that is online.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_replace.begin db2
    """
    site = __salt__["hamysql.config"]()
    if node == site["self"]:
        raise Refused(f"{node} is this very node, and it runs: nobody takes its place")
    if (there := replaced.noted()) and (there["old"], there["new"]) == (node, site["peer"]):
        return False
    if _online(node):
        raise Refused(f"{node} is online in the cluster: nobody takes its place")
    return replaced.note(node, site["peer"])


def forget(node: str, timeout: float = 60) -> list[str]:
    """
    Have pacemaker forget a dead node: its entry with all attributes, and constraints that people have made about it.

    node
        The name of the node that died.
    timeout
        Seconds for that, 60 by default.

    Returns what went, as words. Raises ``Refused`` unless a replacement of this node has begun here.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_replace.forget db2
    """
    there = replaced.noted()
    if there is None or there["old"] != node:
        raise Refused(f"no replacement of {node} has begun on this node: use `hamysql.orch.replace_node`")
    if _online(node):  # the machine that has taken its place under the same name
        return []
    live = cib_live.query(run)
    gone = []
    if _without(live, node) != live:
        cib_live.edit(run, lambda now: _without(now, node))
        gone.append(f"constraints about {node}")
    if node in cib_maintenance.known(live):
        gone.append(f"node {node}")
    _purge(node, there["new"], timeout)
    return gone


def end() -> bool:
    """
    Take the note of a replacement away, after its end.

    Returns whether there was one.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_replace.end
    """
    return replaced.forget()


def _purge(node: str, new: str, timeout: float) -> None:
    """Have pacemaker forget a node, until all its daemons have.

    crm_node(8) tells each daemon and does not wait: it was seen to end before the controller had read it (2.1.5). A controller that
    still knows another name for an id does not let the new node in ("share the same cluster nodeid").
    """

    def left() -> list[str]:
        run(["crm_node", "--force", "--remove", node], timeout=timeout)
        known = cib_maintenance.known(cib_live.query(run))
        return [*known, *cib_maintenance.listed(run(["crm_node", "--list"]).stdout)]

    wait.until(
        left,
        lambda names: node not in names or node == new,  # the list of nodes has that name
        f"pacemaker has forgotten {node}",
        timeout=timeout,
        describe=lambda names: f"it knows {', '.join(dict.fromkeys(names))}",
    )


def _without(live: str, node: str) -> str:
    return cib_maintenance.without(live, node, node not in __salt__["hamysql.config"]()["cluster"]["nodes"])


def _online(node: str) -> bool:
    return bool(__salt__["hamysql_cluster.status"]()["nodes"].get(node, {}).get("online"))
