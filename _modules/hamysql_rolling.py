"""
Restarting for a changed setting, one node after the other: the verbs of the orchestration's phase "changes".

Each looks at its node first, waits for nothing but its own end, and can be called by hand and twice.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hamysql.cib import live as cib_live
from hamysql.cib import names as cib_names
from hamysql.errors import Refused
from hamysql.mysql.flavours import registry
from hamysql.storage import backends
from hamysql.system import wait
from hamysql.system.command import run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from injected import __salt__

__virtualname__ = "hamysql_rolling"


def __virtual__() -> str:
    return __virtualname__


def check_options() -> bool:
    """
    Let the database server read its option files, without starting it, and say what it does not accept.

    Returns True. Raises ``Refused`` with the server's words.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_rolling.check_options
    """
    config = __salt__["hamysql.config"]()["mysql"]
    argv = [config["binary"], f"--defaults-file={config['config']}", *registry.of(config).validate]
    result = run(argv, accept=range(256))
    said = registry.of(config).not_taken(result.stderr)
    if result.returncode:
        said = [line.partition("[ERROR] ")[2] for line in result.stderr.splitlines() if "[ERROR]" in line]
    if result.returncode or said:
        raise Refused(
            f"the database would not start with its options: {'; '.join(said) or result.stderr.strip()}. Put them right in "
            "hamysql:mysql:config; the name of an option that belongs to a plugin of the datadir can begin with loose_"
        )
    return True


def restart(timeout: float = 900) -> bool:
    """
    Restart corosync and pacemaker, and with them what they run, such as DRBD, on this node, which must not be the one that serves.

    timeout
        Seconds for stopping and for starting, 900 by default.

    Returns True. Raises ``Refused`` where this node runs the service.

    CLI Example:

    .. code-block:: bash

        salt db2 hamysql_rolling.restart
    """
    site = __salt__["hamysql.config"]()
    here = site["self"]
    resources = __salt__["hamysql_cluster.status"]()["resources"]
    service = {cib_names.SERVICE, cib_names.ADDRESS}
    serving = [item["id"] for item in resources if item["node"] == here and service & {item["id"], item["parent"]}]
    if serving or __salt__["hamysql_mysql.active"]():
        raise Refused(f"{here} runs the service; move it first: `salt {here} hamysql_cib.move {site['peer']}`")
    __salt__["hamysql_cluster.stop"](timeout=timeout)
    __salt__["hamysql_cluster.start"](timeout=timeout)
    if site["quorum"]["device"]:  # its unit requires corosync: it has ended with it, and does not start with it
        __salt__["hamysql_quorum.start"]()
    return True


def wait_whole(nodes: Sequence[str], timeout: float = 900) -> bool:
    """
    Wait until all nodes are online, both replicas of the data are up to date and nothing keeps the service on one node.

    nodes
        Names of nodes, a list.
    timeout
        Seconds, 900 by default: what was written meanwhile is synchronised.

    Returns True. Raises ``NotReady`` with what was seen last.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_rolling.wait_whole '[db1, db2]'
    """
    started = time.monotonic()
    site = __salt__["hamysql.config"]()
    storage = backends.used(site)
    __salt__["hamysql_cluster.wait_online"](nodes=nodes, timeout=timeout)

    def look() -> list[str]:
        reason = storage.out_of_step(site, run)
        return [*([reason] if reason else []), *__salt__["hamysql_cib.interventions"]()]

    wait.until(
        look,
        lambda reasons: not reasons,
        f"{'both replicas are UpToDate and ' if storage.replicates else ''}nothing keeps the service on one node",
        timeout=max(0, timeout - (time.monotonic() - started)),
        interval=2,
        describe="; ".join,
    )
    return True


def settle(timeout: float = 900) -> bool:
    """
    Wait until pacemaker has nothing left to do (``crm_resource --wait``).

    timeout
        Seconds, 900 by default.

    Returns True. Raises ``CommandFailed``.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_rolling.settle
    """
    cib_live.settle(run, timeout)
    return True
