"""
The phases of the deployment, as states of an orchestration: they run on the master, and act on a cluster's members.

``salt-run state.orchestrate hamysql.orch`` applies all of them in order (``hamysql/orch/init.sls``). Each one surveys the
members, does what :mod:`hamysql.storage.drbd.plan` and the nodes' own states find to be missing, and reports what really
changed. They share what the first one has found out about the members, so they only work inside one orchestration.

Arguments of every function: ``name``, an id, and ``cluster``, the name of the cluster, which may be left out when the
master's minions form only one.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hamysql.errors import HamysqlError, NotReady, Refused, SaltError
from hamysql.master import deployment as deployments
from hamysql.master import health, highstate, operate, phases, rolling, shown
from hamysql.storage import backends
from hamysql.storage.drbd import plan as drbd_plan

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from injected import __context__, __opts__

    from hamysql.master.deployment import Deployment
    from hamysql.survey import Survey

__virtualname__ = "hamysql_orch"


def __virtual__() -> str | tuple[bool, str]:
    if __opts__.get("__role") != "master":
        return (False, "hamysql_orch runs on the master, in an orchestration: salt-run state.orchestrate hamysql.orch")
    return __virtualname__


def _phase(name: str, phase: str, cluster: str | None, body: phases.Body, last: bool = False) -> dict[str, Any]:
    return phases.run(__opts__, __context__, name, phase, cluster, body, last=last)


def members_checked(name: str, cluster: str | None = None) -> dict[str, Any]:
    """
    All members answer, have this formula's modules, a valid pillar and storage that is blank or ours, and pass preflight.

    Nothing is touched before all of this holds. All that forbids going on is told at once, see :mod:`hamysql.preflight.judge`.
    One thing goes before: a member that does not know the link of the replication notes the other one's.
    """

    def body(deployment: Deployment) -> tuple[dict[str, Any], str]:
        deployments.synchronise(deployment)
        deployments.same_code(deployment)
        changes = deployments.same_link(deployment, "members")
        found = phases.check(deployment, deployment.survey(), lambda: deployments.storage_plan(deployment))
        for warning in deployments.warnings(deployment):
            deployment.say("step", "members", f"WARNING: {warning}")
        names = ", ".join(deployment.members.minions)
        said = f"{names} answer, their pillar is valid, their storage is blank or ours, and they are fit for each other"
        return changes, said + found

    return _phase(name, "members", cluster, body)


def nodes_configured(name: str, cluster: str | None = None) -> dict[str, Any]:
    """
    The ``hamysql`` states, which are those of a highstate, are applied on all members. What these must not differ in is
    taken over by both at the same moment.
    """

    def body(deployment: Deployment) -> tuple[dict[str, Any], str]:
        changes = deployments.apply(deployment, "hamysql")
        deployments.apply_together(deployment, changes)
        return changes, deployments.counted(changes, "changes")

    return _phase(name, "nodes", cluster, body)


def storage_initialised(name: str, cluster: str | None = None) -> dict[str, Any]:
    """
    The storage exists on all members and holds a file system and a database: made once, on one node, and never over anything.

    Performs the plan's steps, surveys all members again, and plans again until nothing is left.
    """

    def body(deployment: Deployment) -> tuple[dict[str, Any], str]:
        if deployment.test:
            steps = deployments.storage_plan(deployment)
            return {"storage": [str(step) for step in steps]} if steps else {}, f"{len(steps)} steps planned"
        done = phases.perform(deployment, "storage", lambda: deployments.storage_plan(deployment))
        return ({"storage": done} if done else {}), deployments.counted({"storage": done}, "steps")

    return _phase(name, "storage", cluster, body)


def cluster_online(name: str, cluster: str | None = None, timeout: float = 180) -> dict[str, Any]:
    """
    Corosync and pacemaker run on all members, they have elected a controller, and all members are online.

    Before the first start, a shared disk for sbd is prepared. With a quorum device, its server runs on the third machine, and each
    member has a certificate for it.

    timeout
        Seconds to wait for that, 180 by default.
    """

    def body(deployment: Deployment) -> tuple[dict[str, Any], str]:
        names = list(deployment.members.minions)
        statuses = {node: survey["cluster"] for node, survey in deployment.survey().items()}
        stopped = [node for node, status in statuses.items() if not status["running"]]
        changes: dict[str, Any] = {node: {"cluster": {"old": "stopped", "new": "running"}} for node in stopped}
        if deployment.test and stopped:
            entries = [f"+ corosync and pacemaker are started on {node}" for node in stopped]
            return {"cluster": entries}, f"would be started on {', '.join(stopped)}"
        changes |= _third_vote(deployment)
        missing = {node: seen for node, status in statuses.items() if (seen := health.lacks(status, names))}
        if not missing and not changes:
            return {}, f"{', '.join(names)} online, {statuses[names[0]]['dc']} is the controller"
        if deployment.test:
            seen = "; ".join(f"{node} sees {what}" for node, what in missing.items())
            return changes, f"would wait until all members are online: {seen}" if missing else "all members are online"
        if stopped:
            if deployment.first["fencing"]["sbd"] and operate.prepare_sbd(deployment.members):
                changes["sbd"] = f"{deployment.first['fencing']['sbd']['device']} prepared"
            deployment.say("step", "cluster", f"starting corosync and pacemaker on {', '.join(stopped)}")
            if deployment.first["fencing"]["enabled"]:
                deployment.members.ask("hamysql_fencing.restore", stopped)
            deployment.members.ask("hamysql_cluster.start", stopped)
        if deployment.first["quorum"]["device"]:
            deployment.members.ask("hamysql_quorum.start")
        deployment.members.ask("hamysql_cluster.wait_online", names[:1], nodes=names, timeout=timeout)
        deployment.look_again()
        dc = deployment.survey()[names[0]]["cluster"]["dc"]
        return changes, f"{', '.join(names)} online, {dc} is the controller"

    return _phase(name, "cluster", cluster, body)


def _third_vote(deployment: Deployment) -> dict[str, Any]:
    """Have the quorum device's server run, and certificates for it on all members; returns the changes."""
    settings = deployment.first
    device = settings["quorum"]["device"]
    if not device:
        return {}
    third = operate.server(deployment.members, device["minion_id"])
    repositories = settings["repo"]["repositories"]
    lasting = {key: given["options"] for key, given in repositories.items() if not given["disable_after_install"]}
    pillar = {"hamysql_quorum": {"packages": settings["package"]["quorum"]["server"], "repositories": lasting}}
    third.ask("saltutil.sync_all", patience=60)
    options = {"mods": "hamysql.quorum.server", "pillar": pillar, "test": deployment.test, "queue": True}
    (returned,) = third.ask("state.apply", patience=60, **options).values()
    outcome = highstate.summarise(returned)
    if outcome.failures:
        raise HamysqlError("\n".join(f"{device['minion_id']}: {failure}" for failure in outcome.failures))
    changes = {device["minion_id"]: dict(outcome.changes)} if outcome.changes else {}
    if not deployment.test:
        for node in operate.certify(deployment.members, third):
            changes[f"{node}'s certificate"] = {"old": None, "new": f"signed by {device['minion_id']}"}
    return changes


def resources_managed(name: str, cluster: str | None = None) -> dict[str, Any]:
    """
    The cluster's configuration holds the pillar's resources, constraints and properties: one atomic change, from one node.
    """

    def body(deployment: Deployment) -> tuple[dict[str, Any], str]:
        controllers = health.controllers(deployment.survey())
        if deployment.test and not controllers:
            return _planned_anew(deployment)
        if deployment.nothing_left("resources"):
            drift = dict.fromkeys(line for found in deployment.pending().values() for line in found["drift"])
            return {}, "\n".join(["no changes", *phases.put(list(drift))])
        if deployment.test:
            return _planned_resources(deployment, controllers[:1])
        node = controllers[0]
        changes = phases.apply_resources(deployment, node)
        return changes, f"{deployments.counted(changes, 'changes')}, by {node}"

    return _phase(name, "resources", cluster, body)


def changes_rolled(name: str, cluster: str | None = None, timeout: float = 1800) -> dict[str, Any]:
    """
    What waits for a restart has had it: the standby first, then a switchover, then the other node. Nothing moves where
    nothing is pending, and nothing at all unless the cluster is whole and no manual intervention is in effect.

    timeout
        Seconds for a node to be back and synchronised, 1800 by default.
    """

    def body(deployment: Deployment) -> tuple[dict[str, Any], str]:
        names = list(deployment.members.minions)
        if deployment.changed and not deployment.test:
            deployment.look_again()
        steps = rolling.steps(deployment.survey())
        if deployment.test:
            return {"changes": [str(step) for step in steps]} if steps else {}, f"{len(steps)} steps planned"
        if steps:  # pacemaker may be at work still: on the phase before, or on what a run that was cut off has left
            deployment.members.ask("hamysql_rolling.settle", names[:1])
            deployment.look_again()
            steps = rolling.steps(deployment.survey())
        done = _roll(deployment, names, steps, timeout)
        return ({"changes": done} if done else {}), "; ".join(done) or "nothing waits for a restart"

    return _phase(name, "changes", cluster, body)


def _roll(deployment: Deployment, names: Sequence[str], steps: Sequence[rolling.Step], timeout: float) -> list[str]:
    """Perform the first of the steps and plan again, until none is left; returns what was done, as sentences."""
    done: list[str] = []
    try:
        for _ in range(2 * len(names)):
            if not steps:
                return done
            drift = deployment.members.ask("hamysql_cib.interventions", names[:1])
            if obstacles := rolling.obstacles(deployment.survey(), drift[names[0]]):
                raise NotReady(rolling.unfinished(steps, obstacles))
            deployment.say("step", "changes", str(steps[0]))
            _restart(deployment, names, steps[0], timeout)
            done.append(str(steps[0]))
            deployment.look_again()
            steps = rolling.steps(deployment.survey())
        if steps:
            raise NotReady(rolling.unfinished(steps, ["it is still pending after a restart"]))
    except SaltError as exc:
        exc.changes = {"changes": done} if done else {}
        raise
    return done


def _restart(deployment: Deployment, names: Sequence[str], step: rolling.Step, timeout: float) -> None:
    if step.action == rolling.SWITCH_OVER:
        deployment.members.ask("hamysql_rolling.check_options", [step.node])
        # On the node that serves: its server is flushed first.
        deployment.members.ask(
            "hamysql_cib.move", health.serving(deployment.survey())[:1] or [step.node], node=step.node
        )
    else:
        deployment.members.ask("hamysql_rolling.restart", [step.node])
    deployment.members.ask("hamysql_rolling.wait_whole", [step.node], nodes=names, timeout=timeout)


def _planned_anew(deployment: Deployment) -> tuple[dict[str, Any], str]:
    """The plan for the configuration of a cluster that does not run."""
    if _initialised(deployment):
        return {}, "not known: pacemaker runs nowhere, and its configuration is compared when it does"
    entries = shown.whole_cib(deployment.first)
    return {"resources": entries}, deployments.counted({"resources": entries}, "changes, to a cluster that is new")


def _planned_resources(deployment: Deployment, controller: Sequence[str]) -> tuple[dict[str, Any], str]:
    """The plan for the configuration of the running cluster, and what pacemaker would do about it."""
    entries, lines = phases.planned_resources(deployment, controller)
    return {"resources": entries} if entries else {}, "\n".join(lines)


def _initialised(deployment: Deployment) -> bool:
    """Whether any member's replica belongs to an initialised cluster."""
    latches = [survey["storage"]["latch"] for survey in deployment.survey().values()]
    return any(latch.get("stage") == drbd_plan.Stage.INITIALISED.name for latch in latches)


def service_answering(name: str, cluster: str | None = None, timeout: float = 300) -> dict[str, Any]:
    """
    The database answers on the virtual IP, as seen from every member.

    timeout
        Seconds to wait for that, 300 by default: a crash recovery may be part of it.
    """

    def body(deployment: Deployment) -> tuple[dict[str, Any], str]:
        if deployment.test:
            return {}, "not looked at with test=True"
        address = deployment.first["vip"]["address"]
        if deployment.nothing_left("service"):
            return {}, f"{address} answers {' and '.join(deployment.pending())}"
        seen = deployment.members.ask("hamysql_mysql.wait_answering", timeout=timeout)
        if deployment.changed:
            deployment.look_again()
        return {}, f"{address} answers {' and '.join(seen)}"

    return _phase(name, "service", cluster, body)


def accounts_managed(name: str, cluster: str | None = None) -> dict[str, Any]:
    """
    The pillar's databases, users and grants are on the active server.
    """

    def body(deployment: Deployment) -> tuple[dict[str, Any], str]:
        serving = health.serving(deployment.survey())
        if not serving:
            if deployment.test and _initialised(deployment):
                return {}, "not known: no database runs, and its accounts are compared when it does"
            if deployment.test:
                entries = shown.whole_accounts(deployment.first)
                return {"accounts": entries}, deployments.counted(
                    {"accounts": entries}, "changes, to a database that is new"
                )
            raise NotReady("no member has a database server that answers on its local socket")
        if len(serving) > 1:
            raise Refused(
                f"a database server answers on the local socket of {' and '.join(serving)}, and it is not known which one is the "
                "cluster's: look at `crm_mon -1`, and stop the one that the cluster has not started"
            )
        if deployment.nothing_left("accounts"):
            return {}, f"no changes, on {serving[0]}"
        changes = deployments.apply(deployment, "hamysql.mysql.accounts", serving[:1])
        return changes, f"{deployments.counted(changes, 'changes')}, on {serving[0]}"

    return _phase(name, "accounts", cluster, body)


def _roles(survey: Survey) -> str:
    """One node's part of the summary: what it does, and the state of its storage."""
    return f"{'serves the database' if survey['database'] else 'passive'}; {backends.state(survey)}"


def summarised(name: str, cluster: str | None = None) -> dict[str, Any]:
    """
    Says where what runs, how the storage is, and how much this orchestration has changed.
    """

    def body(deployment: Deployment) -> tuple[dict[str, Any], str]:
        vip = deployment.first["vip"]["address"]
        lines = [f"cluster {deployment.members.cluster}, virtual IP {vip}"]
        for node, survey in deployment.survey().items():
            lines.append(f"  {node}: {_roles(survey)}")
        lines += [f"  WARNING: {warning}" for warning in deployments.warnings(deployment)]
        count = deployment.changed
        verb = "would be made" if deployment.test else "made"
        seconds = time.monotonic() - deployment.started
        lines.append(f"{count or 'no'} change{'' if count == 1 else 's'} {verb} in {seconds:.0f} s")
        deployment.say("finished", "summary", "\n".join(lines), changes=count)
        return {}, "\n".join(lines)

    return _phase(name, "summary", cluster, body, last=True)
