"""The operation "adopt": a cluster that somebody else has built becomes hamysql's, and nothing of it stops.

What waits for a restart is told, and waits for the next deployment.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TypedDict

from hamysql import pending
from hamysql.errors import HamysqlError, Refused, SaltError
from hamysql.master import deployment as deployments
from hamysql.master import health, shown
from hamysql.master.deployment import Deployment
from hamysql.master.highstate import Changes
from hamysql.master.phases import Outcome
from hamysql.master.second_day import gap, handover
from hamysql.preflight import judge
from hamysql.survey import Surveys

PLAN = {"hamysql_adopting": True}  # of a job with test=True: a node with another's cluster shows what would be written
DEPLOY = "`salt-run state.orchestrate hamysql.orch`"


class Standing(TypedDict):
    """What ``hamysql_adopt.standing`` says."""

    ours: bool
    begun: bool
    held: bool
    problems: list[str]
    fencing: str
    renamed: list[str]
    changes: list[dict[str, str]]
    actions: list[str]
    interruptions: list[str]


# What a cluster has to be to be taken over, and what one is whose pacemaker is held.
_NODES = (health.runs, health.has_quorum, health.is_managed, health.sees_each(health.STATES), health.storage_is_fit)
_HELD = (health.runs, health.has_quorum, health.sees_each(health.PASSING), health.storage_is_fit)


def check(deployment: Deployment) -> Outcome:
    """The phase "checked": the cluster is whole, the pillar describes it, and pacemaker would leave alone what runs."""
    handover.prepare(deployment)
    if not (running := _running(deployment)):
        raise Refused("pacemaker runs on no node, so there is no cluster to take over: start it first")
    found = _standings(deployment, running[0])
    standing = found[running[0]]
    if standing["ours"]:
        left = any(item["begun"] for item in found.values())
        return {}, "the cluster is hamysql's" + (", and the end of its takeover is left" if left else " already")
    reasons = _against(deployment, running[0], standing["held"])
    reasons += [f"{node}: {line}" for node, item in found.items() for line in item["problems"]]
    reasons += [f"pacemaker would {line}" for line in standing["interruptions"]]
    if reasons:
        heading = "the cluster is not taken over while this is so:"
        raise Refused("\n".join([heading, *(f"  - {reason}" for reason in dict.fromkeys(reasons))]))
    serving = " and ".join(health.serving(deployment.survey()))
    begun = ", a takeover was begun and goes on" if standing["held"] else ""
    said = [
        f"the cluster is whole, the pillar describes it, and {serving} serves{begun}",
        *_told_lines(deployment, standing),
    ]
    return {}, "\n".join(said)


def take(deployment: Deployment, timeout: float) -> Outcome:
    """The phase "taken": files on both nodes, then the cluster's configuration in one change, while pacemaker is held.

    timeout
        Seconds for the database to answer, and for the cluster to be whole, each.
    """
    node = _running(deployment)[0]
    found = _standings(deployment, node)
    standing = found[node]
    if standing["ours"] and not any(item["begun"] for item in found.values()):
        said = "the cluster is hamysql's already: nothing was changed"
        if not deployment.test:
            gap.tidy(deployment)
            deployment.say("finished", "taken", said)
        return {}, said
    if deployment.test:
        return _planned(deployment, standing)
    names = list(deployment.members.minions)
    before = _serving(deployment)
    changes: Changes = {}
    with gap.measured(deployment, "taken", handover.FROM_BEGIN_TO_END) as measured:
        if not standing["ours"]:
            changes = _taken_over(deployment, node, standing)
        deployment.members.ask("hamysql_adopt.finish")
        deployment.say("step", "taken", "pacemaker acts again, and the cluster is waited for")
        deployment.members.ask("hamysql_mysql.wait_answering", timeout=timeout)
        deployment.members.ask("hamysql_rolling.wait_whole", [node], nodes=names, timeout=timeout)
    deployment.look_again()
    if (after := _serving(deployment)) != before:
        raise HamysqlError(
            f"the cluster is hamysql's, and the database serves on {after}, and not on {before} any more: look at "
            f"`salt-run hamysql.status`. {measured}"
        )
    said = "\n".join(
        [f"the cluster is hamysql's, and {after} serves as before; {measured}", *_waiting_lines(deployment)]
    )
    deployment.say("finished", "taken", said)
    return changes, said


def _taken_over(deployment: Deployment, node: str, standing: Standing) -> Changes:
    """Hold pacemaker, lay down the files, exchange the configuration; where the files fail, pacemaker acts again."""
    if not standing["held"]:
        deployment.say("step", "taken", "both nodes keep what there is")
        deployment.members.ask("hamysql_adopt.begin")
        deployment.say("step", "taken", f"pacemaker is held, by {node}: nothing is stopped or started from now on")
        deployment.members.ask("hamysql_adopt.hold", [node])
    try:
        deployment.members.ask("hamysql_adopt.keep")
        deployment.say("step", "taken", "files and packages come to both nodes")
        changes = deployments.apply(deployment, "hamysql")
        deployment.look_again()
        deployments.apply_together(deployment, changes)
        deployment.say("step", "taken", "the storage is noted as the cluster's")
        for member, done in deployment.members.ask("hamysql_adopt.settle").items():
            if done:
                changes[member] = {**changes.get(member, {}), "hamysql-adopt-storage": done}
    except BaseException:
        with suppress(SaltError):  # it is refused where an earlier run has come further
            deployment.members.ask("hamysql_adopt.release", [node])
        raise
    deployment.say("step", "taken", f"{node} replaces the cluster's configuration")
    done = deployment.members.ask("hamysql_adopt.exchange", [node])[node]
    return {**changes, "resources": [*done["renamed"], *shown.cib(done["changes"])]}


def _planned(deployment: Deployment, standing: Standing) -> Outcome:
    """What would be done, and what would wait for a restart."""
    changes: Changes = {}
    if not standing["ours"]:
        changes = deployments.apply(deployment, "hamysql", pillar=PLAN)
        changes["resources"] = [*(f"~ {line}" for line in standing["renamed"]), *shown.cib(standing["changes"])]
    lines = [deployments.counted(changes, "changes"), *_told_lines(deployment, standing)]
    lines += [
        "what pacemaker would do in the end:",
        *(f"  {line}" for line in shown.actions(standing["actions"]) or ["nothing"]),
    ]
    return {key: value for key, value in changes.items() if value}, "\n".join(lines)


def _told_lines(deployment: Deployment, standing: Standing) -> list[str]:
    """What an operator has to know before."""
    return [*filter(None, [standing["fencing"]]), *_waiting_lines(deployment)]


def _waiting_lines(deployment: Deployment) -> list[str]:
    """What waits for a restart, and who makes it."""
    left = pending.by_members(pending.RESTART, deployment.survey())
    how = f"this waits for a restart, which the next deployment makes ({DEPLOY}), with one switchover:"
    return [how, *(f"  - {line}" for line in left)] if left else ["nothing waits for a restart"]


def _against(deployment: Deployment, node: str, held: bool) -> list[str]:
    """Why the cluster cannot be taken over now, by what its members say; what is foreign there is no reason."""
    surveys: Surveys = {
        name: {**survey, "facts": {**survey["facts"], "foreign": ""}} for name, survey in deployment.survey().items()
    }
    of_all = (health.all_start, health.one_serves_named, health.alike)
    reasons = health.lacking(surveys, _HELD if held else _NODES, of_all if held else (*of_all, health.nothing_failed))
    if not held:
        reasons += deployment.members.ask("hamysql_cib.interventions", [node])[node]
    reasons += [str(finding) for finding in judge.judge(surveys, deployment.window) if finding.refuses]
    refused = pending.by_members(pending.REFUSED, surveys)
    return [*reasons, *(f"it cannot be changed in place: {line}" for line in refused)]


def _standings(deployment: Deployment, first: str) -> dict[str, Standing]:
    """How far each node is; one of them says what pacemaker would do."""
    found: dict[str, Standing] = deployment.members.ask("hamysql_adopt.standing", [first], patience=120)
    others: Sequence[str] = [node for node in deployment.members.minions if node != first]
    found |= deployment.members.ask("hamysql_adopt.standing", others, outcome=False)
    return found


def _running(deployment: Deployment) -> list[str]:
    """The nodes whose pacemaker runs, the controller first."""
    surveys = deployment.survey()
    running = [node for node, survey in surveys.items() if survey["cluster"]["running"]]
    return [*dict.fromkeys([*(node for node in health.controllers(surveys) if node in running), *running])]


def _serving(deployment: Deployment) -> str:
    return " and ".join(health.serving(deployment.survey())) or "no node"
