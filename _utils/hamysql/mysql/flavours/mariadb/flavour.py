"""The database server MariaDB. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Sequence
from posixpath import dirname

from hamysql.errors import ParseError
from hamysql.mysql.flavours.face import Flavour, Names, Observed, Terms, Variable
from hamysql.mysql.flavours.mariadb.options import OPTIONS
from hamysql.mysql.flavours.mariadb.passwords import DIGESTS, HASHES, random_password
from hamysql.mysql.flavours.mariadb.privileges import PRIVILEGES
from hamysql.mysql.flavours.mariadb.replication import REPLICATION
from hamysql.mysql.flavours.replication import Replication
from hamysql.mysql.flavours.tools import SCRATCH_LOG, BackupTool, LogTool
from hamysql.mysql.sql import Account, identifier, text, unescape
from hamysql.resolved.software import Mysql

_NO_ACCOUNTS = "--skip-grant-tables"
_NOT_TAKEN = re.compile(r"Error while setting value|Unknown suffix")
_OFF_INSTEAD = re.compile(r"was(n't| not) recognized")
# Neither the general log nor the slow log nor the performance schema keeps what this session sends.
_UNSEEN = (
    "SET NAMES utf8mb4; SET SESSION sql_log_off = 1; SET SESSION slow_query_log = 0;\n"
    "UPDATE performance_schema.threads SET INSTRUMENTED = 'NO' WHERE PROCESSLIST_ID = CONNECTION_ID();\n"
)

# The database of each object that a drop takes along.
_CONTENTS = (
    "SELECT TABLE_SCHEMA AS db FROM information_schema.TABLES"
    " UNION ALL SELECT ROUTINE_SCHEMA FROM information_schema.ROUTINES"
    " UNION ALL SELECT EVENT_SCHEMA FROM information_schema.EVENTS"
)

LIMITS = (
    *("max_queries_per_hour", "max_updates_per_hour", "max_connections_per_hour", "max_user_connections"),
    "max_statement_time",
)
# What mariadb-backup leaves in a copy; the names begin with "xtrabackup" up to 10.11, and with "mariadb_backup" from 11 on.
_OWN = ("info", "binlog_info", "checkpoints", "slave_info", "galera_info", "binlog_pos_innodb")


class MariaDB(Flavour):
    """MariaDB, from 10.4 on."""

    name = "mariadb"
    names = Names(
        services=("mariadb", "mysql", "mysqld"),
        folders=("mysqld?", "mariadb", "percona"),
        words=("mysql", "mariadb"),
        option_folder="/etc/mysql/mariadb.conf.d",
    )
    options = OPTIONS
    privileges = PRIVILEGES
    accounts = ("mariadb.sys", "mysql.sys", "mysql.session", "mysql.infoschema")
    backs_up = True
    replicates = True
    socket_plugin, password_plugin = "unix_socket", "mysql_native_password"
    hashes = HASHES
    limits = LIMITS
    reload_tls = "FLUSH SSL;"
    accounts_query = (
        "SELECT 'database', SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA;\n"
        "SELECT 'account', User, Host, plugin, authentication_string FROM mysql.user;\n"
        "SELECT 'ways', User, Host, JSON_EXTRACT(Priv, '$.auth_or') FROM mysql.global_priv"
        " WHERE JSON_EXTRACT(Priv, '$.auth_or') IS NOT NULL;\n"
        "SELECT 'role', User FROM mysql.user WHERE is_role = 'Y';\n"
        "SELECT 'member', User, Host, Role, Admin_option FROM mysql.roles_mapping;\n"
        "SELECT 'terms', User, Host, ssl_type, ssl_cipher, x509_issuer, x509_subject, max_questions, max_updates, max_connections,"
        " max_user_connections, max_statement_time, default_role FROM mysql.user;\n"
        "SELECT 'policy', COUNT(*) FROM information_schema.PLUGINS WHERE PLUGIN_TYPE = 'PASSWORD VALIDATION'"
        " AND PLUGIN_STATUS = 'ACTIVE' AND @@GLOBAL.strict_password_validation;\n"
        f"SELECT 'content', db, COUNT(*) FROM ({_CONTENTS}) contents GROUP BY db;\n"
        "SELECT 'variable', 'lower_case_table_names', @@GLOBAL.lower_case_table_names;\n"
    )

    def install(self, mysql: Mysql, directory: str) -> Sequence[str]:
        argv = [mysql["install_db"], f"--user={mysql['user']}", f"--datadir={directory}", "--skip-test-db"]
        return [*argv, "--auth-root-authentication-method=socket"]

    def upgrade(self, mysql: Mysql) -> tuple[Sequence[str], Sequence[str]]:
        login = ("--no-defaults", "--protocol=socket", f"--socket={mysql['socket']}", "--user=root")
        argv = (f"{dirname(mysql['client'])}/mariadb-upgrade", *login)
        return (*argv, "--check-if-upgrade-is-needed"), argv

    def client(self, mysql: Mysql) -> Sequence[str]:
        argv = [mysql["client"], "--no-defaults", "--protocol=socket", f"--socket={mysql['socket']}", "--user=root"]
        # Whoever has the socket is trusted with SQL, and not with the files of root, which a server may ask its client for.
        return [*argv, "--local-infile=0", "--batch", "--skip-column-names"]

    def knock(self, mysql: Mysql, address: str, timeout: int) -> Sequence[str]:
        argv = [mysql["client"], "--no-defaults", "--protocol=tcp", f"--host={address}", f"--port={mysql['port']}"]
        # Without TLS, because a client that expects it reports a server's refusal as a lost connection. Nothing is sent.
        return [*argv, "--skip-ssl", f"--connect-timeout={timeout}"]

    def through(self, mysql: Mysql, address: str, timeout: int) -> Sequence[str]:
        argv = self.knock(mysql, address, timeout)
        if not mysql["tls"]["enabled"]:
            return argv
        # The certificate may have another name than the address. The password itself is not sent.
        secure = ["--ssl", "--skip-ssl-verify-server-cert"]
        return [word for item in argv for word in (secure if item == "--skip-ssl" else [item])]

    def backup(self, mysql: Mysql, folder: str, throttle: int = 0) -> BackupTool:
        beside = dirname(mysql["client"])
        tool, parent = f"{beside}/mariadb-backup", dirname(folder)
        socket = f"{parent}/sock"
        login = ("--no-defaults", "--protocol=socket", f"--socket={socket}", "--user=root")
        return BackupTool(
            take=(
                *(tool, "--no-defaults", "--backup", f"--target-dir={folder}", f"--datadir={mysql['datadir']}"),
                *(f"--socket={mysql['socket']}", "--user=root", f"--throttle={throttle}"),
            ),
            prepare=(tool, "--no-defaults", "--prepare", f"--target-dir={folder}", "--use-memory=64M"),
            serve=(
                *(
                    mysql["binary"],
                    f"--defaults-file={folder}/backup-my.cnf",
                    f"--datadir={folder}",
                    f"--socket={socket}",
                ),
                *(
                    f"--pid-file={parent}/pid",
                    f"--log-error={parent}/{SCRATCH_LOG}",
                    f"--user={mysql['user']}",
                    "--skip-networking",
                ),
                *(_NO_ACCOUNTS, "--skip-slave-start", "--skip-log-bin", "--max-allowed-packet=1G"),
                # The server reserves addresses for the size that it may grow to: 8 TB, where nothing is said.
                *("--innodb-buffer-pool-size=64M", "--loose-innodb-buffer-pool-size-max=64M"),
                *("--innodb-flush-log-at-trx-commit=0", "--performance-schema=OFF", f"--tmpdir={parent}"),
            ),
            ask=(mysql["client"], *login, "--local-infile=0", "--batch", "--skip-column-names"),
            check=(f"{beside}/mariadb-check", *login, "--all-databases", "--silent"),
            info=("mariadb_backup_info", "xtrabackup_info"),
            binlog=("mariadb_backup_binlog_info", "xtrabackup_binlog_info"),
            own=(
                *(f"{name}_{file}" for name in ("mariadb_backup", "xtrabackup") for file in _OWN),
                "backup-my.cnf",
            ),
        )

    def logging(self, mysql: Mysql) -> LogTool:
        # In binary mode it takes no commands of its own, such as one that starts a program.
        more = ("--binary-mode", "--max-allowed-packet=1G")
        return LogTool(
            read=(f"{dirname(mysql['client'])}/mariadb-binlog", "--no-defaults", "--verify-binlog-checksum"),
            write=lambda tool: (*tool.ask, *more),
            serve=lambda tool: (*(word for word in tool.serve if word != _NO_ACCOUNTS), "--event-scheduler=OFF"),
            idle=frozenset(("Format_desc", "Gtid_list", "Binlog_checkpoint", "Rotate", "Stop")),
            begins=(162, 12),  # GTID_EVENT: number and domain come before the flags
        )

    def replication(self, mysql: Mysql) -> Replication:
        return REPLICATION

    def is_answer(self, output: str) -> bool:
        # 2000 to 2999 and 5000 to 5999 are errors of the client itself: no connection, connection lost (errmsg.h).
        match = re.search(r"^ERROR (\d+)", output, re.MULTILINE)
        return match is not None and int(match[1]) // 1000 not in (2, 5)

    def not_taken(self, said: str, switches: bool = False) -> list[str]:
        lines = [
            line for line in said.splitlines() if _NOT_TAKEN.search(line) or (switches and _OFF_INSTEAD.search(line))
        ]
        return [re.sub(r"^.*?\[(?:ERROR|Warning)\] ", "", line) for line in lines]

    def observed(self, output: str) -> Observed:
        databases: dict[str, tuple[str, str]] = {}
        accounts: dict[Account, tuple[str, str]] = {}
        ways: dict[Account, frozenset[str]] = {}
        contents: dict[str, int] = {}
        roles: set[str] = set()
        memberships: dict[Account, dict[str, bool]] = {}
        terms: dict[Account, Terms] = {}
        policy = small = False
        for line in output.splitlines():
            kind, *fields = (unescape(cell) for cell in line.split("\t"))
            if kind == "database" and len(fields) == 3:
                databases[fields[0]] = (fields[1], fields[2])
            elif kind == "account" and len(fields) == 4:
                accounts[fields[0], fields[1]] = (fields[2], fields[3])
            elif kind == "ways" and len(fields) == 3:
                ways[fields[0], fields[1]] = _ways(fields[2], accounts.get((fields[0], fields[1]), ("", ""))[0])
            elif kind == "content" and len(fields) == 2:
                contents[fields[0]] = int(fields[1])
            elif kind == "role" and len(fields) == 1:
                roles.add(fields[0])
            elif kind == "member" and len(fields) == 4:
                memberships.setdefault((fields[0], fields[1]), {})[fields[2]] = fields[3] == "Y"
            elif kind == "terms" and len(fields) == 12:
                terms[fields[0], fields[1]] = _terms(fields[2:])
            elif kind == "policy" and len(fields) == 1:
                policy = fields[0] != "0"
            elif kind == "variable" and len(fields) == 2:
                small = fields[1] != "0"
            else:
                raise ParseError(f"the database answered with {len(fields)} columns for {kind!r}")
        return Observed(
            databases,
            accounts,
            ways=ways,
            contents=contents,
            roles=frozenset(roles),
            memberships=memberships,
            terms=terms,
            policy=policy,
            small=small,
        )

    def digest(self, password: str, plugin: str = "") -> str:
        return DIGESTS[plugin or self.password_plugin](password)

    def identified(self, plugins: Collection[str], digest: str) -> str:
        return self._identified(plugins, text(digest))

    def _identified(self, plugins: Collection[str], using: str) -> str:
        ways = {self.socket_plugin: "", **dict.fromkeys(self.hashes, f" USING {using}")}
        return "IDENTIFIED VIA " + " OR ".join(f"{plugin}{how}" for plugin, how in ways.items() if plugin in plugins)

    def in_clear(self, verb: str, to: str, plugins: Collection[str], password: str, more: str) -> Sequence[str]:
        # The binary log has the whole statement of CREATE USER and ALTER USER, and only the hash of SET PASSWORD. So the account is
        # first given a password that nobody knows. Each is a statement of its own, because only then the audit log hides passwords.
        given = f"{_UNSEEN}SET PASSWORD FOR {to} = PASSWORD({text(password)});"
        unknown = f"PASSWORD({text(random_password())})"
        return [*([f"{_UNSEEN}{verb} {to} {self._identified(plugins, unknown)}{more};"] if verb else []), given]

    def set_default_role(self, role: str, to: str) -> str:
        return f"SET DEFAULT ROLE {role} FOR {to};"

    def drop_empty(self, database: str) -> str:
        return (
            "DELIMITER //\n"
            f"BEGIN NOT ATOMIC IF EXISTS (SELECT 1 FROM ({_CONTENTS}) contents WHERE db = {text(database)})"
            " THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'it is not empty'; END IF;"
            f" DROP DATABASE {identifier(database)}; END//\n"
            "DELIMITER ;"
        )

    def variables_query(self, names: Iterable[str]) -> str:
        quoted = ", ".join(f"'{name}'" for name in names if re.fullmatch(r"\w+", name)) or "''"
        return (
            "SELECT LOWER(VARIABLE_NAME), VARIABLE_TYPE, READ_ONLY, VARIABLE_SCOPE, IFNULL(GLOBAL_VALUE, '')"
            f" FROM information_schema.SYSTEM_VARIABLES WHERE VARIABLE_NAME IN ({quoted});\n"
        )

    def variables(self, output: str) -> dict[str, Variable]:
        found = {}
        for line in output.splitlines():
            fields = line.split("\t")
            if len(fields) != 5:
                raise ParseError(f"the database answered with {len(fields)} columns for a variable")
            name, kind, read_only, scope, value = fields
            found[name] = Variable(value, kind.upper(), read_only == "NO" and scope != "SESSION ONLY")
        return found


def _ways(written: str, plugin: str) -> frozenset[str]:
    """The plugins of an account from ``auth_or`` in ``mysql.global_priv``; ``{}`` there stands for the account's first one."""
    try:
        return frozenset(str(way.get("plugin", plugin)) for way in json.loads(written))
    except (ValueError, AttributeError, TypeError) as exc:
        raise ParseError(f"the database answered with {written[:100]!r} for the ways to log in of an account") from exc


_REQUIRED = {"": "NONE", "ANY": "SSL", "X509": "X509"}


def _terms(fields: Sequence[str]) -> Terms:
    """The terms of an account from the columns ``ssl_type`` to ``default_role`` of ``mysql.user``."""
    kind, cipher, issuer, subject, *numbers, role = fields
    require = (
        {"tls": _REQUIRED[kind]} if kind in _REQUIRED else {"cipher": cipher, "issuer": issuer, "subject": subject}
    )
    return Terms(require, dict(zip(LIMITS, map(float, numbers))), role)
