"""Privileges: where each may stand, what ``SHOW GRANTS`` prints, and the SQL from one set of them to another. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from hamysql.mysql.sql import PROLOGUE, QUOTED, Account, account, identifier, unescape, unquote

# MySQL's dynamic privileges, which its components bring along.
_DYNAMIC = re.compile(r"[A-Z]+(?:_[A-Z0-9]+)+")


@dataclass(frozen=True)
class Grant:
    """Privileges on one level, as ``SHOW GRANTS`` has it: ``*.*``, `` `db`.* ``, `` `db`.`table` ``, `` FUNCTION `db`.`name` ``.

    ``uneven`` are those of which only some have the grant option; dynamic ones each have their own.
    """

    privileges: frozenset[str]
    grant_option: bool = False
    uneven: bool = False

    def __str__(self) -> str:
        return (", ".join(sorted(self.privileges)) or "USAGE") + (
            " WITH GRANT OPTION" + (" of some" if self.uneven else "") if self.grant_option else ""
        )


EVERYTHING = "ALL PRIVILEGES"
NONE = Grant(frozenset())


@dataclass(frozen=True)
class Privileges:
    """The privileges that a flavour has; ``aliases`` are those that it accepts by one name and shows by another."""

    known: frozenset[str]
    of_tables: frozenset[str]
    of_databases: frozenset[str]
    of_routines: frozenset[str]
    aliases: Mapping[str, str] = field(default_factory=dict)

    def misplaced(self, privilege: str, on: str) -> str | None:
        """Why a server would not grant a checked privilege on a checked target, as what is expected; ``None`` where it would."""
        word, _, columns = privilege.partition(" (")
        if word not in self.known and not _DYNAMIC.fullmatch(word):
            return "a privilege of this server"
        if word == "PROXY":
            return "a privilege on data: PROXY is granted on another account, which hamysql does not do"
        if is_routine(on):
            listed = " or ".join(sorted(self.of_routines))
            return None if privilege in self.of_routines else f"{listed}, by its name: 'on' is a routine"
        whole_database = on.endswith(".*")
        if columns:
            expected = f"'on' to be one table, as 'database.table': {word} of columns is a privilege on a table"
            return expected if whole_database else None
        if on == "*.*":
            return None
        if word not in self.of_databases | self.of_tables:
            return f"'on' to be '*.*': {word} is a privilege on the whole server"
        if not whole_database and word not in self.of_tables:
            return f"'on' to be 'database.*': {word} is a privilege on a whole database"
        return None

    def parse(self, written: str) -> frozenset[str]:
        """``select (a, b), INSERT`` as a set with one entry for each column: ``SELECT (`a`)``, ``SELECT (`b`)``, ``INSERT``."""
        found = set()
        for match in _PRIVILEGE.finditer(written):
            word = " ".join(match["word"].upper().split())
            word = self.aliases.get(word, word)
            if match["columns"] is None:
                found.add(word)
            else:
                found.update(f"{word} ({identifier(unquote(column))})" for column in _COLUMN.findall(match["columns"]))
        return frozenset(found - {"USAGE"})


def is_routine(on: str) -> bool:
    """Whether this level, or a pillar's ``on``, is a function or procedure."""
    return on.upper().startswith(("FUNCTION ", "PROCEDURE ", "PACKAGE "))


def query(keys: Iterable[Account]) -> str:
    """The statements whose output :func:`parse` reads."""
    return PROLOGUE + "".join(f"SHOW GRANTS FOR {account(key)};\n" for key in keys)


_GRANT = re.compile(
    rf"^GRANT (?P<privileges>.+?) ON (?P<kind>(?:FUNCTION|PROCEDURE|PACKAGE(?: BODY)?) )?"
    rf"(?P<database>\*|{QUOTED})\.(?P<object>\*|{QUOTED}) TO (?P<user>{QUOTED})(?:@(?P<host>{QUOTED}))?(?P<rest>.*)$"
)
_PRIVILEGE = re.compile(
    rf"(?P<word>[A-Za-z_]+(?: +[A-Za-z_]+)*)\s*(?:\((?P<columns>(?:{QUOTED}|[^()`'])*)\))?\s*(?:,|$)"
)
_COLUMN = re.compile(rf"{QUOTED}|[^\s,`']+")


def parse(
    output: str,
    privileges: Privileges,
    everything: frozenset[str] = frozenset(),
    roles: Collection[str] = (),
) -> dict[Account, dict[str, Grant]]:
    """The output of ``SHOW GRANTS``: for each account its privileges on each level; ``USAGE`` (nothing) is left out.

    everything
        The privileges that a server shows on ``*.*`` instead of ALL, if it does.
    roles
        Those that a server may show with the host ``%``.
    """
    found: dict[Account, dict[str, Grant]] = {}
    for line in map(unescape, output.splitlines()):
        match = _GRANT.match(line)
        if not match:
            continue  # roles, default roles and proxies: not privileges on a level
        # REQUIRE and its texts stand before it, and limits such as MAX_USER_CONNECTIONS behind it.
        rest = _TEXT.sub("''", match["rest"])
        grant = Grant(privileges.parse(match["privileges"]), bool(re.search(r"\bWITH\b.*\bGRANT OPTION\b", rest)))
        who = (unquote(match["user"]), unquote(match["host"] or ""))
        grants = found.setdefault((who[0], "") if who[0] in roles and who[1] == "%" else who, {})
        if grant != NONE:
            kind = match["kind"] or ""  # a routine's name is the same in capitals
            on = f"{kind}{match['database']}.{match['object'].lower() if kind else match['object']}"
            # Dynamic privileges have a line of their own, each with its own grant option.
            more = grants.get(on)
            grants[on] = grant if more is None else _together(more, grant)
    for grants in found.values():
        globally = grants.get("*.*", NONE)
        if everything and everything <= globally.privileges and not globally.uneven:
            grants["*.*"] = Grant(frozenset({EVERYTHING}), globally.grant_option)
    return found


def _together(one: Grant, other: Grant) -> Grant:
    options = {one.grant_option, other.grant_option}
    return Grant(one.privileges | other.privileges, any(options), one.uneven or other.uneven or len(options) > 1)


# Text in quotes, as the server writes it: a backslash is doubled like a quote.
_TEXT = re.compile(r"'(?:[^'\\]|''|\\.)*'|`(?:[^`]|``)*`")


def regrant(on: str, to: str, old: Grant, new: Grant) -> Iterable[str]:
    """From one set of privileges on a level to another; what stays is never missing in between, if SQL allows it."""
    theirs = _dynamic(old.privileges)
    if theirs and (old.uneven or (old.grant_option and not new.grant_option)):
        # Each has a grant option of its own, and only goes with it.
        yield f"REVOKE {', '.join(theirs)} ON {on} FROM {to}"
        old = Grant(old.privileges.difference(theirs), old.grant_option != old.uneven)
    missing, extra = new.privileges - old.privileges, old.privileges - new.privileges
    option = old.grant_option
    if EVERYTHING in extra:  # REVOKE takes all of them, and cannot leave some; MySQL's takes the grant option as well
        yield f"REVOKE {EVERYTHING} ON {on} FROM {to}"
        missing, extra, option = new.privileges, frozenset(), option and not new.grant_option
    dynamic = _dynamic(new.privileges)
    if missing:
        own = new.grant_option and (dynamic or (theirs and EVERYTHING in missing))
        yield f"GRANT {', '.join(sorted(missing))} ON {on} TO {to}{' WITH GRANT OPTION' if own else ''}"
    if EVERYTHING in new.privileges:  # includes all but those on columns
        extra = frozenset(privilege for privilege in extra if privilege.endswith(")"))
    if extra:
        yield f"REVOKE {', '.join(sorted(extra))} ON {on} FROM {to}"
        # SELECT on a table takes SELECT on its columns along.
        taken = {name for name in new.privileges if name.endswith(")") and name.partition(" (")[0] in extra}
        if taken:
            yield f"GRANT {', '.join(sorted(taken))} ON {on} TO {to}"
    if option != new.grant_option:
        every = EVERYTHING if EVERYTHING in new.privileges and on == "*.*" else "USAGE"
        given = ", ".join(sorted(new.privileges)) if dynamic else every
        yield (
            f"GRANT {given} ON {on} TO {to} WITH GRANT OPTION"
            if new.grant_option
            else f"REVOKE GRANT OPTION ON {on} FROM {to}"
        )


def _dynamic(privileges: frozenset[str]) -> list[str]:
    return sorted(filter(_DYNAMIC.fullmatch, privileges))
