"""Databases, accounts and grants: what the pillar wants, what the server has, and the SQL between the two.

Pure: text from the server's own client goes in, statements come out. A pillar is the authority for the databases, roles and
accounts that it names, and for nothing else; an account without ``grants`` or ``roles`` keeps the ones it has. What the server
writes in another way than it was given (host names, ``utf8``, names of privileges, columns) is compared as the server writes it.

Passwords appear in no statement, only their hash does, so that neither an error message of the server, its general log nor its
binary log can carry one. The exception is a server with a policy, which has to see them: the flavour says how they stay out of its
logs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypedDict

from hamysql.mysql import databases, grants, terms
from hamysql.mysql.changes import Change
from hamysql.mysql.flavours import registry
from hamysql.mysql.flavours.face import NO_TERMS, Flavour, Observed
from hamysql.mysql.grants import EVERYTHING, NONE, Grant
from hamysql.mysql.sql import Account, account, level
from hamysql.resolved.software import Mysql

# The account that hamysql itself uses, on the local socket, and the pillar's word for that way in (``auth``).
OWN: Account = ("root", "localhost")
BY_SOCKET = "unix_socket"
# The pillar's word, and SQL's, for no role at all.
NO_ROLE = "NONE"


class Granted(TypedDict, total=False):
    """Privileges on one level, as the pillar gives them; ``wildcards``: ``_`` and ``%`` in the database's name are patterns."""

    on: str
    privileges: Sequence[str]
    grant_option: bool
    wildcards: bool | None


class Role(TypedDict, total=False):
    """One of the pillar's roles."""

    name: str
    grants: Sequence[Granted]
    roles: Sequence[str]
    absent: bool | None


class User(Role, terms.Admission, total=False):
    """One of the pillar's users: with a password or its hash, or with ``auth`` for the socket."""

    host: str
    auth: str | None
    password: str
    password_hash: str | None
    default_role: str | None


def diff(observed: Observed, config: Mysql) -> tuple[Change, ...]:
    """What has to be done so that the server has what the pillar names.

    config
        ``mysql`` of the resolved configuration: its ``databases``, ``roles`` and ``users``.
    """
    flavour = registry.of(config)
    roles: Sequence[Role] = config.get("roles", ())
    users: Sequence[User] = config["users"]
    changes = [*databases.diff(flavour, observed, config["databases"])]
    for role in roles:
        changes += _role(observed, role)
    for role in roles:
        if not role.get("absent"):
            changes += [*_grants(flavour, observed, role), *_roles(flavour, observed, role)]
    for user in users:
        if user.get("absent"):
            changes += _dropped(observed, user)
            continue
        changes += _account(flavour, observed, user)
        changes += [
            *_grants(flavour, observed, user),
            *_roles(flavour, observed, user),
            *_default_role(flavour, observed, user),
        ]
    return tuple(changes)


def key(holder: Role) -> Account:
    """The account of a pillar's user or role as the server keeps it: host names are in small letters there."""
    return holder["name"], str(holder.get("host", "")).lower()


def _short(who: Account) -> str:
    return f"{who[0]}@{who[1]}" if who[1] else f"role {who[0]}"


def _name(who: Account) -> str:
    return f"user {_short(who)}" if who[1] else _short(who)


def _role(observed: Observed, role: Role) -> Iterable[Change]:
    who = key(role)
    name = _name(who)
    if role.get("absent") and who[0] in observed.roles:
        yield Change(name, "present", "absent", (f"DROP ROLE {account(who)};",))
    elif not role.get("absent") and who[0] not in observed.roles:
        yield Change(name, None, "present", (f"CREATE ROLE {account(who)};",), name)


def _dropped(observed: Observed, user: User) -> Iterable[Change]:
    who = key(user)
    if who in observed.accounts:
        yield Change(_name(who), "present", "absent", (f"DROP USER {account(who)};",))


def _account(flavour: Flavour, observed: Observed, user: User) -> Iterable[Change]:
    who = key(user)
    name = _name(who)
    by_socket = user.get("auth") == BY_SOCKET
    plugin = flavour.socket_plugin if by_socket else user.get("auth") or flavour.password_plugin
    given = user.get("password_hash")
    # A password alone would lock hamysql out, for good.
    wanted = frozenset({plugin, flavour.socket_plugin} if who == OWN and flavour.beside_socket else {plugin})
    found = observed.accounts.get(who)
    ways = observed.ways.get(who)

    in_clear = observed.policy and not by_socket and not given

    def identified(verb: str, more: str = "") -> tuple[str, ...]:
        if in_clear:
            return tuple(flavour.in_clear(verb, account(who), wanted, user["password"], more))
        secret = "" if by_socket else given or flavour.digest(user["password"], plugin)
        return (f"{verb or 'ALTER USER'} {account(who)} {flavour.identified(wanted, secret)}{more};",)

    def differs(kept: str) -> bool:
        if by_socket:
            return False
        same = flavour.is_hash(given, kept) if given else flavour.is_password(user["password"], kept, plugin)
        return not same

    if ways is not None and ways != wanted:
        yield Change(name, _listed(ways), _listed(wanted), identified("ALTER USER"))
    elif found is None:
        more, undo = terms.clauses(user), f"DROP USER {account(who)};" if in_clear else ""
        yield Change(name, None, f"present, {plugin}{more}", identified("CREATE USER", more), name, undo=undo)
    elif found[0] != plugin:
        yield Change(name, found[0], plugin, identified("ALTER USER"))
    elif differs(found[1]):
        yield Change(name, "another password", "the pillar's password", identified(""))
    if found is not None:
        yield from terms.diff(observed.terms.get(who, NO_TERMS), who, user)


def _listed(ways: Iterable[str]) -> str:
    return " or ".join(sorted(ways))


def _grants(flavour: Flavour, observed: Observed, holder: Role) -> Iterable[Change]:
    if not holder.get("grants"):
        return
    who = key(holder)
    wanted: dict[str, Grant] = {}
    for grant in holder["grants"]:
        on = level(observed.stored(grant["on"]), bool(grant.get("wildcards")))
        more = wanted.get(on, NONE)
        privileges = more.privileges.union(*map(flavour.privileges.parse, grant["privileges"]))
        wanted[on] = Grant(
            frozenset({EVERYTHING}) if EVERYTHING in privileges else privileges,
            more.grant_option or bool(grant.get("grant_option")),
        )
    found = observed.grants.get(who, {})
    for on in sorted({*wanted, *found}):
        old, new = found.get(on, NONE), wanted.get(on, NONE)
        # A routine that the pillar does not name is left alone: whoever creates one is granted it by the server itself.
        if old == new or (on not in wanted and grants.is_routine(on)):
            continue
        name = f"grants of {_short(who)} on {on}"
        held = old
        if on == "*.*" and EVERYTHING in old.privileges and EVERYTHING not in new.privileges and observed.everything:
            # Part by part: where ALL of the whole server is revoked, MySQL revokes ALL of databases as well.
            held = Grant(observed.everything, old.grant_option)
        statements = tuple(f"{statement};" for statement in grants.regrant(on, account(who), held, new))
        yield Change(
            name,
            str(old) if on in found else None,
            str(new) if new != NONE else "none",
            statements,
            _name(who),
        )


def _roles(flavour: Flavour, observed: Observed, holder: Role) -> Iterable[Change]:
    if not holder.get("roles"):
        return
    who = key(holder)
    wanted, found = _wanted_roles(holder), observed.memberships.get(who, {})
    for role in sorted({*wanted, *found}):
        name, of = f"role {role} of {_short(who)}", _name(who)
        quoted, to = account((role, "")), account(who)
        if role not in found:
            yield Change(name, None, "granted", (f"GRANT {quoted} TO {to};",), of)
        elif role not in wanted:
            yield Change(name, "granted", "none", (f"REVOKE {quoted} FROM {to};",), of)
        elif found[role]:
            yield Change(name, "granted with admin option", "granted", tuple(flavour.revoke_admin(quoted, to)), of)


def _wanted_roles(holder: Role) -> frozenset[str]:
    return frozenset(holder.get("roles", ())) - {NO_ROLE}


def _default_role(flavour: Flavour, observed: Observed, user: User) -> Iterable[Change]:
    who = key(user)
    found = observed.terms.get(who, NO_TERMS).default_role or NO_ROLE
    wanted = user.get("default_role")
    if not wanted and user.get("roles"):
        # without those that are taken away
        wanted = ", ".join(role for role in found.split(", ") if role in _wanted_roles(user)) or NO_ROLE
    if wanted and wanted != found:
        role = NO_ROLE if wanted == NO_ROLE else ", ".join(account((one, "")) for one in wanted.split(", "))
        name = f"default role of {_short(who)}"
        old = None if found == NO_ROLE else found
        yield Change(name, old, wanted, (flavour.set_default_role(role, account(who)),), _name(who))
