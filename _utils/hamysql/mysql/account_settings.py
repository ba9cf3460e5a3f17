"""What the pillar may say of databases, roles, accounts and grants (below ``hamysql:mysql``). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hamysql.mysql import accounts as mysql_accounts
from hamysql.mysql import terms
from hamysql.mysql import values as m
from hamysql.mysql.flavours import registry
from hamysql.schema import values as v
from hamysql.schema.language import Items, Names, Node, Report, Section, Value
from hamysql.schema.values import MAKE_PASSWORD, Config

DATABASE = Section(
    {
        "name": v.required(m.SQL_DATABASE),
        "character_set": m.SQL_WORD,
        "collate": m.SQL_WORD,
        "absent": v.BOOLEAN,
        "drop_data": v.BOOLEAN,
    }
)

GRANT = Section(
    {
        "privileges": Items(m.PRIVILEGE, "a list of privileges"),
        "on": v.required(m.SQL_TARGET),
        "grant_option": v.BOOLEAN,
        "wildcards": v.BOOLEAN,
    }
)

PASSWORD = Value("a text of 1 to 128 characters without control characters", v.text(1, 128), secret=True)

# With the words of SQL for each, in small letters.
REQUIRE = Section(
    {
        "tls": v.one_of("NONE", "SSL", "X509"),
        "issuer": m.IN_CERTIFICATE,
        "subject": m.IN_CERTIFICATE,
        "cipher": m.IN_CERTIFICATE,
    }
)

_MOST = 2**31 - 1
LIMITS = Section(
    {
        "max_queries_per_hour": v.count(0, _MOST),
        "max_updates_per_hour": v.count(0, _MOST),
        "max_connections_per_hour": v.count(0, _MOST),
        "max_user_connections": v.count(0, _MOST),
        "max_statement_time": m.SECONDS,
    }
)

ROLE = Section(
    {
        "name": v.required(m.SQL_ROLE),
        "grants": Items(GRANT, "a list of grants"),
        "roles": Items(m.SQL_ROLE, "a list of roles"),
        "absent": v.BOOLEAN,
    }
)

USER = Section(
    {
        "name": v.required(m.SQL_USER),
        "host": v.required(m.SQL_HOST),
        "password": PASSWORD,
        "password_hash": Value("a hash as the server keeps it", v.text(1, 160), secret=True),
        "auth": v.one_of(mysql_accounts.BY_SOCKET, *m.PASSWORD_PLUGINS),
        "grants": Items(GRANT, "a list of grants"),
        "roles": Items(m.SQL_ROLE, "a list of roles"),
        "default_role": m.SQL_ROLE,
        "require": REQUIRE,
        "limits": LIMITS,
        "absent": v.BOOLEAN,
    }
)

ACCOUNTS: Mapping[str, Node] = {
    "databases": Items(DATABASE, "a list of databases"),
    "roles": Items(ROLE, "a list of roles"),
    "users": Items(USER, "a list of users"),
    # Of users without one above: a list cannot be completed by another file of the pillar, a mapping can.
    "passwords": Names(m.SQL_ACCOUNT, replace(PASSWORD, missing=""), "a mapping of accounts to passwords"),
}

SERVERS_DATABASES = ("mysql", "sys", "information_schema", "performance_schema")


def derive_accounts(mysql: Config) -> None:
    """Finish what the pillar leaves out: character sets, and passwords that stand apart."""
    for database in mysql["databases"]:
        if not database["absent"] and database["collate"] is None and database["character_set"] is None:
            database["character_set"] = "utf8mb4"
    passwords = mysql.pop("passwords")
    for holder in (*mysql["roles"], *mysql["users"]):
        for grant in holder["grants"]:
            grant["grant_option"] = grant["grant_option"] is True
    for user in mysql["users"]:
        user["password"] = user["password"] or passwords.get(f"{user['name']}@{user['host'].lower()}")


def _is_everything(grant: Config) -> bool:
    return "ALL" in grant["privileges"] and grant["on"] == "*.*" and grant["grant_option"] is True


def _beside_absent(path: str, value: object, report: Report) -> None:
    if any(value.values()) if isinstance(value, dict) else value:
        report.add(path, "a value for what is to be absent", "nothing beside `absent: true`")


def check_accounts(config: Config, report: Report) -> None:
    mysql = config["mysql"]
    _check_databases(mysql["databases"], report)
    known = {f"{user['name']}@{str(user['host']).lower()}": None for user in mysql["users"]}
    for name in mysql["passwords"]:
        if name not in known and not report.bad_under("hamysql:mysql:users"):
            expected = report.nearest(name, known) if known else "a user in hamysql:mysql:users"
            report.add(f"hamysql:mysql:passwords:{name}", "an account that is not among the users", expected)
    _check_roles(mysql, report)
    accounts: set[tuple[str, str]] = set()
    for number, user in enumerate(mysql["users"]):
        path = f"hamysql:mysql:users:{number}"
        account = (str(user["name"]), str(user["host"]).lower())
        if account in accounts:
            report.add(path, f"{account[0]}@{account[1]} again", "each account once")
        accounts.add(account)
        _check_user(mysql, user, path, report)


def _check_databases(databases: list[Config], report: Report) -> None:
    names: set[str] = set()
    for number, database in enumerate(databases):
        path, name = f"hamysql:mysql:databases:{number}", str(database["name"]).lower()
        if database["name"] is not None and name in names:
            report.add(f"{path}:name", repr(database["name"]), "each database once")
        names.add(name)
        if name in SERVERS_DATABASES:
            report.add(f"{path}:name", repr(database["name"]), "a database of your own: that one is the server's")
        for key in ("character_set", "collate") if database["absent"] else ():
            _beside_absent(f"{path}:{key}", database[key], report)
        if database["drop_data"] and not database["absent"]:
            report.add(f"{path}:drop_data", "true", "`absent: true` beside it, or nothing: the database stays")


_NO_ROLES = ("none", "public", "current_role", "current_user")


def _check_roles(mysql: Config, report: Report) -> None:
    names: set[str] = set()
    for number, role in enumerate(mysql["roles"]):
        path, name = f"hamysql:mysql:roles:{number}", role["name"]
        if name is not None and name.lower() in _NO_ROLES:
            report.add(f"{path}:name", repr(name), "a role of your own: that word has a meaning in SQL")
        if name is not None and name in names:
            report.add(f"{path}:name", repr(name), "each role once")
        names.add(name)
        if role["absent"]:
            for key in ("grants", "roles"):
                _beside_absent(f"{path}:{key}", role[key], report)
            continue
        if name is not None and name in role["roles"]:
            report.add(f"{path}:roles", repr(name), "other roles than the role itself")
        _check_held(mysql, role, path, report)


def _check_held(mysql: Config, holder: Config, path: str, report: Report) -> None:
    """The rules of grants and roles, which users and roles have alike."""
    roles = holder["roles"]
    if mysql_accounts.NO_ROLE in roles and len(roles) > 1:
        report.add(f"{path}:roles", "NONE and others", "NONE alone, or the others")
    going = {role["name"] for role in mysql["roles"] if role["absent"]}
    for place, role in enumerate(roles):
        if role in going:
            report.add(f"{path}:roles:{place}", repr(role), "a role that stays: the pillar has it as absent")
    for index, grant in enumerate(holder["grants"]):
        _check_grant(mysql, grant, f"{path}:grants:{index}", report)


def _check_grant(mysql: Config, grant: Config, path: str, report: Report) -> None:
    privileges, on = grant["privileges"], grant["on"]
    if not privileges and not report.bad_under(f"{path}:privileges"):
        report.add(f"{path}:privileges", "no privilege", "at least one, such as ALL")
    for place, privilege in enumerate(privileges if on is not None else ()):
        expected = registry.of(mysql).privileges.misplaced(privilege, on) if privilege is not None else None
        if expected:
            report.add(f"{path}:privileges:{place}", f"{privilege!r} on {on}", expected)
    if "ALL" in privileges and len(privileges) > 1:
        report.add(f"{path}:privileges", "ALL and others", "ALL alone, or the others")
    if on is None:
        return
    if grant["wildcards"] and (on == "*.*" or not on.endswith(".*")):
        report.add(
            f"{path}:wildcards", f"true, on {on}", "'on' to be 'database.*': only names of databases are patterns"
        )
    if "\\" in on and not grant["wildcards"]:
        report.add(
            f"{path}:on", repr(on), "`wildcards: true` beside it: without that, '_' and '%' are letters of the name"
        )


def _check_user(mysql: Config, user: Config, path: str, report: Report) -> None:
    flavour = registry.of(mysql)
    account = (str(user["name"]), str(user["host"]).lower())
    name = "@".join(account)
    if account[0] in flavour.accounts:
        report.add(
            f"{path}:name", repr(account[0]), "an account of your own: the server's tables and views need that one"
        )
    if account == mysql_accounts.OWN:
        _check_own(user, path, report)
        if not flavour.beside_socket and not user["absent"] and user["auth"] != mysql_accounts.BY_SOCKET:
            expected = (
                f"`auth: {mysql_accounts.BY_SOCKET}`: this server lets nobody in by either of two ways, and hamysql needs "
                "the socket. A root with a password has another host, such as 127.0.0.1"
            )
            report.add(path, "root@localhost with a password", expected)
    if user["absent"]:
        for key in (key for key in USER.keys if key not in ("name", "host", "absent")):
            _beside_absent(f"{path}:{key}", user[key], report)
        _beside_absent(f"hamysql:mysql:passwords:{name}", mysql["passwords"].get(name), report)
        return
    _check_login(mysql, user, name, path, report)
    for limit, value in user["limits"].items():
        if value is not None and limit not in flavour.limits:
            report.add(
                f"{path}:limits:{limit}", f"{value:g}", "not to be set: this server has no such limit of an account"
            )
    require = user["require"]
    if require["tls"] and any(require[key] for key in terms.OF_CERTIFICATE):
        report.add(f"{path}:require", f"both {require['tls']} and what has to be in the certificate", "one of the two")
    default, roles = user["default_role"], [role for role in user["roles"] if role is not None]
    if default and default != mysql_accounts.NO_ROLE and roles and default not in roles:
        report.add(f"{path}:default_role", repr(default), report.nearest(default, roles))
    _check_held(mysql, user, path, report)


def _check_own(user: Config, path: str, report: Report) -> None:
    """The rules of root@localhost, as which hamysql reaches the server."""
    why = "hamysql reaches the server as that account"
    if user["absent"]:
        report.add(f"{path}:absent", "true", f"root@localhost to stay: {why}")
    if user["grants"] and not any(map(_is_everything, user["grants"])):
        expected = f"a grant of ALL on *.* with grant_option: true, or no grants: {why}"
        report.add(f"{path}:grants", "root@localhost with less than everything", expected)
    for key in ("roles", "default_role", "require", "limits"):
        value = user[key]
        if any(item is not None for item in value.values()) if isinstance(value, dict) else value:
            report.add(f"{path}:{key}", "a value for root@localhost", f"not to be set: {why}")


def _check_login(mysql: Config, user: Config, name: str, path: str, report: Report) -> None:
    """The rules of how an account is let in: by one of a password, its hash, and the socket."""
    flavour = registry.of(mysql)
    ways = [key for key in ("password", "password_hash") if user[key] is not None]
    ways += ["auth"] if user["auth"] == mysql_accounts.BY_SOCKET else []
    ways += ["an entry of hamysql:mysql:passwords"] if mysql["passwords"].get(name) is not None else []
    if len(ways) > 1:
        report.add(path, f"both {' and '.join(ways)}", "one of the two")
    if not ways and not report.bad_under(path) and not report.bad_under("hamysql:mysql:passwords"):
        report.add(
            f"{path}:password", "nothing", f"a password ({MAKE_PASSWORD}), or `auth: {mysql_accounts.BY_SOCKET}`"
        )
    plugin, given = user["auth"] or flavour.password_plugin, user["password_hash"]
    if plugin != mysql_accounts.BY_SOCKET and plugin not in flavour.hashes:
        report.add(f"{path}:auth", repr(plugin), f"a plugin of this server: {' or '.join(flavour.hashes)}")
    if given is not None and plugin in flavour.hashes and not flavour.hashes[plugin].pattern.fullmatch(given):
        expected = f"a hash of {plugin}: {flavour.hashes[plugin].expected}"
        report.add(f"{path}:password_hash", "a text that is none", expected)
