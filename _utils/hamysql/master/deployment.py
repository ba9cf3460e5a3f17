"""A cluster as the master sees it: what its members see, said and still have to do. Shared by an orchestration's phases."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence, Sized
from typing import Any, Literal, TypedDict

from hamysql import pending as pending_changes
from hamysql.errors import HamysqlError, Refused
from hamysql.master import health, highstate, shown
from hamysql.master.highstate import Changes
from hamysql.master.members import NoAnswer, OldCode
from hamysql.master.salt import Lock, Master, Opts
from hamysql.preflight import judge
from hamysql.resolved import Resolved
from hamysql.storage import backends
from hamysql.survey import Survey


class Failed(HamysqlError):
    """States failed on some node; ``changes`` are those that were made all the same."""

    def __init__(self, message: str, changes: Changes) -> None:
        super().__init__(message)
        self.changes = dict(changes)


class Left(TypedDict):
    """What a member finds left to do, ``hamysql_node.pending``; ``None`` where it is another one's to tell."""

    service: str
    resources: list[str] | None
    drift: list[str]
    accounts: list[str] | None


class View:
    """A cluster's members, and what they see.

    opts
        Salt's options of the runner, or of the orchestration.
    cluster
        The cluster's name; None where the master's minions form only one.
    """

    def __init__(self, opts: Opts, cluster: str | None) -> None:
        self.master = Master(opts)
        self.members = self.master.members(cluster)
        self.window = (0.0, 0.0)
        self._survey: dict[str, Survey] = {}

    def survey(self) -> dict[str, Survey]:
        """What every member sees (``hamysql_node.survey``), asked again only after something may have changed."""
        if not self._survey:
            asked = time.time()
            self._survey = self.members.survey()
            self.window = (asked, time.time())
        return self._survey

    def look_again(self) -> None:
        """Forget what the members said."""
        self._survey = {}


class Deployment(View):
    """The cluster that an orchestration works on, from its first phase to its last.

    opts, cluster
        As for a :class:`View`.
    jid
        The orchestration's job.
    kind
        Which orchestration it is, see :data:`hamysql.master.progress.ORDERS`; "" for the deployment.

    ``done`` has sentences on what its phases did, and ``gaps`` the seconds without a write in each, for an operation that tells
    both at its end. ``unknown`` says why the deployment's phases cannot be planned, with ``test=True``; "" where they can.
    """

    def __init__(self, opts: Opts, cluster: str | None, jid: str, kind: str = "") -> None:
        super().__init__(opts, cluster)
        self.kind = kind
        self.unknown = ""
        self.lock = Lock(self.master.opts, self.members.cluster, jid)
        self.jid = jid
        self.test = bool(opts["test"])
        self.started = time.monotonic()
        self.changed = 0
        self.done: list[str] = []
        self.gaps: list[float] = []
        self._pending: dict[str, Left] = {}

    def pending(self) -> dict[str, Left]:
        """What every member finds left to do in the running cluster (``hamysql_node.pending``): one job for three phases."""
        if not self._pending:
            self._pending = self.members.ask("hamysql_node.pending")
        return self._pending

    def nothing_left(self, what: Literal["service", "resources", "accounts"]) -> bool:
        """Whether somebody can tell what is left of ``what``, and nobody finds anything; asked only where all was in place."""
        if self.changed:
            return False
        answers = [found[what] for found in self.pending().values() if found[what] is not None]
        return bool(answers) and not any(answers)

    def look_again(self) -> None:
        """Forget what the members said."""
        super().look_again()
        self._pending = {}

    @property
    def first(self) -> Resolved:
        """The settings of the first node: what is common to all."""
        return next(iter(self.survey().values()))["settings"]

    def say(self, state: str, phase: str, text: str = "", **data: Any) -> None:
        """Fire one progress event."""
        say(self.master, self.members.cluster, self.jid, state, phase, text, kind=self.kind, **data)


def say(master: Master, cluster: str, jid: str, state: str, phase: str, text: str, **data: Any) -> None:
    """Fire one progress event of an orchestration that may have no cluster yet; see :mod:`hamysql.master.progress`."""
    master.fire(cluster, {"jid": jid, "pid": os.getpid(), "state": state, "phase": phase, "text": text, **data})


def say_refused(opts: Opts, cluster: str, jid: str, phase: str, text: str, **data: Any) -> None:
    """Fire the last event of an orchestration that was refused before it had a cluster."""
    say(Master(opts), cluster, jid, "failed", phase, text, **data)


def apply(deployment: Deployment, sls: str, nodes: Sequence[str] = (), **options: Any) -> Changes:
    """``state.apply sls`` on nodes (all by default); raises :class:`Failed` with every failed state.

    options
        Further arguments of ``state.apply``.

    Returns ``{node: {state id: changes}}``, with ``test=True`` ``{node: [the plan's entries]}`` (:mod:`hamysql.master.shown`).
    """
    returned = deployment.members.ask("state.apply", nodes, mods=sls, test=deployment.test, queue=True, **options)
    outcomes = {node: highstate.summarise(value) for node, value in returned.items()}
    changes = {node: dict(outcome.changes) for node, outcome in outcomes.items() if outcome.changes}
    failures = [f"{node}: {failure}" for node, outcome in outcomes.items() for failure in outcome.failures]
    if failures:
        raise Failed("\n".join(failures), changes)
    if deployment.test:
        return {node: entries for node, value in returned.items() if (entries := shown.states(value))}
    return changes


def apply_together(deployment: Deployment, changes: Changes) -> None:
    """Have all members take over at the same moment what they must not differ in; it is in their files already.

    Before anything is started: a node that starts takes it from its file.

    changes
        What :func:`apply` has returned; this adds to it. Raises :class:`Failed` with all of it.
    """
    found = {node: pending_changes.from_dicts(seen["pending"]) for node, seen in deployment.survey().items()}
    waiting = {node: items for node in found if (items := pending_changes.of_kind(pending_changes.BOTH, found[node]))}
    if not waiting:
        return
    if deployment.test:
        for node, items in waiting.items():
            pairs = {item.path: {"old": item.old, "new": item.new} for item in items}
            changes.setdefault(node, []).extend(shown.pairs(pairs))
        return
    paths = dict.fromkeys(item.path for items in waiting.values() for item in items)
    deployment.say("step", "nodes", f"all members take over {', '.join(paths)}")
    try:
        returned = deployment.members.ask("hamysql_change.apply", both=True)
    except NoAnswer as exc:
        raise Failed(str(exc), changes) from exc
    for node, taken in returned.items():
        if taken:
            changes.setdefault(node, {})["hamysql-change-applied-together"] = taken
    deployment.look_again()
    if left := pending_changes.by_members(pending_changes.BOTH, deployment.survey()):
        raise Failed("\n".join(["not taken over:", *left]), changes)


def storage_plan(deployment: Deployment) -> Any:
    """The steps that the members' storage needs; see :func:`hamysql.storage.backends.steps`."""
    return backends.steps(deployment.survey(), deployment.jid)


def warnings(deployment: Deployment) -> list[str]:
    """What every run has to say of the pillar, of the replicas, and of what a node cannot take over."""
    surveys = deployment.survey()
    told = backends.warnings(surveys, deployment.jid)
    return [*deployment.first["warnings"], *told, *health.all_start(surveys)]


def synchronise(view: View) -> None:
    """Bring the formula's modules and their pillar to all members, unless all have them as the master has.

    The modules first: without them a new minion can say nothing about its pillar.
    """
    if not is_current(view):
        view.members.ask("saltutil.sync_all", refresh=False)
        view.members.ask("saltutil.refresh_pillar", wait=True, timeout=30)
        view.look_again()


def same_code(view: View) -> None:
    """Raise unless master and members work with the same code of the formula, in memory as well."""
    for survey in view.survey().values():
        if survey["code"] != view.master.code:
            raise HamysqlError("the master has another version of hamysql: run `salt-run saltutil.sync_all` on it")


def spare_foreign(view: View) -> None:
    """Raise ``Refused`` where a member has a cluster that hamysql has not made. That alone is said."""
    if refusal := judge.refusal(judge.foreign(view.survey())):
        raise Refused(refusal)


def preflight(view: View) -> list[str]:
    """All that is judged before anything is changed, as sentences: those that forbid a deployment first."""
    try:
        synchronise(view)
        same_code(view)
    except NoAnswer as exc:
        return [*exc.silent.values(), *exc.failed.values()]
    except HamysqlError as exc:
        return [str(exc)]
    surveys = view.survey()
    if foreign := judge.foreign(surveys):
        return [str(finding) for finding in foreign]
    findings = judge.judge(surveys, view.window)
    forbidding = [str(finding) for finding in findings if finding.refuses]
    try:
        backends.steps(surveys)
    except Refused as exc:
        forbidding.append(str(exc))
    return [*forbidding, *(f"WARNING: {finding}" for finding in findings if not finding.refuses)]


def same_link(deployment: Deployment, phase: str) -> Changes:
    """Have members take over from the others what the pillar leaves open and all have to have the same; returns the changes."""
    storage = backends.of(deployment.survey())
    agreed = list(storage.agreed(deployment.survey()))
    changes: Changes = {}
    for item in agreed:
        pair = {item.path: {"old": item.old, "new": item.new}}
        changes[item.node] = shown.pairs(pair) if deployment.test else pair
    if deployment.test or not agreed:
        return changes
    for item in agreed:
        deployment.say("step", phase, item.said)
        deployment.members.ask(storage.function(item.action), [item.node], **item.arguments)
    deployment.look_again()
    return changes


def is_current(view: View) -> bool:
    """Whether all members have the formula's code and their pillar as the master has them: nothing is to be synchronised."""
    try:
        surveys = view.survey()
    except NoAnswer as exc:
        if exc.silent:  # asking them again would only take as long again, and the others may well be put right
            raise NoAnswer(exc.silent, {}) from None
        return False  # a new minion without modules, or one with a stale and wrong pillar
    except OldCode as exc:
        surveys = exc.surveys  # what is on the disks may be right all the same
    pillars = view.members.pillars
    return all(
        survey.get("code") == view.master.code and survey.get("pillar") == pillars[node]
        for node, survey in surveys.items()
    )


def counted(changes: Mapping[str, Sized], what: str) -> str:
    """How many there are of ``what``, a plural: "no changes", "1 change", "7 changes"."""
    count = sum(len(change) for change in changes.values())
    return f"{count or 'no'} {what.removesuffix('s') if count == 1 else what}"
