"""The operations "backup" and "restore_test": one on the node that serves, one on the standby."""

from __future__ import annotations

from typing import Any, TypedDict

from hamysql.backup.logs.replay import Way
from hamysql.backup.manifest import Kept, Manifest, Proof
from hamysql.errors import Refused
from hamysql.master import health
from hamysql.master.deployment import Deployment
from hamysql.master.phases import Outcome
from hamysql.master.second_day import gap, handover


class Tried(TypedDict):
    """A backup that is to be tried out, and where."""

    node: str
    manifest: Manifest


def check_backup(deployment: Deployment) -> Outcome:
    """The phase "checked" of a backup: the pillar says where to, and one node serves."""
    handover.prepare(deployment)
    where = target(deployment)
    serving = _serving(deployment)
    return {}, f"{serving} serves, and backs up to {where}"


def back_up(deployment: Deployment) -> Outcome:
    """The phase "taken": a backup is taken while a client on each node writes."""
    serving = _serving(deployment)
    if deployment.test:
        entry = f"~ {serving} takes a backup to {target(deployment)}"
        return {"backup": [entry]}, entry.removeprefix("~ ")
    name, words, found = taken(deployment, serving, "taken")
    deployment.say("finished", "taken", f"{words}; {found}")
    return {"backup": [f"{name} taken on {serving}"]}, f"{words}; {found}"


def taken(deployment: Deployment, serving: str, phase: str) -> tuple[str, str, gap.Measured]:
    """Have the node that serves take a backup; returns its name, what it is in words, and the gap."""
    with gap.measured(deployment, phase, handover.FROM_BEGIN_TO_END) as found:
        deployment.say("step", phase, f"{serving} takes a backup")
        said: Manifest = deployment.members.ask("hamysql_backup.take", [serving])[serving]
    deployment.look_again()
    words = (
        f"backup {said['name']}: {said['size'] / 1e6:.0f} MB in {said['seconds']:.0f} s ({said['speed']:.0f} MB/s), at "
        f"{said['binlog'] or 'no position of a binary log'}"
    )
    return said["name"], words, found


def check_restore(deployment: Deployment, node: str | None, name: str | None, to: str | None = None) -> Outcome:
    """The phase "checked" of a test: there is a backup, and the node sees it."""
    handover.prepare(deployment)
    target(deployment)
    found = tried(deployment, node, name, to)
    return {}, f"{found['node']} restores {found['manifest']['name']}, which {found['manifest']['node']} has taken"


def restore(
    deployment: Deployment, node: str | None, name: str | None, timeout: float, to: str | None = None
) -> Outcome:
    """The phase "restored": the backup is restored into a server of its own on the node, and checked."""
    found = tried(deployment, node, name, to)
    where, chosen = found["node"], found["manifest"]["name"]
    what = f"{chosen}{f' up to {to}' if to else ''}"
    if deployment.test:
        entry = f"~ {where} restores {what} into a server of its own, and checks it"
        return {"restore_test": [entry]}, entry.removeprefix("~ ")
    with gap.measured(deployment, "restored", handover.FROM_BEGIN_TO_END) as measured:
        deployment.say("step", "restored", f"{where} restores {what} into a server of its own")
        proof: Proof = deployment.members.ask(
            "hamysql_backup.restore_test", [where], name=chosen, timeout=timeout, **moment(to)
        )[where]
    words = (
        f"backup {what} was restored on {where} in {proof['seconds']:.0f} s: {proof['tables']} tables are in order, and its "
        f"tracer has {proof['rows']} rows as it should; {measured}"
    )
    deployment.say("finished", "restored", words)
    return {"restore_test": [f"{chosen} restored on {where}"]}, words


def target(deployment: Deployment) -> str:
    backup = deployment.first["backup"]
    if not backup["enabled"]:
        raise Refused(
            "the pillar names no place for backups: set hamysql:backup:directory or repository, and deploy it"
        )
    return str(backup["told"])


def _serving(deployment: Deployment) -> str:
    serving = health.active(deployment.survey())
    if serving is None:
        answers = " and ".join(health.serving(deployment.survey())) or "no node"
        raise Refused(
            f"nothing is backed up, since the database answers on {answers}: look at `salt-run hamysql.status`"
        )
    return serving


def tried(deployment: Deployment, node: str | None, name: str | None, to: str | None = None) -> Tried:
    """The backup that is meant, and the node that tries it out: the standby, unless another one is named.

    to
        A time in UTC: the backup is the one that leads there.
    """
    names = list(deployment.members.minions)
    if node is not None and node not in names:
        raise Refused(f"{node} is no node of this cluster; the nodes are {' and '.join(names)}")
    serving = health.active(deployment.survey())
    where = node or next((other for other in names if other != serving), names[0])
    if to:
        return {"node": where, "manifest": leading(deployment, where, name, to)}
    kept: dict[str, list[Kept]] = deployment.members.ask("hamysql_backup.list")
    everywhere = {item["manifest"]["name"]: holder for holder, items in kept.items() for item in items}
    wanted = name or max(everywhere, default="")
    for item in kept[where]:
        if item["manifest"]["name"] == wanted:
            return {"node": where, "manifest": item["manifest"]}
    if not everywhere:
        raise Refused("there is no backup yet: take one, `salt-run state.orchestrate hamysql.orch.backup`")
    if wanted not in everywhere:
        raise Refused(f"no node has the backup {wanted}; the newest one is {max(everywhere)}")
    raise Refused(
        f"{where} does not see the backup {wanted}, which {everywhere[wanted]} has: have both nodes mount the same "
        f'hamysql:backup:directory, or add "hamysql_node": "{everywhere[wanted]}" to the pillar of this command'
    )


def leading(deployment: Deployment, node: str, name: str | None, to: str) -> Manifest:
    """The backup that leads to a moment, with binary logs."""
    way: Way = deployment.members.ask("hamysql_backup.way", [node], to=to)[node]
    found = way["manifest"]
    if name and name != found["name"]:
        raise Refused(
            f"the backup {found['name']} leads to {to}, and {name} was named: leave hamysql_backup or hamysql_restore_to out"
        )
    return found


def moment(to: str | None) -> dict[str, Any]:
    """The argument of a verb that restores; it is left out where no moment was asked for."""
    return {"to": to} if to else {}


def called(name: str, to: str | None) -> str:
    """What is restored, in words."""
    return f"the data of {to} UTC, from the backup {name}" if to else f"the backup {name}"


def anew(deployment: Deployment) -> str:
    """The server's binary logs begin anew, and no backup leads to them."""
    if not deployment.first["backup"]["binary_logs"]:
        return ""
    return "; take a backup, hamysql.orch.backup: until then no moment from now on can be restored"
