"""Nodes whose databases are of different series: which of them cannot take over, and what comes next. Pure.

A database of a newer series changes the data as it starts, and an older one must not be started on that. The agent refuses that.
"""

from __future__ import annotations

from collections.abc import Iterator

from hamysql.preflight.judge import major, number
from hamysql.survey import Survey, Surveys


def behind(surveys: Surveys) -> list[str]:
    """The nodes that cannot take over, since the one that serves has a database of a newer series, as sentences."""
    return [
        f"{node} cannot take over: it has {package} {own}, and {serving} serves with {theirs}. Replace {node} by a machine with "
        "that series: hamysql.orch.replace_node"
        for node, serving, package, own, theirs in _differing(surveys)
        if number(own, 2) < number(theirs, 2)
    ]


def ahead(surveys: Surveys) -> str:
    """What the next move does to the node that serves, where the other one has a newer database, as a sentence; else ""."""
    for node, serving, package, own, theirs in _differing(surveys):
        if number(own, 2) > number(theirs, 2):
            said = f"{node} has {package} {own}, and {serving} has {theirs}: once {node} has served, {serving} cannot take over"
            return f"{said}. Move the service to {node}, and replace {serving} next"
    return ""


def _differing(surveys: Surveys) -> Iterator[tuple[str, str, str, str, str]]:
    """A node with a database of another series than the one that serves: both nodes, the package, and both series."""
    serving = [node for node, survey in surveys.items() if survey["database"]]
    if len(serving) != 1:
        return
    served = _series(surveys[serving[0]])
    for node, survey in surveys.items():
        for package, own in _series(survey).items():
            theirs = served.get(package, "")
            if own and theirs and own != theirs:
                yield node, serving[0], package, own, theirs
                break


def _series(survey: Survey) -> dict[str, str]:
    packages = survey["facts"]["packages"]
    return {name: major(packages.get(name, ""), 2) for name in survey["settings"]["package"]["database"]}
