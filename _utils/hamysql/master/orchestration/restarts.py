"""The phase "changes": what waits for a restart gets it, one node after the other, as :mod:`hamysql.master.rolling` decides."""

from __future__ import annotations

from collections.abc import Sequence

from hamysql.errors import NotReady, SaltError
from hamysql.master import health, rolling
from hamysql.master.deployment import Deployment
from hamysql.master.phases import Outcome
from hamysql.master.rolling import Restart


def roll(deployment: Deployment, timeout: float) -> Outcome:
    """Restart what has to be restarted.

    timeout
        Seconds for a node to be back and synchronised.

    Raises ``NotReady`` with what is left and why, unless the cluster is whole before each step and no manual intervention is in
    effect. The error's ``changes`` are the steps that were made before.
    """
    if deployment.changed and not deployment.test:
        deployment.look_again()
    steps = rolling.steps(deployment.survey())
    if deployment.test:
        return {"changes": [str(step) for step in steps]} if steps else {}, f"{len(steps)} steps planned"
    if steps:  # pacemaker may be at work still: on the phase before, or on what a run that was cut off has left
        first = next(iter(deployment.members.minions))
        deployment.members.ask("hamysql_rolling.settle", [first])
        deployment.look_again()
        steps = rolling.steps(deployment.survey())
    done = _perform(deployment, steps, timeout)
    return ({"changes": done} if done else {}), "; ".join(done) or "nothing waits for a restart"


def _perform(deployment: Deployment, steps: Sequence[Restart], timeout: float) -> list[str]:
    """Perform the first of the steps and plan again, until none is left; returns what was done, as sentences."""
    names = list(deployment.members.minions)
    done: list[str] = []
    try:
        for _ in range(2 * len(names)):
            if not steps:
                return done
            drift = deployment.members.ask("hamysql_cib.interventions", names[:1])
            if obstacles := rolling.obstacles(deployment.survey(), drift[names[0]]):
                raise NotReady(rolling.unfinished(steps, obstacles))
            deployment.say("step", "changes", str(steps[0]))
            _restart(deployment, steps[0], timeout)
            done.append(str(steps[0]))
            deployment.look_again()
            steps = rolling.steps(deployment.survey())
        if steps:
            raise NotReady(rolling.unfinished(steps, ["it is still pending after a restart"]))
    except SaltError as exc:
        exc.changes = {"changes": done} if done else {}
        raise
    return done


def _restart(deployment: Deployment, step: Restart, timeout: float) -> None:
    """Perform one step, and wait until the cluster is whole again."""
    if step.action == rolling.SWITCH_OVER:
        deployment.members.ask("hamysql_rolling.check_options", [step.node])
        # On the node that serves: its server is flushed first.
        on = health.serving(deployment.survey())[:1] or [step.node]
        deployment.members.ask("hamysql_cib.move", on, node=step.node)
    else:
        deployment.members.ask("hamysql_rolling.restart", [step.node])
    names = list(deployment.members.minions)
    deployment.members.ask("hamysql_rolling.wait_whole", [step.node], nodes=names, timeout=timeout)
