"""A pillar that is being written about a cluster which somebody else has built. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hamysql.schema.values import Config


@dataclass
class Described:
    """A pillar, its comments by path, what no key says, which ids hamysql would own.

    ``fences`` has what each node's fence devices were called, in the order of the pillar.
    """

    pillar: Config = field(default_factory=dict)
    comments: dict[str, list[str]] = field(default_factory=dict)
    unfit: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    adopt: list[str] = field(default_factory=list)
    fences: dict[str, list[str]] = field(default_factory=dict)

    def put(self, value: Any, *path: str) -> None:
        """Have a value in the pillar; none for nothing."""
        if value in (None, "", {}, []):
            return
        if isinstance(value, str) and value.isdecimal():
            value = int(value)
        below = self.pillar
        for key in path[:-1]:
            below = below.setdefault(key, {})
        below[path[-1]] = value

    def say(self, text: str, *path: str) -> None:
        """A comment beside a path of the pillar."""
        self.comments.setdefault(":".join(("hamysql", *path)), []).append(" ".join(text.split()))

    def lacks(self, text: str, *path: str) -> None:
        """What no key says: a comment, and a finding."""
        self.say(f"NOT TAKEN OVER: {text}", *path)
        self.unfit.append(text)

    def drop(self, path: Sequence[str], why: str) -> bool:
        """Take a value out that hamysql does not take; whether it was there."""
        below: Any = self.pillar
        for key in path[:-1]:
            if isinstance(below, list) and key.isdecimal() and int(key) < len(below):
                below = below[int(key)]
            else:
                below = below.get(key) if isinstance(below, Mapping) else None
        if not isinstance(below, dict) or path[-1] not in below:
            return False
        del below[path[-1]]
        self.lacks(why, *path)
        return True
