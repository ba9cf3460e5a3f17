"""The operation "replace_node": a blank machine takes the place of a node that died for good, while the other node serves.

The pillar has the new machine already, under the old name or another one. The node that serves notes who takes whose place. By that
note it takes over the new one's name and addresses in service, which would be refused otherwise. The rest is a deployment.
"""

from __future__ import annotations

from hamysql import pending
from hamysql.corosync.replaced import Looked
from hamysql.errors import Refused
from hamysql.master import deployment as deployments
from hamysql.master import health, phases
from hamysql.master.deployment import Deployment
from hamysql.master.highstate import Changes
from hamysql.master.orchestration import nodes, service, start
from hamysql.master.phases import Outcome
from hamysql.master.second_day import gap, handover
from hamysql.preflight import mixed
from hamysql.storage import backends
from hamysql.survey import Survey, Surveys

EXAMPLE = "salt-run state.orchestrate hamysql.orch.replace_node"
KEY = "hamysql_replace"


def check(deployment: Deployment, dead: str | None, newer: bool = False) -> Outcome:
    """The phase "checked": one node serves and has all data, the named one is provably out, and a blank machine is in its place.

    newer
        Whether the blank machine may have newer major versions, of a newer release of the system (default: false).
    """
    handover.prepare(deployment)
    survivor, new = _sides(deployment)
    seen = _look(deployment, survivor, dead)
    noted = seen["noted"]
    if noted and (noted["old"], noted["new"]) != (dead, new):
        raise Refused(
            f"a replacement of {noted['old']} by {noted['new']} has begun and has not ended, since {noted['since']}: finish it, "
            f'{EXAMPLE} pillar=\'{{"{KEY}": "{noted["old"]}"}}\', with {noted["new"]} in the pillar'
        )
    others = [name for name in seen["known"] if name != survivor]
    if not noted and dead not in others:
        if dead and dead != survivor and new in others and _is_online(deployment, survivor, new):
            return {}, f"{new} has taken its place already, and the cluster knows no {dead}"
        raise Refused(
            f"the node that died was not named ({dead or 'none'}): {survivor} serves, and its cluster has the nodes "
            f'{" and ".join(seen["known"])}. Say {EXAMPLE} pillar=\'{{"{KEY}": "{others[-1] if others else new}"}}\''
        )
    surveys = deployment.survey()
    reasons = [*_of_survivor(survivor, surveys[survivor], seen)]
    if not noted:
        reasons += [*_of_dead(str(dead), surveys[survivor], seen), *_of_new(deployment, str(dead), new, surveys)]
    evidence = (
        [f"the place of {dead} is not taken while this is so:", *(f"  - {reason}" for reason in reasons)]
        if reasons
        else []
    )
    warnings = phases.check(
        deployment,
        _to_judge(surveys),
        lambda: deployments.storage_plan(deployment),
        evidence=evidence,
        newer=new if newer else "",
    )
    begun = f" A replacement has begun, since {noted['since']}." if noted else ""
    return {}, f"{survivor} serves and has all data, {dead} is out, and {new} may take its place.{begun}{warnings}"


def release(deployment: Deployment, dead: str | None) -> Outcome:
    """The phase "released": the node that serves has let the dead one go, and knows the new one."""
    survivor, new = _sides(deployment)
    if _is_done(deployment, survivor, dead):
        return {}, "nothing is left to do"
    if deployment.test:
        entries = [
            f"~ {survivor} knows {new} in the place of {dead}: corosync and the storage take that over while they run",
            f"- what the cluster has of {dead}: its entry, attributes and constraints",
        ]
        return {"released": entries}, "; ".join(entry[2:] for entry in entries)
    phases.keep(deployment, f"the replacement of {dead}")
    gap.tidy(deployment)
    deployment.say("step", "released", f"{survivor} notes that {new} takes the place of {dead}")
    deployment.members.ask("hamysql_replace.begin", [survivor], node=dead)
    with gap.measured(deployment, "released", handover.FROM_BEGIN_TO_END, [survivor]) as found:
        deployment.say("step", "released", f"{survivor} takes over the addresses of {new} while it serves")
        changes: Changes = deployments.apply(deployment, "hamysql", [survivor])
        deployment.look_again()
        deployment.say("step", "released", f"the cluster forgets {dead}")
        gone = deployment.members.ask("hamysql_replace.forget", [survivor], node=dead)[survivor]
    _note(deployment, found)
    deployment.look_again()
    if gone:
        changes["released"] = gone
    return changes, f"{survivor} knows {new} in the place of {dead}; gone: {', '.join(gone) or 'nothing more'}; {found}"


def join(deployment: Deployment, dead: str | None, timeout: float, newer: bool = False) -> Outcome:
    """The phase "joined": the new machine is a member, with a disk that the other one's data flows to.

    timeout
        Seconds for it to be online.
    newer
        As in :func:`check`.

    The new fence devices are in the cluster's configuration before the machine joins, so it can be fenced from its first moment.
    """
    survivor, new = _sides(deployment)
    if _is_done(deployment, survivor, dead):
        return {}, "nothing is left to do"
    if deployment.test:
        entry = f"~ {new} gets packages, files, fence devices and storage, and joins the cluster"
        return {"joined": [entry]}, entry[2:]
    with gap.measured(deployment, "joined", handover.FROM_BEGIN_TO_END, [survivor]) as found:
        changes = deployments.same_link(deployment, "joined")
        deployment.say("step", "joined", f"packages and files on {new}")
        changes |= deployments.apply(deployment, "hamysql", [new])
        deployments.apply_together(deployment, changes)
        phases.same_versions(deployment, new if newer else "")
        deployment.say("step", "joined", f"the cluster gets the resources and fence devices of {new}")
        changes |= phases.apply_resources(deployment, survivor)
        deployment.look_again()
        deployment.say("step", "joined", f"the storage of {new} is made")
        done = nodes.perform(deployment, "joined", lambda: deployments.storage_plan(deployment))
        deployment.say("step", "joined", f"corosync and pacemaker start on {new}")
        began, _ = start.online(deployment, timeout)
    _note(deployment, found)
    changes |= {**began, **({"storage": done} if done else {})}
    deployment.look_again()
    return changes, f"{new} is a member; {found}"


def synchronise(deployment: Deployment, dead: str | None, timeout: float) -> Outcome:
    """The phase "synchronised": the new node has all data, the cluster is whole, and nothing is left of the replacement.

    timeout
        Seconds for the data to be there.
    """
    survivor, new = _sides(deployment)
    if _is_done(deployment, survivor, dead):
        said = f"{new} has the place of {dead} already: nothing was done"
        deployment.say("finished", "synchronised", said)
        return {}, said
    if deployment.test:
        entry = f"~ {new} gets all data from {survivor}, which serves"
        return {"synchronised": [entry]}, entry[2:]
    names = list(deployment.members.minions)
    with gap.measured(deployment, "synchronised", handover.FROM_BEGIN_TO_END) as found:
        deployment.say("step", "synchronised", f"{new} gets the data of {survivor}")
        deployment.members.ask("hamysql_rolling.wait_whole", [survivor], nodes=names, timeout=timeout)
        service.manage_accounts(deployment)
        # Where a failover, and no switchover, had the node serve that has a newer release: nobody has done that then.
        ran = deployment.members.ask("hamysql_update.tables", [survivor])[survivor]
    _note(deployment, found)
    deployment.look_again()
    handover.whole(deployment)
    deployment.members.ask("hamysql_replace.end", [survivor])
    measured = f"longest write gap {max(deployment.gaps):.1f} s" if deployment.gaps else str(found)
    fencing = deployment.first["fencing"]["enabled"]
    proof = f"; prove the fence devices of {new}: `salt-run hamysql.fence_test`" if fencing else ""
    said = f"{new} has taken the place of {dead}, with the data of {survivor}; {measured}{proof}"
    if next_step := mixed.ahead(deployment.survey()):
        said += f"\nWARNING: {next_step}"
    deployment.say("finished", "synchronised", said)
    upgraded = {"database": [f"{ran} on {survivor}"]} if ran else {}
    return {"synchronised": [f"{new} has all data"], **upgraded}, said


def _sides(deployment: Deployment) -> tuple[str, str]:
    """The node that serves, and the other one of the pillar. Raises ``Refused`` where none serves, or more than one."""
    surveys = deployment.survey()
    survivor = health.active(surveys)
    if survivor is None:
        serving = " and ".join(health.serving(surveys)) or "no node"
        raise Refused(
            f"the database answers on {serving}: a node is replaced while the other one serves. `salt-run hamysql.take_over` has a "
            "survivor serve alone"
        )
    (new,) = (name for name in surveys if name != survivor)
    return survivor, new


def _look(deployment: Deployment, survivor: str, dead: str | None) -> Looked:
    if not deployment.survey()[survivor]["cluster"]["running"]:
        raise Refused(f"{survivor} serves, and pacemaker does not run there: start the cluster on it first")
    found: Looked = deployment.members.ask("hamysql_replace.look", [survivor], node=dead)[survivor]
    return found


def _is_done(deployment: Deployment, survivor: str, dead: str | None) -> bool:
    """Whether an earlier run came to its end: no replacement is under way, and the cluster knows no such node any more."""
    seen = _look(deployment, survivor, dead)
    return seen["noted"] is None and dead not in seen["known"]


def _is_online(deployment: Deployment, survivor: str, node: str) -> bool:
    return bool(deployment.survey()[survivor]["cluster"]["nodes"].get(node, {}).get("online"))


def _of_survivor(survivor: str, survey: Survey, seen: Looked) -> list[str]:
    """Why the node that serves cannot do without the other one meanwhile."""
    parts = (health.has_quorum, health.is_managed)
    reasons = [line for part in parts for line in part(survivor, survey, [survivor])]
    if lacking := backends.seen(survey).incomplete(survey):
        reasons.append(f"{survivor}: {lacking}")
    return [*reasons, *seen["left"]]


def _of_dead(dead: str, survey: Survey, seen: Looked) -> list[str]:
    """Why the named node may be alive."""
    state = survey["cluster"]["nodes"].get(dead, {})
    reasons = []
    if state.get("online") or state.get("pending"):
        reasons.append(f"{dead} is online in the cluster, so it has not died: stop it, or drain it for a repair")
    elif len(seen["members"]) > 1:
        reasons.append(f"corosync has the members {seen['members']}: only the node that serves may be one")
    if state.get("unclean"):
        reasons.append(
            f"pacemaker does not know that {dead} is off: `stonith_admin --fence {dead}`. Where its fence device has died as well, "
            f"see yourself that it is off, then `stonith_admin --confirm {dead}`"
        )
    if seen["registered"]:
        reasons.append(f"{dead} is registered with the LUN and could write to it: `stonith_admin --fence {dead}`")
    return reasons


def _of_new(deployment: Deployment, dead: str, new: str, surveys: Surveys) -> list[str]:
    """Why the machine is not a blank one. What else is wrong with its disk is for the storage's plan to say."""
    survey, reasons = surveys[new], []
    if survey["cluster"]["running"]:
        reasons.append(f"a cluster runs on {new}: the machine is not blank")
    if survey["storage"]["latch"]:
        reasons.append(
            f"{new} knows data of a cluster (/var/lib/hamysql): the machine is not blank. If it is {dead} itself and works again, "
            "`salt-run state.orchestrate hamysql.orch` takes it back"
        )
    elif backends.of(surveys).replicates:
        try:
            steps = deployments.storage_plan(deployment)
        except Refused:
            return reasons  # it is told with all the rest
        if any(step.action == "adopt" and new in step.nodes for step in steps):
            disk = survey["storage"]["disk"]
            reasons.append(
                f"{new}, {disk}: the disk has a replica of this cluster's data. With the disk of {dead} in another machine of the "
                f"same name, run hamysql.orch. If it may be lost, `wipefs --all {disk}`"
            )
    return reasons


def _to_judge(surveys: Surveys) -> Surveys:
    """The surveys without what a replacement takes over in service, of what cannot be changed in place."""
    return {
        node: {**survey, "pending": [item for item in survey["pending"] if item["advice"] != pending.REPLACE]}
        for node, survey in surveys.items()
    }


def _note(deployment: Deployment, measured: gap.Measured) -> None:
    deployment.gaps += [measured.gap] if measured.seen else []
