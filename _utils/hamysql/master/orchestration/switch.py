"""The phase "switched" of a move to another kind of storage: the service stops on the old one, and starts on the new one."""

from __future__ import annotations

import time

from hamysql.errors import HamysqlError, Refused
from hamysql.master import deployment as deployments
from hamysql.master import health, migration, phases
from hamysql.master.deployment import Deployment
from hamysql.master.migration import State
from hamysql.master.orchestration import move, nodes
from hamysql.master.phases import Outcome
from hamysql.storage import backends


def switch(deployment: Deployment, timeout: float) -> Outcome:
    """Stop the service, copy what has changed since, switch both nodes' latches, and start it.

    timeout
        Seconds for the service to stop, and to answer.

    Raises ``HamysqlError``: where anything fails before the latches are switched, the service is started again on the old storage.
    """
    found = move.standings(deployment)
    state = migration.state(found)
    if state is State.DONE:
        return {}, move.NOTHING
    if deployment.test:
        return _planned(deployment, state)
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
        if backends.of(deployment.survey()).replicates:  # it was told to do without its peer (relax)
            deployment.members.ask("hamysql_fencing.restore")
        changes = phases.apply_resources(deployment, health.controllers(deployment.survey())[0])
        if move.start(deployment):
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


def _planned(deployment: Deployment, state: State) -> Outcome:
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
    if reasons := migration.obstacles(deployment.survey(), move.standings(deployment)):
        raise Refused(
            "\n".join(["the service is not stopped while this is so:", *(f"  - {reason}" for reason in reasons)])
        )
    active = move.the_active(deployment)
    move.try_resources(deployment)
    phases.keep(deployment, "a move to another storage", cib_only=True)
    try:
        deployment.say("step", "switched", f"the database stops on {active}")
        stopped = time.monotonic()
        deployment.members.ask("hamysql_migration.stop_server", [active], timeout=timeout)
        copied = deployment.members.ask("hamysql_migration.final", [active])[active]
        said = f"the last pass: {copied['read']} of {copied['files']} files in {copied['seconds']:.0f} s"
        deployment.say("step", "switched", said)
        deployment.members.ask("hamysql_migration.stop_service", [active], timeout=timeout)
        deployment.look_again()
        done = nodes.perform(deployment, "switched", lambda: deployments.storage_plan(deployment))
        return stopped, [said, *done]
    except BaseException as exc:
        said = _started_again(deployment)
        if not isinstance(exc, HamysqlError):
            raise
        raise HamysqlError(f"{exc}\nNothing was switched: {said}") from exc


def _started_again(deployment: Deployment) -> str:
    """Have the service start on the old storage, by whichever node can; returns how that went, as a sentence."""
    try:
        move.start(deployment)
        return "the service is started again on the old storage. Run this again when that is put right"
    except HamysqlError as exc:
        return f"the service is still stopped, and could not be started ({exc}): `salt NODE hamysql_migration.start`"
