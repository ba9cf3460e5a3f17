"""The phase "cluster": corosync and pacemaker run on all members, with all that they need for their first start."""

from __future__ import annotations

from collections.abc import Sequence

from hamysql.errors import Refused
from hamysql.master import health
from hamysql.master.deployment import Deployment
from hamysql.master.highstate import Changes
from hamysql.master.members import Members
from hamysql.master.orchestration import third_vote
from hamysql.master.phases import Outcome


def online(deployment: Deployment, timeout: float) -> Outcome:
    """Have the third vote, start the members that are stopped, and wait until all are online and have a controller."""
    names = list(deployment.members.minions)
    statuses = {node: survey["cluster"] for node, survey in deployment.survey().items()}
    stopped = [node for node, status in statuses.items() if not status["running"]]
    changes: Changes = {node: {"cluster": {"old": "stopped", "new": "running"}} for node in stopped}
    if deployment.test and stopped:
        entries = [f"+ corosync and pacemaker are started on {node}" for node in stopped]
        return {"cluster": entries}, f"would be started on {', '.join(stopped)}"
    changes |= third_vote.provide(deployment)
    missing = {node: seen for node, status in statuses.items() if (seen := health.lacks(status, names))}
    if not missing and not changes:
        return {}, f"{', '.join(names)} online, {statuses[names[0]]['dc']} is the controller"
    if deployment.test:
        seen = "; ".join(f"{node} sees {what}" for node, what in missing.items())
        return changes, f"would wait until all members are online: {seen}" if missing else "all members are online"
    if stopped:
        changes |= _start(deployment, stopped)
    if deployment.first["quorum"]["device"]:
        deployment.members.ask("hamysql_quorum.start")
    deployment.members.ask("hamysql_cluster.wait_online", names[:1], nodes=names, timeout=timeout)
    deployment.look_again()
    dc = deployment.survey()[names[0]]["cluster"]["dc"]
    return changes, f"{', '.join(names)} online, {dc} is the controller"


def _start(deployment: Deployment, stopped: Sequence[str]) -> Changes:
    """Start the cluster on nodes; returns what else was changed for that."""
    changes: Changes = {}
    if deployment.first["fencing"]["sbd"] and prepare_sbd(deployment.members):
        changes["sbd"] = f"{deployment.first['fencing']['sbd']['device']} prepared"
    deployment.say("step", "cluster", f"starting corosync and pacemaker on {', '.join(stopped)}")
    if deployment.first["fencing"]["enabled"]:
        deployment.members.ask("hamysql_fencing.restore", stopped)
    deployment.members.ask("hamysql_cluster.start", stopped)
    return changes


def prepare_sbd(members: Members) -> bool:
    """Prepare the shared disk of sbd from one node, when all of them see it; returns whether it was prepared now."""
    seen = members.ask("hamysql_sbd.check")
    if len(set(seen.values())) > 1:
        told = "; ".join(f"{name}: {identity or 'no serial number'}" for name, identity in seen.items())
        raise Refused(f"hamysql:fencing:sbd:device is not the same disk on all nodes: {told}")
    first = next(iter(members.minions))
    return bool(members.ask("hamysql_sbd.prepare", [first], 120)[first])
