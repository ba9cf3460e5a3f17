"""A database server of its own on a unix socket in a temporary folder, with the module and the state on it; of any flavour that runs here."""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from minion import load

from hamysql.mysql import grants as mysql_grants
from hamysql.mysql import sql as mysql_sql
from hamysql.mysql.flavours import registry
from hamysql.mysql.flavours.face import Observed
from hamysql.mysql.flavours.mysql.flavour import MySQL
from hamysql.mysql.grants import Grant
from hamysql.mysql.sql import PROLOGUE
from hamysql.system import command
from lab.basics.context import Lab
from lab.machines import roots

SERVER, INSTALL, CLIENT = (shutil.which(name) for name in ("mariadbd", "mariadb-install-db", "mariadb"))
MISSING = (
    ""
    if SERVER and INSTALL and CLIENT
    else "mariadbd, mariadb-install-db or mariadb is missing (Debian: mariadb-server-core, mariadb-client)"
)
MARIADB, MYSQL = registry.FLAVOURS["mariadb"], registry.FLAVOURS["mysql"]
PASSWORD = "canary pass'word\"\\ äöü;--"


@dataclass(frozen=True)
class Programs:
    """The programs of a flavour; ``install`` makes a datadir."""

    server: str
    install: str
    client: str
    admin: str


@cache
def programs(flavour: str) -> Programs:
    """Where the programs of a flavour are; skips the test where they are not here."""
    if flavour == "mariadb":
        if MISSING:
            pytest.skip(MISSING)
        return Programs(SERVER, INSTALL, CLIENT, shutil.which("mariadb-admin"))
    root = roots.mysql_root(Lab())
    if not root.exists():
        pytest.skip("there is no root with MySQL (`python -m lab host --tests` makes it)")
    folder = Path(tempfile.mkdtemp(prefix="hamysql-mysql-"))
    atexit.register(shutil.rmtree, folder)
    folder.chmod(0o755)
    server, client, admin = (str(roots.program(root, name, folder)) for name in ("mysqld", "mysql", "mysqladmin"))
    return Programs(server, server, client, admin)


def make_datadir(flavour: str, data: Path) -> None:
    """An empty database, as the flavour makes it; a root on the server who is let in by the socket, where root runs this."""
    if flavour == "mariadb":
        argv = [programs(flavour).install, "--no-defaults", f"--datadir={data}", "--skip-test-db"]
        argv += ["--user=root"] if os.geteuid() == 0 else []
        auth = "socket" if os.geteuid() == 0 else "normal"
        command.run([*argv, f"--auth-root-authentication-method={auth}"], timeout=120)
        return
    options = data.parent / "made.cnf"
    options.write_text("[mysqld]\nmysqlx=OFF\n")
    name = pwd.getpwuid(os.geteuid()).pw_name
    config = {"install_db": programs(flavour).install, "config": str(options), "user": name}
    made = registry.FLAVOURS[flavour]
    command.run(made.install(config, str(data)), stdin=made.install_input(), timeout=120)


class Server:
    """The module and the state on a running server, and a client beside them."""

    def __init__(self, folder: Path, flavour: str = "mariadb") -> None:
        self.flavour, self.programs = registry.FLAVOURS[flavour], programs(flavour)
        self.socket, self.log = folder / "sock", folder / "general.log"
        self.config = {
            "flavor": flavour,
            "client": self.programs.client,
            "socket": str(self.socket),
            "databases": [],
            "users": [],
        }
        self.module, self.state = load("_modules/hamysql_mysql.py", "m"), load("_states/hamysql_mysql.py", "s")
        self.module.__salt__ = {"hamysql.config": lambda **_: {"mysql": self.config}}
        self.state.__salt__ = {
            "hamysql_mysql.pending": self.module.pending,
            "hamysql_mysql.apply": self.module.apply,
        }

    def sql(self, *statements: str) -> list[str]:
        argv = self.flavour.client(self.config)
        return command.run(argv, stdin=PROLOGUE + "\n".join(statements)).stdout.splitlines()

    @property
    def is_mysql(self) -> bool:
        return isinstance(self.flavour, MySQL)

    @property
    def plugin(self) -> str:
        """The plugin of an account with a password."""
        return self.flavour.password_plugin

    def identified(self, password: str = PASSWORD) -> str:
        """How SQL gives an account this password, by its hash."""
        return self.flavour.identified({self.plugin}, self.flavour.digest(password))

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
        seen = self.observed()
        roles = seen.roles if self.is_mysql else ()
        return mysql_grants.parse("\n".join(shown), self.flavour.privileges, seen.everything, roles).get(
            (user, host), {}
        )

    def observed(self) -> Observed:
        return self.flavour.observed("\n".join(self.sql(self.flavour.accounts_query)) + "\n")

    def login(self, user: str, password: str, statement: str = "SELECT CURRENT_USER();") -> str:
        """What a client with this password sees; its password is in a file, as it should be."""
        options = self.log.with_name("client.cnf")
        quoted = password.replace("\\", "\\\\").replace('"', '\\"')
        options.write_text(
            f'[client]\nuser={user}\npassword="{quoted}"\nsocket={self.socket}\ndefault-character-set=utf8mb4\n'
        )
        argv = [self.programs.client, f"--defaults-file={options}", "--batch", "--skip-column-names"]
        return command.run(argv, stdin=statement).stdout.strip()


@contextmanager
def running(folder: Path, *options: str, flavour: str = "mariadb") -> Iterator[Server]:
    """A new server of its own, with further options."""
    make_datadir(flavour, folder / "data")
    server = Server(folder, flavour)
    argv = [server.programs.server, "--no-defaults", *(["--user=root"] if os.geteuid() == 0 else [])]
    argv += [f"--datadir={folder}/data", f"--socket={server.socket}", "--skip-networking"]
    argv += ["--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=0", f"--general-log-file={server.log}"]
    argv += [f"--pid-file={folder}/pid", "--mysqlx=OFF", "--log-bin-trust-function-creators"] if server.is_mysql else []
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
    left = daemon.observed()
    own = {("root", "localhost"), *((name, "localhost") for name in daemon.flavour.accounts)}
    accounts = [key for key in left.accounts if key not in own]
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
