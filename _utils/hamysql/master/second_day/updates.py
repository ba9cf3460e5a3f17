"""The operation "update": packages, kernel and a boot, one node at a time, while the other one serves.

A node that is being updated has a mark of its own (``hamysql_update.begin``). So a run that was cut off needs no other memory: what
is left is what the nodes say of themselves.
"""

from __future__ import annotations

from hamysql.errors import HamysqlError, Refused
from hamysql.master import health
from hamysql.master.deployment import Deployment
from hamysql.master.members import NoAnswer
from hamysql.master.phases import Outcome
from hamysql.master.second_day import backups, gap, handover, maintenance, versions
from hamysql.system import wait
from hamysql.upkeep.look import Seen

CONFIRM = "hamysql_confirm"
BOOTED = 900.0  # seconds for a machine to boot, and for its minion to answer
PRESENT = 300.0  # seconds for a node that a run that was cut off has booted


def check(deployment: Deployment, confirm: str | None) -> Outcome:
    """The phase "checked": the cluster could lose a node, and nothing speaks against what there is to update."""
    _present(deployment)
    handover.prepare(deployment)
    seen = _look(deployment, refresh=True)
    begun = _begun(seen)
    _nobody_elses(deployment, begun)
    marked = maintenance.since(deployment)
    if not begun or any(_has_work(seen[node]) and node not in marked for node in begun):
        handover.whole(deployment)
    if not deployment.test and any(found["updates"] for found in seen.values()):
        deployment.say("step", "checked", "the packages are fetched, and looked at")
        seen = deployment.members.ask("hamysql_update.fetch")
    site = deployment.first
    if reasons := versions.against(seen, site):
        raise Refused("\n".join(["nothing is updated while this is so:", *(f"  - {item}" for item in reasons)]))
    remarks = versions.remarks(seen, site)
    if _unsaved(deployment, seen):
        names = ", ".join(versions.database(seen, site))
        what = f"{names} would be updated, and this cluster has no backups (hamysql:backup)."
        if deployment.test:
            remarks.append(f'{what} It wants {{"{CONFIRM}": "{deployment.members.cluster}"}}')
        else:
            _confirmed(deployment, confirm, what)
    if begun:
        since = ", ".join(f"{node} since {mark}" for node, mark in begun.items())
        head = f"the update of {since} goes on"
    else:
        head = f"the cluster is whole, and {health.active(deployment.survey())} serves"
    count = sum(len(found["updates"]) for found in seen.values())
    return {}, "\n".join([f"{head}; {count} packages are to be updated", *remarks])


def save(deployment: Deployment) -> Outcome:
    """The phase "saved": a backup, where the database is to be updated, and none of this update has begun."""
    seen = _look(deployment)
    wanted = versions.database(seen, deployment.first) and deployment.first["backup"]["enabled"]
    if not wanted or _begun(seen):
        return {}, "the database is not updated" if not wanted else "this update has begun: its backup is there"
    serving = str(health.active(deployment.survey()))
    if deployment.test:
        return {"backup": [f"~ {serving} takes a backup"]}, "a backup comes before the update of the database"
    name, words, found = backups.taken(deployment, serving, "saved")
    _note(deployment, [f"backup {name} was taken"], found)
    return {"backup": [f"{name} taken on {serving}"]}, f"{words}; {found}"


def first(deployment: Deployment, timeout: float) -> Outcome:
    """The phase "standby": the node with which a run has begun, else the standby."""
    return _update(deployment, _order(deployment)[0], "standby", timeout)


def second(deployment: Deployment, timeout: float) -> Outcome:
    """The phase "other": the other node; the service leaves it first."""
    return _update(deployment, _order(deployment)[1], "other", timeout)


def finish(deployment: Deployment) -> Outcome:
    """The phase "finished": the database's own tables are as its release needs them, and both nodes have nothing left."""
    if deployment.test:
        return {}, "the database's own tables are brought to its release, where that is needed"
    seen = _look(deployment)
    if left := [node for node, found in seen.items() if found["updates"] or found["mark"]]:
        raise HamysqlError(f"{' and '.join(left)} has something left to update: run this again")
    handover.whole(deployment)
    serving = str(health.active(deployment.survey()))
    with gap.measured(deployment, "finished", handover.FROM_BEGIN_TO_END) as found:
        ran = deployment.members.ask("hamysql_update.tables", [serving])[serving]
    _note(deployment, [f"{ran} has run"] if ran else [], found)
    late = [f"WARNING: {node}: {item['boot']} all the same" for node, item in seen.items() if item["boot"]]
    done = deployment.done or ["nothing was to be updated"]
    measured = f"longest write gap {max(deployment.gaps):.1f} s" if deployment.gaps else str(found)
    said = "\n".join([f"{'; '.join(done)}; {serving} serves; {measured}", *late])
    deployment.say("finished", "finished", said)
    return ({"database": [f"{ran} on {serving}"]} if ran else {}), said


def _update(deployment: Deployment, node: str, phase: str, timeout: float) -> Outcome:
    seen = _look(deployment)
    found = seen[node]
    if deployment.test:
        entries = versions.lines(node, found, deployment.first)
        if not entries:
            return {}, f"{node} has nothing to update"
        moves = [f"~ the service moves away from {node}"] if phase == "other" else []
        return {node: [*moves, f"~ {node} goes into standby", *entries]}, f"{node} is updated, and taken back"
    if not versions.left(found):
        return {}, f"{node} has nothing to update"
    done, gaps = [], []
    if _has_work(found):
        if not found["mark"]:
            handover.whole(deployment)
            deployment.members.ask("hamysql_update.begin", [node])
        gaps.append(maintenance.set_aside(deployment, node, phase, timeout)[1])
        done = _renew(deployment, node, phase, timeout)
    gaps.append(maintenance.bring_back(deployment, node, phase, timeout)[1])
    deployment.members.ask("hamysql_update.end", [node])
    words = [f"{node} was updated ({', '.join(done) or 'no package was left'})"]
    _note(deployment, words, *gaps)
    return {node: done or ["taken back"]}, f"{words[0]}; {gaps[0]}"


def _renew(deployment: Deployment, node: str, phase: str, timeout: float) -> list[str]:
    """The packages and the boot of a node that is out of the service; returns what was done, in a few words each."""
    (peer,) = (name for name in deployment.members.minions if name != node)
    if health.serving(deployment.members.survey([peer])) != [peer]:
        raise Refused(f"the database does not answer on {peer}: {node} is not touched")
    deployment.say("step", phase, f"{node} stops corosync and pacemaker")
    deployment.members.ask("hamysql_cluster.stop", [node], timeout=timeout)
    deployment.say("step", phase, f"{node} installs its updates")
    done = []
    if installed := deployment.members.ask("hamysql_update.install", [node])[node]:
        done.append(f"{len(installed)} packages")
    found: Seen = deployment.members.ask("hamysql_update.look", [node])[node]
    if found["boot"]:
        deployment.say("step", phase, f"{node} boots: {found['boot']}")
        deployment.members.ask("hamysql_update.reboot", [node])
        _booted(deployment, node, found["boot_id"])
        done.append("a boot")
    deployment.look_again()
    handover.prepare(deployment)
    return done


def _booted(deployment: Deployment, node: str, before: str) -> None:
    def look() -> str:
        try:
            return str(deployment.members.ask("hamysql_fencing.boot_id", [node], 5)[node])
        except NoAnswer:
            return before

    what = f"{node} has booted and its minion answers"
    wait.until(
        look,
        lambda boot: boot != before,
        what,
        timeout=BOOTED,
        interval=3,
        describe=lambda _: "no answer of a new boot",
    )


def _present(deployment: Deployment) -> None:
    """Wait for members that a run that was cut off has booted."""

    def look() -> list[str]:
        found = deployment.members.answers("hamysql_update.booting", (), 5)
        return [*found.silent, *(node for node, booting in found.values.items() if booting)]

    if deployment.test or not (absent := look()):
        return
    deployment.say("step", "checked", f"{' and '.join(absent)} does not answer, or is about to boot")
    what = "all members answer, and none is about to boot"
    wait.until(look, lambda left: not left, what, timeout=PRESENT, interval=3, describe=" and ".join)


def _look(deployment: Deployment, refresh: bool = False) -> dict[str, Seen]:
    seen: dict[str, Seen] = deployment.members.ask("hamysql_update.look", refresh=refresh)
    return seen


def _begun(seen: dict[str, Seen]) -> dict[str, str]:
    """The nodes on which an update has begun, and since when."""
    return {node: mark["since"] for node, found in seen.items() if (mark := found["mark"])}


def _has_work(found: Seen) -> bool:
    """Whether a node has to be out of the service for what is left."""
    return bool(found["updates"] or found["boot"])


def _nobody_elses(deployment: Deployment, begun: dict[str, str]) -> None:
    marked = maintenance.since(deployment)
    if others := [node for node in marked if node not in begun]:
        raise Refused(
            f"{others[0]} is in maintenance since {marked[others[0]]}, and not by an update: take it back first, "
            f'{maintenance.EXAMPLE} pillar=\'{{"{maintenance.RETURN}": "{others[0]}"}}\''
        )
    if len(begun) > 1:
        raise Refused(
            f"an update has begun on {' and '.join(begun)} at once, and one at a time is what it does: see which one is whole, and "
            f"`salt NODE hamysql_update.end` there"
        )


def _unsaved(deployment: Deployment, seen: dict[str, Seen]) -> bool:
    saved = deployment.first["backup"]["enabled"] or _begun(seen)
    return bool(versions.database(seen, deployment.first)) and not saved


def _confirmed(deployment: Deployment, confirm: str | None, what: str) -> None:
    cluster = deployment.members.cluster
    if confirm != cluster:
        raise Refused(
            f'{what} Set that up first. If you have a backup by other means, say pillar=\'{{"{CONFIRM}": "{cluster}"}}\''
        )


def _order(deployment: Deployment) -> list[str]:
    """The node on which an update has begun, else the standby; and the other one."""
    begun = _begun(_look(deployment))
    serving = health.active(deployment.survey())
    names = list(deployment.members.minions)
    return sorted(names, key=lambda node: (node not in begun, node == serving))


def _note(deployment: Deployment, words: list[str], *measured: gap.Measured) -> None:
    deployment.done += words
    deployment.gaps += [found.gap for found in measured if found.seen]
