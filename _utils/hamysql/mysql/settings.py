"""What the pillar may say of the database (``hamysql:mysql``): its keys, their rules, and what follows."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from posixpath import dirname

from hamysql.mysql import options as mysql_options
from hamysql.mysql import values as m
from hamysql.mysql.account_settings import ACCOUNTS, derive_accounts
from hamysql.mysql.flavours import registry
from hamysql.mysql.tls import settings as tls_settings
from hamysql.mysql.tls.settings import TLS
from hamysql.ports import FAMILIES, Access, family
from hamysql.schema import values as v
from hamysql.schema.language import Names, Report, Section
from hamysql.schema.secretnames import is_databases_secret
from hamysql.schema.values import Config

INIT_SCRIPT = "lsb:mysqld"  # the 2013 procedure's; only corosync 1 goes with systems that have it

MYSQL = Section(
    {
        "flavor": v.one_of(*registry.FLAVOURS),
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
        "agent": v.one_of("ocf:hamysql:mysql", "ocf:heartbeat:mysql", INIT_SCRIPT),
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
        **ACCOUNTS,
    }
)


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
        **_binary_logs(config),
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
    derive_accounts(mysql)


def _binary_logs(config: Config) -> dict[str, str]:
    """What the server needs to write binary logs that are shipped, as far as the pillar does not say it."""
    if not config["backup"]["binary_logs"]:
        return {}
    # Both nodes are one server to a replica, and no other cluster is.
    number = 1 + zlib.crc32(config["cluster"]["name"].encode()) % (2**32 - 1)
    wanted = {**registry.of(config["mysql"]).options.binary_logs, "server-id": str(number)}
    given = {reading.name for _, _, reading in mysql_options.server_options(config)}
    return {name: value for name, value in wanted.items() if name.replace("-", "_") not in given}


# Where a server listens at all addresses of a node, by family.
_EVERYWHERE = {"*": FAMILIES, "::": FAMILIES, "0.0.0.0": ("ipv4",)}


def ports(config: Config) -> list[Access]:
    """Who may reach the database: the nodes, replicas and clients' networks, at the virtual IP and wherever else it listens."""
    vip, mysql = config["vip"]["address"], config["mysql"]
    everywhere = {name for address in mysql["addresses"] for name in _EVERYWHERE.get(address, ())}
    members = [address for node in config["cluster"]["nodes"].values() for address in node["addresses"]]
    replicas = [replica["address"] for replica in config["replicas"].values()]
    sources = (*members, *replicas, *config["firewall"]["client_networks"])
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
    if mysql["agent"] == INIT_SCRIPT and (config["corosync"]["series"] or 0) > 1:
        report.add(
            "hamysql:mysql:agent", repr(INIT_SCRIPT), "an agent that knows a server from a crashed one, as the default"
        )
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
