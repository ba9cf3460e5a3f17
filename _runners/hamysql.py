"""
What looks at more than one node of a cluster: its state, the plan for its storage, and an orchestration's progress.

Every function takes ``cluster``, the cluster's name, which may be left out when the master's minions form only one.
"""

from __future__ import annotations

import time

from hamysql import change, progress
from hamysql import plan as planner
from hamysql.master import TAG, Master


def members(cluster=None):
    """
    The nodes of a cluster and their minion ids, from the pillars of the accepted minions: ``{node: minion id}``.

    CLI Example:

    .. code-block:: bash

        salt-run hamysql.members
        salt-run hamysql.members cluster=galaxy-db
    """
    return dict(Master(__opts__).members(cluster).minions)


def status(cluster=None):
    """
    What runs where, and what is pending: ``{node: {"cluster": {...}, "drbd": {...}, "database": bool, "pending": [sentence]}}``.

    CLI Example:

    .. code-block:: bash

        salt-run hamysql.status
    """
    surveys = survey(cluster)
    return {
        node: {
            "cluster": seen["cluster"],
            "drbd": seen["storage"]["status"],
            "database": seen["database"],
            "pending": [str(item) for item in change.from_dicts(seen["pending"])],
        }
        for node, seen in surveys.items()
    }


def survey(cluster=None):
    """
    Everything that each member sees of itself: ``{node: {...}}``, see ``hamysql_node.survey``.

    CLI Example:

    .. code-block:: bash

        salt-run hamysql.survey
    """
    return Master(__opts__).members(cluster).ask("hamysql_node.survey")


def plan(cluster=None):
    """
    The steps that are left until the storage can be handed to pacemaker, as sentences; an empty list when it is.

    Fails with the evidence when the storage is left alone.

    CLI Example:

    .. code-block:: bash

        salt-run hamysql.plan
    """
    steps = planner.storage(*planner.from_surveys(survey(cluster)))
    return [str(step) for step in steps]


def follow(cluster=None, timeout=3600):
    """
    Print an orchestration's progress, line by line, until it ends. Start it before the orchestration, in any terminal.

    cluster
        Only this cluster's; all clusters' by default.
    timeout
        Seconds without any news after which to give up, 3600 by default.

    CLI Example:

    .. code-block:: bash

        salt-run hamysql.follow
    """
    import salt.utils.event

    tag = f"{TAG}/{cluster or ''}"
    deadline = time.monotonic() + timeout
    with salt.utils.event.get_master_event(__opts__, __opts__["sock_dir"], listen=True) as bus:
        while time.monotonic() < deadline:
            event = bus.get_event(wait=5, tag=tag, auto_reconnect=True)
            if event is None:
                continue
            print(progress.line(event), flush=True)
            if event.get("state") in progress.LAST:
                return event["state"] == "finished"
            deadline = time.monotonic() + timeout
    return False
