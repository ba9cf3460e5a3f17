"""A MariaDB server of its own on a unix socket in a temporary folder, with the module and the state on it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storage_world import load

from hamysql.mysql import grants as mysql_grants
from hamysql.mysql import sql as mysql_sql
from hamysql.mysql.flavours import registry
from hamysql.mysql.grants import Grant
from hamysql.mysql.sql import PROLOGUE
from hamysql.system import command

SERVER, INSTALL, CLIENT = (shutil.which(name) for name in ("mariadbd", "mariadb-install-db", "mariadb"))
MISSING = (
    ""
    if SERVER and INSTALL and CLIENT
    else "mariadbd, mariadb-install-db or mariadb is missing (Debian: mariadb-server-core, mariadb-client)"
)
MARIADB = registry.FLAVOURS["mariadb"]
PASSWORD = "canary pass'word\"\\ äöü;--"


class Server:
    """The module and the state on a running server, and a client beside them."""

    def __init__(self, folder: Path) -> None:
        self.socket, self.log = folder / "sock", folder / "general.log"
        self.config = {"flavor": "mariadb", "client": CLIENT, "socket": str(self.socket), "databases": [], "users": []}
        self.module, self.state = load("_modules/hamysql_mysql.py", "m"), load("_states/hamysql_mysql.py", "s")
        self.module.__salt__ = {"hamysql.config": lambda **_: {"mysql": self.config}}
        self.state.__salt__ = {
            "hamysql_mysql.pending": self.module.pending,
            "hamysql_mysql.apply": self.module.apply,
        }

    def sql(self, *statements: str) -> list[str]:
        argv = [CLIENT, "--no-defaults", f"--socket={self.socket}", "--user=root", "--batch", "--skip-column-names"]
        return command.run(argv, stdin=PROLOGUE + "\n".join(statements)).stdout.splitlines()

    def wanted(self, *users: dict, databases: tuple = (), roles: tuple = ()) -> dict:
        """Give the pillar these users, databases and roles; returns what is pending."""
        self.config = {**self.config, "users": list(users), "databases": list(databases), "roles": list(roles)}
        return self.module.pending()

    def converge(self, *users: dict, databases: tuple = (), roles: tuple = ()) -> dict:
        """Apply until done, which has to be once; returns what was changed."""
        pending = self.wanted(*users, databases=databases, roles=roles)
        assert self.module.apply() == pending
        assert self.module.pending() == {}
        return pending

    def grants(self, user: str, host: str = "%") -> dict[str, Grant]:
        shown = self.sql(mysql_grants.query([(user, host)]))
        return mysql_grants.parse("\n".join(shown), MARIADB.privileges).get((user, host), {})

    def login(self, user: str, password: str, statement: str = "SELECT CURRENT_USER();") -> str:
        """What a client with this password sees; its password is in a file, as it should be."""
        options = self.log.with_name("client.cnf")
        quoted = password.replace("\\", "\\\\").replace('"', '\\"')
        options.write_text(
            f'[client]\nuser={user}\npassword="{quoted}"\nsocket={self.socket}\ndefault-character-set=utf8mb4\n'
        )
        argv = [CLIENT, f"--defaults-file={options}", "--batch", "--skip-column-names"]
        return command.run(argv, stdin=statement).stdout.strip()


@contextmanager
def running(folder: Path, *options: str):
    """A new server of its own, with further options."""
    account = ["--user=root"] if os.geteuid() == 0 else []
    auth = "socket" if account else "normal"
    command.run(
        [
            INSTALL,
            "--no-defaults",
            *account,
            f"--datadir={folder}/data",
            "--skip-test-db",
            f"--auth-root-authentication-method={auth}",
        ],
        timeout=120,
    )
    server = Server(folder)
    argv = [
        SERVER,
        "--no-defaults",
        *account,
        f"--datadir={folder}/data",
        f"--socket={server.socket}",
        "--skip-networking",
    ]
    argv += ["--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=0", f"--general-log-file={server.log}"]
    argv += options
    with open(folder / "error.log", "w") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not server.module.active():
            assert process.poll() is None, (folder / "error.log").read_text()
            assert time.monotonic() < deadline, (folder / "error.log").read_text()
            time.sleep(0.1)
        yield server
    finally:
        process.terminate()
        process.wait(60)


PACKAGE = "mariadb-server_*.deb"


def plugins(folder: Path) -> Path | None:
    """A folder of the server's plugins: that of Debian's mariadb-server, or one that is taken from its package, where apt has it."""
    installed = Path("/usr/lib/mysql/plugin")
    if (installed / "simple_password_check.so").exists():
        return installed
    found = sorted(Path("/var/cache/apt/archives").glob(PACKAGE))
    if not found or not shutil.which("dpkg-deb"):
        return None
    command.run(["dpkg-deb", "--extract", str(found[-1]), str(folder)])
    return folder / "usr/lib/mysql/plugin"


SYSTEM = {"mysql", "information_schema", "performance_schema", "sys"}


@contextmanager
def cleaned(daemon: Server) -> Iterator[Server]:
    """A running server, without what a test has made on it afterwards."""
    yield daemon
    left = MARIADB.observed("\n".join(daemon.sql(MARIADB.accounts_query)))
    accounts = [key for key in left.accounts if key not in {("root", "localhost"), ("mariadb.sys", "localhost")}]
    databases = set(left.databases) - SYSTEM
    daemon.sql(
        *(f"DROP {'USER' if key[1] else 'ROLE'} {mysql_sql.account(key)};" for key in accounts),
        *(f"DROP DATABASE {mysql_sql.identifier(name)};" for name in databases),
    )
    daemon.config = {**daemon.config, "users": [], "databases": [], "roles": []}


def user(name="app", host="%", grants=(), **auth) -> dict:
    return {"name": name, "host": host, **(auth or {"password": PASSWORD}), "grants": list(grants)}


def grant(on: str, *privileges: str, option: bool = False) -> dict:
    return {"privileges": list(privileges), "on": on, "grant_option": option}


def database(name: str, character_set=None, collate=None) -> dict:
    return {"name": name, "character_set": character_set, "collate": collate}
