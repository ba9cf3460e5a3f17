"""
A machine is given back: the verbs of ``hamysql.orch.teardown``, on one node. The data stays where it is.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from hamysql.errors import Refused
from hamysql.records import laid
from hamysql.storage import backends
from hamysql.system.command import run

if TYPE_CHECKING:
    from typing import TypedDict

    from injected import __salt__

    from hamysql.resolved import Resolved

    class Left(TypedDict):
        """What is there still: paths, units that start at boot, and where the data is, in words."""

        paths: list[str]
        units: list[str]
        data: str


__virtualname__ = "hamysql_teardown"

UNITS = ("pacemaker", "corosync", "corosync-qdevice", "sbd")


def __virtual__() -> str:
    return __virtualname__


def _site() -> Resolved:
    return __salt__["hamysql.config"]()


def left() -> Left:
    """
    What hamysql has laid down on this node and is there still, and where the data is.

    Returns ``{"paths": [files and folders], "units": [those that start at boot], "data": words}``.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_teardown.left
    """
    site = _site()
    return {
        "paths": [str(path) for path in (*laid.files(site), *laid.folders())],
        "units": [unit for unit in UNITS if _boots(unit)],
        "data": backends.used(site).kept_text(site),
    }


def _boots(unit: str) -> bool:
    return run(["systemctl", "is-enabled", unit], accept=range(256)).stdout.strip() == "enabled"


def remove() -> list[str]:
    """
    Remove what hamysql has laid down on this node: configuration, keys, agents, units and holds. Packages and data stay.

    Returns what is gone, a list. Raises ``Refused`` while the cluster runs here, or the data is mounted.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_teardown.remove
    """
    site = _site()
    if __salt__["hamysql_cluster.status"]()["running"] or __salt__["hamysql_cluster.corosync"]()["running"]:
        raise Refused("the cluster runs on this node: it is stopped first, `hamysql_cluster.stop`")
    if os.path.ismount(site["storage"]["filesystem"]["directory"]):
        raise Refused(f"{site['storage']['filesystem']['directory']} is mounted on this node: nothing is removed")
    there = left()
    if there["units"]:
        run(["systemctl", "disable", *there["units"]])
    if site["package"]["hold"]:
        __salt__["pkg.unhold"](pkgs=site["package"]["names"])
    for path in laid.files(site):
        if path.name.startswith("hamysql-") and path.suffix in (".service", ".timer"):
            run(["systemctl", "disable", "--now", path.name], accept=range(256))
        path.unlink(missing_ok=True)
    for folder in laid.folders():
        shutil.rmtree(folder)
    run(["systemctl", "daemon-reload"])
    return [*there["paths"], *there["units"]]
