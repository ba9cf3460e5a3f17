"""The operations "restore", "restore_undo" and "restore_confirm": a backup replaces the data of the cluster, and the way back.

All of it is done on the node that has the data mounted. It serves, unless a run was cut off, or its server does not start.
"""

from __future__ import annotations

import time
from typing import Any

from hamysql.backup.beside import DONE, ENTERING, LEAVING, READY, RESTORE, UNDO, State
from hamysql.cib.names import FILE_SYSTEM, SERVER
from hamysql.errors import HamysqlError, Refused
from hamysql.master import health, operations
from hamysql.master.deployment import Deployment
from hamysql.master.orchestration import move
from hamysql.master.phases import Outcome
from hamysql.master.second_day import backups, gap, handover

CONFIRM = "hamysql_confirm"
UNDO_COMMAND = "hamysql.orch.restore_undo"
# What the cluster needs besides its database, which may be what has to be restored.
_NODES = (health.runs, health.has_quorum, health.is_managed, health.sees_each(health.STATES), health.storage_is_fit)
# The beginning of the sentence on what a run that was cut off has stopped.
_OURS = f"{SERVER} has target-role="


def check(deployment: Deployment, name: str | None, confirm: str | None, to: str | None = None) -> Outcome:
    """The phase "checked" of a restore: all that speaks against it is told at once."""
    handover.prepare(deployment)
    backups.target(deployment)
    node = _holder(deployment)
    name = _meant(deployment, node, name, to)
    if not name:
        newest = backups.tried(deployment, node, None)["manifest"]["name"]
        raise Refused(
            f'no backup was named: say "hamysql_backup": NAME in the pillar of this command; the newest one is {newest}'
        )
    state = _state(deployment, node)
    if _is(state, name, RESTORE, to) and state["stage"] != READY:
        return {}, f"{node} has replaced its data by {backups.called(name, to)} already, or goes on with that"
    if state["name"] and not (state["direction"] == RESTORE and state["stage"] == READY):
        raise Refused(_unfinished(state))
    manifest = backups.tried(deployment, node, name)["manifest"]
    _whole(deployment)
    what = (
        f"{node} is about to replace the data of {deployment.members.cluster} by {backups.called(name, to)} of "
        f"{manifest['began']}. What was written since is not served afterwards"
    )
    if not deployment.test:
        operations.confirmed(deployment.members.cluster, confirm, what, CONFIRM)
    return {}, f"{node} has the data and {backups.called(name, to)} of {manifest['began']}"


def prepare(deployment: Deployment, name: str | None, timeout: float, to: str | None = None) -> Outcome:
    """The phase "prepared": the backup is made ready beside the data, while the database serves.

    timeout
        Seconds for the scratch server to answer.
    """
    node = _holder(deployment)
    state, name = _state(deployment, node), _meant(deployment, node, name, to)
    if _is(state, str(name), RESTORE, to):
        return {}, f"{name} is prepared already"
    what = f"{name}{f' up to {to}' if to else ''}"
    if deployment.test:
        entry = f"~ {node} prepares {what} beside the data, and tries it out"
        return {"restore": [entry]}, entry.removeprefix("~ ")
    began = time.monotonic()
    deployment.say("step", "prepared", f"{node} prepares {what} beside the data, and tries it out")
    found: State = deployment.members.ask(
        "hamysql_restore.prepare", [node], name=name, timeout=timeout, **backups.moment(to)
    )[node]
    said = f"{what} is prepared after {time.monotonic() - began:.0f} s, with {found['tables']} tables in order"
    return {"restore": [f"{what} prepared on {node}"]}, said


def replace(deployment: Deployment, name: str | None, timeout: float, to: str | None = None) -> Outcome:
    """The phase "replaced": the database stops, gets the backup's data, and starts.

    timeout
        Seconds for the database to stop, and to answer, each.
    """
    node = _holder(deployment)
    state, name = _state(deployment, node), _meant(deployment, node, name, to)
    if deployment.test:
        entry = f"~ the database stops on {node}, gets the data of {f'{to} UTC' if to else name}, and starts"
        return {"service": [entry]}, entry.removeprefix("~ ")
    done = f"{node} serves {backups.called(str(name), to)}"
    if _is(state, str(name), RESTORE, to) and state["stage"] == DONE and health.active(deployment.survey()):
        _accounts(deployment, "replaced")
        gap.tidy(deployment)
        return _told(deployment, "replaced", {}, f"{done} already; {_kept(state)}")
    found, state = _exchange(deployment, node, state, "replaced", "hamysql_restore.replace", timeout, name=name)
    words = (
        f"{done}: its recovery point is {state['point']}, {state['tables']} tables are in order; {found}; "
        f"{_kept(state)}{backups.anew(deployment)}"
    )
    return _told(deployment, "replaced", {"service": [f"data replaced by {name}"]}, words)


def check_undo(deployment: Deployment, confirm: str | None) -> Outcome:
    """The phase "checked" of an undo."""
    handover.prepare(deployment)
    node = _holder(deployment)
    state = _state(deployment, node)
    if not state["name"]:
        raise Refused("there is no restore to undo: nothing of one is kept beside the data")
    if state["direction"] == UNDO or state["stage"] == READY:
        return {}, f"{node} goes on, or has nothing to put back"
    what = (
        f"{node} is about to put the data of before the restore of {state['name']} back. What was written since the restore is not "
        "served afterwards"
    )
    if not deployment.test:
        operations.confirmed(deployment.members.cluster, confirm, what, CONFIRM)
    return {}, f"{node} has the data of before the restore of {state['name']}"


def undo(deployment: Deployment, timeout: float) -> Outcome:
    """The phase "undone": the database stops, gets the data of before, and starts. A copy that was not served yet is given up.

    timeout
        Seconds for the database to stop, and to answer, each.
    """
    node = _holder(deployment)
    state = _state(deployment, node)
    name, given_up = state["name"], (state["direction"], state["stage"]) == (RESTORE, READY)
    if deployment.test:
        entry = f"~ the database stops on {node}, gets the data of before {name}, and starts"
        entry = f"~ the copy of {name} is given up, which was not served yet" if given_up else entry
        return {"service": [entry]}, entry.removeprefix("~ ")
    if not name or given_up:
        deployment.members.ask("hamysql_restore.give_up", [node])
        _start(deployment, node, timeout)
        gap.tidy(deployment)
        words = f"the copy of {name} is given up; it was never served" if name else "nothing is left to undo"
        return _told(deployment, "undone", {"restore": [words]} if name else {}, words)
    done = f"{node} serves the data of before the restore of {name}"
    if state["direction"] == UNDO and state["stage"] == DONE and health.active(deployment.survey()):
        _accounts(deployment, "undone")
        gap.tidy(deployment)
        return _told(deployment, "undone", {}, f"{done} already; {_kept(state)}")
    found, state = _exchange(deployment, node, state, "undone", "hamysql_restore.undo", timeout)
    changes = {"service": [f"data of before {name} put back"]}
    return _told(deployment, "undone", changes, f"{done}; {found}; {_kept(state)}")


def check_confirm(deployment: Deployment, confirm: str | None) -> Outcome:
    """The phase "checked" of a confirmation."""
    handover.prepare(deployment)
    node = _holder(deployment)
    state = _state(deployment, node)
    if state["name"] and state["stage"] != DONE:
        raise Refused(_unfinished(state))
    if health.active(deployment.survey()) != node:
        raise Refused(f"no database answers on {node}: nothing is taken away. {_back()}")
    if state["kept"] and not deployment.test:
        what = f"{node} is about to take {' and '.join(state['kept'])} away, in {state['folder']}. There is no way back"
        operations.confirmed(deployment.members.cluster, confirm, what, CONFIRM)
    return {}, f"{node} keeps {' and '.join(state['kept']) or 'nothing'}"


def confirm(deployment: Deployment) -> Outcome:
    """The phase "confirmed": what is kept is taken away."""
    node = _holder(deployment)
    state = _state(deployment, node)
    if deployment.test:
        entries = [f"~ {state['folder']}/{name} is taken away" for name in state["kept"]]
        return ({"restore": entries} if entries else {}), "; ".join(entries) or "nothing is kept"
    gone: list[str] = deployment.members.ask("hamysql_restore.confirm", [node])[node]
    words = f"{' and '.join(gone)} is taken away on {node}" if gone else "nothing is kept any more"
    return _told(deployment, "confirmed", {"restore": [f"{name} taken away" for name in gone]} if gone else {}, words)


def _exchange(
    deployment: Deployment, node: str, state: State, phase: str, verb: str, timeout: float, **arguments: Any
) -> tuple[gap.Measured, State]:
    """Stop the database, have its data exchanged by a verb, and start it; returns the gap and how far the restore is then."""
    under_way = state["stage"] in (LEAVING, ENTERING)
    with gap.measured(deployment, phase, handover.FROM_BEGIN_TO_END) as found:
        try:
            deployment.say("step", phase, f"the database stops on {node}")
            deployment.members.ask("hamysql_migration.stop_server", [node], timeout=timeout)
            deployment.say("step", phase, f"the data is exchanged on {node}")
            after: State = deployment.members.ask(verb, [node], **arguments)[node]
        except HamysqlError as exc:
            raise HamysqlError(f"{exc}\n{_left(deployment, node, under_way, state)}") from exc
        deployment.say("step", phase, f"the database starts on {node}")
        try:
            _start(deployment, node, timeout)
        except HamysqlError as exc:
            raise HamysqlError(f"{exc}\nThe database does not answer with the other data. {_back()}") from exc
        _accounts(deployment, phase)
        gap.admit_again(deployment, found)
    return found, after


def _accounts(deployment: Deployment, phase: str) -> None:
    """The other data has the accounts of its time: the pillar's are made again."""
    serving = health.active(deployment.survey())
    if serving is not None:
        deployment.say("step", phase, f"{serving} serves, and gets the pillar's accounts")
        deployment.members.ask("hamysql_mysql.apply", [serving])
        if phase == "replaced" and deployment.first["replicas"]:  # an undo has the binary logs of before
            deployment.members.ask("hamysql_followed.renumber", [serving])


def _left(deployment: Deployment, node: str, under_way: bool, before: State) -> str:
    """What follows from an exchange that did not succeed: where nothing was exchanged, the database starts again."""
    on = "run this again: it goes on where it was. The database stays stopped until then"
    try:
        now = _state(deployment, node)
        if under_way or now != before:
            return on
        move.start(deployment)
    except HamysqlError as exc:
        return f"{on} ({exc})"
    return "nothing was exchanged, and the database starts again with its data"


def _start(deployment: Deployment, node: str, timeout: float) -> None:
    deployment.members.ask("hamysql_restore.start", [node])
    deployment.members.ask("hamysql_mysql.wait_answering", timeout=timeout)
    deployment.look_again()


def _holder(deployment: Deployment) -> str:
    """The node that has the data mounted, by the cluster."""
    for survey in deployment.survey().values():
        for item in survey["cluster"]["resources"]:
            if item["id"] == FILE_SYSTEM and item["role"] == "Started" and item["node"]:
                return str(item["node"])
    raise Refused("no node has the data mounted: look at `salt-run hamysql.status`")


def _state(deployment: Deployment, node: str) -> State:
    found: State = deployment.members.ask("hamysql_restore.state", [node])[node]
    return found


def _meant(deployment: Deployment, node: str, name: str | None, to: str | None) -> str | None:
    """The backup that was named, or that leads to the moment; one that is under way for that moment stays it."""
    if not to:
        return name
    state = _state(deployment, node)
    if state["to"] == to and state["direction"] == RESTORE:
        return state["name"]
    return backups.leading(deployment, node, name, to)["name"]


def _is(state: State, name: str, direction: str, to: str | None) -> bool:
    return (state["name"], state["direction"], state["to"]) == (name, direction, to or "")


def _unfinished(state: State) -> str:
    """Why this cannot be done while another one is at work or not confirmed."""
    name, direction = state["name"], state["direction"]
    if state["stage"] == READY:
        return f"the copy of {name} is prepared and was not served yet: restore it, or give it up with {UNDO_COMMAND}"
    if state["stage"] != DONE:
        command = "hamysql.orch.restore" if direction == RESTORE else UNDO_COMMAND
        return f"the {direction} of {name} was cut off: run {command} again first, it goes on where it was"
    return f"{' and '.join(state['kept'])} is kept still: take that away with hamysql.orch.restore_confirm first. {_back()}"


def _back() -> str:
    return f"To put the data of before back, run {UNDO_COMMAND}"


def _kept(state: State) -> str:
    return f"{', '.join(state['kept']) or 'nothing'} is kept in {state['folder']}"


def _told(deployment: Deployment, phase: str, changes: dict[str, list[str]], words: str) -> Outcome:
    deployment.look_again()
    deployment.say("finished", phase, words)
    return dict(changes), words


def _whole(deployment: Deployment) -> None:
    """Raise ``Refused`` with all that is wrong with the cluster besides its database."""
    surveys = deployment.survey()
    reasons = health.lacking(surveys, _NODES, [health.devices_run])
    node = _holder(deployment)
    hands = deployment.members.ask("hamysql_cib.interventions", [node])[node]
    reasons += [hand for hand in hands if not hand.startswith(_OURS)]
    if reasons:
        raise Refused(
            "\n".join(
                [
                    "nothing is restored while this is so:",
                    *(f"  - {reason}" for reason in dict.fromkeys(reasons)),
                    "Put that right, and run this again.",
                ]
            )
        )
