"""Databases, accounts and grants: what is there, what the pillar wants, and the SQL between the two.

Pure: text from the server's own client goes in, statements come out. A pillar is the authority for the databases and
accounts that it names, and for nothing else; an account without ``grants`` keeps the ones it has.

Passwords appear in no statement, only their hash does, so that neither an error message of the server, its general log nor its
binary log can carry one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hamysql.errors import ParseError

Account = tuple[str, str]  # user and host, as in 'user'@'host'

# Statements quote text by doubling the quote, and nothing else has a meaning then.
PROLOGUE = "SET SESSION sql_mode = 'NO_BACKSLASH_ESCAPES';\n"


@dataclass(frozen=True)
class Grant:
    """Privileges on one level (``*.*``, `` `db`.* `` or `` `db`.`table` ``, as ``SHOW GRANTS`` writes it)."""

    privileges: frozenset[str]
    grant_option: bool = False

    def __str__(self) -> str:
        return ", ".join(sorted(self.privileges)) + (" WITH GRANT OPTION" if self.grant_option else "")


EVERYTHING = "ALL PRIVILEGES"
NONE = Grant(frozenset())


@dataclass(frozen=True)
class Observed:
    """What the server has: databases with (character set, collation), accounts with (plugin, hash), their grants."""

    databases: Mapping[str, tuple[str, str]]
    accounts: Mapping[Account, tuple[str, str]]
    grants: Mapping[Account, Mapping[str, Grant]] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """One difference: what it is about, readable old and new values (``None``: absent), and the SQL that removes it."""

    name: str
    old: str | None
    new: str
    statements: tuple[str, ...]


def native_hash(password: str) -> str:
    """The hash of ``mysql_native_password``: ``*`` and SHA1(SHA1(password)) in capitals."""
    inner = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return "*" + hashlib.sha1(inner, usedforsecurity=False).hexdigest().upper()


def identifier(name: str) -> str:
    """``name`` quoted as an identifier."""
    return "`" + name.replace("`", "``") + "`"


def text(value: str) -> str:
    """``value`` quoted as a string, for a session with ``NO_BACKSLASH_ESCAPES``."""
    return "'" + value.replace("'", "''") + "'"


def account(key: Account) -> str:
    """``'user'@'host'``, quoted."""
    return f"{text(key[0])}@{text(key[1])}"


def level(on: str) -> str:
    """A pillar's ``db.table`` as ``SHOW GRANTS`` writes it; ``_`` and ``%`` in a database's name are meant literally."""
    database, _, table = on.partition(".")
    if database == "*":
        return "*.*"
    if table == "*":
        return identifier(database.replace("_", r"\_").replace("%", r"\%")) + ".*"
    return f"{identifier(database)}.{identifier(table)}"


# --- reading -----------------------------------------------------------------------------------------------------

QUERY = (
    "SELECT 'database', SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA;\n"
    "SELECT 'account', User, Host, plugin, authentication_string FROM mysql.user;\n"
)


def query_grants(keys: Iterable[Account]) -> str:
    """The statements whose output :func:`parse_grants` reads."""
    return PROLOGUE + "".join(f"SHOW GRANTS FOR {account(key)};\n" for key in keys)


def parse_observed(output: str) -> Observed:
    """The output of :data:`QUERY`, from the client with ``--batch --skip-column-names``."""
    databases: dict[str, tuple[str, str]] = {}
    accounts: dict[Account, tuple[str, str]] = {}
    for line in output.splitlines():
        kind, *fields = (_unescape(cell) for cell in line.split("\t"))
        if kind == "database" and len(fields) == 3:
            databases[fields[0]] = (fields[1], fields[2])
        elif kind == "account" and len(fields) == 4:
            accounts[fields[0], fields[1]] = (fields[2], fields[3])
        else:
            raise ParseError(f"the database answered with {len(fields)} columns for {kind!r}")
    return Observed(databases, accounts)


_GRANT = re.compile(r"^GRANT (?P<privileges>.+?) ON (?P<level>\S+) TO (?P<rest>.+)$")
_TO = re.compile(r"^[`'](?P<user>(?:[^`']|``|'')*)[`']@[`'](?P<host>(?:[^`']|``|'')*)[`']")


def parse_grants(output: str) -> dict[Account, dict[str, Grant]]:
    """The output of ``SHOW GRANTS``: for each account its privileges on each level; ``USAGE`` (nothing) is left out."""
    found: dict[Account, dict[str, Grant]] = {}
    for line in map(_unescape, output.splitlines()):
        match = _GRANT.match(line)
        to = _TO.match(match["rest"]) if match else None
        if not match or not to:
            continue  # roles, default roles and proxies: not privileges on a level
        privileges = frozenset(_split(match["privileges"]))
        grants = found.setdefault((to["user"].replace("``", "`"), to["host"]), {})
        option = match["rest"].endswith("WITH GRANT OPTION")
        if privileges != {"USAGE"} or option:
            grants[match["level"]] = Grant(privileges - {"USAGE"}, option)
    return found


def _split(privileges: str) -> list[str]:
    """``SELECT (a, b), INSERT`` into its parts: commas inside parentheses belong to a column list."""
    parts, depth, start = [], 0, 0
    for position, char in enumerate(privileges):
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parts.append(privileges[start:position].strip())
            start = position + 1
    return [*parts, privileges[start:].strip()]


_ESCAPES = {"n": "\n", "t": "\t", "0": "\0", "\\": "\\"}


def _unescape(cell: str) -> str:
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), cell)


# --- comparing ---------------------------------------------------------------------------------------------------


def diff(observed: Observed, config: Mapping[str, Any]) -> tuple[Change, ...]:
    """What has to be done so that the server has what the pillar names.

    config
        ``mysql`` of the resolved configuration: its ``databases`` and ``users``.
    """
    changes = [*_databases(observed, config["databases"])]
    for user in config["users"]:
        changes += _account(observed, user)
        changes += _grants(observed, user)
    return tuple(changes)


def _databases(observed: Observed, wanted: Sequence[Mapping[str, Any]]) -> Iterable[Change]:
    for database in wanted:
        name = database["name"]
        charset, collate = database.get("character_set"), database.get("collate")
        options = (f" CHARACTER SET {charset}" if charset else "") + (f" COLLATE {collate}" if collate else "")
        found = observed.databases.get(name)
        if found is None:
            yield Change(
                f"database {name}", None, "present" + options, (f"CREATE DATABASE {identifier(name)}{options};",)
            )
        elif (charset and found[0] != charset) or (collate and found[1] != collate):
            new = (charset or found[0], collate or found[1])
            yield Change(
                f"database {name}", " ".join(found), " ".join(new), (f"ALTER DATABASE {identifier(name)}{options};",)
            )


def _account(observed: Observed, user: Mapping[str, Any]) -> Iterable[Change]:
    key = (user["name"], user["host"])
    name = f"user {key[0]}@{key[1]}"
    if user.get("auth") == "unix_socket":
        plugin, secret, how = "unix_socket", "", "IDENTIFIED VIA unix_socket"
    else:
        plugin, secret = "mysql_native_password", native_hash(user["password"])
        how = f"IDENTIFIED VIA mysql_native_password USING {text(secret)}"
    found = observed.accounts.get(key)
    if found is None:
        yield Change(name, None, f"present, {plugin}", (f"CREATE USER {account(key)} {how};",))
    elif found[0] != plugin:
        yield Change(name, found[0], plugin, (f"ALTER USER {account(key)} {how};",))
    elif secret and found[1] != secret:
        yield Change(name, "another password", "the pillar's password", (f"ALTER USER {account(key)} {how};",))


def _grants(observed: Observed, user: Mapping[str, Any]) -> Iterable[Change]:
    if user.get("grants") is None:
        return
    key = (user["name"], user["host"])
    wanted = {
        level(grant["on"]): Grant(frozenset(map(_privilege, grant["privileges"])), bool(grant.get("grant_option")))
        for grant in user["grants"]
    }
    found = observed.grants.get(key, {})
    for on in sorted({*wanted, *found}):
        old, new = found.get(on), wanted.get(on)
        if old == new:
            continue
        name = f"grants of {key[0]}@{key[1]} on {on}"
        statements = tuple(f"{statement};" for statement in _regrant(on, account(key), old or NONE, new or NONE))
        yield Change(name, str(old) if old else None, str(new) if new else "none", statements)


def _regrant(on: str, to: str, old: Grant, new: Grant) -> Iterable[str]:
    """From one set of privileges on a level to another; what stays is never missing in between, if SQL allows it."""
    missing, extra = new.privileges - old.privileges, old.privileges - new.privileges
    if EVERYTHING in extra:  # REVOKE takes all of them, and cannot leave some
        yield f"REVOKE {EVERYTHING} ON {on} FROM {to}"
        missing, extra = new.privileges, frozenset()
    if missing:
        yield f"GRANT {', '.join(sorted(missing))} ON {on} TO {to}"
    if extra and EVERYTHING not in new.privileges:
        yield f"REVOKE {', '.join(sorted(extra))} ON {on} FROM {to}"
    if old.grant_option != new.grant_option:
        yield (
            f"GRANT USAGE ON {on} TO {to} WITH GRANT OPTION"
            if new.grant_option
            else f"REVOKE GRANT OPTION ON {on} FROM {to}"
        )


def _privilege(name: str) -> str:
    upper = " ".join(name.upper().split())
    return EVERYTHING if upper == "ALL" else upper
