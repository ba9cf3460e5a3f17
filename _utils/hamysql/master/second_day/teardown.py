"""The operation "teardown": the machines are given back, and the data stays where it is."""

from __future__ import annotations

from typing import TypedDict

from hamysql.errors import HamysqlError
from hamysql.master import deployment as deployments
from hamysql.master import health, operations
from hamysql.master.deployment import Deployment
from hamysql.master.highstate import Changes
from hamysql.master.phases import Outcome
from hamysql.master.second_day import gap, handover

KEY = "hamysql_confirm"


class Left(TypedDict):
    """What ``hamysql_teardown.left`` says."""

    paths: list[str]
    units: list[str]
    data: str


def check(deployment: Deployment, confirm: str | None) -> Outcome:
    """The phase "checked": all members answer, and the cluster was named once more."""
    handover.prepare(deployment)
    serving = " and ".join(health.serving(deployment.survey())) or "no node"
    names = " and ".join(deployment.members.minions)
    what = f"The cluster on {names} ends, and its database with it ({serving} serves). The data stays on its disks"
    if not deployment.test:
        operations.confirmed(deployment.members.cluster, confirm, what, KEY)
    return {}, f"{names} answer, and {serving} serves"


def stop(deployment: Deployment, timeout: float) -> Outcome:
    """The phase "stopped": the cluster does not run, the standby first, so that nothing moves.

    timeout
        Seconds for all that a node runs to stop.
    """
    serving = health.active(deployment.survey())
    order = sorted(deployment.members.minions, key=lambda node: node == serving)
    running = [node for node in order if deployment.survey()[node]["cluster"]["running"]]
    if deployment.test:
        return (
            {"stopped": [f"~ the cluster stops on {node}" for node in running]} if running else {}
        ), "nothing is stopped"
    gap.tidy(deployment)
    done = []
    for node in order:
        deployment.say("step", "stopped", f"the cluster stops on {node}")
        if deployment.members.ask("hamysql_cluster.stop", [node], timeout=timeout)[node]:
            done.append(node)
    deployment.look_again()
    return (
        {"stopped": done} if done else {}
    ), f"the cluster runs nowhere; it was stopped on {' and '.join(done) or 'no node'}"


def remove(deployment: Deployment) -> Outcome:
    """The phase "removed": what was laid down is gone from all members, and where the data is is told."""
    found = _left(deployment)
    if deployment.test:
        entries = {
            node: [f"- {path}" for path in _left_lines(seen)] for node, seen in found.items() if _left_lines(seen)
        }
        return dict(entries), _data_text(found)
    changes: Changes = {}
    if deployment.first["firewall"]["backend"] != "none":
        deployment.say("step", "removed", "the rules of the firewall go")
        changes = deployments.apply(deployment, "hamysql.firewall.clean")
    deployment.say("step", "removed", "files, units, keys and holds go")
    for node, gone in deployment.members.ask("hamysql_teardown.remove").items():
        if gone:
            changes[node] = {**changes.get(node, {}), "hamysql-teardown": gone}
    left = [f"{node}: {path}" for node, seen in _left(deployment).items() for path in _left_lines(seen)]
    if left:
        raise HamysqlError("\n".join(["this is left, run this again:", *left]))
    said = f"{' and '.join(found)} are given back. Packages stay. {_data_text(found)}"
    deployment.say("finished", "removed", said)
    return changes, said


def _left(deployment: Deployment) -> dict[str, Left]:
    found: dict[str, Left] = deployment.members.ask("hamysql_teardown.left")
    return found


def _left_lines(seen: Left) -> list[str]:
    return [*seen["paths"], *(f"{unit} at boot" for unit in seen["units"])]


def _data_text(found: dict[str, Left]) -> str:
    return "The data is kept: " + "; ".join(f"{node}: {seen['data']}" for node, seen in found.items())
