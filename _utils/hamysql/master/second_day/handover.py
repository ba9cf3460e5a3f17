"""An operation's common parts: the members are fit for it, and the service goes to a node while writers measure the gap."""

from __future__ import annotations

import time
from contextlib import suppress

from hamysql.errors import Refused, SaltError
from hamysql.master import deployment as deployments
from hamysql.master import health, operations
from hamysql.master.deployment import Deployment
from hamysql.master.phases import Outcome
from hamysql.master.second_day import gap

FROM_BEGIN_TO_END = 3600.0  # seconds: a writer that nobody ends is gone then
SETTLED = 300.0  # seconds for pacemaker to end what it is at


def prepare(deployment: Deployment) -> None:
    """The members answer, and have this formula's modules and their pillar; what an earlier run has left behind goes."""
    deployments.synchronise(deployment)
    deployments.same_code(deployment)


def named(deployment: Deployment, node: str | None, key: str, example: str) -> str:
    """The node that an operator has named. Raises ``Refused`` where that is none of the cluster's."""
    names = list(deployment.members.minions)
    if node in names:
        return str(node)
    serving = " and ".join(health.serving(deployment.survey())) or "no node"
    raise Refused(
        f"no node of this cluster was named ({node or 'none'}): the nodes are {' and '.join(names)}, and {serving} serves. Say "
        f'{example} pillar=\'{{"{key}": "{names[-1]}"}}\''
    )


def whole(deployment: Deployment, moves: bool = True) -> None:
    """Raise ``Refused`` with all that speaks against taking a node out of the service: the cluster could not lose one.

    moves
        Whether the other node serves afterwards: then its copy of the data must not differ. True by default.
    """
    reasons = _against(deployment, moves)
    running = _running(deployment)
    if (
        reasons and running and not deployment.test
    ):  # pacemaker may be at work still, on what a run that was cut off has begun
        with suppress(SaltError):
            deployment.members.ask("hamysql_rolling.settle", running[:1], timeout=SETTLED)
        deployment.look_again()
        reasons = _against(deployment, moves)
    if reasons:
        raise Refused(
            "\n".join(
                [
                    "nothing is moved while this is so:",
                    *(f"  - {reason}" for reason in reasons),
                    "Put that right, and run this again.",
                ]
            )
        )


def _against(deployment: Deployment, moves: bool) -> list[str]:
    reasons = (operations.unhealthy if moves else operations.unsound)(deployment.survey())
    if running := _running(deployment):
        reasons += deployment.members.ask("hamysql_cib.interventions", running[:1])[running[0]]
    return list(dict.fromkeys(reasons))


def _running(deployment: Deployment) -> list[str]:
    """The nodes whose pacemaker runs."""
    return [node for node, survey in deployment.survey().items() if survey["cluster"]["running"]]


def move(deployment: Deployment, node: str, phase: str, timeout: float) -> Outcome:
    """Have ``node`` serve, and wait until the cluster is whole again.

    timeout
        Seconds for the service to be there, and for the cluster to be whole, each.

    Where the node serves already, what a run that was cut off has left behind goes: its constraint, its writers and their table.
    """
    serving = health.active(deployment.survey())
    if deployment.test:
        if serving == node:
            return {}, f"{node} serves already"
        entry = f"~ the service moves from {serving} to {node}; a client on each node measures the write gap"
        return {"service": [entry]}, entry.removeprefix("~ ")
    if serving == node:
        deployment.members.ask("hamysql_cib.move", [node], node=node)
        gap.tidy(deployment)
        return {}, f"{node} serves already: nothing was moved"
    with gap.measured(deployment, phase, FROM_BEGIN_TO_END) as found:
        done = relocate(deployment, str(serving), node, phase, timeout)
    deployment.look_again()
    said = f"{done}; {found}"
    deployment.say("step", phase, said)
    return {"service": [f"moved from {serving} to {node}"]}, said


def relocate(deployment: Deployment, serving: str, node: str, phase: str, timeout: float) -> str:
    """Move the service from the node that serves to another one; returns what was done, as a sentence."""
    names = list(deployment.members.minions)
    deployment.say("step", phase, f"the service moves from {serving} to {node}")
    began = time.monotonic()
    deployment.members.ask("hamysql_cib.move", [serving], node=node, timeout=timeout)
    seconds = time.monotonic() - began
    deployment.members.ask("hamysql_mysql.wait_answering", timeout=timeout)
    deployment.members.ask("hamysql_rolling.wait_whole", [node], nodes=names, timeout=timeout)
    return f"the service moved from {serving} to {node} in {seconds:.0f} s"
