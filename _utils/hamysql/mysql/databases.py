"""The pillar's databases: what the server lacks of them, and which ones are to go. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TypedDict

from hamysql.mysql.changes import Change
from hamysql.mysql.flavours.face import Flavour, Observed
from hamysql.mysql.sql import identifier


class Database(TypedDict, total=False):
    """One of the pillar's databases; all but its name may be left out.

    ``absent`` takes it away where nothing is in it, and with ``drop_data`` in any case.
    """

    name: str
    character_set: str | None
    collate: str | None
    absent: bool | None
    drop_data: bool | None


def diff(flavour: Flavour, observed: Observed, wanted: Sequence[Database]) -> Iterable[Change]:
    """What has to be done so that the server has these databases, and none of those that are to be absent."""
    for database in wanted:
        name = observed.stored(database["name"])
        yield from (
            _dropped(flavour, observed, database, name) if database.get("absent") else _made(observed, database, name)
        )


def _made(observed: Observed, database: Database, name: str) -> Iterable[Change]:
    charset, collate = database.get("character_set"), database.get("collate")
    options = (f" CHARACTER SET {charset}" if charset else "") + (f" COLLATE {collate}" if collate else "")
    found = observed.databases.get(name)
    if found is None:
        yield Change(
            f"database {name}",
            None,
            "present" + options,
            (f"CREATE DATABASE {identifier(name)}{options};",),
            f"database {name}",
        )
    elif (charset and not _same(charset, found[0])) or (collate and not _same(collate, found[1])):
        new = (charset or found[0], collate or found[1])
        yield Change(
            f"database {name}", " ".join(found), " ".join(new), (f"ALTER DATABASE {identifier(name)}{options};",)
        )


def _dropped(flavour: Flavour, observed: Observed, database: Database, name: str) -> Iterable[Change]:
    if name not in observed.databases:
        return
    number = observed.contents.get(name, 0)
    held = f"{number} object{'' if number == 1 else 's'} in it" if number else "empty"
    if database.get("drop_data"):
        yield Change(f"database {name}", f"present, {held}", "absent", (f"DROP DATABASE {identifier(name)};",))
        return
    reasons = (
        [f"it is not empty ({held}); with `drop_data: true` in the pillar it is dropped with all its data"]
        if number
        else []
    )
    yield Change(
        f"database {name}",
        f"present, {held}",
        "".join(["absent", *(f", refused: {reason}" for reason in reasons)]),
        (flavour.drop_empty(name),),
        refused="".join(reasons),
    )


def _same(given: str, shown: str) -> bool:
    """Whether a character set or collation is what the server shows: ``utf8`` is an alias, prefixes may be left out."""
    given = given.lower()
    alias = re.sub(r"^utf8(?=$|_)", "utf8mb[34]", re.escape(given))
    return bool(re.fullmatch(rf"{alias}|utf8mb[34]_{re.escape(given)}", shown))
