"""Differences between the pillar and the server, and what the server refuses of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hamysql.errors import HamysqlError


@dataclass(frozen=True)
class Change:
    """One difference: what it is about, readable old and new values (``None``: absent), and the SQL that removes it.

    ``of`` is the database or account; where it could not be created, its further changes cannot be made either. ``refused`` says
    why hamysql itself does not make it. ``undo`` takes back what the first statements have done, where a later one is refused.
    """

    name: str
    old: str | None
    new: str
    statements: tuple[str, ...] = field(repr=False)
    of: str = ""
    refused: str = ""
    undo: str = ""


class NotApplied(HamysqlError):
    """The server, or hamysql, has refused changes; the others were made."""

    def __init__(self, refused: Mapping[str, str]) -> None:
        self.refused = dict(refused)
        head = f"the database refused {len(refused)} change{'' if len(refused) == 1 else 's'}; all others were made:"
        super().__init__("\n".join([head, *(f"  - {name}: {why}" for name, why in refused.items())]))
