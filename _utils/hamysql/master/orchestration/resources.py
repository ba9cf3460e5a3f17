"""The phase "resources": the cluster's configuration has what the pillar says."""

from __future__ import annotations

from hamysql.master import deployment as deployments
from hamysql.master import health, phases, shown
from hamysql.master.deployment import Deployment
from hamysql.master.phases import Outcome
from hamysql.storage.latch import Stage


def manage(deployment: Deployment) -> Outcome:
    """Change the configuration in one go, from one node, or say what would be changed."""
    controllers = health.controllers(deployment.survey())
    if deployment.test and not controllers:
        return _planned_anew(deployment)
    if deployment.nothing_left("resources"):
        drift = dict.fromkeys(line for found in deployment.pending().values() for line in found["drift"])
        return {}, "\n".join(["no changes", *phases.put(list(drift))])
    if deployment.test:
        entries, lines = phases.planned_resources(deployment, controllers[:1])
        return {"resources": entries} if entries else {}, "\n".join(lines)
    phases.keep(deployment, "a deployment", cib_only=True)
    node = controllers[0]
    changes = phases.apply_resources(deployment, node)
    return changes, f"{deployments.counted(changes, 'changes')}, by {node}"


def _planned_anew(deployment: Deployment) -> Outcome:
    """The plan for the configuration of a cluster that does not run."""
    if is_initialised(deployment):
        return {}, "not known: pacemaker runs nowhere, and its configuration is compared when it does"
    entries = shown.whole_cib(deployment.first)
    return {"resources": entries}, deployments.counted({"resources": entries}, "changes, to a cluster that is new")


def is_initialised(deployment: Deployment) -> bool:
    """Whether any member's storage belongs to an initialised cluster."""
    latches = [survey["storage"]["latch"] for survey in deployment.survey().values()]
    return any(latch.get("stage") == Stage.INITIALISED.name for latch in latches)
