"""Changes of the options of a real MariaDB server: what is set while it runs, what waits, what nobody can know."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from minion import load

from hamysql.errors import CommandFailed, Refused
from hamysql.mysql import flushing
from hamysql.mysql import settings as mysql_settings
from hamysql.mysql.flavours import registry
from hamysql.system import command

SERVER, INSTALL, CLIENT = (shutil.which(name) for name in ("mariadbd", "mariadb-install-db", "mariadb"))
pytestmark = pytest.mark.skipif(
    not (SERVER and INSTALL and CLIENT),
    reason="mariadbd, mariadb-install-db or mariadb is missing (Debian: mariadb-server-core, mariadb-client)",
)
ACCOUNT = ["--user=root"] if os.geteuid() == 0 else []
OPTIONS = {
    "max_connections": "50",
    "innodb_log_file_size": "8M",
    "innodb_buffer_pool_size": "16M",
    "loose-nonsense": "1",
}


class Site:
    """A node with a database server: its option file, its process, and the module that looks at both."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.process = folder, None
        self.options = dict(OPTIONS)
        self.module = load("_modules/hamysql_change.py", "hamysql_change_module")
        self.module.RECORD = folder / "run" / "mysqld.json"
        self.module.__salt__ = {}
        self.rolling = load("_modules/hamysql_rolling.py", "hamysql_rolling_module")
        self.rolling.__salt__ = {"hamysql.config": lambda **_: {"mysql": self.config}}
        auth = "socket" if ACCOUNT else "normal"
        argv = [INSTALL, "--no-defaults", *ACCOUNT, f"--datadir={folder}/data", "--skip-test-db"]
        command.run([*argv, f"--auth-root-authentication-method={auth}"], timeout=120)

    @property
    def config(self) -> dict:
        """`mysql` of the resolved configuration, as far as it is looked at."""
        own = {
            "datadir": f"{self.folder}/data",
            "socket": f"{self.folder}/sock",
            "pid-file": f"{self.folder}/pid",
            "log-error": f"{self.folder}/log",
            **({"user": "root"} if ACCOUNT else {}),
        }
        options = {"mysqld": {**own, **self.options}}
        return {
            "options": options,
            "tls": {"enabled": False},
            "option_lines": {group: list(mysql_settings.option_lines(lines)) for group, lines in options.items()},
            "config": f"{self.folder}/my.cnf",
            "config_fragment": f"{self.folder}/my.cnf",
            "binary": SERVER,
            "flavor": "mariadb",
            "client": CLIENT,
            "pid_file": own["pid-file"],
            "socket": own["socket"],
        }

    def write(self, **options) -> None:
        """What a highstate does: note what is in service, then write the file."""
        self.options = {**OPTIONS, **options}
        self.options = {name: value for name, value in self.options.items() if value != "gone"}
        self.pending()
        lines = [f"[{group}]\n" + "\n".join(lines) for group, lines in self.config["option_lines"].items()]
        (self.folder / "my.cnf").write_text("# Managed by Salt\n\n" + "\n".join(lines) + "\n")

    def pending(self) -> dict[str, tuple[str, str, str]]:
        found = self.module._mysql(self.config)
        return {item.path.rpartition(":")[2]: (item.kind, item.old, item.new) for item in found}

    def apply(self) -> None:
        self.module._set_variables(self.config)

    def start(self) -> None:
        # The kernel counts starts in ticks of 10 ms: a file that was written in the same one is not surely older.
        written = (self.folder / "my.cnf").stat().st_ctime
        while time.time() < written + 2 / os.sysconf("SC_CLK_TCK"):
            time.sleep(0.005)
        with open(self.folder / "output", "w") as output:
            argv = [SERVER, f"--defaults-file={self.folder}/my.cnf", "--skip-networking"]
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        deadline = time.monotonic() + 60
        while True:
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            try:
                self.sql("SELECT 1;")
                return
            except CommandFailed:
                time.sleep(0.1)

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(60)

    def sql(self, statement: str) -> str:
        return command.run(registry.of(self.config).client(self.config), stdin=statement).stdout.strip()

    def variable(self, name: str) -> str:
        return self.sql(f"SELECT @@GLOBAL.{name};")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("change"))
    yield site
    site.stop()


@pytest.fixture
def site(made):
    """A server that has just started with its file; nothing is recorded about it."""
    made.stop()
    made.write()
    made.module.RECORD.unlink(missing_ok=True)
    made.start()
    return made


def test_a_server_that_started_with_its_file_has_nothing_pending(site):
    assert site.pending() == {}
    assert site.module.RECORD.stat().st_mode & 0o077 == 0o044  # nothing in it is secret, and its folder is closed
    assert site.module.RECORD.parent.stat().st_mode & 0o777 == 0o700


def test_a_dynamic_variable_is_set_while_it_runs_and_only_once(site):
    site.write(max_connections="60")
    assert site.pending() == {"max_connections": ("live", "50", "60")}
    site.apply()
    assert site.variable("max_connections") == "60"
    assert site.pending() == {}


def test_what_the_server_makes_of_a_value_is_not_pending_forever(site):
    site.write(innodb_buffer_pool_size="17M")  # it rounds to whole chunks
    site.apply()
    assert site.pending() == {}


def test_an_option_that_left_the_file_gets_its_default_back(site):
    site.write(max_connections="gone")
    assert site.pending() == {"max_connections": ("live", "50", "the default")}
    site.apply()
    assert site.variable("max_connections") == "151"
    assert site.pending() == {}


def test_what_cannot_be_set_waits_for_the_next_start(site):
    changed = {"table_open_cache_instances": "4", "loose-nonsense": "2"}
    site.write(**changed)
    expected = {
        "loose-nonsense": ("restart", "1", "2"),
        "table_open_cache_instances": ("restart", "the default", "4"),
    }
    assert site.pending() == expected
    site.apply()
    assert site.pending() == expected
    site.stop()
    site.start()
    assert site.pending() == {}
    assert site.variable("table_open_cache_instances") == "4"


def test_an_operator_s_own_value_for_the_moment_is_no_change_of_the_pillar(site):
    site.sql("SET GLOBAL max_connections = 77;")
    assert site.pending() == {}


def test_a_file_written_behind_our_back_makes_the_options_unknown_until_a_start(site):
    site.write(max_connections="60")
    site.module.RECORD.unlink()
    assert site.pending()["config"][0] == "restart"
    site.stop()
    site.start()
    assert site.pending() == {}


def test_a_value_that_the_server_does_not_accept_is_told_in_its_words(site):
    site.write(binlog_format="NONSENSE")
    with pytest.raises(CommandFailed, match="binlog_format"):
        site.apply()
    assert site.pending() == {"binlog_format": ("live", "the default", "NONSENSE")}
    site.write()


def test_options_are_checked_without_a_start(site):
    assert site.rolling.check_options() is True
    site.write(no_such_option="1", max_connections="abc")
    with pytest.raises(Refused, match="max_connections"):
        site.rolling.check_options()
    site.write(innodb_buffer_pool_size="70%")
    with pytest.raises(Refused, match="Unknown suffix '%'"):
        site.rolling.check_options()
    site.write()


def test_without_a_server_nothing_is_pending(site):
    site.stop()
    assert site.pending() == {}


def test_a_server_that_a_killed_move_has_left_writing_its_pages_at_once_is_set_back_by_a_highstate(
    site, tmp_path, monkeypatch
):
    name = flushing.FLUSHING[0]
    monkeypatch.setattr(flushing, "NOTE", tmp_path / "flushing.json")
    before = site.variable(name)
    verbs = load("_modules/hamysql_mysql.py", "hamysql_mysql_beside")
    verbs.__salt__ = {"hamysql.config": lambda **_: {"mysql": site.config}}
    flushing.begin(dict.fromkeys(flushing.FLUSHING, 0.0) | {name: float(before)})
    site.sql(f"SET GLOBAL {name} = 0;")
    assert name not in site.pending()  # the move is under way
    os.close(flushing._held.pop())
    assert site.pending()[name] == ("live", "0, which a killed move has left", f"{float(before):g}")
    monkeypatch.setattr(site.module, "__salt__", {"hamysql_mysql.unflush": verbs.unflush})
    monkeypatch.setattr(site.module, "_site", lambda: {"mysql": site.config})
    monkeypatch.setattr(site.module, "_pending", lambda given: site.module._mysql(given["mysql"]))
    assert list(site.module.apply()) == [f"hamysql:mysql:config:mysqld:{name}"]
    assert site.variable(name) == before
    assert name not in site.pending()
