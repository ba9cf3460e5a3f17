"""The phases of the operation "adopt"; what decides is in :mod:`hamysql.adoption.exchange`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import cast

from hamysql import pending as pending_changes
from hamysql.adoption.take_over import DONE, FOREIGN, Planned
from hamysql.errors import HamysqlError, Refused
from hamysql.master import deployment as deployments
from hamysql.master import health, operations, shown
from hamysql.master.deployment import Deployment
from hamysql.master.phases import Outcome, keep
from hamysql.master.second_day import gap, handover
from hamysql.storage import backends
from hamysql.survey import Survey
from hamysql.system import wait

KEY = "hamysql_confirm"
NOTHING = "the cluster is hamysql's: nothing was to be taken over"
AFTERWARDS = (
    "nothing was restarted: the next deployment does that to what waits (`salt-run hamysql.plan`), and makes accounts"
)
_FILE = 60.0  # seconds for pacemaker on each node to write its configuration's file, by which a node knows that it may be changed

# The fence devices of the pillar are not there yet, and an agent of somebody else's may have failed in the past.
_NODES = (
    health.runs,
    health.has_quorum,
    health.is_managed,
    health.sees_each(health.STATES),
    health.storage_is_fit,
)
_CLUSTER = (health.all_start, health.nothing_failed, health.one_serves_named)


def check(deployment: Deployment, confirm: str | None) -> Outcome:
    """The phase "checked": the cluster is whole, the pillar describes it, and nothing that runs would be interrupted.

    confirm
        The cluster's name, where nodes are not fenced and shall not be.
    """
    handover.prepare(deployment)
    if backends.of(deployment.survey()).name != "drbd":
        raise Refused(
            "only a cluster with DRBD is taken over: for other storage, deploy a new one, and move the data by a dump"
        )
    node = _node(deployment)
    seen = _planned(deployment, node)
    if seen["state"] == DONE:
        return {}, NOTHING
    if seen["state"] == FOREIGN:
        reasons = [*_against(deployment, node), *seen["problems"]]
        reasons += [f"pacemaker would {line}" for line in seen["interrupting"]]
        reasons += pending_changes.by_members(pending_changes.REFUSED, deployment.survey())
        if reasons:
            raise Refused(
                "\n".join(["the cluster is not taken over while this is so:", *(f"  - {line}" for line in reasons)])
            )
    lines = [f"{' and '.join(health.serving(deployment.survey()))} serves, and the pillar describes this cluster"]
    if deployment.first["fencing"]["enabled"]:
        lines.append(
            "nodes are fenced by the pillar's devices afterwards: prove them with `salt-run hamysql.fence_test`"
        )
    elif not deployment.test:
        operations.confirmed(deployment.members.cluster, confirm, _UNFENCED, KEY)
    else:
        lines.append(f"WARNING: {_UNFENCED}")
    return {}, "\n".join([*lines, *_waiting(deployment)])


_UNFENCED = (
    "The pillar has no fence devices (hamysql:fencing:devices): when the nodes lose sight of each other, both may write, and "
    "what one of them wrote is lost"
)


def hold(deployment: Deployment) -> Outcome:
    """The phase "held": both nodes keep what there is, and pacemaker does nothing from then on. What runs goes on."""
    node = _node(deployment)
    seen = _planned(deployment, node)
    if seen["state"] != FOREIGN:
        return {}, "nothing had to be held" if seen["state"] == DONE else "an earlier run holds pacemaker"
    if deployment.test:
        return {
            "held": ["~ maintenance mode begins: pacemaker does nothing, and what runs goes on"]
        }, "pacemaker would be held"
    keep(deployment, "a takeover")
    deployment.members.ask("hamysql_adopt.hold", [node])
    deployment.look_again()
    return {"held": ["maintenance mode"]}, f"pacemaker is held, by {node}: it does nothing, and what runs goes on"


def lay(deployment: Deployment) -> Outcome:
    """The phase "laid": hamysql's files are on both nodes, what can be taken over in service is, and whose the data is is noted."""
    if _planned(deployment, _node(deployment))["state"] == DONE:
        return {}, NOTHING
    if deployment.test:
        entries = [
            *(f"~ {line}" for line in _live(deployment)),
            "~ hamysql's packages, files and rules of the firewall",
        ]
        return {"laid": entries}, "\n".join(
            ["which files differ is known when the nodes are held", *_waiting(deployment)]
        )
    wait.until(
        lambda: _foreign(deployment),
        lambda left: not left,
        "both nodes know that the cluster is being taken over",
        timeout=_FILE,
        describe="; ".join,
    )
    with gap.measured(deployment, "laid", handover.FROM_BEGIN_TO_END) as found:
        prepared = deployment.members.ask("hamysql_adopt.prepare")
        deployment.say("step", "laid", "files and packages on both nodes; nothing is restarted")
        changes = deployments.apply(deployment, "hamysql")
        deployment.look_again()
        deployments.apply_together(deployment, changes)
        deployment.members.ask("hamysql_adopt.record")
    deployment.look_again()
    _note(deployment, found)
    for node, seen in prepared.items():
        if seen["done"]:
            changes[node] = {**changes.get(node, {}), "hamysql-adopt-prepared": seen["done"]}
    return changes, f"{deployments.counted(changes, 'changes')}; {found}"


def exchange(deployment: Deployment, timeout: float) -> Outcome:
    """The phase "exchanged": the cluster's configuration is hamysql's, in one change, and pacemaker acts again.

    timeout
        Seconds for the cluster to be whole.
    """
    node = _node(deployment)
    seen = _planned(deployment, node)
    if deployment.test:
        lines = ["what pacemaker would do when maintenance mode ends:"]
        lines += [f"  {line}" for line in shown.actions(seen["actions"]) or ["nothing"]]
        entries = [_entry(change) for change in seen["changes"]]
        return ({"exchanged": entries} if entries else {}), "\n".join(lines)
    if seen["state"] == DONE:
        gap.tidy(deployment)
        deployment.say("finished", "exchanged", NOTHING)
        return {}, NOTHING
    serving, began = health.active(deployment.survey()), time.monotonic()
    with gap.measured(deployment, "exchanged", handover.FROM_BEGIN_TO_END) as found:
        deployment.say(
            "step",
            "exchanged",
            f"{node} makes the configuration hamysql's, and pacemaker looks at everything",
        )
        done = deployment.members.ask("hamysql_adopt.exchange", [node])[node]
        deployment.members.ask("hamysql_mysql.wait_answering", timeout=timeout)
        deployment.members.ask(
            "hamysql_rolling.wait_whole", [node], nodes=list(deployment.members.minions), timeout=timeout
        )
    deployment.look_again()
    _note(deployment, found)
    if health.active(deployment.survey()) != serving:
        raise HamysqlError(f"the service does not run on {serving} any more: look at `salt-run hamysql.status`")
    measured = f"longest write gap {max(deployment.gaps):.1f} s" if deployment.gaps else str(found)
    lines = [
        f"the cluster is hamysql's after {time.monotonic() - began:.0f} s; {serving} served all the time; {measured}"
    ]
    lines += [
        *_waiting(deployment),
        "the next deployment makes accounts, and restarts what waits for that: `salt-run hamysql.plan`",
    ]
    deployment.say("finished", "exchanged", "\n".join(lines))
    return ({"exchanged": done} if done else {}), "\n".join(lines)


def _node(deployment: Deployment) -> str:
    """The controller: it decides what is done with the cluster's configuration."""
    for node in health.controllers(deployment.survey()):
        return node
    raise Refused("pacemaker runs on no node, or has no controller: start the cluster first")


def _planned(deployment: Deployment, node: str) -> Planned:
    return cast(Planned, deployment.members.ask("hamysql_adopt.planned", [node])[node])


def _against(deployment: Deployment, node: str) -> list[str]:
    surveys = deployment.survey()
    found = health.lacking(surveys, _NODES, _CLUSTER)
    found += _unmanaged(surveys[node])
    return list(dict.fromkeys([*found, *deployment.members.ask("hamysql_cib.interventions", [node])[node]]))


def _unmanaged(survey: Survey) -> Iterator[str]:
    """What somebody has taken out of pacemaker's hands."""
    for item in survey["cluster"]["resources"]:
        if not item["managed"] and not survey["cluster"]["maintenance"]:
            how = f"`crm_resource --resource {item['id']} --meta --delete-parameter is-managed`"
            yield f"{item['id']} is not managed by pacemaker: {how}"


def _foreign(deployment: Deployment) -> list[str]:
    """The nodes that would not let hamysql write yet, in words."""
    answers = deployment.members.answers("hamysql_node.spare_foreign", (), 30)
    return [f"{node}: {why}" for node, why in {**answers.silent, **answers.failed}.items()]


def _live(deployment: Deployment) -> list[str]:
    kinds = (pending_changes.LIVE, pending_changes.BOTH)
    return [line for kind in kinds for line in pending_changes.by_members(kind, deployment.survey())]


def _waiting(deployment: Deployment) -> list[str]:
    """What has to be started anew for the pillar: nothing of it is done here."""
    return [f"waits: {line}" for line in pending_changes.by_members(pending_changes.RESTART, deployment.survey())]


def _entry(change: dict[str, str]) -> str:
    if change["kind"] == "renamed":
        return f"~ {change['old']} is called {change['new']} from then on"
    return shown.cib([change])[0]


def _note(deployment: Deployment, found: gap.Measured) -> None:
    if found.seen:
        deployment.gaps.append(found.gap)
