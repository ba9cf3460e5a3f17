"""
What looks at more than one node of a cluster: its state, the plan for its storage, and an orchestration's progress.

Every function takes ``cluster``, the cluster's name, which may be left out when the master's minions form only one.
"""

from __future__ import annotations

import time

from hamysql import operate, progress
from hamysql import plan as planner
from hamysql.master import TAG, Lock, Master


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
    What runs where: ``{node: {"cluster": {...}, "drbd": {...}, "database": bool, "fencing": [...]}}``. ``fencing`` is what
    ``fence_test`` has proven of the devices that cut this node off: ``[{"level", "devices", "proven": time or None}]``.

    CLI Example:

    .. code-block:: bash

        salt-run hamysql.status
    """
    members = Master(__opts__).members(cluster)
    surveys = members.ask("hamysql_node.survey")
    running = [node for node, seen in surveys.items() if seen["cluster"]["running"]] or list(surveys)
    proofs = members.ask("hamysql_fencing.proofs", running[:1])[running[0]]
    return {
        node: {
            "cluster": seen["cluster"],
            "drbd": seen["storage"]["status"],
            "database": seen["database"],
            "fencing": proofs.get(node, []),
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
    surveys = survey(cluster)
    settings = next(iter(surveys.values()))["settings"]
    seen = [planner.Member.from_survey(node, seen["storage"]) for node, seen in surveys.items()]
    steps = planner.storage(seen, settings["cluster"]["name"], settings["storage"]["drbd"]["resource"])
    return [str(step) for step in steps]


def fence_test(confirm=None, node=None, cluster=None, timeout=600):
    """
    Prove that each fence device really cuts its node off, one node after another: **the nodes lose their power**, and the
    service moves once.

    confirm
        The cluster's name, once more.
    node
        Only the devices of this node, those of all nodes by default.
    timeout
        Seconds for a node to come back and be synchronised, 600 by default.

    Refuses unless the cluster is healthy, before each fencing again. Proven is a device when pacemaker has had its success
    and the node has started anew since. Returns ``{node: [{"level", "devices", "proven": time}]}``; ``hamysql.status`` shows it
    from then on, as long as the devices' configuration stays as it is.

    CLI Example:

    .. code-block:: bash

        salt-run hamysql.fence_test confirm=galaxy-db
    """
    master = Master(__opts__)
    members = master.members(cluster)
    Lock(master.opts, members.cluster, "hamysql.fence_test")
    return operate.fence_test(members, confirm, node, timeout, _say)


def take_over(node, confirm=None, peer_is_off=None, cluster=None, timeout=300):
    """
    Have one node serve alone, after an outage of both from which only this one came back.

    A node that has not seen its peer since it started waits for it, since the peer may have newer data. This looks at what
    can be known (the peer's fence device, this node's replica), says what only you can know, and does it when you confirm.

    node
        The node that came back.
    confirm
        The cluster's name. Without it, you are told what to be sure of, and nothing is done.
    peer_is_off
        The other node's name, where no fence device can say that it is off.
    timeout
        Seconds for the database to answer, 300 by default.

    Returns the node's survey afterwards. The other node may be switched on from then on: it joins and is synchronised.

    CLI Example:

    .. code-block:: bash

        salt-run hamysql.take_over db1
        salt-run hamysql.take_over db1 confirm=galaxy-db
    """
    master = Master(__opts__)
    members = master.members(cluster)
    Lock(master.opts, members.cluster, "hamysql.take_over")
    return operate.take_over(members, node, confirm, peer_is_off, timeout, _say)


def _say(text):
    print(text, flush=True)


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
