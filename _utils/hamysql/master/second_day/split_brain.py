"""The operation "split_brain": both sides are shown. The changes of the one that an operator names are copied, and given up."""

from __future__ import annotations

from collections.abc import Mapping

from hamysql.errors import Refused
from hamysql.master import health
from hamysql.master.deployment import Deployment
from hamysql.master.members import NoAnswer
from hamysql.master.phases import Outcome
from hamysql.master.second_day import gap, handover, verify
from hamysql.storage import backends
from hamysql.storage.copies import FOLDER, Image, Looked, Note, compared

EXAMPLE = "salt-run state.orchestrate hamysql.orch.split_brain"
VICTIM = "hamysql_victim"
CONNECTED = 15.0  # seconds for both sides to compare their histories
MOST = 40  # lines of evidence about tables


def look(deployment: Deployment, victim: str | None) -> Outcome:
    """The phase "looked": what each side has. It names nobody, and changes nothing."""
    handover.prepare(deployment)
    if begun(deployment, victim):
        return {}, f"an earlier run has given the changes of {victim} up already"
    split = backends.of(deployment.survey()).apart(deployment.survey())
    if not split:
        raise Refused("there is no split brain: look at `salt-run hamysql.status`")
    said = [split[0].partition(":")[0], *evidence_lines(deployment.members.ask("hamysql_split.look"))]
    if victim is None:
        names = list(deployment.members.minions)
        said += [
            "Nothing was changed. One side's changes will be lost, and only you can say which. Name that side:",
            f'  {EXAMPLE} pillar=\'{{"{VICTIM}": "{names[0]}"}}\', or "{names[-1]}"',
        ]
    return {}, "\n".join(said)


def evidence_lines(looked: Mapping[str, Looked]) -> list[str]:
    """What both sides have, as lines."""
    found = [
        f"  {node}: {seen['state']}; generation {seen['generation'] or 'unknown'}" for node, seen in looked.items()
    ]
    untold = [f"  the tables of {node} cannot be told: {seen['why']}" for node, seen in looked.items() if seen["why"]]
    if untold:
        return [*found, *untold]
    lines = compared({node: seen["tables"] for node, seen in looked.items()})
    more = [f"  and {len(lines) - MOST} more"] if len(lines) > MOST else []
    return [*found, *(f"  {line}" for line in lines[:MOST]), *more, *([] if lines else ["  no table's file differs"])]


def begun(deployment: Deployment, victim: str | None) -> bool:
    """Whether an earlier run has come so far that the sides are connected, and the victim is filled."""
    if victim not in deployment.members.minions:
        return False
    note: Note | None = deployment.members.ask("hamysql_split.noted", [str(victim)])[str(victim)]
    apart = backends.of(deployment.survey()).apart(deployment.survey())
    return note is not None and note["given_up"] and not apart


def check(deployment: Deployment, victim: str | None) -> Outcome:
    """The phase "checked": the victim serves nobody, and the other side has all of its own data."""
    node = handover.named(deployment, victim, VICTIM, EXAMPLE)
    survivor = other(deployment, node)
    if begun(deployment, node):
        return {}, f"{node} gets its data from {survivor}"
    surveys = deployment.survey()
    lost, kept = surveys[node], surveys[survivor]
    reasons = []
    if lost["database"] or lost["storage"]["status"].get("role") == "Primary":
        reasons.append(
            f"{node} serves, or is Primary: have the other one serve, `crm_standby --node {node} --update on`, later `--delete`"
        )
    if kept["cluster"]["nodes"].get(node, {}).get("standby"):
        reasons.append(f"{node} is in standby, and could not join: `crm_standby --node {node} --delete`")
    if kept["storage"]["status"].get("disk") != "UpToDate":
        reasons.append(f"{survivor} is not UpToDate: {backends.state(kept)}")
    if reasons:
        raise Refused(
            "\n".join(
                [f"the changes of {node} are not given up while this is so:", *(f"  - {item}" for item in reasons)]
            )
        )
    return {}, f"{node} is no primary, and {survivor} is UpToDate"


def keep(deployment: Deployment, victim: str | None, folder: str | None) -> Outcome:
    """The phase "kept": the victim's disk was copied into a file.

    folder
        Where to, on the victim; the verb's default where it is ``None``.
    """
    node = handover.named(deployment, victim, VICTIM, EXAMPLE)
    if begun(deployment, node):
        note: Note = deployment.members.ask("hamysql_split.noted", [node])[node]
        return {}, f"the disk of {node} was copied to {note['image']['path']}"
    if deployment.test:
        entry = f"~ the disk of {node} is copied to {folder or FOLDER}"
        return {"kept": [entry]}, entry.removeprefix("~ ")
    deployment.say("step", "kept", f"the disk of {node} is copied, before its changes are given up")
    made: Image = deployment.members.ask("hamysql_split.keep", [node], folder=folder or FOLDER)[node]
    return {"kept": [made["path"]]}, f"the disk of {node} is kept in {made['path']}, {made['size'] / 1e6:.0f} MB"


def resolve(deployment: Deployment, victim: str | None, timeout: float) -> Outcome:
    """The phase "resolved": the victim has the other side's data, and both were compared where DRBD can do that.

    timeout
        Seconds for the victim to have all data.
    """
    node = handover.named(deployment, victim, VICTIM, EXAMPLE)
    survivor = other(deployment, node)
    if deployment.test:
        entry = f"~ {node} gives its changes up, and gets the data of {survivor}"
        return {"resolved": [entry]}, entry.removeprefix("~ ")
    names = list(deployment.members.minions)
    with gap.measured(deployment, "resolved", verify.FROM_BEGIN_TO_END) as measured:
        if not begun(deployment, node):
            deployment.say("step", "resolved", f"{node} gives its changes up")
            connect(deployment, node, survivor)
        if not deployment.survey()[node]["cluster"]["running"]:
            deployment.say("step", "resolved", f"corosync and pacemaker start on {node}")
            deployment.members.ask("hamysql_cluster.start", [node])
        deployment.say("step", "resolved", f"{node} gets the data of {survivor}")
        deployment.members.ask("hamysql_rolling.wait_whole", [survivor], nodes=names, timeout=timeout)
        deployment.look_again()
        serving = health.active(deployment.survey())
        unable = backends.of(deployment.survey()).comparable(deployment.first) or ("" if serving else "no node serves")
        outcome = unable and f"both replicas were not compared: {unable}"
        if not unable:
            outcome = verify.told(verify.compared(deployment, str(serving), "resolved"))
    note: Note | None = deployment.members.ask("hamysql_split.noted", [node])[node]
    deployment.members.ask("hamysql_split.forget", [node])
    deployment.look_again()
    kept = f"; what it had is in {note['image']['path']} on {node}" if note else ""
    said = f"{node} has the data of {survivor}{kept}; {outcome}; {measured}"
    deployment.say("finished", "resolved", said)
    return {"resolved": [f"{node} gave its changes up"]}, said


def connect(deployment: Deployment, node: str, survivor: str, tries: int = 10) -> None:
    """Have both sides connect, the one to give its changes up.

    A replica that was down calls the other side as soon as it is up, and both refuse each other once more, perhaps a moment later.
    """
    for left in reversed(range(tries)):
        deployment.members.ask("hamysql_split.give_up", [node])
        deployment.members.ask("hamysql_split.accept", [survivor])
        try:
            deployment.members.ask("hamysql_split.wait_connected", [node], timeout=CONNECTED)
            return
        except NoAnswer as exc:
            if not left or not exc.failed:
                raise


def other(deployment: Deployment, node: str) -> str:
    """The side whose data is kept."""
    (found,) = (name for name in deployment.members.minions if name != node)
    return found
