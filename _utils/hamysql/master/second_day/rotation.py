"""The operation "rotate_secrets": the cluster's secrets are others, while the database serves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hamysql import pending as pending_changes
from hamysql.corosync.pending import AUTHKEY
from hamysql.errors import HamysqlError, NotReady, Refused
from hamysql.master import deployment as deployments
from hamysql.master import health
from hamysql.master.deployment import Deployment
from hamysql.master.highstate import Changes
from hamysql.master.phases import Outcome
from hamysql.master.second_day import gap, handover, new_secrets
from hamysql.storage import backends
from hamysql.system.command import Run

State = Mapping[str, Mapping[str, Any]]  # of ``hamysql_secrets.state``, by node


def check(deployment: Deployment, run: Run, file: str | None) -> Outcome:
    """The phase "checked": the cluster is whole, and nothing but secrets is to change.

    file
        The pillar file of secrets that are to be made anew; None where the pillar has the new ones already.
    """
    handover.prepare(deployment)
    state = _state(deployment)
    if not _begun(state):  # else a node that has started since may wait for the others to take over its key
        handover.whole(deployment, moves=False)
    reasons = [
        f"{node}: {item.path} waits as well: run `salt-run state.orchestrate hamysql.orch` with the old secrets first"
        for node, survey in deployment.survey().items()
        for item in pending_changes.from_dicts(survey["pending"])
        if item.path not in _of_secrets(deployment)
    ]
    if len({seen["key"]["pillar"] for seen in state.values()}) > 1:
        reasons.append("hamysql:corosync:authkey is not the same in the pillars of both nodes")
    place = new_secrets.check(file) if file else None
    if place:
        new_secrets.in_the_pillar(place, run, deployment.master, list(deployment.members.minions.values()))
    changes_key = any(item.path == AUTHKEY for item in _pending(deployment)) or (
        place is not None and ("corosync", "authkey") in new_secrets.changing(place)
    )
    if changes_key:
        reasons += [f"{node}: {line}" for node, seen in state.items() for line in seen["key"]["unable"]]
    for node, devices in deployment.members.ask("hamysql_secrets.refusing").items():
        reasons += [
            f"{node}: the fence device {name} does not answer with the pillar's secrets: set them on the device first"
            for name in devices
        ]
    if reasons:
        raise Refused("\n".join(["no secret is changed while this is so:", *(f"  - {item}" for item in reasons)]))
    return {}, "the cluster is whole, and nothing but secrets is to change"


def make(deployment: Deployment, run: Run, file: str | None, gpg_key: str | None) -> Outcome:
    """The phase "made": the file has new secrets, and the members know them. The old file is kept."""
    if not file:
        return {}, "the pillar's own secrets are taken"
    place = new_secrets.check(file)
    paths = [":".join(("hamysql", *path)) for path in new_secrets.changing(place)]
    if deployment.test:
        if new_secrets.before(place).exists():
            return {}, f"{place} has new secrets already"
        return {"file": [f"~ {path}: a new one" for path in paths]}, f"{len(paths)} secrets get new values in {place}"
    minions = list(deployment.members.minions.values())
    made = new_secrets.renew(place, run, deployment.master, gpg_key)
    if made:
        deployment.say(
            "step", "made", f"{place} has {len(paths)} new secrets, and {new_secrets.before(place)} the old ones"
        )
    new_secrets.in_the_pillar(place, run, deployment.master, minions)
    deployment.members = deployment.master.members(deployment.members.cluster)
    deployments.synchronise(deployment)
    return ({"file": paths} if made else {}), f"{place} has the new secrets, and the members know them"


def rotate(deployment: Deployment, timeout: float) -> Outcome:
    """The phase "rotated": the services have the pillar's secrets, one kind after the other, while a client on each node writes.

    timeout
        Seconds for the cluster to be whole afterwards.
    """
    if deployment.test:
        entries = _entries(deployment)
        return ({"secrets": entries} if entries else {}), "; ".join(entries) or "the pillar's secrets are in use"
    changes: Changes = {}
    with gap.measured(deployment, "rotated", handover.FROM_BEGIN_TO_END) as found:
        if _key(deployment):
            changes["corosync"] = ["hamysql:corosync:authkey"]
        deployment.say("step", "rotated", "a highstate on both nodes, and what both compare on both at once")
        applied = deployments.apply(deployment, "hamysql")
        deployment.look_again()
        deployments.apply_together(deployment, applied)
        deployment.look_again()
        deployment.say("step", "rotated", "pacemaker reads the secrets of its fence devices anew")
        _fencing(deployment)
        serving = health.active(deployment.survey())
        if serving is None:
            raise NotReady("no database answers: its passwords are not changed yet. Put that right, and run this again")
        deployment.say("step", "rotated", f"passwords of the database's accounts, on {serving}")
        accounts = deployments.apply(deployment, "hamysql.mysql.accounts", [serving])
        deployment.members.ask(
            "hamysql_rolling.wait_whole", [serving], nodes=list(deployment.members.minions), timeout=timeout
        )
    deployment.look_again()
    changes |= {**applied, **{f"{node} (accounts)": value for node, value in accounts.items()}}
    said = f"{deployments.counted(changes, 'changes')} of secrets, without a restart; {found}"
    deployment.say("step", "rotated", said)
    return changes, said


def verify(deployment: Deployment, file: str | None) -> Outcome:
    """The phase "verified": each service uses the pillar's secrets, and the old ones go."""
    if deployment.test:
        return {}, "not looked at with test=True"
    left = _entries(deployment)
    if left:
        raise HamysqlError("\n".join(["these secrets are not in use yet, run this again:", *left]))
    handover.whole(deployment, moves=False)
    place = Path(file) if file else None
    gone = place is not None and new_secrets.forget(place)
    said = "the secrets of the pillar are in use: corosync's key, the storage's, the fence devices' and the accounts'"
    said += f"; the old file {new_secrets.before(place)} is gone" if gone and place else ""
    deployment.say("finished", "verified", said)
    return ({"file": [f"- {new_secrets.before(place)}"]} if gone and place else {}), said


def _state(deployment: Deployment) -> State:
    found: State = deployment.members.ask("hamysql_secrets.state")
    return found


def _of_secrets(deployment: Deployment) -> set[str]:
    """The paths of the pillar that may wait: corosync's key, and what the storage has of its own."""
    kind = backends.of(deployment.survey())
    return {AUTHKEY, *(":".join(("hamysql", "storage", kind.name, *keys)) for keys in kind.secrets)}


def _begun(state: State) -> bool:
    """Whether a run was cut off while corosync's key was on its way."""
    return any(seen["key"]["beside"] for seen in state.values())


def _pending(deployment: Deployment) -> list[pending_changes.Pending]:
    surveys = deployment.survey().values()
    return [item for survey in surveys for item in pending_changes.from_dicts(survey["pending"])]


def _entries(deployment: Deployment) -> list[str]:
    """What is left, as lines of a plan."""
    entries = []
    for node, seen in _state(deployment).items():
        if seen["key"]["pillar"] != seen["key"]["file"] and seen["key"]["pillar"] or seen["key"]["beside"]:
            entries.append(f"~ {node}: corosync's key, in service")
        entries += [f"~ {node}: the secrets of the fence device {name}" for name in seen["fencing"]]
        entries += [f"~ {node}: {secret}" for secret in seen["storage"]]
    waiting = {item.path for item in _pending(deployment)} & _of_secrets(deployment) - {AUTHKEY}
    entries += [f"~ {path}, on both nodes at once" for path in sorted(waiting)]
    accounts = [name for found in deployment.pending().values() for name in found["accounts"] or ()]
    return [*entries, *(f"~ {name}" for name in dict.fromkeys(accounts))]


def _key(deployment: Deployment) -> bool:
    """Have corosync take over the pillar's key; whether there was anything to do.

    Its files are put in place by one job, and compared, before anybody reads them: a node with another key would be cut off.
    """
    keys = {node: seen["key"] for node, seen in _state(deployment).items()}
    wanted = {key["pillar"] for key in keys.values()}
    if wanted == {""} or all(key["pillar"] == key["file"] and not key["beside"] for key in keys.values()):
        return False
    (expected,) = wanted
    members = deployment.members
    deployment.say("step", "rotated", "corosync's new key is laid beside the old one, on both nodes")
    members.ask("hamysql_secrets.stage")
    _same(deployment, "beside", expected)
    deployment.say("step", "rotated", "corosync's new key takes the old one's place, on both nodes")
    members.ask("hamysql_secrets.replace", expected=expected)
    _same(deployment, "file", expected)
    first = next(iter(members.minions))
    deployment.say("step", "rotated", f"corosync takes over its new key on both nodes, told by {first}")
    members.ask("hamysql_secrets.reload", [first], expected=expected)
    deployment.say("step", "rotated", "corosync's old key goes")
    members.ask("hamysql_secrets.finish", expected=expected)
    deployment.look_again()
    return True


def _same(deployment: Deployment, which: str, expected: str) -> None:
    found = {node: seen["key"][which] for node, seen in _state(deployment).items()}
    if set(found.values()) != {expected}:
        raise HamysqlError(
            f"corosync's key is not the same on both nodes ({found}), expected {expected}: run this again"
        )


def _fencing(deployment: Deployment) -> None:
    """Pacemaker uses the new secrets of its fence devices, and each one answers."""
    if not any(device["secrets"] for device in deployment.first["fencing"]["devices"]):
        return
    first = next(iter(deployment.members.minions))
    deployment.members.ask("hamysql_secrets.reread", [first])
    reasons = [
        f"{node}: the fence device {name} does not answer pacemaker with its new secrets: look at `salt-run hamysql.status`"
        for node, failed in deployment.members.ask("hamysql_secrets.accepted").items()
        for name in failed
    ]
    if reasons:
        raise HamysqlError("\n".join(reasons))
