"""
A node is taken out of the service and taken back: the verbs of ``hamysql.orch.maintenance``, on one node, about any node.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hamysql.cib import drift as cib_drift
from hamysql.cib import live as cib_live
from hamysql.cib import maintenance as cib_maintenance
from hamysql.cib import names as cib_names
from hamysql.errors import Refused
from hamysql.system import shells, wait
from hamysql.system.command import run

if TYPE_CHECKING:
    from typing import TypedDict

    from injected import __salt__

    class State(TypedDict):
        """The nodes in maintenance, with since when, and what else an operator has left."""

        since: dict[str, str]
        others: list[str]


__virtualname__ = "hamysql_maintenance"


def __virtual__() -> str:
    return __virtualname__


def state() -> State:
    """
    Who is in maintenance, and what else keeps the service from a node.

    Returns ``{"since": {node: time in UTC}, "others": [sentences]}``. The sentences are those of ``hamysql_cib.interventions``,
    without the maintenance itself and without what DRBD lifts after a resync. Raises ``NotReady`` where pacemaker does not run.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_maintenance.state
    """
    live = cib_live.query(run)
    since = cib_maintenance.since(live)
    ours = {cib_maintenance.sentence(node, when) for node, when in since.items()}
    others = [line for line in cib_drift.interventions(live, shells.installed()) if line not in ours]
    return {"since": since, "others": [line for line in others if not line.startswith("drbd-fence-by-handler-")]}


def begin(node: str, timeout: float = 300) -> str:
    """
    Take a node out of the service: it goes into standby, and stays so when it boots anew. A mark says that hamysql did it.

    node
        The node. It must not run the service.
    timeout
        Seconds for all that it runs to stop, 300 by default.

    Returns since when it is in maintenance. Raises ``Refused`` where the node runs the service or is in standby by somebody else,
    and ``NotReady`` with what runs there still.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_maintenance.begin db2
    """

    def running() -> list[str]:
        found = __salt__["hamysql_cluster.status"]()["resources"]
        return [item["id"] for item in found if item["node"] == node and item["role"] != "Stopped"]

    service = [name for name in running() if name in (cib_names.SERVER, cib_names.ADDRESS)]
    if service:
        raise Refused(
            f"{node} runs the service ({', '.join(service)}): move it first, "
            f"`salt-run state.orchestrate hamysql.orch.maintenance` does both"
        )
    now = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
    cib_live.edit(run, lambda live: cib_maintenance.begun(live, node, now))
    what = f"nothing of the cluster runs on {node}"
    wait.until(running, lambda left: not left, what, timeout=timeout, interval=2, describe=", ".join)
    return cib_maintenance.since(cib_live.query(run))[node]


def end(node: str) -> bool:
    """
    Take a node back: pacemaker may use it again. It does not wait for the node to be synchronised.

    node
        The node.

    Returns whether it was in maintenance. A standby that somebody else has made stays.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_maintenance.end db2
    """
    was = node in cib_maintenance.since(cib_live.query(run))
    cib_live.edit(run, lambda live: cib_maintenance.ended(live, node))
    return was
