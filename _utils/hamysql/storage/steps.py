"""A step of a plan, and what every kind of storage asks of the surveys. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hamysql.cib import names as cib_names
from hamysql.survey import Survey

Arguments = Mapping[str, Any]  # of a function of an execution module, by name


@dataclass(frozen=True)
class Step:
    """One thing to do: a function of an execution module, the nodes that run it, the reason for it, its arguments.

    ``fresh``: it is only done if it comes first in a plan made from a survey that was taken since the last change.
    """

    action: str
    nodes: tuple[str, ...]
    why: str
    arguments: Arguments = field(default_factory=dict)
    fresh: bool = False

    def __str__(self) -> str:
        return f"{self.action} on {', '.join(self.nodes)}: {self.why}"


@dataclass(frozen=True)
class Agreed:
    """What ``node`` takes over from another member, by an action with arguments: the pillar's key that leaves it open, and both
    values in words. ``said`` tells it as a sentence."""

    node: str
    path: str
    old: str
    new: str
    said: str
    action: str
    arguments: Arguments


def serving(name: str, survey: Survey) -> bool:
    """Whether pacemaker on this node says that it has the file system mounted there."""
    return any(
        (item["id"], item["role"], item["node"]) == (cib_names.FILE_SYSTEM, "Started", name)
        for item in survey["cluster"]["resources"]
    )
