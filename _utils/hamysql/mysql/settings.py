"""What the pillar may say of the database (``hamysql:mysql``): its keys, their rules, and what follows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from posixpath import dirname

from hamysql.mysql import accounts as mysql_accounts
from hamysql.mysql import options as mysql_options
from hamysql.mysql import values as m
from hamysql.mysql.flavours import registry
from hamysql.mysql.tls import settings as tls_settings
from hamysql.mysql.tls.settings import TLS
from hamysql.ports import FAMILIES, Access, family
from hamysql.schema import values as v
from hamysql.schema.language import Items, Names, Report, Section, Value
from hamysql.schema.secretnames import is_databases_secret
from hamysql.schema.values import MAKE_PASSWORD, Config

DATABASE = Section(
    {
        "name": v.required(m.SQL_DATABASE),
        "character_set": m.SQL_WORD,
        "collate": m.SQL_WORD,
    }
)

GRANT = Section(
    {
        "privileges": Items(m.PRIVILEGE, "a list of privileges"),
        "on": v.required(m.SQL_TARGET),
        "grant_option": v.BOOLEAN,
    }
)

PASSWORD = Value("a text of 1 to 128 characters without control characters", v.text(1, 128), secret=True)

USER = Section(
    {
        "name": v.required(m.SQL_USER),
        "host": v.required(m.SQL_HOST),
        "password": PASSWORD,
        "auth": v.one_of(mysql_accounts.BY_SOCKET),
        "grants": Items(GRANT, "a list of grants"),
    }
)

MYSQL = Section(
    {
        "flavor": v.one_of(*registry.FLAVOURS, note=" (MySQL from Oracle is not supported by this version)"),
        "datadir": v.PATH,
        "socket": v.PATH,
        "pid_file": v.PATH,
        "port": v.PORT,
        "user": v.ACCOUNT,
        "group": v.ACCOUNT,
        "log_group": v.ACCOUNT,
        "binary": v.PATH,
        "client": v.PATH,
        "admin": v.PATH,
        "agent": v.one_of("ocf:hamysql:mysql", "ocf:heartbeat:mysql"),
        "ping_timeout": v.count(1, 600, "seconds"),
        "frozen_timeout": v.count(0, 600, "seconds"),
        "storage_timeout": v.count(0, 3600, "seconds"),
        "install_db": v.PATH,
        "config_file": v.PATH,
        "config_fragment": v.PATH,
        "error_log": v.PATH,
        "tls": TLS,
        "config": Names(
            v.OPTION_NAME,
            Names(v.OPTION_NAME, m.MYSQL_VALUE, "a mapping of options to values"),
            "a mapping of option groups, such as mysqld, to their options",
        ),
        "databases": Items(DATABASE, "a list of databases"),
        "users": Items(USER, "a list of users"),
        # Of users without one above: a list cannot be completed by another file of the pillar, a mapping can.
        "passwords": Names(m.SQL_ACCOUNT, replace(PASSWORD, missing=""), "a mapping of accounts to passwords"),
    }
)

SERVERS_DATABASES = ("mysql", "sys", "information_schema", "performance_schema")


def derive_mysql(config: Config) -> None:
    mysql = config["mysql"]
    own = {
        "bind-address": config["vip"]["address"],
        "port": str(mysql["port"]),
        "datadir": mysql["datadir"],
        "socket": mysql["socket"],
        "pid-file": mysql["pid_file"],
        "user": mysql["user"],
        "log-error": mysql["error_log"],
        **tls_settings.derive(config),
    }
    # Where the server listens: at these addresses instead of the virtual IP, if any, and at these ports.
    mysql["addresses"] = mysql_options.addresses(config)
    mysql["ports"] = [mysql["port"], *mysql_options.extra_ports(config)]
    if mysql["addresses"]:
        del own["bind-address"]
    given = mysql.pop("config")
    server = given.get("mysqld", {})
    mysql["options"] = {**given, "mysqld": {**own, **server}}
    mysql["option_lines"] = {group: list(option_lines(options)) for group, options in mysql["options"].items()}
    mysql["config"] = mysql.pop("config_file")
    mysql["log_folder"] = dirname(mysql["error_log"])
    for database in mysql["databases"]:
        if database["collate"] is None and database["character_set"] is None:
            database["character_set"] = "utf8mb4"
    passwords = mysql.pop("passwords")
    for user in mysql["users"]:
        user["password"] = user["password"] or passwords.get(f"{user['name']}@{user['host'].lower()}")
        for grant in user["grants"]:
            grant["grant_option"] = grant["grant_option"] is True


# Where a server listens at all addresses of a node, by family.
_EVERYWHERE = {"*": FAMILIES, "::": FAMILIES, "0.0.0.0": ("ipv4",)}


def ports(config: Config) -> list[Access]:
    """Who may reach the database: the nodes and the clients' networks, at the virtual IP and wherever else the server listens."""
    vip, mysql = config["vip"]["address"], config["mysql"]
    everywhere = {name for address in mysql["addresses"] for name in _EVERYWHERE.get(address, ())}
    members = [address for node in config["cluster"]["nodes"].values() for address in node["addresses"]]
    sources = (*members, *config["firewall"]["client_networks"])
    return [
        Access("tcp", tuple(mysql["ports"]), sources, name, "" if name in everywhere else vip)
        for name in FAMILIES
        if name in {family(vip), *everywhere}
    ]


def option_lines(options: Mapping[str, str | list[str] | None]) -> Iterator[str]:
    """The lines of one group of an option file; a list is an option that is given several times."""
    for name, value in options.items():
        for one in value if isinstance(value, list) else [value]:
            yield name if one is None else f"{name} = {quoted_option(one)}"


def quoted_option(value: str) -> str:
    """A value in an option file: in quotes where ``#``, blanks, quotes or escapes would be read as something else."""
    if value and not set(value) & set("#\\'\"") and value == value.strip():
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def check_given(config: Config, report: Report) -> None:
    mysql = config["mysql"]
    for key in (
        "binary",
        "client",
        "admin",
        "install_db",
        "config_file",
        "config_fragment",
        "socket",
        "pid_file",
        "error_log",
        "user",
        "group",
    ):
        if mysql[key] is None and not any(report.bad_under(f"hamysql:mysql:{bad}") for bad in (key, "flavor")):
            report.add(
                f"hamysql:mysql:{key}",
                "nothing",
                "a value: this operating system and flavor are not among those that hamysql knows",
            )


def check_secrets(config: Config, report: Report) -> None:
    for group, options in config["mysql"]["config"].items():
        for name in filter(is_databases_secret, options):
            report.add(
                f"hamysql:mysql:config:{group}:{name}",
                "a secret in an option file",
                "it not to be set here: the file can be read by every local user",
            )


def _is_everything(grant: Config) -> bool:
    return "ALL" in grant["privileges"] and grant["on"] == "*.*" and grant["grant_option"] is True


def check_accounts(config: Config, report: Report) -> None:
    mysql = config["mysql"]
    flavour = registry.of(mysql)
    names: set[str] = set()
    for number, database in enumerate(mysql["databases"]):
        if database["name"] is not None and database["name"].lower() in names:
            report.add(f"hamysql:mysql:databases:{number}:name", repr(database["name"]), "each database once")
        names.add(str(database["name"]).lower())
    known = {f"{user['name']}@{str(user['host']).lower()}": None for user in mysql["users"]}
    for name in mysql["passwords"]:
        if name not in known and not report.bad_under("hamysql:mysql:users"):
            expected = report.nearest(name, known) if known else "a user in hamysql:mysql:users"
            report.add(f"hamysql:mysql:passwords:{name}", "an account that is not among the users", expected)
    for number, database in enumerate(mysql["databases"]):
        if str(database["name"]).lower() in SERVERS_DATABASES:
            found = repr(database["name"])
            report.add(
                f"hamysql:mysql:databases:{number}:name", found, "a database of your own: that one is the server's"
            )
    accounts: set[tuple[str, str]] = set()
    for number, user in enumerate(mysql["users"]):
        path = f"hamysql:mysql:users:{number}"
        account = (str(user["name"]), str(user["host"]).lower())
        if account in accounts:
            report.add(path, f"{account[0]}@{account[1]} again", "each account once")
        accounts.add(account)
        if account[0] in flavour.accounts:
            report.add(
                f"{path}:name", repr(account[0]), "an account of your own: the server's tables and views need that one"
            )
        if account == mysql_accounts.OWN and user["grants"] and not any(map(_is_everything, user["grants"])):
            found, expected = (
                "root@localhost with less than everything",
                "a grant of ALL on *.* with grant_option: true, or ",
            )
            report.add(f"{path}:grants", found, f"{expected}no grants: hamysql reaches the server as that account")
        apart = mysql["passwords"].get("@".join(account)) is not None
        ways = [way for way, given in (("password", user["password"]), ("auth", user["auth"])) if given is not None]
        ways += ["an entry of hamysql:mysql:passwords"] if apart else []
        if len(ways) > 1:
            report.add(path, f"both {' and '.join(ways)}", "one of the two")
        if not ways and not report.bad_under(path) and not report.bad_under("hamysql:mysql:passwords"):
            report.add(
                f"{path}:password", "nothing", f"a password ({MAKE_PASSWORD}), or `auth: {mysql_accounts.BY_SOCKET}`"
            )
        for index, grant in enumerate(user["grants"]):
            where = f"{path}:grants:{index}"
            if not grant["privileges"] and not report.bad_under(f"{where}:privileges"):
                report.add(f"{where}:privileges", "no privilege", "at least one, such as ALL")
            for place, privilege in enumerate(grant["privileges"] if grant["on"] is not None else ()):
                expected_place = flavour.privileges.misplaced(privilege, grant["on"]) if privilege is not None else None
                if expected_place:
                    report.add(f"{where}:privileges:{place}", f"{privilege!r} on {grant['on']}", expected_place)
            if "ALL" in grant["privileges"] and len(grant["privileges"]) > 1:
                report.add(f"{where}:privileges", "ALL and others", "ALL alone, or the others")
