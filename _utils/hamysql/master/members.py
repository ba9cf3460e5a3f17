"""The members of one cluster, asked together.

A question goes to all of them at once, and a partial answer is an error: nothing is ever decided from what some of the
members said. Salt is behind the ``Call`` that is passed in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from hamysql.errors import HamysqlError
from hamysql.schema.language import show
from hamysql.survey import Survey, Surveys

Pillar = Mapping[str, Any]  # what Salt compiles: nobody has checked it


@dataclass(frozen=True)
class Answer:
    """What one minion returned: its value, or the text of its error."""

    value: Any = None
    error: str | None = None


class Call(Protocol):
    """Run an execution module's function on minions; a minion that did not answer is missing from the result."""

    def __call__(
        self, minions: Sequence[str], function: str, kwargs: Mapping[str, object], timeout: float
    ) -> Mapping[str, Answer]: ...


class Answers(NamedTuple):
    """What some members answered: values, and sentences about those that did not answer or failed; each by node."""

    values: dict[str, Any]
    silent: dict[str, str]
    failed: dict[str, str]


class NoAnswer(HamysqlError):
    """At least one member did not answer, or answered with an error; the message names each one.

    silent, failed
        The sentences about members that did not answer, and about those that answered with an error, by node.
    """

    def __init__(self, silent: Mapping[str, str], failed: Mapping[str, str]) -> None:
        self.silent, self.failed = dict(silent), dict(failed)
        super().__init__("\n".join([*self.silent.values(), *self.failed.values()]))


class OldCode(HamysqlError):
    """A minion has other code of the formula in memory than is on its disk. Its jobs are forked from that, and cannot shed it.

    surveys
        What all members answered; those of such minions have no more than "code", "pillar" and "stale".
    """

    def __init__(self, message: str, surveys: Surveys) -> None:
        self.surveys = dict(surveys)
        super().__init__(message)


@dataclass(frozen=True)
class Members:
    """The nodes of one cluster (name to minion id, in the pillar's order), the way to ask them, their pillars' digests."""

    cluster: str
    minions: Mapping[str, str]
    call: Call
    pillars: Mapping[str, str] = field(default_factory=dict)

    def ask(self, function: str, on: Sequence[str] = (), /, patience: float = 30, **kwargs: Any) -> dict[str, Any]:
        """Run ``function`` with ``kwargs`` on the nodes ``on`` (all members by default) and return ``{node: value}``.

        patience
            Seconds until a minion that is silent is asked whether it still works on the job, 30 by default; while it
            does, it is waited for.

        Raises ``NoAnswer`` naming every node that did not answer or failed, with its error.
        """
        answers = self.answers(function, on, patience, **kwargs)
        if answers.silent or answers.failed:
            raise NoAnswer(answers.silent, answers.failed)
        return answers.values

    def answers(self, function: str, on: Sequence[str] = (), /, patience: float = 30, **kwargs: Any) -> Answers:
        """The same, of those that answer: for what is shown, and never for what is decided."""
        names = tuple(on) or tuple(self.minions)
        answers = self.call([self.minions[name] for name in names], function, kwargs, patience)
        values: dict[str, Any] = {}
        silent: dict[str, str] = {}
        failed: dict[str, str] = {}
        for name in names:
            minion = self.minions[name]
            answer = answers.get(minion)
            if answer is None:
                silent[name] = f"{name} (minion {minion}) does not answer; is it up, and is its key accepted?"
            elif answer.error is not None:
                failed[name] = f"{name} (minion {minion}): {function}: {answer.error}"
            else:
                values[name] = answer.value
        return Answers(values, silent, failed)

    def survey(self, on: Sequence[str] = ()) -> dict[str, Survey]:
        """What the nodes ``on`` (all members by default) see, ``hamysql_node.survey``: ``{node: {...}}``.

        Raises ``NoAnswer`` as :meth:`ask` does, and ``OldCode``: of a node that works with an older version no more is known.
        """
        surveys: dict[str, Survey] = self.ask("hamysql_node.survey", on)
        for node, survey in surveys.items():
            if survey.get("stale"):
                raise OldCode(
                    f"{node} (minion {self.minions[node]}) keeps an older version of hamysql in memory: {self.restart(node)}, "
                    "and run hamysql.orch again",
                    surveys,
                )
        return surveys

    def restart(self, node: str) -> str:
        """How an operator has a node's minion load the formula anew."""
        return f"restart its minion with `salt {self.minions[node]} service.restart salt-minion no_block=True`"


def clusters(pillars: Mapping[str, Pillar]) -> dict[str, dict[str, str]]:
    """Which clusters a master has: ``{cluster: {node: minion id}}`` from its minions' ``hamysql`` pillars, unvalidated.

    A node without ``minion_id`` is its own minion id. Raises nothing: what is wrong in a pillar is said by its own minion.
    """
    found: dict[str, dict[str, str]] = {}
    for pillar in pillars.values():
        cluster = pillar.get("cluster")
        if not isinstance(cluster, Mapping) or not isinstance(cluster.get("nodes"), Mapping):
            continue
        nodes = found.setdefault(_text(cluster.get("name")), {})
        for node, options in cluster["nodes"].items():
            options = options if isinstance(options, Mapping) else {}
            nodes.setdefault(_text(node), _text(options.get("minion_id", node)))
    return found


def _text(name: Any) -> str:
    return name if isinstance(name, str) else show(name)


def choose(found: Mapping[str, Mapping[str, str]], wanted: str | None) -> tuple[str, Mapping[str, str]]:
    """The cluster that an operation is about: the wanted one, or the only one. Raises ``HamysqlError`` otherwise."""
    names = ", ".join(sorted(found)) or "none"
    if wanted is None and len(found) == 1:
        wanted = next(iter(found))
    if wanted is None and not found:
        raise HamysqlError("no accepted minion has a `hamysql` pillar with `cluster: nodes:`; see pillar.example")
    if wanted is None:
        how = """pillar='{"hamysql_cluster": "NAME"}'"""
        raise HamysqlError(f"this master has more than one cluster ({names}): name one with {how}")
    if wanted not in found:
        raise HamysqlError(f"no accepted minion has a pillar for the cluster {wanted!r}; there is: {names}")
    return wanted, found[wanted]
