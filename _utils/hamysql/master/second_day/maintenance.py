"""The operation "maintenance": a node is drained, and later taken back. It may be off meanwhile; the other one serves."""

from __future__ import annotations

import time
from typing import TypedDict

from hamysql.errors import Refused
from hamysql.master import health
from hamysql.master.deployment import Deployment
from hamysql.master.phases import Outcome
from hamysql.master.second_day import gap, handover

EXAMPLE = "salt-run state.orchestrate hamysql.orch.maintenance"
DRAIN, RETURN = "hamysql_drain", "hamysql_return"


class State(TypedDict):
    """What ``hamysql_maintenance.state`` says."""

    since: dict[str, str]
    others: list[str]


def check_drain(deployment: Deployment, drain: str | None) -> Outcome:
    """The phase "checked" of a drain: the other node can serve alone."""
    handover.prepare(deployment)
    node = handover.named(deployment, drain, DRAIN, EXAMPLE)
    marked = since(deployment)
    if others := [name for name in marked if name != node]:
        raise Refused(
            f"{others[0]} is in maintenance since {marked[others[0]]}: take it back first, or nobody would be left"
        )
    if node in marked and health.active(deployment.survey()) not in (None, node):
        return {}, f"{node} is in maintenance since {marked[node]}, and {health.active(deployment.survey())} serves"
    handover.whole(deployment, moves=health.active(deployment.survey()) == node)
    return {}, f"the cluster is whole, and {health.active(deployment.survey())} serves"


def drain(deployment: Deployment, drained: str | None, timeout: float) -> Outcome:
    """The phase "drained": the service moves where it has to, and the node goes into standby, with a mark.

    timeout
        Seconds for the service to move, and for the node to stop what it runs, each.
    """
    node = handover.named(deployment, drained, DRAIN, EXAMPLE)
    (peer,) = (name for name in deployment.members.minions if name != node)
    serving = health.active(deployment.survey())
    entries = [f"~ the service moves from {node} to {peer}"] if serving == node else []
    marked = node in since(deployment)
    entries += [] if marked else [f"~ {node} goes into standby, marked as in maintenance"]
    if deployment.test:
        return ({"maintenance": entries} if entries else {}), "; ".join(entries) or "nothing is left to do"
    done, found = set_aside(deployment, node, "drained", timeout)
    said = "; ".join([*(done or [f"{node} was drained already"]), str(found)])
    deployment.say("finished", "drained", said)
    return ({"maintenance": done} if done else {}), said


def set_aside(deployment: Deployment, node: str, phase: str, timeout: float) -> tuple[list[str], gap.Measured]:
    """Have the service leave a node, and the node go into standby; returns what was done, as sentences, and the gap.

    timeout
        Seconds for the service to move, and for the node to stop what it runs, each.
    """
    (peer,) = (name for name in deployment.members.minions if name != node)
    marked = node in since(deployment)
    done = []
    with gap.measured(deployment, phase, handover.FROM_BEGIN_TO_END) as found:
        if health.active(deployment.survey()) == node:
            done.append(handover.relocate(deployment, node, peer, phase, timeout))
        deployment.say("step", phase, f"{node} goes into standby")
        when = deployment.members.ask("hamysql_maintenance.begin", [peer], node=node, timeout=timeout)[peer]
    done += [] if marked else [f"{node} is in maintenance since {when}, and {peer} serves alone"]
    deployment.look_again()
    return done, found


def check_return(deployment: Deployment, returned: str | None) -> Outcome:
    """The phase "checked" of a return: the node answers, one node serves, and nothing else keeps the service from it."""
    handover.prepare(deployment)
    node = handover.named(deployment, returned, RETURN, EXAMPLE)
    reasons = list(_state(deployment)["others"])
    serving = health.active(deployment.survey())
    if serving is None:
        reasons.append("there is not exactly one node whose database answers")
    if reasons:
        raise Refused("\n".join([f"{node} is not taken back while this is so:", *(f"  - {item}" for item in reasons)]))
    return {}, f"{node} answers, and {serving} serves"


def take_back(deployment: Deployment, returned: str | None, timeout: float) -> Outcome:
    """The phase "returned": the cluster runs on the node, its standby ends, and it is waited for until it is synchronised.

    timeout
        Seconds for the node to be synchronised.
    """
    node = handover.named(deployment, returned, RETURN, EXAMPLE)
    marked = since(deployment)
    runs = deployment.survey()[node]["cluster"]["running"]
    entries = [] if runs else [f"~ corosync and pacemaker start on {node}"]
    entries += [f"~ the standby of {node} ends, since {marked[node]}"] if node in marked else []
    if deployment.test:
        return ({"maintenance": entries} if entries else {}), "; ".join(entries) or "nothing is left to do"
    began = time.monotonic()
    changes, found = bring_back(deployment, node, "returned", timeout)
    what = changes[0] if changes else f"{node} was not in maintenance"
    said = f"{what}; the cluster is whole after {time.monotonic() - began:.0f} s; {found}"
    deployment.say("finished", "returned", said)
    return ({"maintenance": changes} if changes else {}), said


def bring_back(deployment: Deployment, node: str, phase: str, timeout: float) -> tuple[list[str], gap.Measured]:
    """Have the cluster run on a node, end its standby and wait until the cluster is whole; returns what was done, and the gap.

    timeout
        Seconds for the node to be synchronised.
    """
    names = list(deployment.members.minions)
    (peer,) = (name for name in names if name != node)
    marked = since(deployment)
    with gap.measured(deployment, phase, handover.FROM_BEGIN_TO_END) as found:
        if not deployment.survey()[node]["cluster"]["running"]:
            deployment.say("step", phase, f"corosync and pacemaker start on {node}")
            deployment.members.ask("hamysql_cluster.start", [node])
            deployment.members.ask("hamysql_cluster.wait_online", [node], nodes=names, timeout=timeout)
        was = deployment.members.ask("hamysql_maintenance.end", [peer], node=node)[peer]
        deployment.say("step", phase, f"{node} is a member again, and is synchronised")
        deployment.members.ask("hamysql_rolling.wait_whole", [peer], nodes=names, timeout=timeout)
    deployment.look_again()
    handover.whole(deployment)
    done = [f"{node} was taken back, from maintenance since {marked[node]}"] if was and node in marked else []
    return done, found


def refused(deployment: Deployment) -> Outcome:
    """Neither was asked for, or both."""
    names = list(deployment.members.minions)
    raise Refused(
        f'say which node, and whether it is taken out or taken back: {EXAMPLE} pillar=\'{{"{DRAIN}": "{names[-1]}"}}\', or '
        f'"{RETURN}" instead'
    )


def since(deployment: Deployment) -> dict[str, str]:
    """The nodes in maintenance, and since when."""
    return _state(deployment)["since"]


def _state(deployment: Deployment) -> State:
    """Who is in maintenance, as a member tells whose pacemaker runs."""
    surveys = deployment.survey()
    running = [node for node, survey in surveys.items() if survey["cluster"]["running"]]
    if not running:
        raise Refused("pacemaker runs on no node: start the cluster, `salt-run state.orchestrate hamysql.orch`")
    asked = health.active(surveys)
    first = asked if asked in running else running[0]
    found: State = deployment.members.ask("hamysql_maintenance.state", [str(first)])[str(first)]
    return found
