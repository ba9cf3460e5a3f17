"""The server's option file: what would lock hamysql out, let strangers in or keep a failover from starting is refused.

The server reads an option under many names: ``-`` for ``_``, capitals, ``loose-``, ``skip-``, ``enable-``, the beginning
of the name,
and in each of several groups. :func:`readings` undoes that before anything is compared. Where safety hangs on a value, the tables
below say which values are allowed. A path has to be a place that both nodes have.

Sources: MariaDB's ``mysys/my_getopt.c`` (prefixes, beginnings of names, booleans) and ``mysys/my_default.c`` (groups).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from hamysql.mysql.tls import files as tls_files
from hamysql.mysql.tls import settings as tls_settings
from hamysql.schema.language import Report
from hamysql.schema.values import Config

CONFIG = "hamysql:mysql:config"

# Options that hamysql writes itself; the key of the pillar that sets each.
OWN_MYSQL = {
    "datadir": "set hamysql:mysql:datadir",
    "socket": "set hamysql:mysql:socket",
    "pid_file": "set hamysql:mysql:pid_file",
    "port": "set hamysql:mysql:port",
    "user": "set hamysql:mysql:user",
    "log_error": "set hamysql:mysql:error_log",
}
# The same where the pillar sets up TLS.
OWN_TLS = {f"ssl_{name}": f"set {tls_files.PATH}:{name}" for name in tls_files.FILES} | {
    tls_files.SECURE: f"set {tls_files.PATH}:required"
}
# Groups that no server reads: those of MariaDB's and MySQL's client programs. Any other group is judged as if the server read it.
CLIENT_GROUPS = frozenset(
    "client client-mariadb mysql mariadb-client mysqldump mariadb-dump mysqladmin mariadb-admin mysqlimport mariadb-import "
    "mysqlcheck mariadb-check mysqlshow mariadb-show mysqlslap mariadb-slap mysqlbinlog mariadb-binlog mysql_upgrade "
    "mariadb-upgrade "
    "mariabackup mariadb-backup xtrabackup sst odbc myisamchk aria_chk aria_pack myisampack mytop mysqlhotcopy "
    "mariadb-hotcopy".split()
)
# What a whole name begins with, though it is one: an option of these names is not a beginning of a longer one.
WHOLE_NAMES = frozenset(
    "debug flush general_log innodb lc_messages log_bin log_slow_query port relay_log slow_query_log ssl "
    "version query_cache_type".split()
)
ON, OFF = ("on", "true", "1"), ("off", "false", "0")


@dataclass(frozen=True)
class Reading:
    """How the server reads an option: its name with ``_``, in small letters, and its value (``None``: given without one)."""

    name: str
    value: str | None


@dataclass(frozen=True)
class Allowed:
    """The values that an option may have, in words, and why others are refused."""

    accepts: Callable[[str | None], bool]
    expected: str


def _words(*words: str, why: str) -> Allowed:
    listed = " or ".join(
        dict.fromkeys(word.upper() if word in ("on", "off") else word for word in words if word not in _SYNONYMS)
    )
    return Allowed(lambda value: (value if value is not None else "on").lower() in words, f"{listed}: {why}")


_SYNONYMS = ("true", "false", "1", "0")


def _never(why: str) -> Allowed:
    return Allowed(lambda value: False, f"not to be set: {why}")


def _number(*numbers: str, why: str) -> Allowed:
    return Allowed(lambda value: value in numbers, f"{' or '.join(numbers)}: {why}")


_LOCKS = "hamysql reaches the server as root through its socket"
_ENDS = "with it the server does something and ends, or serves nobody"
GUARDED: Mapping[str, Allowed] = {
    # who gets in
    "skip_grant_tables": _words(*OFF, why="without accounts anybody is root"),
    "skip_networking": _words(*OFF, why="clients reach the server through the virtual IP"),
    "unix_socket": _words(*ON, "force", "force_plus_permanent", why=f"{_LOCKS}, and that plugin lets it in"),
    "thread_handling": _words("one-thread-per-connection", "pool-of-threads", why="any other mode serves one client"),
    "default_password_lifetime": _number("0", why=f"{_LOCKS}, and a password that expires locks it out"),
    "init_file": _never("it runs SQL as root at each start; hamysql:mysql:users and databases are for accounts and databases"),
    "chroot": _never("files have other names there, the socket among them"),
    # what can be written
    "read_only": _words(*OFF, why="the node that serves takes writes"),
    "super_read_only": _words(*OFF, why="the node that serves takes writes"),
    "transaction_read_only": _words(*OFF, why="the node that serves takes writes"),
    "tx_read_only": _words(*OFF, why="the node that serves takes writes"),
    "innodb_read_only": _words(*OFF, why="the node that serves takes writes"),
    "innodb_force_recovery": _number("0", why="above that InnoDB serves damaged data; rescue it by hand, with the cluster stopped"),
    "innodb": _words(*ON, "force", "force_plus_permanent", why="the data is InnoDB's"),
    "ignore_builtin_innodb": _words(*OFF, why="the data is InnoDB's"),
    "autocommit": _words(*ON, why="clients, hamysql among them, do not commit what they take for committed"),
    # what a crash leaves: each failover after a power cut is the recovery of a crash
    "innodb_doublewrite": _words(*ON, "fast", why="without it a power cut leaves torn pages, and no failover repairs them"),
    "innodb_flush_method": _words(
        *("fsync", "o_dsync", "o_direct", "o_direct_no_fsync"),
        why="any other method does not write to the disk what is committed",
    ),
    "innodb_checksum_algorithm": _words(
        *("crc32", "strict_crc32", "full_crc32", "strict_full_crc32"), why="damage has to be seen"
    ),
    "debug_no_sync": _words(*OFF, why="nothing would be written to the disk for good"),
    "tc_heuristic_recover": _words("off", why="with it the server ends after the recovery"),
    # what is not a server that serves
    "bootstrap": _never(_ENDS),
    "help": _never(_ENDS),
    "version": _never(_ENDS),
    "validate_config": _never(_ENDS),
    "initialize": _never(_ENDS),
    "initialize_insecure": _never(_ENDS),
    "print_defaults": _never(_ENDS),
    "install": _never(_ENDS),
    "daemonize": _never("pacemaker starts and watches the server"),
    "flashback": _words(*OFF, why=_ENDS),
    "wsrep_on": _words(*OFF, why="Galera replicates by itself; this cluster has one server"),
    "wsrep_provider": _words("none", why="Galera replicates by itself; this cluster has one server"),
    "wsrep_recover": _words(*OFF, why=_ENDS),
    # files that a plain name can take elsewhere
    "innodb_data_file_path": Allowed(
        lambda value: value is not None and not set(value) & set("/\\") and "raw" not in value.lower(),
        "files in the datadir, without a path: the other node has nothing else",
    ),
}  # fmt: skip
_GUARD_FAMILIES = {"wsrep_": "not to be set: Galera replicates by itself; this cluster has one server"}

# Paths. What is not named here has to be below the datadir.
TEMPORARY = ("/tmp", "/var/tmp", "/dev/shm")
_PROGRAM = ("/usr", "/opt", "/etc")
ELSEWHERE: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("tmpdir", "innodb_tmpdir", "slave_load_tmpdir", "secure_file_priv"), TEMPORARY),
    **dict.fromkeys(
        ("basedir", "plugin_dir", "lc_messages_dir", "language", "character_sets_dir", "ft_stopword_file"), _PROGRAM
    ),
    **dict.fromkeys(("ssl_ca", "ssl_capath", "ssl_cert", "ssl_key", "ssl_crl", "ssl_crlpath"), ("/etc", "/var/lib", "/usr")),
    **dict.fromkeys(("file_key_management_filename", "file_key_management_filekey"), ("/etc",)),
    "gssapi_keytab_path": ("/etc",),
}  # fmt: skip
LOGS = ("general_log_file", "slow_query_log_file", "log_slow_query_file", "server_audit_file_path")
# Options whose value is no path, whatever is in it.
NO_PATHS = frozenset(
    "init_connect init_slave default_time_zone optimizer_trace proxy_protocol_networks report_host version_comment "
    "server_audit_incl_users server_audit_excl_users server_audit_syslog_info feedback_url feedback_http_proxy feedback_user_info "
    "replicate_rewrite_db ignore_db_dirs bind_address ft_boolean_syntax date_format datetime_format time_format "
    "hashicorp_key_management_vault_url".split()
)
LISTS_OF_PATHS = ("tmpdir", "slave_load_tmpdir")
# A beginning of a name stands for the longer one.
KNOWN = frozenset(
    {*OWN_MYSQL, *OWN_TLS, *GUARDED, *ELSEWHERE, *LOGS, "bind_address", "extra_port", "admin_port", "admin_address"}
)


def is_servers(group: str) -> bool:
    """Whether a server may read this group; names of groups have no case to it."""
    return group.lower() not in CLIENT_GROUPS


def readings(given: str, value: str | None) -> Iterator[Reading]:
    """Each way in which a server may read an option: with ``skip-`` and the like undone, and an abbreviated name completed."""
    waiting = [(given.replace("-", "_").lower(), value)]
    seen: list[tuple[str, str | None]] = []
    while waiting:
        name, said = waiting.pop()
        if (name, said) in seen:
            continue
        seen.append((name, said))
        prefix, _, rest = name.partition("_")
        if prefix in ("disable", "skip") and rest:
            waiting.append((rest, "off"))
        elif prefix in ("enable", "loose", "maximum", "autoset") and rest:
            waiting.append((rest, "on" if said is None else said))
        elif prefix == "plugin" and set(_meant(rest)) & KNOWN:
            waiting.append((rest, said))  # each option of a plugin has a second name
        if prefix not in ("disable", "enable", "loose", "maximum", "autoset"):
            for whole in _meant(name):
                yield Reading(whole, said)


def _meant(name: str) -> list[str]:
    """The options that a name may stand for."""
    if name in KNOWN or name in WHOLE_NAMES:
        return [name]
    return [known for known in KNOWN if known.startswith(name)] or [name]


def server_options(config: Config) -> Iterator[tuple[str, str, Reading]]:
    """Each option that a server may read: its group and name in the pillar, and how it is read; one of a list at a time."""
    for group, options in config["mysql"]["config"].items():
        if not is_servers(group):
            continue
        for name, value in options.items():
            for one in value if isinstance(value, list) else [value]:
                for reading in readings(name, one):
                    yield group, name, reading


def check_server(config: Config, report: Report, taken: Collection[int | None]) -> None:
    """The rules of the server's options.

    taken
        Ports that are others'.
    """
    if config["mysql"]["user"] == "root":
        report.add(
            "hamysql:mysql:user", "'root'", "an account of the server's own: whoever breaks into it would be root"
        )
    for number, user in enumerate(config["mysql"]["users"]):
        for expected in wrong_host(user["host"] or ""):
            report.add(f"hamysql:mysql:users:{number}:host", repr(user["host"]), expected)
    own = OWN_MYSQL | (OWN_TLS if tls_settings.given(config) else {})
    for group, name, reading in server_options(config):
        path = f"{CONFIG}:{group}:{name}"
        if report.bad_under(path):
            continue
        if reading.name in own:
            report.add(path, "an option that hamysql writes itself", f"not to be set here: {own[reading.name]}")
            continue
        found = repr(reading.value) if reading.value is not None else "an option without a value"
        for expected in _wrong(reading, config, taken):
            report.add(path, found, expected)


def _wrong(reading: Reading, config: Config, taken: Collection[int | None]) -> Iterator[str]:
    name, value = reading.name, reading.value
    if name in GUARDED:
        if not GUARDED[name].accepts(value):
            yield GUARDED[name].expected
        return
    for family, expected in _GUARD_FAMILIES.items():
        if name.startswith(family):
            yield expected
            return
    if name == "bind_address":
        yield from _wrong_address(value, config)
    elif name in ("extra_port", "admin_port"):
        if not re.fullmatch(r"[0-9]{1,5}", value or "") or not int(value or 0) <= 65535:
            yield "a port, 1 to 65535"
        elif int(value or 0) in (config["mysql"]["port"], *taken):
            yield "a port of its own"
    elif name == "ssl" and tls_settings.given(config):
        if (value if value is not None else "on").lower() not in ON:
            yield f"ON, or not to be set: {tls_files.PATH} sets up TLS"
    elif name == "admin_address":
        yield "not to be set: it is a door of its own; extra_port listens where the server listens"
    elif (
        name.endswith("_size") and value is not None and not re.fullmatch(r"-?[0-9]+([KMGTPEkmgtpe](i?[Bb])?)?", value)
    ):
        yield "a number of bytes, perhaps with K, M, G or T, such as '1536M': the server takes no percentages and no fractions"
    elif value is not None and name not in NO_PATHS:
        yield from _wrong_path(name, value, config)


def _wrong_path(name: str, value: str, config: Config) -> Iterator[str]:
    """What is wrong with a value as a path; a value without ``/`` is a name in the datadir, or no path."""
    datadir, error_log = config["mysql"]["datadir"], config["mysql"]["error_log"]
    places = list(ELSEWHERE.get(name, ()))
    if datadir:
        places.append(datadir)
    if name in LOGS and error_log:
        places.append(error_log.rpartition("/")[0])
    for part in re.split("[:;]", value) if name in LISTS_OF_PATHS else [value]:
        if part.startswith(("~", "$")) or ".." in re.split(r"[/\\]", part):
            yield f"a path below {' or '.join(places)}, without '..' and '~'"
        elif part.startswith("/") and not any(part == place or part.startswith(f"{place}/") for place in places):
            yield (
                f"a path below {' or '.join(places)}: only these are on both nodes, and a server that does not "
                "find its files on the other node does not start there"
            )
        elif "/" in part and not part.startswith("/") and re.search(r"(^|[:;,=])\s*/", part):
            yield f"no path within a value but below {' or '.join(places)}"


def addresses(config: Config) -> list[str]:
    """Where the pillar has the server listen instead of the virtual IP; empty where it says nothing."""
    found = [
        part.strip()
        for _, _, reading in server_options(config)
        if reading.name == "bind_address" and reading.value
        for part in reading.value.split(",")
    ]
    return list(dict.fromkeys(found))


def extra_ports(config: Config) -> list[int]:
    """The further ports at which the pillar has the server listen."""
    found = [
        int(reading.value)
        for _, _, reading in server_options(config)
        if reading.name in ("extra_port", "admin_port") and reading.value and int(reading.value)
    ]
    return list(dict.fromkeys(found))


ALL_ADDRESSES = ("*", "0.0.0.0", "::")


def _wrong_address(value: str | None, config: Config) -> Iterator[str]:
    """An address that only one node has keeps the server from starting on the other one."""
    vip = config["vip"]["address"]
    if vip is None:
        return
    parts = [part.strip() for part in (value or "").split(",")]
    for part in parts:
        if part not in ALL_ADDRESSES and part != "localhost" and _normal(part) != vip and not _is_loopback(part):
            yield f"the virtual IP ({vip}), '*', or both it and a loopback address: no other address is on both nodes"
    reached = {_normal(part) for part in parts} & {vip, *("*", "::"), *(("0.0.0.0",) if ":" not in vip else ())}
    if not reached:
        yield f"the virtual IP ({vip}) among the addresses: clients reach the server there"


def _normal(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text


def _is_loopback(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_loopback
    except ValueError:
        return False


def wrong_host(host: str) -> Iterator[str]:
    """What is wrong with an account's host: the server knows networks by their netmask only, ``10.0.0.0/24`` matches nobody."""
    if "/" not in host:
        return
    try:
        network = ipaddress.ip_network(host, strict=False)
    except ValueError:
        yield "a network with its netmask, such as '192.0.2.0/255.255.255.0', or a pattern, such as '192.0.2.%'"
        return
    if network.version == 6:
        yield "a pattern, such as '2001:db8::%': the database knows no networks of IPv6"
    elif host != (meant := f"{network.network_address}/{network.netmask}"):
        yield f"{meant!r}: the database knows a network by its first address and its netmask, any other form lets nobody in"
