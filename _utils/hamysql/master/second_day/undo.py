"""The operation "undo": the cluster's configuration of a checkpoint comes back, as far as hamysql owns it."""

from __future__ import annotations

from typing import TypedDict

from hamysql.errors import HamysqlError, Refused
from hamysql.master import checkpoints, health, phases, shown
from hamysql.master.deployment import Deployment
from hamysql.master.phases import Outcome
from hamysql.master.second_day import gap, handover

EXAMPLE = "salt-run state.orchestrate hamysql.orch.undo"
KEY = "hamysql_checkpoint"
PILLAR = (
    "The pillar still says otherwise: change it back as well, or the next deployment does all of it again "
    "(`salt-run hamysql.plan`)"
)


class Undone(TypedDict):
    """What ``hamysql_checkpoint.diff`` and ``restore`` say."""

    changes: list[dict[str, str]]
    actions: list[str]
    problems: list[str]
    begun: bool


def check(deployment: Deployment, name: str | None) -> Outcome:
    """The phase "checked": the cluster is whole, and the checkpoint can be put back."""
    handover.prepare(deployment)
    node = _node(deployment, name)
    seen = _seen(deployment, node, str(name))
    if not seen[
        "begun"
    ]:  # a run that was cut off while an agent changed has left maintenance mode, which this one ends
        handover.whole(deployment)
    if seen["problems"]:
        raise Refused(
            "\n".join([f"the checkpoint {name} is not put back:", *(f"  - {line}" for line in seen["problems"])])
        )
    return {}, f"the cluster is whole, and {node} has the checkpoint {name}"


def restore(deployment: Deployment, name: str | None, timeout: float) -> Outcome:
    """The phase "restored": one change to the cluster's configuration, while a client on each node writes.

    timeout
        Seconds for the database to answer, and for the cluster to be whole, each.
    """
    node = _node(deployment, name)
    seen = _seen(deployment, node, str(name))
    entries = shown.cib(seen["changes"])
    if deployment.test:
        lines = shown.actions(seen["actions"]) or ["nothing"]
        head = [f"{len(entries)} changes by the checkpoint {name}", "what pacemaker would do about it:"]
        return ({"undo": entries} if entries else {}), "\n".join([*head, *(f"  {line}" for line in lines), PILLAR])
    if not entries and not seen["begun"]:
        gap.tidy(deployment)
        said = f"the cluster is configured as in the checkpoint {name} already: nothing was changed. {PILLAR}"
        deployment.say("finished", "restored", said)
        return {}, said
    names = list(deployment.members.minions)
    phases.keep(deployment, f"an undo to {name}")
    with gap.measured(deployment, "restored", handover.FROM_BEGIN_TO_END) as found:
        deployment.say("step", "restored", f"{node} puts back the configuration of {name}")
        deployment.members.ask("hamysql_checkpoint.restore", [node], name=name)
        deployment.say("step", "restored", "the configuration is back, and the cluster is waited for")
        deployment.members.ask("hamysql_mysql.wait_answering", timeout=timeout)
        deployment.members.ask("hamysql_rolling.wait_whole", [node], nodes=names, timeout=timeout)
    deployment.look_again()
    left = _seen(deployment, node, str(name))["changes"]
    if left:
        ids = ", ".join(change["id"] for change in left)
        raise HamysqlError(f"the cluster still differs from the checkpoint {name} in {ids}: run this again. {found}")
    said = f"{len(entries)} changes were undone, by the checkpoint {name}; {found}. {PILLAR}"
    deployment.say("finished", "restored", said)
    return ({"undo": entries} if entries else {}), said


def _seen(deployment: Deployment, node: str, name: str) -> Undone:
    found: Undone = deployment.members.ask("hamysql_checkpoint.diff", [node], name=name)[node]
    return found


def _node(deployment: Deployment, name: str | None) -> str:
    """A node that has the checkpoint and whose pacemaker runs, the controller before others."""
    kept = checkpoints.by_node(deployment.members.ask("hamysql_checkpoint.list"))
    running = [node for node, survey in deployment.survey().items() if survey["cluster"]["running"]]
    first = [node for node in health.controllers(deployment.survey()) if node in running]
    for node in dict.fromkeys([*first, *running]):
        if name in kept.get(node, ()):
            return node
    newest = checkpoints.newest(kept)
    if not newest:
        raise Refused("no node has a checkpoint yet: a deployment that changes something makes the first one")
    if not running:
        raise Refused("pacemaker runs on no node, so nothing can be undone: start the cluster first")
    there = ", ".join(newest[:3])
    missing = f"no node whose pacemaker runs has {name}" if name else "none was named"
    raise Refused(
        f"say which checkpoint, {missing}: the newest ones are {there} (`salt-run hamysql.checkpoints` "
        f'says before what they were made), {EXAMPLE} pillar=\'{{"{KEY}": "{newest[0]}"}}\''
    )
