"""The phases "checked", "prepared" and "copied" of a move to another kind of storage, all done while the database serves."""

from __future__ import annotations

from hamysql.errors import NotReady, Refused
from hamysql.master import deployment as deployments
from hamysql.master import health, migration, phases
from hamysql.master.deployment import Deployment
from hamysql.master.highstate import Changes
from hamysql.master.members import NoAnswer
from hamysql.master.migration import Standing, State
from hamysql.master.orchestration import nodes
from hamysql.master.phases import Outcome
from hamysql.storage import backends
from hamysql.storage.steps import Step

# What the new storage needs on a node. Nothing of it takes anything away that the old one needs.
_PREPARE = ("hamysql.repo", "hamysql.package", "hamysql.fencing", "hamysql.storage", "hamysql.storage.migrate")
# The rules for its ports, where nodes reach each other's: they come before it, and leave after it, with the phase "nodes".
_FOR_LINKS = ("hamysql.firewall",)
_ENOUGH = 20  # seconds: when a pass of the copy takes no longer, the last one will not either
_PASSES = 4

NOTHING = "nothing to do: the data is not on the old storage any more"


def standings(deployment: Deployment) -> dict[str, Standing]:
    """How far each node is; asked each time, since a step changes it."""
    return migration.standings(deployment.members.ask("hamysql_migration.survey"))


def check(deployment: Deployment) -> Outcome:
    """See that the move may begin or go on. A service that an earlier run has stopped is started again on the old storage first.

    Raises ``Refused`` with all that forbids it.
    """
    deployments.synchronise(deployment)
    deployments.same_code(deployment)
    changes = deployments.same_link(deployment, "checked")
    found = standings(deployment)
    backend = backends.backend(deployment.survey())
    state = migration.state(found)
    if state is State.DONE:
        said = phases.check(deployment, deployment.survey(), lambda: deployments.storage_plan(deployment))
        return changes, f"the data is on this kind of storage already: {backend}{said}"
    if state is State.SWITCHED:
        if reasons := migration.overtaken(deployment.survey(), found):
            raise Refused("\n".join(reasons))
        deployment.unknown = "planned when the move is finished" if deployment.test else ""
        return changes, f"an earlier run has switched to {backend} and was cut off: it is finished"
    deployment.unknown = "planned when the data has moved" if deployment.test else ""
    if migration.resumable(found):
        if deployment.test:
            changes |= {"service": ["~ the service, stopped by an earlier run, is started again on the old storage"]}
            return changes, "the rest is planned when it runs: run this without test=True, or give the move up"
        deployment.say("step", "checked", "an earlier run was cut off: the service is started again on the old storage")
        start(deployment)
        deployment.members.ask("hamysql_mysql.wait_answering", timeout=600)
        deployment.look_again()
        found = standings(deployment)
        changes |= {"service": ["started again on the old storage"]}
    surveys = deployment.survey()
    evidence = migration.obstacles(surveys, found)
    old = next((one.old.backend for one in found.values() if one.old), "none")
    if evidence:
        evidence = ["\n".join(["the data stays where it is:", *(f"  - {reason}" for reason in evidence)])]
    settled = migration.settled_surveys(surveys)
    said = phases.check(deployment, settled, lambda: _to_copy(deployment), evidence)
    try_resources(deployment)
    return changes, f"from {old} to {backend}: the cluster is whole, and the new storage is blank or ours{said}"


def try_resources(deployment: Deployment) -> None:
    """Raise where pacemaker would not take the new configuration, or something of somebody else's stands against it: in time."""
    controllers = health.controllers(deployment.survey())
    deployment.members.ask("hamysql_cib.preview", controllers[:1], at_rest=True)


def _to_copy(deployment: Deployment) -> tuple[Step, ...]:
    """The steps that are left before the copy; raises ``Refused`` where another node than the one that serves was chosen."""
    active = health.active(deployment.survey())
    if active is None:  # it is told by itself
        return ()
    steps = backends.steps(migration.prospective(deployment.survey(), standings(deployment)), deployment.jid)
    node = migration.copier(steps)
    if node not in (None, active):
        raise Refused(migration.moved(active, node))
    return migration.before_copy(steps)


def prepare(deployment: Deployment) -> Outcome:
    """Make the new storage beside the old one, up to where a new cluster would get its first database."""
    if migration.state(standings(deployment)) is not State.OPEN:
        return {}, NOTHING
    if deployment.test and not health.active(deployment.survey()):
        return {}, "planned when the service runs again"
    backend, active = backends.backend(deployment.survey()), the_active(deployment)
    changes: Changes = {}
    if not deployment.test:
        others = [node for node in deployment.members.minions if node != active]
        begun = deployment.members.ask("hamysql_migration.begin", [active], seed=True)
        begun |= deployment.members.ask("hamysql_migration.begin", others)
        changes = {"migration": [f"begun on {node}" for node, value in begun.items() if value]}
        deployment.look_again()
    mods = ",".join([*_PREPARE, *(_FOR_LINKS if backends.of(deployment.survey()).links else ())])
    changes |= deployments.apply(deployment, mods, pillar={"hamysql_migration": backend})
    if deployment.test:
        steps = _to_copy(deployment)
        changes["storage"] = [str(step) for step in steps]
        return {key: value for key, value in changes.items() if value}, f"{len(steps)} steps planned"
    deployment.look_again()
    changes["storage"] = nodes.perform(deployment, "prepared", lambda: _to_copy(deployment))
    changes = {key: value for key, value in changes.items() if value}
    return changes, deployments.counted(changes, "changes")


def copy(deployment: Deployment, timeout: float) -> Outcome:
    """Copy the data while the database serves, and again until a pass is short.

    timeout
        Seconds for new replicas to be synchronised.
    """
    if migration.state(standings(deployment)) is not State.OPEN:
        return {}, NOTHING
    if deployment.test:
        return {"copy": ["+ the data, while the database serves"]}, "it is copied once, and once more"
    active = the_active(deployment)
    said = []
    for _ in range(_PASSES):
        done = deployment.members.ask("hamysql_migration.copy", [active])[active]
        said.append(f"{done['read']} of {done['files']} files in {done['seconds']:.0f} s")
        deployment.say("step", "copied", said[-1])
        if done["seconds"] <= _ENOUGH:
            break
    if backends.of(deployment.survey()).replicates:
        deployment.say("step", "copied", "waiting for both replicas of the new storage")
        deployment.members.ask("hamysql_migration.wait_synchronised", [active], timeout=timeout)
    return {"copy": said}, said[-1]


def the_active(deployment: Deployment) -> str:
    """The one node that serves. Raises ``NotReady`` where there is none, or more than one."""
    active = health.active(deployment.survey())
    if active is None:
        raise NotReady("there is not exactly one node whose database answers: run this again when there is")
    return active


def start(deployment: Deployment) -> bool:
    """End what stops the service, through the first node whose pacemaker answers; returns whether anything did.

    Raises ``NoAnswer``, the first node's, where none can.
    """
    failed: NoAnswer | None = None
    for node in deployment.members.minions:
        try:
            return bool(deployment.members.ask("hamysql_migration.start", [node])[node])
        except NoAnswer as exc:
            failed = failed or exc
    if failed:
        raise failed
    return False
