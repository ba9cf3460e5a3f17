"""The first three phases: the members may be touched, have what a node needs, and have storage."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hamysql.errors import NotReady
from hamysql.finding import Machine
from hamysql.master import deployment as deployments
from hamysql.master import phases
from hamysql.master.deployment import Deployment
from hamysql.master.phases import Outcome
from hamysql.storage import backends
from hamysql.storage.steps import Step


def check(deployment: Deployment) -> Outcome:
    """The phase "members": see that nothing forbids the deployment. Raises ``Refused`` with all that does."""
    deployments.synchronise(deployment)
    deployments.same_code(deployment)
    deployments.spare_foreign(deployment)
    changes = deployments.same_link(deployment, "members")
    found = phases.check(deployment, deployment.survey(), lambda: deployments.storage_plan(deployment))
    for warning in deployments.warnings(deployment):
        deployment.say("step", "members", f"WARNING: {warning}")
    names = ", ".join(deployment.members.minions)
    said = f"{names} answer, their pillar is valid, their storage is blank or ours, and they are fit for each other"
    return changes, said + found


def configure(deployment: Deployment) -> Outcome:
    """The phase "nodes": all members keep what there is, then a highstate, then what both have to take over at the same moment."""
    if not deployment.test:
        phases.keep(deployment, "a deployment")
    changes = deployments.apply(deployment, "hamysql")
    deployments.apply_together(deployment, changes)
    if changes and not deployment.test and not _settled(deployment):
        phases.same_versions(deployment)
    return changes, deployments.counted(changes, "changes")


def _settled(deployment: Deployment) -> bool:
    """Whether all members belong to an initialised cluster: whatever their packages are, they work together already."""
    return all(Machine.from_survey(name, survey).settled for name, survey in deployment.survey().items())


def initialise_storage(deployment: Deployment) -> Outcome:
    """The phase "storage": perform the storage's plan until nothing is left of it."""
    if deployment.test:
        steps = deployments.storage_plan(deployment)
        return {"storage": [str(step) for step in steps]} if steps else {}, f"{len(steps)} steps planned"
    done = perform(deployment, "storage", lambda: deployments.storage_plan(deployment))
    return ({"storage": done} if done else {}), deployments.counted({"storage": done}, "steps")


# Two disks to wipe, the rest, and one to see that nothing is left; or a LUN's login, wiping, claim, volume, file system, and that.
_ROUNDS = 8


def perform(deployment: Deployment, phase: str, plan: Callable[[], Sequence[Step]]) -> list[str]:
    """Perform a storage plan's steps, survey all members again, and plan again until nothing is left; returns what was done."""
    steps, done, stale = plan(), [], True  # the survey is that of an earlier phase
    for _ in range(_ROUNDS):
        for step in steps:
            if step.fresh and stale:
                break  # it is decided again, from what the members see now
            deployment.say("step", phase, str(step))
            if step.action == "seed" and deployment.first["fencing"]["enabled"]:
                deployment.members.ask("hamysql_fencing.relax", step.nodes)
            function = backends.of(deployment.survey()).function(step.action)
            returned = deployment.members.ask(function, step.nodes, **step.arguments)
            done += [f"{step.action} on {node}" for node, value in returned.items() if value is True]
            stale = True
        if steps:
            deployment.look_again()
            steps, stale = plan(), False
    if steps:
        raise NotReady(f"the storage does not get ready, this is planned again and again: {steps[0]}")
    return done
