"""The first three phases: the members may be touched, have what a node needs, and have storage."""

from __future__ import annotations

from hamysql.master import deployment as deployments
from hamysql.master import phases
from hamysql.master.deployment import Deployment
from hamysql.master.phases import Outcome


def check(deployment: Deployment) -> Outcome:
    """The phase "members": see that nothing forbids the deployment. Raises ``Refused`` with all that does."""
    deployments.synchronise(deployment)
    deployments.same_code(deployment)
    changes = deployments.same_link(deployment, "members")
    found = phases.check(deployment, deployment.survey(), lambda: deployments.storage_plan(deployment))
    for warning in deployments.warnings(deployment):
        deployment.say("step", "members", f"WARNING: {warning}")
    names = ", ".join(deployment.members.minions)
    said = f"{names} answer, their pillar is valid, their storage is blank or ours, and they are fit for each other"
    return changes, said + found


def configure(deployment: Deployment) -> Outcome:
    """The phase "nodes": a highstate of all members, then what both have to take over at the same moment."""
    changes = deployments.apply(deployment, "hamysql")
    deployments.apply_together(deployment, changes)
    return changes, deployments.counted(changes, "changes")


def initialise_storage(deployment: Deployment) -> Outcome:
    """The phase "storage": perform the storage's plan until nothing is left of it."""
    if deployment.test:
        steps = deployments.storage_plan(deployment)
        return {"storage": [str(step) for step in steps]} if steps else {}, f"{len(steps)} steps planned"
    done = phases.perform(deployment, "storage", lambda: deployments.storage_plan(deployment))
    return ({"storage": done} if done else {}), deployments.counted({"storage": done}, "steps")
