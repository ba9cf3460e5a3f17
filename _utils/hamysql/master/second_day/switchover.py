"""The operation "switchover": the service goes to a node that an operator names."""

from __future__ import annotations

from hamysql.errors import HamysqlError
from hamysql.master import health
from hamysql.master.deployment import Deployment
from hamysql.master.phases import Outcome
from hamysql.master.second_day import handover

EXAMPLE = "salt-run state.orchestrate hamysql.orch.switchover"


def check(deployment: Deployment, to: str | None) -> Outcome:
    """The phase "checked": the cluster is whole, and the node may take over."""
    handover.prepare(deployment)
    node = handover.named(deployment, to, "hamysql_to", EXAMPLE)
    if health.active(deployment.survey()) != node:
        handover.whole(deployment)
    return {}, f"the cluster is whole, and {' and '.join(health.serving(deployment.survey()))} serves"


def move(deployment: Deployment, to: str | None, timeout: float) -> Outcome:
    """The phase "moved"; see :func:`hamysql.master.second_day.handover.move`."""
    node = handover.named(deployment, to, "hamysql_to", EXAMPLE)
    changes, said = handover.move(deployment, node, "moved", timeout)
    if not deployment.test and health.active(deployment.survey()) != node:
        raise HamysqlError(f"the service does not run on {node} any more: look at `salt-run hamysql.status`. {said}")
    # The first one to serve with its series: what that needs of the server's own tables comes at once.
    first = not deployment.test and bool(health.can_take_over(deployment.survey()))
    if first and (ran := deployment.members.ask("hamysql_update.tables", [node])[node]):
        changes, said = {**changes, "database": [f"{ran} on {node}"]}, f"{said}; {ran} has run on {node}"
    deployment.say("finished", "moved", said)
    return changes, said
