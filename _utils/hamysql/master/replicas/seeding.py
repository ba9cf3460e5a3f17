"""The operation "replica": a replica is set up on a machine that is no member, and gets the cluster's data from a backup.

Each phase looks how the replica is, and does what is left. A replica that follows is left as it is, but for its files.
"""

from __future__ import annotations

import json
import time
from typing import cast

from hamysql.errors import HamysqlError, Refused
from hamysql.master import health, highstate, operations
from hamysql.master.deployment import Deployment, Failed
from hamysql.master.highstate import Changes
from hamysql.master.members import Members
from hamysql.master.phases import Outcome
from hamysql.master.replicas import situation
from hamysql.master.replicas.situation import DOWN, FOLLOWS, SEEDING, STOPPED, Situation
from hamysql.master.second_day import backups, handover
from hamysql.replica import site
from hamysql.replica.server import Looked
from hamysql.resolved import Resolved
from hamysql.resolved.software import Replica
from hamysql.schema.values import Config

KEY, CONFIRM = "hamysql_replica", "hamysql_confirm"


def check(deployment: Deployment, replica: str | None, confirm: str | None) -> Outcome:
    """The phase "checked": the cluster is sound and can be followed, and no data of the replica is lost that is wanted."""
    handover.prepare(deployment)
    name = _named(deployment, replica)
    serving = _sound(deployment)
    deployment.members.ask("hamysql_followed.source", [serving])
    machine(deployment, name).ask("saltutil.sync_all", patience=60)
    found, _ = _look(deployment, name)
    if found.replaces and (found.kind != DOWN or confirm) and not deployment.test:
        lost = f", with {', '.join(found.databases)}" if found.databases else ""
        what = (
            f"a backup of {deployment.members.cluster} is about to replace the data of the replica {name}{lost}. {name}: "
            f"{found.why}. What is there now is taken away as soon as the replica follows"
        )
        operations.confirmed(deployment.members.cluster, confirm, what, CONFIRM)
    return {}, f"{serving} serves; {name}: {found.why}"


def configure(deployment: Deployment, replica: str | None, timeout: float) -> Outcome:
    """The phase "configured": the replica's packages and files, its account in the cluster, and its server with its options.

    timeout
        Seconds for its server to answer.
    """
    name, serving = _named(deployment, replica), _sound(deployment)
    third = machine(deployment, name)
    deployment.say("step", "configured", f"packages and options on {name}")
    verify = bool(deployment.members.ask("hamysql_followed.verifies", [serving])[serving])
    options = {"mods": "hamysql.replica.server", "pillar": {"hamysql_replica_server": wanted(deployment, name, verify)}}
    (returned,) = third.ask("state.apply", patience=60, test=deployment.test, queue=True, **options).values()
    outcome = highstate.summarise(returned)
    changes: Changes = {name: dict(outcome.changes)} if outcome.changes else {}
    if outcome.failures:
        raise Failed("\n".join(f"{name}: {failure}" for failure in outcome.failures), changes)
    if deployment.test:
        return changes, f"{name} gets its packages and files, and {serving} an account for it"
    (digest,) = third.ask("hamysql_replica.digest").values()
    account = deployment.members.ask("hamysql_followed.admit", [serving], name=name, digest=digest)[serving]
    if account:
        changes[f"{name}'s account"] = account
    found, seen = _look(deployment, name)
    if found.kind == DOWN or (found.kind in (FOLLOWS, STOPPED) and seen and seen["waits"]):
        deployment.say("step", "configured", f"the database starts on {name}")
        third.ask("hamysql_replica.restart", timeout=timeout)
        changes[f"{name}'s database"] = "started with its options"
    return changes, f"{name} is configured, and {serving} lets it follow"


def prepare(
    deployment: Deployment, replica: str | None, backup: str | None, timeout: float, confirm: str | None = None
) -> Outcome:
    """The phase "prepared": a backup is copied beside the replica's data, and tried out.

    backup
        Its name; a new one is taken by default. One that is under way stays it.
    timeout
        Seconds for the scratch server to answer.
    """
    name, serving = _named(deployment, replica), _sound(deployment)
    third = machine(deployment, name)
    found, seen = _look(deployment, name)
    if not found.seeds(bool(confirm)):
        return {}, f"nothing is to be copied: {name}: {found.why}"
    noted = seen["record"]["backup"] if found.kind == SEEDING and seen and seen["record"] else None
    chosen = backup or noted
    if deployment.test:
        entry = f"~ {name} gets {chosen or f'a backup that {serving} takes'}, and tries it out"
        return {"replica": [entry]}, entry.removeprefix("~ ")
    if seen and noted and noted != chosen and seen["restore"]["stage"] in ("leaving", "entering"):
        raise Refused(f"{name} is between two states of its data, with {noted}: name that one, or none")
    words = ""
    if chosen is None:
        chosen, taken, gap = backups.taken(deployment, serving, "prepared")
        words = f"{taken}; {gap}"
    try:
        third.ask("hamysql_replica.begin", name=chosen)
    except HamysqlError as exc:
        raise HamysqlError(
            f"{exc}\n{name} has to see the backups as the nodes do ({backups.target(deployment)}). Where it does not, copy "
            f'{chosen} there, and say "hamysql_backup": "{chosen}" in the pillar of this command'
        ) from exc
    deployment.say("step", "prepared", f"{name} copies {chosen}, and tries it out")
    began = time.monotonic()
    (state,) = third.ask("hamysql_replica.prepare", timeout=timeout).values()
    said = f"{name} has {chosen} after {time.monotonic() - began:.0f} s, with {state['tables']} tables in order"
    return {"replica": [f"{chosen} copied to {name}"]}, f"{words}; {said}" if words else said


def replace(deployment: Deployment, replica: str | None, timeout: float, confirm: str | None = None) -> Outcome:
    """The phase "replaced": the replica serves the backup's data.

    timeout
        Seconds for its server to answer.
    """
    name = _named(deployment, replica)
    found, seen = _look(deployment, name)
    if deployment.test:
        if not found.seeds(bool(confirm)):
            return {}, f"nothing is to be replaced: {name}: {found.why}"
        entry = f"~ the database of {name} stops, gets the backup's data, and starts"
        return {"replica": [entry]}, entry.removeprefix("~ ")
    if found.kind != SEEDING:
        return {}, f"nothing is to be replaced: {name}: {found.why}"
    done = bool(seen and seen["restore"]["stage"] == "done" and seen["answers"])
    deployment.say("step", "replaced", f"the database of {name} gets the backup's data")
    (state,) = machine(deployment, name).ask("hamysql_replica.exchange", timeout=timeout).values()
    said = f"{name} serves the data of {state['point']}"
    return ({} if done else {"replica": [f"data of {name} replaced by {state['name']}"]}), said


def follow(deployment: Deployment, replica: str | None, timeout: float) -> Outcome:
    """The phase "follows": the replica follows the virtual IP, has caught up, and nothing is left of the data before.

    timeout
        Seconds to catch up.
    """
    name, serving = _named(deployment, replica), _sound(deployment)
    third = machine(deployment, name)
    found, _ = _look(deployment, name)
    if deployment.test:
        if found.kind == FOLLOWS:
            return {}, f"{name} follows already"
        entry = f"~ {name} follows the virtual IP, and catches up"
        return {"replica": [entry]}, entry.removeprefix("~ ")
    position = deployment.members.ask("hamysql_followed.source", [serving])[serving]
    deployment.say("step", "follows", f"{name} follows the virtual IP, and catches up")
    began = time.monotonic()
    if found.kind != FOLLOWS:
        third.ask("hamysql_replica.follow")
    third.ask("hamysql_replica.wait", position=position, timeout=timeout)
    gone: list[str] = []
    if found.kind == SEEDING:
        (gone,) = third.ask("hamysql_replica.finish").values()
    words = f"{name} follows, and had all of {position} after {time.monotonic() - began:.0f} s"
    if gone:
        words += f"; its data of before is gone ({', '.join(gone)})"
    deployment.say("finished", "follows", words)
    return ({} if found.kind == FOLLOWS else {"replica": [f"{name} follows the virtual IP"]}), words


def machine(deployment: Deployment, name: str) -> Members:
    """The replica's machine, to be asked like a member."""
    return of(deployment.members, name, deployment.first["replicas"][name])


def of(members: Members, name: str, replica: Replica) -> Members:
    """The same, from the members and what the pillar has of the replica."""
    return Members(members.cluster, {f"replica {name}": replica["minion_id"]}, members.call)


def source(first: Resolved) -> str:
    """What a replica of a cluster follows."""
    return f"{first['vip']['address']}:{first['mysql']['port']}"


def wanted(deployment: Deployment, name: str, verify: bool) -> dict[str, object]:
    """What the states of a replica's machine have to know; none of it is secret."""
    settings = deployment.first
    package, mysql = settings["package"], settings["mysql"]
    names = {*package["database"], *package["backup"], *(package["restic"] if settings["backup"]["repository"] else ())}
    repositories = settings["repo"]["repositories"]
    task = site.task(settings, name, verify)
    return {
        "packages": [
            item for item in package["pkgs"] if (item if isinstance(item, str) else next(iter(item))) in names
        ],
        "repositories": {
            key: given["options"] for key, given in repositories.items() if not given["disable_after_install"]
        },
        "task": json.dumps(task, indent=2, sort_keys=True) + "\n",
        "ca": mysql["tls"]["ca"] if task["ca"] else "",
        "lines": settings["replicas"][name]["option_lines"],
        "options": mysql["config_fragment"],
        "service": task["service"],
        **{key: cast(Config, mysql)[key] for key in ("datadir", "user", "group", "log_folder", "log_group")},
    }


def _look(deployment: Deployment, name: str) -> tuple[Situation, Looked | None]:
    third, first = machine(deployment, name), deployment.first
    (there,) = third.ask("hamysql_replica.there").values()
    seen: Looked | None = None
    held: list[str] = []
    if there:
        (seen,) = third.ask("hamysql_replica.look").values()
    else:
        (held,) = third.ask("hamysql_replica.holds", datadir=first["mysql"]["datadir"]).values()
    return situation.of(seen, tuple(held), deployment.members.cluster, source(first)), seen


def _named(deployment: Deployment, replica: str | None) -> str:
    """The replica that is meant, or the only one."""
    names = list(deployment.first["replicas"])
    if not names:
        raise Refused("the pillar has no replica: set hamysql:replicas, and deploy it")
    if replica is None and len(names) == 1:
        return names[0]
    if replica not in names:
        raise Refused(
            f'the replica was not named ({replica or "none"}): there are {", ".join(names)}. Say "{KEY}": "{names[0]}" in the '
            "pillar of this command"
        )
    return str(replica)


def _sound(deployment: Deployment) -> str:
    """The node that serves. Raises ``Refused`` with all that is wrong with the cluster."""
    if reasons := operations.unsound(deployment.survey()):
        raise Refused(
            "\n".join(
                ["no replica is seeded while this is so:", *(f"  - {reason}" for reason in dict.fromkeys(reasons))]
            )
        )
    serving = health.active(deployment.survey())
    assert serving is not None
    return serving
