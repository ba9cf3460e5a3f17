"""What a pillar may look like: a small language for it, and the check that finds every defect at once.

A schema is a tree of ``Section`` (fixed keys), ``Names`` (keys that the user chooses), ``Items`` (a list) and
``Value`` (a leaf). ``check`` never raises for any data whatsoever: each defect becomes a ``Problem``.
"""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hamysql.errors import Problem

MASK = "**********"


class Secret(str):
    """A text that must not be shown; its ``repr`` hides it, so that a log line that prints a structure does too."""

    def __repr__(self) -> str:
        return repr(MASK)


TODO = "TODO"  # what a proposal has where only a human knows the value


@dataclass(frozen=True)
class Value:
    """A leaf. ``parse`` returns the normal form of a value, or raises ``ValueError``; ``expected`` says what belongs there."""

    expected: str
    parse: Callable[[Any], Any]
    secret: bool = False
    missing: str | None = None  # set: the value is required, and this says how to come by one


@dataclass(frozen=True)
class Section:
    """A mapping with fixed keys."""

    keys: Mapping[str, Node]


@dataclass(frozen=True)
class Names:
    """A mapping whose keys are chosen by the user, in the user's order; ``known`` are those whose item is another one.

    ``only``: the known keys are the only ones. ``refused`` are keys that people look for here, and the reason why they are none.
    """

    key: Value
    item: Node
    expected: str
    known: Mapping[str, Node] = field(default_factory=dict)
    only: bool = False
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Items:
    """A list."""

    item: Node
    expected: str


Node = Value | Section | Names | Items


@dataclass
class Report:
    """Collects problems while a pillar is being read."""

    problems: list[Problem] = field(default_factory=list)
    hints: int = 20  # comparing words costs time: after so many wrong ones the reader has seen what is wrong

    def nearest(self, word: Any, known: Iterable[str]) -> str:
        """See :func:`nearest`; after the first ``hints`` words all known ones are named."""
        self.hints -= 1
        return nearest(word if self.hints >= 0 else None, known)

    def add(self, path: str, found: str, expected: str) -> None:
        self.problems.append(Problem(path, found, expected))

    def bad_under(self, path: str) -> bool:
        """Whether something at or below ``path`` has a problem: whoever builds upon it can stop there."""
        return any(problem.path == path or problem.path.startswith(f"{path}:") for problem in self.problems)


def show(value: Any) -> str:
    """A short description of a value that is not secret."""
    if isinstance(value, (Mapping, list, tuple, set)):
        return kind(value)
    try:
        text = repr(value)
    except Exception:  # an object with a broken repr is still only a wrong value
        text = kind(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def kind(value: Any) -> str:
    """What sort of value this is, without its contents: what may be said of a secret."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return f"a text of {len(value)} character{'' if len(value) == 1 else 's'}"
    if isinstance(value, Mapping):
        return f"a mapping with {len(value)} key{'' if len(value) == 1 else 's'}"
    if isinstance(value, (list, tuple, set)):
        return f"a list of {len(value)} item{'' if len(value) == 1 else 's'}"
    return f"a value of type {type(value).__name__}"


# What is compared and what is shown of a list that a pillar may make as long as it likes.
_LETTERS, _CANDIDATES, _SHOWN = 60, 100, 40


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that ``word`` looks most like; bounded, however many and however long the words are."""
    word = word[:_LETTERS]
    alike = (other for other in known if len(other) <= _LETTERS and abs(len(other) - len(word)) <= 1 + len(word) // 2)
    found = difflib.get_close_matches(word, list(itertools.islice(alike, _CANDIDATES)), n=1, cutoff=0.6)
    return found[0] if found else None


def nearest(word: Any, known: Iterable[str]) -> str:
    """A hint that names the known word nearest to ``word``, or all of them."""
    known = list(known)
    text = word.replace("-", "_").lower() if isinstance(word, str) and len(word) <= _LETTERS else ""
    close = closest(text, known) if text else None
    if close:
        return f"{close!r}, the nearest known key"
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return "one of " + ", ".join(sorted(known)[:_SHOWN]) + more


def check(node: Node, value: Any, path: str, report: Report) -> Any:
    """Return the normal form of ``value``; add a problem to ``report`` for each defect.

    What is wrong is returned as ``None`` (a leaf), an empty mapping or an empty list, so that a caller can go on. What is still
    ``TODO`` is wrong everywhere.
    """
    if isinstance(value, str) and value.strip() == TODO:
        what = node.expected if isinstance(node, (Value, Names, Items)) else "a mapping"
        report.add(path, f"{TODO}, which nobody has filled in yet", what)
        return check(node, None, path, Report())
    if isinstance(node, Section):
        return _check_section(node, value, path, report)
    if isinstance(node, Names):
        return _check_names(node, value, path, report)
    if isinstance(node, Items):
        return _check_items(node, value, path, report)
    return _check_value(node, value, path, report)


def _check_value(node: Value, value: Any, path: str, report: Report) -> Any:
    if value is None:
        if node.missing is not None:
            report.add(path, "nothing", f"{node.expected}: {node.missing}" if node.missing else node.expected)
        return None
    try:
        parsed = node.parse(value)
    except (ValueError, TypeError, OverflowError, RecursionError) as exc:
        expected = str(exc) if isinstance(exc, Hint) else node.expected
        report.add(path, kind(value) if node.secret else show(value), expected)
        return None
    return Secret(parsed) if node.secret else parsed


def _check_section(node: Section, value: Any, path: str, report: Report) -> dict[str, object]:
    if value is None:
        value = {}
    if not isinstance(value, Mapping):
        report.add(path, kind(value), f"a mapping with the keys {', '.join(node.keys)}")
        return {key: check(child, None, f"{path}:{key}", Report()) for key, child in node.keys.items()}
    if True in value and "on" in node.keys:  # YAML 1.1 reads a bare `on` as a boolean
        value = {"on" if key is True else key: item for key, item in value.items()}
    for key in value:
        if key not in node.keys:
            report.add(f"{path}:{_key_text(key)}", "an unknown key", report.nearest(key, node.keys))
    return {key: check(child, value.get(key), f"{path}:{key}", report) for key, child in node.keys.items()}


def _check_names(node: Names, value: Any, path: str, report: Report) -> dict[str, object]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        report.add(path, kind(value), node.expected)
        return {}
    result: dict[str, object] = {}
    for key, item in value.items():
        below = f"{path}:{_key_text(key)}"
        try:
            name = node.key.parse(key)
        except (ValueError, TypeError, OverflowError, RecursionError) as exc:
            expected = str(exc) if isinstance(exc, Hint) else node.key.expected
            report.add(below, f"the key {show(key)}", expected)
            continue
        if name in node.refused:
            report.add(below, "a key that is not for the pillar", f"not to be set here: {node.refused[name]}")
            continue
        if node.only and name not in node.known:
            report.add(below, "an unknown key", report.nearest(name, node.known))
            continue
        result[name] = check(node.known.get(name, node.item), item, below, report)
    return result


def _check_items(node: Items, value: Any, path: str, report: Report) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, (list, tuple)):
        report.add(path, kind(value), node.expected)
        return []
    result = []
    for number, item in enumerate(value):
        below = f"{path}:{number}"
        if item is None:
            report.add(below, "nothing", node.item.expected if isinstance(node.item, Value) else "a mapping")
            continue
        result.append(check(node.item, item, below, report))
    return result


class Hint(ValueError):
    """Raised by a parser whose message says better what is expected than its ``Value`` does."""


def _key_text(key: Any) -> str:
    return key if isinstance(key, str) and len(key) <= 60 and key.isprintable() else show(key)


def redacted(value: Any) -> Any:
    """A copy of ``value`` in which every ``Secret`` is masked."""
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, Mapping):
        return {key: redacted(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [redacted(item) for item in value]
    return value
