"""The operation "verify": both replicas are compared while the database serves, and the standby's is made equal where wanted."""

from __future__ import annotations

from hamysql.errors import HamysqlError, Refused
from hamysql.master import health, operations
from hamysql.master.deployment import Deployment
from hamysql.master.phases import Outcome
from hamysql.master.second_day import gap, handover
from hamysql.storage import backends
from hamysql.storage.copies import Progress, Verified

HOW = "`salt-run state.orchestrate hamysql.orch.verify pillar='{\"hamysql_resynchronise\": true}'` makes them equal"
LOOK = 20.0  # seconds: how often a node is asked how far it is
STEP = 10.0  # percent: how often that is told
FROM_BEGIN_TO_END = 7 * 86400.0  # seconds: a writer that nobody ends is gone then


def check(deployment: Deployment) -> Outcome:
    """The phase "checked": there are two replicas, both up to date, and one node serves."""
    handover.prepare(deployment)
    kind = backends.of(deployment.survey())
    if reason := kind.comparable(deployment.first):
        raise Refused(f"nothing is verified: {reason}")
    if not deployment.test:
        mend(deployment)
    if reasons := operations.unsound(deployment.survey()):
        raise Refused("\n".join(["nothing is verified while this is so:", *(f"  - {item}" for item in reasons)]))
    return {}, f"{health.active(deployment.survey())} serves, and both replicas are up to date"


def mend(deployment: Deployment) -> None:
    """Connect a replica that an earlier run has left alone, and wait until it has all data."""
    if not any(deployment.members.ask("hamysql_verify.reconnect").values()):
        return
    serving = health.active(deployment.survey())
    if serving:
        wait_whole(deployment, serving, handover.SETTLED)
    deployment.look_again()


def verify(deployment: Deployment, resynchronise: bool) -> Outcome:
    """The phase "verified": the node that serves has compared all blocks.

    resynchronise
        Whether differences are wanted to go: those that are known already need no verification before.
    """
    serving = str(health.active(deployment.survey()))
    known = backends.of(deployment.survey()).differing(deployment.survey())
    if resynchronise and known:
        return {}, f"differences are known already, so nothing is compared: {known[0]}"
    if deployment.test:
        entry = f"~ {serving} compares all blocks of both replicas, while the database serves"
        return {"verify": [entry]}, entry.removeprefix("~ ")
    with gap.measured(deployment, "verified", FROM_BEGIN_TO_END) as measured:
        found = compared(deployment, serving, "verified")
    deployment.look_again()
    said = f"{told(found)}; {measured}"
    if found["out_of_sync"] and not resynchronise:
        said = f"{said}. {HOW}"
    deployment.say("step" if resynchronise else "finished", "verified", said)
    return {"verify": [f"compared from {serving}: {found['out_of_sync']} KiB differ"]}, said


def compared(deployment: Deployment, serving: str, phase: str) -> Verified:
    """Have the node that serves compare all blocks, tell how far it is, and return what it has recorded."""
    begun = deployment.members.ask("hamysql_verify.begin", [serving])[serving]
    deployment.say(
        "step", phase, f"{serving} compares both replicas{'' if begun else ', as an earlier run has begun to do'}"
    )
    told = 0.0
    while True:
        seen: Progress = deployment.members.ask("hamysql_verify.look", [serving], timeout=LOOK)[serving]
        if not seen["running"]:
            break
        if (seen["done"] or 0.0) >= told + STEP:
            told = seen["done"] or 0.0
            deployment.say("step", phase, f"{told:.0f} % are compared, {seen['out_of_sync']} KiB differ so far")
    found: Verified = deployment.members.ask("hamysql_verify.finish", [serving])[serving]
    return found


def told(found: Verified) -> str:
    """What a verification has found, as a sentence."""
    differ = f"{found['out_of_sync']} KiB differ" if found["out_of_sync"] else "they are equal"
    return f"both replicas were compared in {found['seconds']} s, from {found['node']}: {differ}"


def resynchronise(deployment: Deployment, timeout: float) -> Outcome:
    """The phase "resynchronised": the standby has what the node that serves has.

    timeout
        Seconds for the standby to have all data.
    """
    serving = str(health.active(deployment.survey()))
    (standby,) = (name for name in deployment.members.minions if name != serving)
    known = backends.of(deployment.survey()).differing(deployment.survey())
    if deployment.test:
        entry = f"~ {standby} gets what differs from {serving}"
        return ({"resynchronised": [entry]} if known else {}), entry.removeprefix("~ ") + ", if anything does"
    if not known:
        said = "the replicas are equal: nothing was resynchronised"
        deployment.say("finished", "resynchronised", said)
        return {}, said
    with gap.measured(deployment, "resynchronised", handover.FROM_BEGIN_TO_END) as measured:
        deployment.say("step", "resynchronised", f"{standby} gets what differs from {serving}")
        size = deployment.members.ask("hamysql_verify.resynchronised", [standby])[standby]
        wait_whole(deployment, serving, timeout)
    deployment.look_again()
    if left := backends.of(deployment.survey()).differing(deployment.survey()):
        raise HamysqlError(f"the resynchronisation has ended, and {left[0]}")
    said = f"{standby} got {size} KiB that differed from {serving}; {measured}"
    deployment.say("finished", "resynchronised", said)
    return {"resynchronised": [f"{size} KiB on {standby}, from {serving}"]}, said


def wait_whole(deployment: Deployment, serving: str, timeout: float) -> None:
    """Wait so many seconds until both replicas have all data."""
    names = list(deployment.members.minions)
    deployment.members.ask("hamysql_rolling.wait_whole", [serving], nodes=names, timeout=timeout)
