"""
The phases that move a cluster's data to another kind of storage, as states of an orchestration; they run on the master.

``salt-run state.orchestrate hamysql.orch.migrate_storage`` applies them, and then those of the deployment (:mod:`hamysql_orch`).
Killed at any moment and run again, it gets to its end. Until the first node is switched, a run that was cut off has changed nothing
that is in use, and its copy is begun anew; from then on there is only forward.

Arguments of every function: ``name``, an id, and ``cluster``, the name of the cluster, which may be left out when the
master's minions form only one.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hamysql.errors import HamysqlError, NotReady, Refused
from hamysql.master import deployment as deployments
from hamysql.master import health, migration, phases
from hamysql.master.members import NoAnswer
from hamysql.master.migration import State
from hamysql.storage import backends

if TYPE_CHECKING:
    from typing import Any

    from injected import __context__, __opts__

    from hamysql.master.deployment import Deployment
    from hamysql.storage.steps import Step

__virtualname__ = "hamysql_migration"

# What the new storage needs on a node. Nothing of it takes anything away that the old one needs.
PREPARE = ("hamysql.repo", "hamysql.package", "hamysql.fencing", "hamysql.storage", "hamysql.storage.migrate")
# The rules for DRBD's port go with it: they come before it, and leave after it, with the phase "nodes".
FOR_DRBD = ("hamysql.firewall",)
ENOUGH = 20  # seconds: when a pass of the copy takes no longer, the last one will not either
PASSES = 4


def __virtual__() -> str | tuple[bool, str]:
    if __opts__.get("__role") != "master":
        return (
            False,
            "hamysql_migration's states run on the master: salt-run state.orchestrate hamysql.orch.migrate_storage",
        )
    return __virtualname__


def _phase(name: str, phase: str, cluster: str | None, body: phases.Body) -> dict[str, Any]:
    return phases.run(__opts__, __context__, name, phase, cluster, body, kind="migration")


def _found(deployment: Deployment) -> dict[str, migration.Standing]:
    """How far each node is; asked each time, since a step changes it."""
    return migration.standings(deployment.members.ask("hamysql_migration.survey"))


def _plan(deployment: Deployment) -> tuple[Step, ...]:
    """The new storage's steps, from what all members say now."""
    return backends.steps(migration.prospective(deployment.survey(), _found(deployment)), deployment.jid)


def checked(name: str, cluster: str | None = None) -> dict[str, Any]:
    """
    The cluster is whole and serves from another kind of storage than the pillar names now, and the new storage is blank or ours.

    Where an earlier run has stopped the service and was cut off before the switch, it is started again on the old storage first.
    """

    def body(deployment: Deployment) -> tuple[dict[str, Any], str]:
        deployments.synchronise(deployment)
        deployments.same_code(deployment)
        changes = deployments.same_link(deployment, "checked")
        found = _found(deployment)
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
                changes |= {
                    "service": ["~ the service, stopped by an earlier run, is started again on the old storage"]
                }
                return changes, "the rest is planned when it runs: run this without test=True, or give the move up"
            deployment.say(
                "step", "checked", "an earlier run was cut off: the service is started again on the old storage"
            )
            _start(deployment)
            deployment.members.ask("hamysql_mysql.wait_answering", timeout=600)
            deployment.look_again()
            found = _found(deployment)
            changes |= {"service": ["started again on the old storage"]}
        surveys = deployment.survey()
        evidence = migration.obstacles(surveys, found)
        old = next((one.old.backend for one in found.values() if one.old), "none")
        if evidence:
            evidence = ["\n".join(["the data stays where it is:", *(f"  - {reason}" for reason in evidence)])]
        settled = migration.settled_surveys(surveys)
        said = phases.check(deployment, settled, lambda: _to_copy(deployment), evidence)
        _try_resources(deployment)
        return changes, f"from {old} to {backend}: the cluster is whole, and the new storage is blank or ours{said}"

    return _phase(name, "checked", cluster, body)


def _try_resources(deployment: Deployment) -> None:
    """Raise where pacemaker would not take the new configuration, or something of somebody else's stands against it: in time."""
    deployment.members.ask("hamysql_cib.preview", health.controllers(deployment.survey())[:1], at_rest=True)


def _to_copy(deployment: Deployment) -> tuple[Step, ...]:
    """The steps that are left before the copy; raises ``Refused`` where another node than the one that serves was chosen."""
    active = health.active(deployment.survey())
    if active is None:  # it is told by itself
        return ()
    steps = _plan(deployment)
    node = migration.copier(steps)
    if node not in (None, active):
        raise Refused(migration.moved(active, node))
    return migration.before_copy(steps)


def _open(deployment: Deployment) -> bool:
    """Whether the data is on the old storage."""
    return migration.state(_found(deployment)) is State.OPEN


NOTHING = "nothing to do: the data is not on the old storage any more"


def prepared(name: str, cluster: str | None = None) -> dict[str, Any]:
    """
    The new storage is made beside the old one, up to where a new cluster would get its first database.
    """

    def body(deployment: Deployment) -> tuple[dict[str, Any], str]:
        if not _open(deployment):
            return {}, NOTHING
        if deployment.test and not health.active(deployment.survey()):
            return {}, "planned when the service runs again"
        backend, active = backends.backend(deployment.survey()), _active(deployment)
        mods = ",".join([*PREPARE, *(FOR_DRBD if backend == "drbd" else ())])
        changes = {}
        if not deployment.test:
            others = [node for node in deployment.members.minions if node != active]
            begun = deployment.members.ask("hamysql_migration.begin", [active], seed=True)
            begun |= deployment.members.ask("hamysql_migration.begin", others)
            changes = {"migration": [f"begun on {node}" for node, value in begun.items() if value]}
            deployment.look_again()
        moving = {"hamysql_migration": backend}
        changes |= deployments.apply(deployment, mods, pillar=moving)
        if deployment.test:
            steps = _to_copy(deployment)
            changes["storage"] = [str(step) for step in steps]
            return {key: value for key, value in changes.items() if value}, f"{len(steps)} steps planned"
        deployment.look_again()
        done = phases.perform(deployment, "prepared", lambda: _to_copy(deployment))
        changes["storage"] = done
        changes = {key: value for key, value in changes.items() if value}
        return changes, deployments.counted(changes, "changes")

    return _phase(name, "prepared", cluster, body)


def copied(name: str, cluster: str | None = None, timeout: float = 86400) -> dict[str, Any]:
    """
    The data is copied while the database serves, and again until a pass is short: then the outage is as well.

    timeout
        Seconds for a new DRBD to be synchronised, a day by default.
    """

    def body(deployment: Deployment) -> tuple[dict[str, Any], str]:
        if not _open(deployment):
            return {}, NOTHING
        if deployment.test:
            return {"copy": ["+ the data, while the database serves"]}, "it is copied once, and once more"
        active = _active(deployment)
        said = []
        for _ in range(PASSES):
            done = deployment.members.ask("hamysql_migration.copy", [active])[active]
            said.append(f"{done['read']} of {done['files']} files in {done['seconds']:.0f} s")
            deployment.say("step", "copied", said[-1])
            if done["seconds"] <= ENOUGH:
                break
        if backends.backend(deployment.survey()) == "drbd":
            deployment.say("step", "copied", "waiting for both replicas of the new storage")
            deployment.members.ask("hamysql_migration.wait_synchronised", [active], timeout=timeout)
        return {"copy": said}, said[-1]

    return _phase(name, "copied", cluster, body)


def _active(deployment: Deployment) -> str:
    active = health.active(deployment.survey())
    if active is None:
        raise NotReady("there is not exactly one node whose database answers: run this again when there is")
    return active


def switched(name: str, cluster: str | None = None, timeout: float = 900) -> dict[str, Any]:
    """
    The service stops, what has changed since is copied, both nodes' latches are switched, and it starts on the new storage.

    Where anything fails before the latches are switched, it is started again on the old storage.

    timeout
        Seconds for the service to stop, and to answer, 900 by default.
    """

    def body(deployment: Deployment) -> tuple[dict[str, Any], str]:
        found = _found(deployment)
        state = migration.state(found)
        if state is State.DONE:
            return {}, NOTHING
        if deployment.test:
            return _planned_switch(deployment, state)
        stopped: float | None = None
        done: list[str] = []
        if state is State.OPEN:
            stopped, done = _hand_over(deployment, timeout)
        elif reasons := migration.overtaken(deployment.survey(), found):
            raise Refused("\n".join(reasons))
        try:
            deployment.say("step", "switched", "the latches are switched: from here on there is only forward")
            switched_now = deployment.members.ask("hamysql_migration.switch")
            done += [f"switched on {node}" for node, value in switched_now.items() if value]
            if backends.backend(deployment.survey()) == "drbd":  # it was told to do without its peer (relax)
                deployment.members.ask("hamysql_fencing.restore")
            changes = phases.apply_resources(deployment, health.controllers(deployment.survey())[0])
            if _start(deployment):
                done.append("the service started")
            deployment.members.ask("hamysql_mysql.wait_answering", timeout=timeout)
            answered = time.monotonic()
            ended = deployment.members.ask("hamysql_migration.finish")
        except HamysqlError as exc:
            failed = HamysqlError(
                f"{exc}\nThe data is on the new storage from here on: run this again, it goes on where it was"
            )
            failed.changes = {"migration": done} if done else {}
            raise failed from exc
        deployment.look_again()
        done += [f"finished on {node}" for node, value in ended.items() if value]
        said = "the service serves from the new storage"
        if stopped is not None:
            said = f"the service was stopped for {answered - stopped:.0f} s, and serves from the new storage"
        deployment.say("step", "switched", said)
        return {**changes, **({"migration": done} if done else {})}, said

    return _phase(name, "switched", cluster, body)


def _planned_switch(deployment: Deployment, state: State) -> tuple[dict[str, Any], str]:
    """What the switch would do, and to the cluster's configuration as well."""
    entries = ["~ the service stops for the last pass of the copy, and starts on the new storage"]
    if state is not State.OPEN:
        entries = ["~ the service starts on the new storage"]
    controllers = health.controllers(deployment.survey())
    if not controllers:
        return {"switch": entries}, "the cluster does not run: its configuration is compared when it does"
    planned, _ = phases.planned_resources(deployment, controllers[:1], at_rest=True)
    changes = {"switch": entries, **({"resources": planned} if planned else {})}
    return changes, deployments.counted(changes, "changes")


def _hand_over(deployment: Deployment, timeout: float) -> tuple[float, list[str]]:
    """Stop the service, copy the rest, and bring the new storage to where a node can serve from it.

    Returns when it began to stop, and what was done.
    """
    deployment.look_again()  # the copy may have taken hours
    if reasons := migration.obstacles(deployment.survey(), _found(deployment)):
        raise Refused(
            "\n".join(["the service is not stopped while this is so:", *(f"  - {reason}" for reason in reasons)])
        )
    active = _active(deployment)
    _try_resources(deployment)
    try:
        deployment.say("step", "switched", f"the database stops on {active}")
        stopped = time.monotonic()
        deployment.members.ask("hamysql_migration.stop_server", [active], timeout=timeout)
        copied = deployment.members.ask("hamysql_migration.final", [active])[active]
        said = f"the last pass: {copied['read']} of {copied['files']} files in {copied['seconds']:.0f} s"
        deployment.say("step", "switched", said)
        deployment.members.ask("hamysql_migration.stop_service", [active], timeout=timeout)
        deployment.look_again()
        done = phases.perform(deployment, "switched", lambda: deployments.storage_plan(deployment))
        return stopped, [said, *done]
    except BaseException as exc:
        said = _started_again(deployment)
        if not isinstance(exc, HamysqlError):
            raise
        raise HamysqlError(f"{exc}\nNothing was switched: {said}") from exc


def _started_again(deployment: Deployment) -> str:
    """Have the service start on the old storage, by whichever node can; returns how that went, as a sentence."""
    try:
        _start(deployment)
        return "the service is started again on the old storage. Run this again when that is put right"
    except HamysqlError as exc:
        return f"the service is still stopped, and could not be started ({exc}): `salt NODE hamysql_migration.start`"


def _start(deployment: Deployment) -> bool:
    """End what stops the service, through the first node whose pacemaker answers."""
    failed: NoAnswer | None = None
    for node in deployment.members.minions:
        try:
            return bool(deployment.members.ask("hamysql_migration.start", [node])[node])
        except NoAnswer as exc:
            failed = failed or exc
    if failed:
        raise failed
    return False
