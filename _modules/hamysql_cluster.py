"""
Corosync and pacemaker on one node: what they say, and the verbs that start and stop them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hamysql.cib import status as cib_status
from hamysql.corosync import membership
from hamysql.errors import CommandFailed
from hamysql.system import shells, wait
from hamysql.system.command import exists, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hamysql.survey import Cluster

__virtualname__ = "hamysql_cluster"

UNITS = ("corosync", "pacemaker")

# crm_exit_t of pacemaker for no connection to the cluster: its socket refuses (102), or has never been there (105)
_NOT_RUNNING = (102, 105)
_STOPPED: Cluster = {
    "running": False,
    "dc": None,
    "quorum": False,
    "maintenance": False,
    "nodes": {},
    "resources": [],
    "failures": [],
    "fencing": [],
    "shell": "",
}


def __virtual__() -> str:
    return __virtualname__


def status() -> Cluster:
    """
    The state of the cluster as pacemaker on this node sees it.

    Returns ``{"running": bool, "dc": node or None, "quorum": bool, "maintenance": bool, "nodes": {name: {"online", "standby",
    "maintenance", "pending", "unclean", "shutdown": bool, ...}}, "resources": [{"id", "role", "node" or None, "parent",
    "agent", "managed", "blocked", "failed"}], "failures": [{"action", "node", "status", "reason", "when"}], "fencing":
    [{"target", "action", "status", "client", "completed", "reason"}], "shell": "crm", "pcs", or "" where this node has neither}``;
    ``running`` is False and all but "shell" empty where pacemaker on this node is not
    installed, does not run, or is not connected to it yet.

    CLI Example:

    .. code-block:: bash

        salt '*' hamysql_cluster.status
    """
    shell = shells.installed()
    stopped: Cluster = {**_STOPPED, "shell": shell}
    if not exists("crm_mon"):
        return stopped
    result = run(["crm_mon", "--one-shot", "--output-as=xml"], accept=(0, *_NOT_RUNNING))
    if result.returncode in _NOT_RUNNING:
        return stopped
    cluster = cib_status.parse(result.stdout)
    return cluster.as_dict(shell) if cluster else stopped


def start(timeout: float = 120) -> bool:
    """
    Start corosync and pacemaker on this node. It does not wait for a controller (see ``hamysql_cluster.status``).

    timeout
        Seconds for systemd to start them, 120 by default.

    Returns True if one of them did not run before, False otherwise. Raises ``CommandFailed`` if a unit does not start, with the
    last that it, or sbd, which pacemaker needs where it is set up, has said.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_cluster.start
    """
    if all(state == "active" for state in _states()):
        return False
    try:
        run(["systemctl", "start", *UNITS], timeout=timeout)
    except CommandFailed as exc:
        raise CommandFailed(exc.argv, exc.returncode, f"{exc.output.strip()}{_last_words()}") from exc
    return True


def _last_words() -> str:
    """What the units have said that failed; systemctl only says where to look for it."""
    said = ""
    for unit in ("sbd", *UNITS):
        if run(["systemctl", "is-failed", unit], accept=range(256)).stdout.strip() == "failed":
            lines = run(["journalctl", "--unit", unit, "--lines=5", "--output=cat", "--no-pager"], accept=range(256))
            said += f"\n{unit}: " + f"\n{unit}: ".join(lines.stdout.strip().splitlines())
    return said


def stop(timeout: float = 900) -> bool:
    """
    Stop pacemaker and corosync on this node: its resources stop, and run on the other node if that is a member.

    timeout
        Seconds for all resources to stop, 900 by default.

    Returns True if one of them ran before, False otherwise. Raises ``CommandFailed`` if a unit does not stop.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_cluster.stop
    """
    if all(state in {"inactive", "failed", "unknown"} for state in _states()):
        return False
    run(["systemctl", "stop", *reversed(UNITS)], timeout=timeout)
    return True


def wait_online(nodes: Sequence[str], timeout: float = 180) -> Cluster:
    """
    Wait until the cluster has elected a controller and every one of ``nodes`` is online, as this node sees it.

    nodes
        Names of nodes, a list.
    timeout
        Seconds, 180 by default.

    Returns the status (see ``status``). Raises ``NotReady`` with what was seen last.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_cluster.wait_online '[db1, db2]'
    """

    def online(seen: Cluster) -> bool:
        return bool(seen["dc"]) and not cib_status.absent(seen, nodes)

    def describe(seen: Cluster) -> str:
        if not seen["running"]:
            return "pacemaker does not run here"
        found = [node for node, state in seen["nodes"].items() if state["online"]]
        return f"{', '.join(found) or 'nobody'} online, controller {seen['dc'] or 'not elected'}"

    what = f"{', '.join(nodes)} are online and have elected a controller"
    return wait.until(status, online, what, timeout=timeout, interval=4, describe=describe)


def corosync() -> membership.Seen:
    """
    The membership as corosync on this node sees it.

    Returns ``{"running": bool, "quorate": bool, "node_id": int or None, "members": [node ids], "expected_votes": int,
    "total_votes": int, "needed_votes": int, "flags": [...], "links": [{"node_id", "link", "connected": bool}]}``. The links are
    those of knet to other nodes; other transports report none.

    CLI Example:

    .. code-block:: bash

        salt '*' hamysql_cluster.corosync
    """
    if _states()[0] != "active":
        return membership.seen(None)
    # corosync-quorumtool ends with 2 where the node is not quorate, as corosync-quorumtool(8) says
    quorum = membership.parse_quorum(run(["corosync-quorumtool", "-s", "-i"], accept=(0, 2)).stdout)
    links = membership.parse_links(run(["corosync-cmapctl", "-m", "stats"]).stdout)
    return membership.seen(quorum, links)


def _states() -> list[str]:
    """What `systemctl is-active` prints for each unit; it ends with 3 or 4 where one is not active."""
    return run(["systemctl", "is-active", *UNITS], accept=(0, 3, 4)).stdout.split()
