"""The operation "grow": disk, device and file system become larger while the database serves. Nothing becomes smaller."""

from __future__ import annotations

from hamysql.errors import HamysqlError, Refused
from hamysql.master import health, operations
from hamysql.master.deployment import Deployment
from hamysql.master.phases import Outcome
from hamysql.master.second_day import gap, handover, verify
from hamysql.storage import backends
from hamysql.storage.growth import plan
from hamysql.storage.growth.layers import DEVICE, DISK, FILESYSTEM
from hamysql.storage.growth.plan import Change, Found


def check(deployment: Deployment, size: str | None) -> Outcome:
    """The phase "checked": the kernels have looked at the disks again, and what grows is shown, from and to.

    size
        Of DRBD's disk on each node, where that is a volume of LVM.

    A run that was cut off after the device had grown may have left a synchronisation, which this does not wait for.
    """
    handover.prepare(deployment)
    if nothing := _nothing(deployment):
        return {}, nothing
    if health.active(deployment.survey()) is None:
        raise Refused("nothing is enlarged, since no node serves: look at `salt-run hamysql.status`")
    if not deployment.test:
        deployment.members.ask("hamysql_grow.rescan")
    found = _found(deployment, size)
    wanted = _changes(deployment, found)
    reasons = operations.unsound(deployment.survey())
    if reasons and any(change.key != FILESYSTEM for change in wanted):
        raise Refused("\n".join(["nothing is enlarged while this is so:", *(f"  - {item}" for item in reasons)]))
    lines = [str(change) for change in wanted] or ["every layer is as large as the one below it: nothing has to grow"]
    if bound := plan.bound(found):
        lines.append(bound)
    if deployment.test:
        lines.append("the sizes are those that the kernels know; a run has them look at the disks again")
    return {}, "\n".join(lines)


def grow_disks(deployment: Deployment, size: str | None) -> Outcome:
    """The phase "disks": the volume of LVM below DRBD has the size, on each node."""
    if _nothing(deployment):
        return {}, "nothing has to be done"
    wanted = [change for change in _changes(deployment, _found(deployment, size)) if change.key == DISK]
    if not wanted:
        return {}, "the disks are as large as they are to be"
    if deployment.test:
        return {"disks": [f"~ {change}" for change in wanted]}, "; ".join(map(str, wanted))
    for change in wanted:
        deployment.say("step", "disks", str(change))
        deployment.members.ask("hamysql_grow.disk", change.nodes, size=size)
    return {"disks": [str(change) for change in wanted]}, "; ".join(map(str, wanted))


def grow(deployment: Deployment, size: str | None, timeout: float) -> Outcome:
    """The phase "grown": the device and the file system are as large as the disks let them, and both copies are up to date.

    timeout
        Seconds for the standby to be synchronised, where the pillar wants that for new space.
    """
    if nothing := _nothing(deployment):
        if not deployment.test:
            deployment.say("finished", "grown", nothing)
        return {}, nothing
    wanted = [change for change in _changes(deployment, _found(deployment, size)) if change.key != DISK]
    if deployment.test:
        entries = [f"~ {change}" for change in wanted]
        return ({"grown": entries} if entries else {}), "; ".join(map(str, wanted)) or "nothing has to grow"
    serving = str(health.active(deployment.survey()))
    if not wanted:
        gap.tidy(deployment)
        if backends.of(deployment.survey()).behind(deployment.survey()):
            deployment.say("step", "grown", "the standby is synchronised")
            verify.wait_whole(deployment, serving, timeout)
        said = "every layer is as large as the one below it: nothing had to grow"
        deployment.say("finished", "grown", said)
        return {}, said
    with gap.measured(deployment, "grown", verify.FROM_BEGIN_TO_END) as measured:
        done = _enlarged(deployment, serving, wanted, size)
        verify.wait_whole(deployment, serving, timeout)
    deployment.look_again()
    if left := _changes(deployment, _found(deployment, size)):
        raise HamysqlError(f"it has not grown as far as it could: {left[0]}. Run it again")
    said = f"{'; '.join(map(str, done))}; {measured}"
    deployment.say("finished", "grown", said)
    return {"grown": [str(change) for change in done]}, said


def _enlarged(deployment: Deployment, serving: str, wanted: list[Change], size: str | None) -> list[Change]:
    """Enlarge the device, then the file system; returns what has grown."""
    done = [change for change in wanted if change.key == DEVICE]
    for change in done:
        deployment.say("step", "grown", str(change))
        deployment.members.ask("hamysql_grow.device", [serving])
        deployment.members.ask("hamysql_grow.note")
    deployment.look_again()
    for change in _changes(deployment, _found(deployment, size)):
        if change.key == FILESYSTEM:
            deployment.say("step", "grown", str(change))
            deployment.members.ask("hamysql_grow.filesystem", [serving])
            done.append(change)
    return done


def _nothing(deployment: Deployment) -> str:
    return backends.of(deployment.survey()).growth.nothing(deployment.first)


def _found(deployment: Deployment, size: str | None) -> Found:
    """What all members see of their layers."""
    found: Found = deployment.members.ask("hamysql_grow.layers", size=size or "")
    return found


def _changes(deployment: Deployment, found: Found) -> list[Change]:
    return plan.changes(found, backends.of(deployment.survey()).growth.shared)
