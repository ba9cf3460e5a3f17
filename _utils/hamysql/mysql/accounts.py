"""Databases, accounts and grants: what the pillar wants, what the server has, and the SQL between the two.

Pure: text from the server's own client goes in, statements come out. A pillar is the authority for the databases and
accounts that it names, and for nothing else; an account without ``grants`` keeps the ones it has. What the server writes in
another way than it was given (host names, ``utf8``, names of privileges, columns) is compared as the server writes it.

Passwords appear in no statement, only their hash does, so that neither an error message of the server, its general log nor its
binary log can carry one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from hamysql.errors import HamysqlError
from hamysql.mysql import grants
from hamysql.mysql.flavours import registry
from hamysql.mysql.flavours.face import Flavour, Observed
from hamysql.mysql.grants import EVERYTHING, NONE, Grant
from hamysql.mysql.sql import Account, account, identifier, level

# The account that hamysql itself uses, on the local socket, and the pillar's word for that way in (``auth``).
OWN: Account = ("root", "localhost")
BY_SOCKET = "unix_socket"


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
    flavour = registry.of(config)
    changes = [*_databases(observed, config["databases"])]
    for user in config["users"]:
        changes += _account(flavour, observed, user)
        changes += _grants(flavour, observed, user)
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


def _account(flavour: Flavour, observed: Observed, user: User) -> Iterable[Change]:
    who = key(user)
    name = f"user {who[0]}@{who[1]}"
    by_socket = user.get("auth") == BY_SOCKET
    plugin = flavour.socket_plugin if by_socket else flavour.password_plugin
    secret = "" if by_socket else flavour.digest(user["password"])
    # A password alone would lock hamysql out, for good.
    wanted = frozenset({plugin, flavour.socket_plugin} if who == OWN else {plugin})
    how = flavour.identified(wanted, secret)
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


def _grants(flavour: Flavour, observed: Observed, user: User) -> Iterable[Change]:
    if not user.get("grants"):
        return
    who = key(user)
    wanted: dict[str, Grant] = {}
    for grant in user["grants"]:
        on = level(observed.stored(grant["on"]))
        more = wanted.get(on, NONE)
        privileges = more.privileges.union(*map(flavour.privileges.parse, grant["privileges"]))
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
        statements = tuple(f"{statement};" for statement in grants.regrant(on, account(who), old, new))
        yield Change(
            name,
            str(old) if on in found else None,
            str(new) if new != NONE else "none",
            statements,
            f"user {who[0]}@{who[1]}",
        )
