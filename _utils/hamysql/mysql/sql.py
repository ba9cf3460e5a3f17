"""Names and texts in SQL: how they are quoted, and how the server's own client prints them. Pure."""

from __future__ import annotations

import re

Account = tuple[str, str]  # user and host, as in 'user'@'host'; a role is one without a host

# Statements quote text by doubling the quote, and nothing else has a meaning then.
PROLOGUE = "SET SESSION sql_mode = 'NO_BACKSLASH_ESCAPES';\n"
QUOTED = r"(?:`(?:[^`]|``)*`|'(?:[^']|'')*')"


def identifier(name: str) -> str:
    """``name`` quoted as an identifier."""
    return "`" + name.replace("`", "``") + "`"


def text(value: str) -> str:
    """``value`` quoted as a string, for a session with ``NO_BACKSLASH_ESCAPES``."""
    return "'" + value.replace("'", "''") + "'"


def account(key: Account) -> str:
    """``'user'@'host'``, quoted; a role has no host."""
    return f"{text(key[0])}@{text(key[1])}" if key[1] else text(key[0])


_ROUTINE = re.compile(r"(FUNCTION|PROCEDURE) (.*)", re.IGNORECASE)


def level(on: str, wildcards: bool = False) -> str:
    """A pillar's ``db.table`` or ``FUNCTION db.name`` as ``SHOW GRANTS`` writes it.

    wildcards
        Whether ``_`` and ``%`` in a database's name are patterns, with ``\\_`` for the letter itself. By default they are letters.
    """
    routine = _ROUTINE.fullmatch(on)
    if routine:
        database, _, name = routine[2].partition(".")
        return f"{routine[1].upper()} {identifier(database)}.{identifier(name.lower())}"
    database, _, table = on.partition(".")
    if database == "*":
        return "*.*"
    if table == "*":
        return identifier(database if wildcards else database.replace("_", r"\_").replace("%", r"\%")) + ".*"
    return f"{identifier(database)}.{identifier(table)}"


def unquote(name: str) -> str:
    """A name or text without its quotes."""
    quote = name[:1]
    return name[1:-1].replace(quote * 2, quote) if quote in ("`", "'") else name


_ESCAPES = {"n": "\n", "t": "\t", "0": "\0", "\\": "\\"}


def unescape(cell: str) -> str:
    """A cell of a row, as the client prints it with ``--batch``."""
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), cell)


_REPEATED = re.compile(r"^-{14}\n.*?(?:^-{14}\n+|\Z)", re.MULTILINE | re.DOTALL)


def without_statements(said: str) -> str:
    """What the client says of an error, without the statement that it repeats: a hash or a password may be in it."""
    return _REPEATED.sub("", said)
