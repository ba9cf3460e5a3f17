"""A cluster that somebody else has built is taken over while it serves, by pacemaker's own tools.

It is held in maintenance mode from the first step to the last. Killed at any moment, the next run goes on: the hold, and hamysql's
tag, are in the cluster's configuration.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from typing import NoReturn, TypedDict

from hamysql.adoption import cluster as adoption_cluster
from hamysql.adoption import exchange
from hamysql.cib import agents as cib_agents
from hamysql.cib import live as cib_live
from hamysql.cib import names as cib_names
from hamysql.cib.plan import Plan
from hamysql.errors import NotReady, Refused
from hamysql.system import wait
from hamysql.system.command import Run

Wanted = Callable[[str], ET.Element]

FOREIGN, BEGUN, EXCHANGED, DONE = "foreign", "begun", "exchanged", "done"
_LOOK = 120  # seconds for pacemaker to look at a resource


class Planned(TypedDict):
    """How far the takeover is, why it cannot be, what would be changed, and what pacemaker would do about that.

    ``changes`` has the fields of :class:`hamysql.cib.plan.Change`; ``interrupting`` are those of ``actions`` that touch what runs.
    """

    state: str
    problems: list[str]
    changes: list[dict[str, str]]
    actions: list[str]
    interrupting: list[str]


def state(xml: str) -> str:
    """How far a cluster's takeover is."""
    if exchange.is_ours(xml):
        return EXCHANGED if cib_agents.begun(xml) else DONE
    return BEGUN if cib_agents.begun(xml) else FOREIGN


def planned(run: Run, wanted: Wanted) -> Planned:
    """What the takeover would do now; nothing is changed."""
    live = cib_live.query(run)
    found = Planned(state=state(live), problems=[], changes=[], actions=[], interrupting=[])
    if found["state"] in (EXCHANGED, DONE):
        return found
    want = wanted(live)
    found["problems"] = exchange.problems(live, want)
    if found["problems"]:
        return found
    try:
        plan = exchange.planned(live, want)
        cib_live.verify(run, exchange.as_found(plan.xml, live))
    except Refused as exc:
        return {**found, "problems": [str(exc)]}
    found["changes"] = [{"kind": c.kind, "id": c.id, "old": c.old, "new": c.new} for c in plan.changes]
    then = exchange.as_found(plan.xml, live)
    then = exchange.with_digests(then, cib_live.digests(run, then, exchange.places(then)))
    actions = cib_live.simulate(run, then)
    found["actions"] = list(actions)
    found["interrupting"] = exchange.interrupting(actions, plan.xml, exchange.fences(live))
    return found


def hold(run: Run) -> bool:
    """Have pacemaker do nothing from now on; ``False`` where a run that was cut off has done that.

    Raises ``Refused`` where somebody else holds it.
    """
    cib_live.settle(run)
    before = cib_live.query(run)
    if cib_agents.begun(before):
        return False
    if exchange.held(before) is before:
        raise Refused("the cluster is in maintenance mode already, by somebody else: end that, and run this again")
    cib_live.edit(run, lambda live: live if cib_agents.begun(live) else exchange.held(live))
    return True


def carry_out(run: Run, wanted: Wanted, kept: Callable[[], str]) -> list[str]:
    """Make the cluster hamysql's in one change, have pacemaker look at all of it, and end maintenance mode.

    kept
        Returns the configuration of before, from a checkpoint: for a run that was cut off after the change.

    Returns what was changed, in words. Raises ``Refused`` where pacemaker would stop, start or move something: the configuration of
    before is back then, and maintenance mode has ended. Raises ``NotReady`` where that cannot be either.
    """
    live = cib_live.query(run)
    if not cib_agents.begun(live):
        raise Refused("the cluster is not held: `salt-run state.orchestrate hamysql.orch.adopt` begins with that")
    before, changes = live, []
    if exchange.is_ours(live):
        before = kept()
    else:
        plan = _plan(run, live, wanted)
        changes = [f"{c.kind} {c.id}" + (f", which was {c.old}" if c.kind == "renamed" else "") for c in plan.changes]
        cib_live.edit(run, lambda now: cib_agents.held(_plan(run, now, wanted).xml))
    looked = _look(run)
    if against := _against(run, looked, before):
        _undo(run, before, against)
    cib_live.edit(run, lambda now: cib_agents.released(now, before))
    _tidy(run, before)
    return changes


def _plan(run: Run, live: str, wanted: Wanted) -> Plan:
    plan = exchange.planned(live, wanted(live))
    # crm_verify looks at what was noted as well: under its old name a replica is a resource that is active twice.
    cib_live.verify(run, exchange.as_found(plan.xml, live))
    return plan


def _look(run: Run) -> str:
    """Have pacemaker forget what it knows of the service, and look at it under its present names; returns the CIB of then.

    It also forgets what has no name any more, which it would stop.
    """
    cib_live.settle(run)
    now = cib_live.query(run)
    there = exchange.service(now) or tuple(cib_agents.names(now))
    for name in (*exchange.orphans(now), *there):
        run(["crm_resource", "--refresh", "--resource", name], timeout=_LOOK)

    def left() -> Sequence[str]:
        now = cib_live.query(run)
        return [*cib_agents.unseen(now), *(f"{name} is noted still" for name in exchange.orphans(now))]

    wait.until(
        left,
        lambda seen: not seen,
        "pacemaker has looked at all resources under their new names",
        timeout=_LOOK,
        describe=lambda seen: "not yet: " + ", ".join(seen),
    )
    cib_live.settle(run)
    return cib_live.query(run)


def _against(run: Run, now: str, before: str) -> list[str]:
    """What pacemaker would do to the service once maintenance mode ends."""
    then = cib_agents.released(now, before)
    return exchange.interrupting(cib_live.simulate(run, then), then, exchange.fences(before))


def _undo(run: Run, before: str, against: list[str]) -> NoReturn:
    """Put the configuration of before back, and raise ``Refused``, or ``NotReady`` where pacemaker stays held."""
    said = "; ".join(against)
    cib_live.edit(run, lambda now: exchange.put_back(now, before))
    again = _against(run, _look(run), before)
    if again:
        raise NotReady(
            f"with hamysql's configuration pacemaker would {said}; with that of before, which is back, {'; '.join(again)}. "
            f"It does nothing while the cluster is in maintenance mode: look at `crm_mon -1`; `crm_attribute --delete --name "
            f"{cib_agents.NAME}` ends that"
        )
    cib_live.edit(run, lambda now: cib_agents.released(now, before))
    raise Refused(
        f"the cluster is not taken over: at the end of maintenance mode pacemaker would {said}. The configuration of before is "
        "back, and everything runs on"
    )


def _tidy(run: Run, before: str) -> None:
    """Promotion scores of a resource that has another name now."""
    old = adoption_cluster.read(before)["names"].get(cib_names.REPLICA, cib_names.REPLICA)
    if old != cib_names.REPLICA:
        for node, name in exchange.scores(cib_live.query(run), [old]):
            run(["attrd_updater", "--delete", "--name", name, "--node", node])
