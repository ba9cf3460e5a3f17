"""Databases, accounts and grants: what is there, what the pillar wants, and the SQL between the two.

Pure: text from the server's own client goes in, statements come out. A pillar is the authority for the databases and
accounts that it names, and for nothing else; an account without ``grants`` keeps the ones it has. What the server writes in
another way than it was given (host names, ``utf8``, names of privileges, columns) is compared as the server writes it.

Passwords appear in no statement, only their hash does, so that neither an error message of the server, its general log nor its
binary log can carry one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

from hamysql.errors import HamysqlError, ParseError

Account = tuple[str, str]  # user and host, as in 'user'@'host'

# Statements quote text by doubling the quote, and nothing else has a meaning then.
PROLOGUE = "SET SESSION sql_mode = 'NO_BACKSLASH_ESCAPES';\n"


@dataclass(frozen=True)
class Grant:
    """Privileges on one level (``*.*``, `` `db`.* `` or `` `db`.`table` ``, as ``SHOW GRANTS`` writes it)."""

    privileges: frozenset[str]
    grant_option: bool = False

    def __str__(self) -> str:
        return (", ".join(sorted(self.privileges)) or "USAGE") + (" WITH GRANT OPTION" if self.grant_option else "")


EVERYTHING = "ALL PRIVILEGES"
NONE = Grant(frozenset())


@dataclass(frozen=True)
class Observed:
    """What the server has: databases with (character set, collation), accounts with (plugin, hash), their grants.

    ``ways`` are the plugins of accounts that have more than one; ``small`` says whether names of databases and tables are kept in
    small letters (``lower_case_table_names``).
    """

    databases: Mapping[str, tuple[str, str]]
    accounts: Mapping[Account, tuple[str, str]]
    grants: Mapping[Account, Mapping[str, Grant]] = field(default_factory=dict)
    ways: Mapping[Account, frozenset[str]] = field(default_factory=dict)
    small: bool = False

    def stored(self, name: str) -> str:
        """The name of a database or table, or a pillar's ``db.table``, as this server keeps it."""
        return name.lower() if self.small else name


@dataclass(frozen=True)
class Change:
    """One difference: what it is about, readable old and new values (``None``: absent), and the SQL that removes it.

    ``of`` is the database or account; where it could not be created, its further changes cannot be made either.
    """

    name: str
    old: str | None
    new: str
    statements: tuple[str, ...]
    of: str = ""


class NotApplied(HamysqlError):
    """The server has refused changes; the others were made."""

    def __init__(self, refused: Mapping[str, str]) -> None:
        self.refused = dict(refused)
        head = f"the database refused {len(refused)} change{'' if len(refused) == 1 else 's'}; all others were made:"
        super().__init__("\n".join([head, *(f"  - {name}: {why}" for name, why in refused.items())]))


# Where a privilege may stand. MariaDB: "GRANT", the sections on database, table and column privileges. All others are global only.
_OF_TABLES = frozenset(
    "ALL|ALTER|CREATE|CREATE VIEW|DELETE|DELETE HISTORY|DROP|INDEX|INSERT|REFERENCES|SELECT|SHOW VIEW|TRIGGER|UPDATE|USAGE".split(
        "|"
    )
)
_OF_DATABASES = _OF_TABLES | frozenset(
    "ALTER ROUTINE|CREATE ROUTINE|CREATE TEMPORARY TABLES|EVENT|EXECUTE|LOCK TABLES|SHOW CREATE ROUTINE".split("|")
)


def misplaced(privilege: str, on: str) -> str | None:
    """Why a server would not grant a checked privilege on a checked target, as what is expected; ``None`` where it would."""
    word, _, columns = privilege.partition(" (")
    if word == "PROXY":
        return "a privilege on data: PROXY is granted on another account, which hamysql does not do"
    if columns:
        whole = on.endswith(".*")
        return (
            f"'on' to be one table, as 'database.table': {word} of columns is a privilege on a table" if whole else None
        )
    if on == "*.*":
        return None
    if word not in _OF_DATABASES:
        return f"'on' to be '*.*': {word} is a privilege on the whole server"
    if not on.endswith(".*") and word not in _OF_TABLES:
        return f"'on' to be 'database.*': {word} is a privilege on a whole database"
    return None


def client(config: Mapping[str, Any]) -> list[str]:
    """The command line of the server's own client, as root on the local socket; SQL goes to its standard input."""
    argv = [config["client"], "--no-defaults", "--protocol=socket", f"--socket={config['socket']}", "--user=root"]
    # Whoever has the socket is trusted with SQL, and not with the files of root, which a server may ask its client for.
    return [*argv, "--local-infile=0", "--batch", "--skip-column-names"]


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


# --- flushing ---------------------------------------------------------------------------------------------------

# What flushing is set by, in the order to set them in: the server lowers the second one to the first.
FLUSHING = ("innodb_max_dirty_pages_pct", "innodb_max_dirty_pages_pct_lwm")
DIRTY_PAGES = "SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty';"
FEW_PAGES = 64  # of 16 KiB: less than what a shutdown writes of its own


# --- reading -----------------------------------------------------------------------------------------------------

QUERY = (
    "SELECT 'database', SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA;\n"
    "SELECT 'account', User, Host, plugin, authentication_string FROM mysql.user;\n"
    "SELECT 'ways', User, Host, JSON_EXTRACT(Priv, '$.auth_or') FROM mysql.global_priv"
    " WHERE JSON_EXTRACT(Priv, '$.auth_or') IS NOT NULL;\n"
    "SELECT 'variable', 'lower_case_table_names', @@GLOBAL.lower_case_table_names;\n"
)
# The account that hamysql itself uses, on the local socket.
OWN: Account = ("root", "localhost")
SOCKET, PASSWORD = "unix_socket", "mysql_native_password"


def query_grants(keys: Iterable[Account]) -> str:
    """The statements whose output :func:`parse_grants` reads."""
    return PROLOGUE + "".join(f"SHOW GRANTS FOR {account(key)};\n" for key in keys)


def parse_observed(output: str) -> Observed:
    """The output of :data:`QUERY`, from the client with ``--batch --skip-column-names``."""
    databases: dict[str, tuple[str, str]] = {}
    accounts: dict[Account, tuple[str, str]] = {}
    ways: dict[Account, frozenset[str]] = {}
    small = False
    for line in output.splitlines():
        kind, *fields = (_unescape(cell) for cell in line.split("\t"))
        if kind == "database" and len(fields) == 3:
            databases[fields[0]] = (fields[1], fields[2])
        elif kind == "account" and len(fields) == 4:
            accounts[fields[0], fields[1]] = (fields[2], fields[3])
        elif kind == "ways" and len(fields) == 3:
            ways[fields[0], fields[1]] = _ways(fields[2], accounts.get((fields[0], fields[1]), ("", ""))[0])
        elif kind == "variable" and len(fields) == 2:
            small = fields[1] != "0"
        else:
            raise ParseError(f"the database answered with {len(fields)} columns for {kind!r}")
    return Observed(databases, accounts, ways=ways, small=small)


def _ways(written: str, plugin: str) -> frozenset[str]:
    """The plugins of an account from ``auth_or`` in ``mysql.global_priv``; ``{}`` there stands for the account's first one."""
    try:
        return frozenset(str(way.get("plugin", plugin)) for way in json.loads(written))
    except (ValueError, AttributeError, TypeError) as exc:
        raise ParseError(f"the database answered with {written[:100]!r} for the ways to log in of an account") from exc


_QUOTED = r"(?:`(?:[^`]|``)*`|'(?:[^']|'')*')"
_GRANT = re.compile(
    rf"^GRANT (?P<privileges>.+?) ON (?P<level>\*\.\*|{_QUOTED}\.(?:\*|{_QUOTED}))"
    rf" TO (?P<user>{_QUOTED})@(?P<host>{_QUOTED})(?P<rest>.*)$"
)
_PRIVILEGE = re.compile(
    rf"(?P<word>[A-Za-z_]+(?: +[A-Za-z_]+)*)\s*(?:\((?P<columns>(?:{_QUOTED}|[^()`'])*)\))?\s*(?:,|$)"
)
_COLUMN = re.compile(rf"{_QUOTED}|[^\s,`']+")


def parse_grants(output: str) -> dict[Account, dict[str, Grant]]:
    """The output of ``SHOW GRANTS``: for each account its privileges on each level; ``USAGE`` (nothing) is left out."""
    found: dict[Account, dict[str, Grant]] = {}
    for line in map(_unescape, output.splitlines()):
        match = _GRANT.match(line)
        if not match:
            continue  # roles, default roles, routines and proxies: not privileges on a level
        # REQUIRE and its texts stand before it, and limits such as MAX_USER_CONNECTIONS behind it.
        rest = _TEXT.sub("''", match["rest"])
        grant = Grant(_privileges(match["privileges"]), bool(re.search(r"\bWITH\b.*\bGRANT OPTION\b", rest)))
        grants = found.setdefault((_unquote(match["user"]), _unquote(match["host"])), {})
        if grant != NONE:
            grants[match["level"]] = grant
    return found


# Text in quotes, as the server writes it: a backslash is doubled like a quote.
_TEXT = re.compile(r"'(?:[^'\\]|''|\\.)*'|`(?:[^`]|``)*`")

# MariaDB: "GRANT", section on global privileges; the left ones are accepted, the right ones shown.
_ALIASES = {
    "ALL": EVERYTHING,
    "READ ONLY ADMIN": "READ_ONLY ADMIN",
    "REPLICA MONITOR": "SLAVE MONITOR",
    "REPLICATION CLIENT": "BINLOG MONITOR",
    "REPLICATION REPLICA": "REPLICATION SLAVE",
    "REPLICATION REPLICA ADMIN": "REPLICATION SLAVE ADMIN",
}


def _privileges(written: str) -> frozenset[str]:
    """``select (a, b), INSERT`` as a set with one entry for each column: ``SELECT (`a`)``, ``SELECT (`b`)``, ``INSERT``."""
    found = set()
    for match in _PRIVILEGE.finditer(written):
        word = " ".join(match["word"].upper().split())
        word = _ALIASES.get(word, word)
        if match["columns"] is None:
            found.add(word)
        else:
            found.update(f"{word} ({identifier(_unquote(column))})" for column in _COLUMN.findall(match["columns"]))
    return frozenset(found - {"USAGE"})


def _unquote(name: str) -> str:
    quote = name[:1]
    return name[1:-1].replace(quote * 2, quote) if quote in ("`", "'") else name


_ESCAPES = {"n": "\n", "t": "\t", "0": "\0", "\\": "\\"}


def _unescape(cell: str) -> str:
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), cell)


def is_answer(output: str) -> bool:
    """Whether a client's error message, ``ERROR 1045 (28000): Access denied``, is a server's answer.

    2000 to 2999 and 5000 to 5999 are errors of the client itself: no connection, connection lost (MariaDB's ``errmsg.h``).
    """
    match = re.search(r"^ERROR (\d+)", output, re.MULTILINE)
    return match is not None and int(match[1]) // 1000 not in (2, 5)


# --- comparing ---------------------------------------------------------------------------------------------------


class Database(TypedDict, total=False):
    """One of the pillar's databases; all but its name may be left out."""

    name: str
    character_set: str | None
    collate: str | None


class Granted(TypedDict, total=False):
    """Privileges on one level, as the pillar gives them to a user."""

    on: str
    privileges: Sequence[str]
    grant_option: bool


class User(TypedDict, total=False):
    """One of the pillar's users: with a password, or with ``auth`` for the socket."""

    name: str
    host: str
    auth: str
    password: str
    grants: Sequence[Granted]


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


def _databases(observed: Observed, wanted: Sequence[Database]) -> Iterable[Change]:
    for database in wanted:
        name = observed.stored(database["name"])
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


def _same(given: str, shown: str) -> bool:
    """Whether a character set or collation is what the server shows: ``utf8`` is an alias, prefixes may be left out."""
    given = given.lower()
    alias = re.sub(r"^utf8(?=$|_)", "utf8mb[34]", re.escape(given))
    return bool(re.fullmatch(rf"{alias}|utf8mb[34]_{re.escape(given)}", shown))


def key(user: User) -> Account:
    """The account of a pillar's user as the server keeps it: host names are in small letters there."""
    return user["name"], user["host"].lower()


def _account(observed: Observed, user: User) -> Iterable[Change]:
    who = key(user)
    name = f"user {who[0]}@{who[1]}"
    if user.get("auth") == SOCKET:
        plugin, secret, how = SOCKET, "", f"IDENTIFIED VIA {SOCKET}"
    else:
        plugin, secret = PASSWORD, native_hash(user["password"])
        how = f"IDENTIFIED VIA {PASSWORD} USING {text(secret)}"
    wanted = frozenset({plugin})
    if who == OWN and plugin != SOCKET:  # a password alone would lock hamysql out, for good
        wanted |= {SOCKET}
        how = f"IDENTIFIED VIA {SOCKET} OR {PASSWORD} USING {text(secret)}"
    found = observed.accounts.get(who)
    ways = observed.ways.get(who)
    if ways is not None and ways != wanted:
        yield Change(name, _listed(ways), _listed(wanted), (f"ALTER USER {account(who)} {how};",))
        return
    if found is None:
        yield Change(name, None, f"present, {plugin}", (f"CREATE USER {account(who)} {how};",), name)
    elif found[0] != plugin:
        yield Change(name, found[0], plugin, (f"ALTER USER {account(who)} {how};",))
    elif secret and found[1] != secret:
        yield Change(name, "another password", "the pillar's password", (f"ALTER USER {account(who)} {how};",))


def _listed(ways: Iterable[str]) -> str:
    return " or ".join(sorted(ways))


def _grants(observed: Observed, user: User) -> Iterable[Change]:
    if not user.get("grants"):
        return
    who = key(user)
    wanted: dict[str, Grant] = {}
    for grant in user["grants"]:
        on = level(observed.stored(grant["on"]))
        more = wanted.get(on, NONE)
        privileges = more.privileges.union(*map(_privileges, grant["privileges"]))
        wanted[on] = Grant(
            frozenset({EVERYTHING}) if EVERYTHING in privileges else privileges,
            more.grant_option or bool(grant.get("grant_option")),
        )
    found = observed.grants.get(who, {})
    for on in sorted({*wanted, *found}):
        old, new = found.get(on, NONE), wanted.get(on, NONE)
        if old == new:
            continue
        name = f"grants of {who[0]}@{who[1]} on {on}"
        statements = tuple(f"{statement};" for statement in _regrant(on, account(who), old, new))
        yield Change(
            name,
            str(old) if on in found else None,
            str(new) if new != NONE else "none",
            statements,
            f"user {who[0]}@{who[1]}",
        )


def _regrant(on: str, to: str, old: Grant, new: Grant) -> Iterable[str]:
    """From one set of privileges on a level to another; what stays is never missing in between, if SQL allows it."""
    missing, extra = new.privileges - old.privileges, old.privileges - new.privileges
    if EVERYTHING in extra:  # REVOKE takes all of them, and cannot leave some
        yield f"REVOKE {EVERYTHING} ON {on} FROM {to}"
        missing, extra = new.privileges, frozenset()
    if missing:
        yield f"GRANT {', '.join(sorted(missing))} ON {on} TO {to}"
    if EVERYTHING in new.privileges:  # includes all but those on columns
        extra = frozenset(privilege for privilege in extra if privilege.endswith(")"))
    if extra:
        yield f"REVOKE {', '.join(sorted(extra))} ON {on} FROM {to}"
        # SELECT on a table takes SELECT on its columns along.
        taken = {name for name in new.privileges if name.endswith(")") and name.partition(" (")[0] in extra}
        if taken:
            yield f"GRANT {', '.join(sorted(taken))} ON {on} TO {to}"
    if old.grant_option != new.grant_option:
        yield (
            f"GRANT USAGE ON {on} TO {to} WITH GRANT OPTION"
            if new.grant_option
            else f"REVOKE GRANT OPTION ON {on} FROM {to}"
        )
