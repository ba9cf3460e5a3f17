"""The database servers MySQL and Percona Server. Pure.

Run with 9.7.4. What is said of 8.0 and 8.4 comes from their manuals, of Percona Server from its own.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from hamysql.mysql.flavours.face import Flavour, Names, Observed, Variable
from hamysql.mysql.flavours.mysql import passwords
from hamysql.mysql.flavours.mysql.observed import QUERY, observed
from hamysql.mysql.flavours.mysql.options import OPTIONS
from hamysql.mysql.flavours.mysql.privileges import PRIVILEGES
from hamysql.mysql.sql import identifier, text

_NOT_TAKEN = re.compile(
    r"Error while setting value|Unknown suffix|Invalid decimal value|unknown (?:variable|option)|ambiguous option"
)
_OFF_INSTEAD = re.compile(r"was(n't| not) recognized")
# The server's logs have <secret> or a hash in a password's place. Neither log, nor the performance schema, keeps even that of what
# this session sends.
_UNSEEN = (
    "SET NAMES utf8mb4; SET SESSION sql_log_off = 1; SET SESSION long_query_time = 31536000;\n"
    "UPDATE performance_schema.threads SET INSTRUMENTED = 'NO', HISTORY = 'NO' WHERE PROCESSLIST_ID = CONNECTION_ID();\n"
)
# In the bootstrap, which nobody can reach, and which knows no statement of accounts. Else root had no password at the first start.
_FIRST = (
    "UPDATE mysql.user SET plugin = 'auth_socket', authentication_string = '' WHERE User = 'root' AND Host = 'localhost';\n"
    "INSERT INTO mysql.plugin (name, dl) VALUES ('auth_socket', 'auth_socket.so');\n"
)
# Nobody can set it, and a statement that sets two variables resolves both before it sets one (sql/set_var.cc, sql_set_variables).
_NEVER = "version_compile_os"


class MySQL(Flavour):
    """MySQL from Oracle, from 8.0 on."""

    name = "mysql"
    names = Names(
        services=("mysql", "mysqld"),
        folders=("mysqld?", "percona"),
        words=("mysql",),
        option_folder="/etc/mysql/mysql.conf.d",
    )
    options = OPTIONS
    privileges = PRIVILEGES
    accounts = ("mysql.sys", "mysql.session", "mysql.infoschema")
    socket_plugin, password_plugin = "auth_socket", passwords.SHA2
    beside_socket = False  # a second factor is asked for as well, and not instead
    roles_are_accounts = True
    hashes = passwords.HASHES
    limits = frozenset(
        ("max_queries_per_hour", "max_updates_per_hour", "max_connections_per_hour", "max_user_connections")
    )
    reload_tls = "ALTER INSTANCE RELOAD TLS;"
    accounts_query = QUERY
    persisted_query = "SELECT VARIABLE_NAME, VARIABLE_VALUE FROM performance_schema.persisted_variables;\n"

    goes_back = False

    def install(self, mysql: Mapping[str, Any], directory: str) -> Sequence[str]:
        # The account opens a pipe of its own by name, and not one of root's.
        argv = ["sh", "-c", 'cat | "$@"', "sh", mysql["install_db"], f"--defaults-file={mysql['config']}"]
        argv += ["--initialize-insecure", f"--user={mysql['user']}", f"--datadir={directory}"]
        return [*argv, "--init-file=/dev/stdin", "--skip-log-error"]

    def install_input(self) -> str:
        return _FIRST

    def client(self, mysql: Mapping[str, Any]) -> Sequence[str]:
        argv = [mysql["client"], "--no-defaults", "--protocol=socket", f"--socket={mysql['socket']}", "--user=root"]
        # Whoever has the socket is trusted with SQL, and not with the files of root, which a server may ask its client for.
        return [*argv, "--local-infile=0", "--batch", "--skip-column-names"]

    def knock(self, mysql: Mapping[str, Any], address: str, timeout: int) -> Sequence[str]:
        argv = [mysql["client"], "--no-defaults", "--protocol=tcp", f"--host={address}", f"--port={mysql['port']}"]
        return [*argv, "--ssl-mode=DISABLED", f"--connect-timeout={timeout}"]

    def is_answer(self, output: str) -> bool:
        # 2000 to 2999 are errors of the client itself (errmsg.h); 2061 is the server's plugin that does not take it without TLS.
        match = re.search(r"^ERROR (\d+)", output, re.MULTILINE)
        return match is not None and (int(match[1]) // 1000 != 2 or match[1] == "2061")

    @property
    def validate(self) -> Sequence[str]:
        # From 8.0.16 on. A help would end with 0 for an option that it does not know. Not into the log of the one that runs.
        return ("--validate-config", "--skip-log-error", "--log-error-verbosity=2")

    def not_taken(self, said: str, switches: bool = False) -> list[str]:
        lines = [
            line for line in said.splitlines() if _NOT_TAKEN.search(line) or (switches and _OFF_INSTEAD.search(line))
        ]
        return [re.sub(r"^.*?\[(?:ERROR|Warning)\] (?:\[MY-\d+\] )?(?:\[\w+\] )?", "", line) for line in lines]

    def observed(self, output: str) -> Observed:
        return observed(output)

    def digest(self, password: str, plugin: str = "") -> str:
        return passwords.digest(password, plugin or self.password_plugin)

    def is_password(self, password: str, kept: str, plugin: str) -> bool:
        return passwords.matches(password, kept, plugin)

    def is_hash(self, given: str, kept: str) -> bool:
        return passwords.plain(given) == passwords.plain(kept)

    def identified(self, plugins: Collection[str], digest: str) -> str:
        (plugin,) = plugins
        if plugin == self.socket_plugin:
            return f"IDENTIFIED WITH {plugin}"
        # In hexadecimal digits whatever it is, because a salt is no text.
        return f"IDENTIFIED WITH {plugin} AS 0x{passwords.plain(digest).hex().upper()}"

    def in_clear(self, verb: str, to: str, plugins: Collection[str], password: str, more: str) -> Sequence[str]:
        (plugin,) = plugins
        return [f"{_UNSEEN}{verb or 'ALTER USER'} {to} IDENTIFIED WITH {plugin} BY {text(password)}{more};"]

    def set_default_role(self, role: str, to: str) -> str:
        return f"SET DEFAULT ROLE {role} TO {to};"

    def revoke_admin(self, role: str, to: str) -> Sequence[str]:
        return (f"REVOKE {role} FROM {to};", f"GRANT {role} TO {to};")

    def drop_empty(self, database: str) -> str:
        # There are no blocks outside of routines. What is prepared is the drop, or a sentence that is no statement.
        contents = (
            "SELECT TABLE_SCHEMA AS db FROM information_schema.TABLES"
            " UNION ALL SELECT ROUTINE_SCHEMA FROM information_schema.ROUTINES"
            " UNION ALL SELECT EVENT_SCHEMA FROM information_schema.EVENTS"
        )
        drop = text(f"DROP DATABASE {identifier(database)}")
        return (
            f"SET @hamysql = IF(EXISTS (SELECT 1 FROM ({contents}) contents WHERE db = {text(database)}),"
            f" 'it is not empty', {drop}); PREPARE hamysql FROM @hamysql; EXECUTE hamysql; DEALLOCATE PREPARE hamysql;"
        )

    def variables_query(self, names: Iterable[str]) -> str:
        # The server says what can be set by its answer to a statement that sets nothing: the first or the second is read-only.
        asked = [name for name in names if re.fullmatch(r"\w+(?:\.\w+)?", name)]
        listed = ", ".join(f"'{name}'" for name in asked) or "''"
        probes = "".join(
            f"SELECT '{name}';\nSET GLOBAL {name} = DEFAULT, GLOBAL {_NEVER} = DEFAULT;\nSHOW ERRORS;\n"
            for name in asked
        )
        return (
            "SELECT 'value', LOWER(VARIABLE_NAME), IFNULL(VARIABLE_VALUE, '') FROM performance_schema.global_variables"
            f" WHERE VARIABLE_NAME IN ({listed});\n{probes}"
        )

    def variables(self, output: str) -> dict[str, Variable]:
        values: dict[str, str] = {}
        settable: set[str] = set()
        name = ""
        for line in output.splitlines():
            fields = line.split("\t")
            if fields[0] == "value" and len(fields) == 3:
                values[fields[1]] = fields[2]
            elif len(fields) == 1:
                name = fields[0]
            elif f"'{_NEVER}'" in fields[-1]:
                settable.add(name)
        return {name: Variable(value, _type(value), name in settable) for name, value in values.items()}


class Percona(MySQL):
    """Percona Server for MySQL, from 8.0 on: rendered, and never run."""

    name = "percona"


def _type(value: str) -> str:
    """The kind of a variable, as far as its value tells; 8.0 and 8.4 have no table of that."""
    if value in ("ON", "OFF"):
        return "BOOLEAN"
    return "NUMERIC" if re.fullmatch(r"-?\d+(\.\d+)?", value) else "VARCHAR"
