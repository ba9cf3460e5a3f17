"""Somebody else's cluster becomes hamysql's while nothing of it stops; or it is put back as it was, if pacemaker would act.

All steps can be done again: what has been reached is in the cluster's configuration. ``before`` is that of the moment in which
pacemaker was held, with what ran where. From then on pacemaker has moved nothing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

from hamysql.adoption import cluster as adoption_cluster
from hamysql.adoption import exchange
from hamysql.adoption.exchange import Names
from hamysql.cib import agents as cib_agents
from hamysql.cib import live as cib_live
from hamysql.cib import names as cib_names
from hamysql.cib import plan as cib_plan
from hamysql.cib import status as cib_status
from hamysql.cib.live import Wanted
from hamysql.errors import HamysqlError, NotReady, Refused
from hamysql.system import files, wait
from hamysql.system.command import Run

_LOOK = 120  # seconds for pacemaker to look at all resources, and for their scores to be there
_NOT_FOUND = range(256)


class Foreseen(TypedDict):
    """What a takeover changes in the cluster's configuration, in words, and what pacemaker would do about it in the end.

    ``renamed`` has sentences, ``interruptions`` those of ``actions`` that are more than the start of something new.
    """

    renamed: list[str]
    changes: list[dict[str, str]]
    actions: list[str]
    interruptions: list[str]


def names(before: str) -> Names:
    """What hamysql takes over of a cluster: its own id of each thing, and the present one."""
    return adoption_cluster.read(before)["names"]


def foreseen(run: Run, wanted: Wanted, before: str) -> Foreseen:
    """What would become of a cluster; nothing of it is carried out. Raises ``Refused`` where pacemaker would not accept it."""
    known = names(before)
    plan = exchange.planned(before, wanted(before), known)
    cib_live.verify(run, exchange.unknown(plan.xml))
    actions = cib_live.simulate(run, _foreseen(run, plan.xml, exchange.moved(_places(run, before), known), known))
    return {
        "renamed": [f"{theirs} becomes {ours}" for ours, theirs in known.items() if ours != theirs],
        "changes": [vars(change).copy() for change in plan.changes],
        "actions": list(actions),
        "interruptions": exchange.interruptions(actions, plan.xml, known),
    }


def hold(run: Run) -> None:
    """Have pacemaker do nothing from now on; what is under way ends first."""
    cib_live.settle(run)
    cib_live.edit(run, exchange.held)
    cib_live.settle(run)


def release(run: Run) -> bool:
    """Have pacemaker act again, on a configuration that was not changed meanwhile; returns whether it was held."""
    if not exchange.begun(cib_live.query(run)):
        return False
    if _changed(run):
        raise Refused(
            "the configuration was exchanged already: run `salt-run state.orchestrate hamysql.orch.adopt` to its end"
        )
    cib_live.edit(run, exchange.released)
    return True


def turn(run: Run, wanted: Wanted, before: str) -> Foreseen:
    """Replace the configuration, have pacemaker look at all resources by their new names and agents, and let it act again.

    wanted
        Takes the live CIB as text, returns the <configuration> with all that hamysql shall own.
    before
        The CIB of before, as text.

    Raises ``Refused`` with what pacemaker would have stopped, started or moved; then the configuration is that of before again.
    """
    if not exchange.begun(cib_live.query(run)):
        raise Refused("pacemaker is not held by a takeover: run `salt-run state.orchestrate hamysql.orch.adopt`")
    known = names(before)
    ran = exchange.moved(_places(run, before), known)
    told = foreseen(run, wanted, before)
    if told["interruptions"] and not _changed(run):
        release(run)
        raise Refused("nothing was changed, because " + interrupted(told["interruptions"]))
    try:
        _change(run, lambda live: exchange.planned(live, wanted(live), known).xml)
        _look(run, ran, known)
        _idle(run, known)
    except HamysqlError as exc:
        put_back(run, before)
        raise Refused(f"the cluster is as it was before: {exc}") from exc
    cib_live.edit(run, exchange.released)
    return told


def interrupted(actions: Sequence[str]) -> str:
    """What pacemaker would do to the service, as a part of a sentence."""
    return "pacemaker would not leave alone what runs:\n" + "\n".join(f"  - {line}" for line in actions)


def _changed(run: Run) -> bool:
    """Whether an earlier run has replaced the configuration."""
    return cib_names.SERVER in cib_plan.owned(cib_live.query(run))[cib_plan.TAG]


def put_back(run: Run, before: str) -> None:
    """Have the configuration of before again, and pacemaker act by it.

    Raises ``NotReady`` where pacemaker would act on it otherwise than before; then it stays held.
    """
    try:
        _change(run, lambda live: exchange.restored(live, before))
        _look(run, _places(run, before), {name: name for name in names(before).values()})
        _idle(run, {name: name for name in cib_agents.names(before)})
    except HamysqlError as exc:
        raise NotReady(
            f"the configuration of before is back, and pacemaker does not see what runs as it was before: {exc}. Nothing is "
            "stopped or started, because the cluster is in maintenance mode: look at `crm_mon -1`; "
            f"`crm_attribute --delete --name {cib_agents.NAME}` ends that"
        ) from exc
    cib_live.edit(run, exchange.released)


def _foreseen(run: Run, xml: str, places: Collection[str], known: Names) -> str:
    """The CIB when pacemaker has looked at everything: crm_simulate looks, and what it would find is filled in."""
    with _scratch({"cib.xml": exchange.unknown(exchange.held(xml))}) as folder:
        places_of = ["--xml-file", f"{folder}/cib.xml", "--save-output", f"{folder}/looked.xml"]
        run(["crm_simulate", "--simulate", *places_of])
        looked = Path(folder, "looked.xml").read_text(encoding="utf-8")
    return exchange.foreseen(looked, places, known)


def _change(run: Run, change: Callable[[str], str]) -> None:
    """One change to the live configuration, which pacemaker accepts: what it has noted by other names is not looked at."""

    def checked(live: str) -> str:
        new = change(live)
        if new != live:
            cib_live.verify(run, exchange.unknown(new))
        return new

    cib_live.edit(run, checked)
    cib_live.settle(run)


def _look(run: Run, ran: set[str], known: Names) -> None:
    """Have pacemaker forget what it knows of the service, and look at it; it has to find what ran."""
    for name, node in exchange.forgotten(cib_live.query(run)):
        argv = ["crm_resource", "--refresh", "--force", "--resource", name, "--node", node]
        run(argv, timeout=_LOOK, accept=_NOT_FOUND)  # whether it is gone is seen below
        run(["attrd_updater", "--delete", "--name", f"master-{name}", "--node", node], accept=_NOT_FOUND)
    for name in sorted(cib_agents.names(cib_live.query(run)) & set(known)):
        run(["crm_resource", "--refresh", "--resource", name], timeout=_LOOK)

    def left() -> list[str]:
        live = cib_live.query(run)
        old = [f"{name} on {node}, which is not configured any more" for name, node in exchange.forgotten(live)]
        return [*cib_agents.unseen(live), *old]

    what = "pacemaker has looked at all resources by their names"
    wait.until(left, lambda seen: not seen, what, timeout=_LOOK, describe="not seen: {}".format)
    cib_live.settle(run)
    found = _places(run)
    if missing := ran - found:
        there = ", ".join(sorted(found)) or "nothing"
        raise NotReady(f"before the change: {', '.join(sorted(missing))}; it was not found afterwards, but {there}")


def _idle(run: Run, known: Names) -> None:
    """Wait until pacemaker would leave alone what runs; scores for a promotion come some moments after a look."""

    def actions() -> Sequence[str]:
        live = cib_live.query(run)
        return exchange.interruptions(cib_live.simulate(run, exchange.released(live)), live, known)

    what = "pacemaker would leave alone what runs"
    wait.until(actions, lambda seen: not seen, what, timeout=_LOOK, interval=2, describe="it would {}".format)


def _places(run: Run, before: str | None = None) -> set[str]:
    """What runs where: `p_mysql Started on db1`; at another time, as a CIB has it."""
    argv = ["crm_mon", "--one-shot", "--output-as=xml"]
    if before is None:
        text = run(argv).stdout
    else:
        with _scratch({"cib.xml": before}) as folder:
            text = run(argv, env={"CIB_file": f"{folder}/cib.xml"}).stdout
    seen = cib_status.parse(text)
    found = seen.resources if seen else ()
    return {
        f"{item.id.partition(':')[0]} {item.role} on {item.node}"
        for item in found
        if item.node and not item.agent.startswith("stonith:")
    }


@contextmanager
def _scratch(texts: Mapping[str, str]) -> Iterator[str]:
    """A folder with these files that only this user can enter, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="hamysql-") as folder:
        for name, text in texts.items():
            files.create(Path(folder, name), text, 0o600)
        yield folder
