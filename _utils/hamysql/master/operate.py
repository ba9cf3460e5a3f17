"""The operations of :mod:`hamysql.master.operations`, carried out on a cluster's members. Salt is behind ``Members``."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from hamysql.errors import HamysqlError, Refused
from hamysql.fencing import take_over as fencing_take_over
from hamysql.fencing.proof import Proven
from hamysql.master import operations
from hamysql.master.members import Members, NoAnswer
from hamysql.storage import backends
from hamysql.survey import Survey
from hamysql.system import wait

Say = Callable[[str], None]
Proofs = dict[str, list[Proven]]  # of each node, see :func:`hamysql.fencing.proof.proofs`


def fence_test(members: Members, confirm: str | None, only: str | None, timeout: float, say: Say) -> Proofs:
    """Fence each node with each level of its devices, and write down what was proven; see the runner.

    Raises ``Refused`` while the cluster is not healthy, and ``HamysqlError`` for a device that did not do what it said.
    """
    first = next(iter(members.minions))
    for name in members.ask("hamysql_fencing.mend", [first])[first]:
        say(f"fence device {name} is back in use: an interrupted test had left it stopped")
    surveys = _healthy(members)
    shots = operations.shots(surveys, only)
    listed = "\n".join(f"  - {shot.node}, by {' and '.join(shot.devices)}" for shot in shots)
    operations.confirmed(members.cluster, confirm, f"These nodes are about to lose their power, one by one:\n{listed}")
    proofs: Proofs = {}
    taken: dict[str, float] = {}
    for shot in shots:
        _healthy(members)
        (witness,) = (name for name in members.minions if name != shot.node)
        before = members.ask("hamysql_fencing.boot_id", [shot.node])[shot.node]
        say(f"{shot.node} is fenced by {' and '.join(shot.devices)}, from {witness}")
        seconds = members.ask("hamysql_fencing.prove", [witness], node=shot.node, level=shot.level)[witness]
        taken.setdefault(shot.node, seconds)
        if shot.reserved:
            # It still runs, without its access to the LUN: that its key has gone from there is the proof; a start brings it back.
            if members.ask("hamysql_fencing.registered", [witness], node=shot.node)[witness]:
                raise HamysqlError(
                    f"{' and '.join(shot.devices)} reported that {shot.node} was cut off, but it is still registered with the LUN"
                )
            members.ask("hamysql_fencing.reset", [shot.node])
        say(f"waiting for {shot.node} to come back")
        deadline = time.monotonic() + timeout
        members.ask("hamysql_fencing.wait_recovered", [witness], timeout=timeout)
        after = _answer(members, shot.node, "hamysql_fencing.boot_id", deadline - time.monotonic())
        if after == before:
            raise HamysqlError(
                f"{' and '.join(shot.devices)} reported that {shot.node} was cut off, but it has been running all the time: "
                "the device cuts off another machine, or none. Do not rely on it"
            )
        proofs = members.ask("hamysql_fencing.record", [witness], node=shot.node, level=shot.level)[witness]
        say(f"{shot.node} was cut off after {seconds} s and has come back: proven")
    for advice in operations.head_start(surveys, taken):
        say(advice)
    return proofs


def _healthy(members: Members) -> dict[str, Survey]:
    surveys = members.survey()
    reasons = operations.unhealthy(surveys)
    if reasons:
        raise Refused("the cluster could not stand the loss of a node now:\n" + _listed(reasons))
    return surveys


def _answer(members: Members, node: str, function: str, timeout: float) -> Any:
    """What a node answers, as soon as its minion does."""

    def ask() -> list[Any]:
        try:
            return [members.ask(function, [node], 5)[node]]
        except NoAnswer as exc:
            if exc.failed:
                raise
            return []

    what = f"the minion of {node} answers"
    return wait.until(ask, bool, what, timeout=max(timeout, 30), describe=lambda _: "nothing")[0]


def take_over(
    members: Members, node: str, confirm: str | None, peer_is_off: str | None, timeout: float, say: Say
) -> dict[str, Survey]:
    """Have a node serve alone; see the runner. Raises ``Refused`` with everything that speaks against it."""
    if node not in members.minions:
        raise HamysqlError(f"there is no node {node!r} in {members.cluster}, there are: {', '.join(members.minions)}")
    (peer,) = (name for name in members.minions if name != node)
    evidence: fencing_take_over.Evidence = members.ask("hamysql_fencing.evidence", [node])[node]
    reasons = backends.alone(evidence)
    if _is_there(members, peer):
        reasons.append(f"{peer} answers: find out why its cluster does not start, and do not declare it off")
    reasons = reasons or fencing_take_over.unseen(evidence, peer_is_off)
    if reasons:
        raise Refused(f"{node} stays as it is:\n{_listed(reasons)}")
    operations.confirmed(members.cluster, confirm, backends.KINDS[evidence["backend"]].consider(evidence))
    say(f"{node} serves alone from now on; {peer} is declared off")
    members.ask("hamysql_fencing.take_over", [node], peer_is_off=peer_is_off)
    members.ask("hamysql_mysql.wait_answering", [node], timeout=timeout)
    return members.survey([node])


def _is_there(members: Members, node: str) -> bool:
    try:
        members.ask("test.ping", [node], 5)
    except NoAnswer as exc:
        return not exc.silent
    return True


def _listed(reasons: list[str]) -> str:
    return "\n".join(f"  - {reason}" for reason in reasons)
