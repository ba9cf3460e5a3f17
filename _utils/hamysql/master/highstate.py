"""What came back from ``state.apply`` on a minion, reduced to what an operator wants to know. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

Changes = dict[str, Any]  # by what was changed; in which form is each state's own matter

# From this many entries on, a change is counted instead of listed: a package state that installed 280 packages.
MANY = 12


class State(TypedDict, total=False):
    """What Salt returns of one state."""

    __id__: str
    __run_num__: int
    name: str
    changes: Changes
    result: bool | None
    comment: str | Sequence[str]


@dataclass(frozen=True)
class Outcome:
    """Changes by state id, with ``test=True`` what would change, and failures as sentences."""

    changes: Changes
    failures: tuple[str, ...]


def summarise(returned: Any) -> Outcome:
    """An :class:`Outcome` from the return of ``state.apply``: a dictionary of states, or a list of errors."""
    if not isinstance(returned, Mapping):
        errors = returned if isinstance(returned, (list, tuple)) else [returned]
        return Outcome({}, tuple(str(error).strip() for error in errors))
    changes: Changes = {}
    failures: list[str] = []
    for key, state in returned.items():
        if not isinstance(state, Mapping):
            failures.append(f"{key}: {state}")
            continue
        name = state.get("__id__") or key
        if state.get("result") is False:
            failures.append(f"{name}: {_comment(state)}")
        found = state.get("changes")
        if found or state.get("result") is None:
            changes[name] = _short(found) if found else _comment(state)
    return Outcome(changes, tuple(_causes(failures)))


def _causes(failures: list[str]) -> list[str]:
    """Leave out the states that failed only because another one did."""
    causes = [failure for failure in failures if "One or more requisite failed" not in failure]
    return causes or failures


def _comment(state: Mapping[str, object]) -> str:
    comment = state.get("comment") or ""
    return "; ".join(map(str, comment)) if isinstance(comment, list) else str(comment).strip()


def _short(changes: Any) -> Any:
    return f"{len(changes)} entries" if isinstance(changes, Mapping) and len(changes) > MANY else changes
