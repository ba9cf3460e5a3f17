"""The client that measures the gap of an operation, as its own process, with a real MariaDB server that stops and starts again."""

from __future__ import annotations

import socket
import time

import pytest
from database_server import MARIADB, MISSING, running
from minion import load

from hamysql.errors import CommandFailed, NotReady
from hamysql.mysql.tracer import process, tables
from hamysql.system import wait

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)
NODES = ("db1", "db2")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server that listens on TCP as well."""
    port = free_port()
    options = ["--skip-skip-networking", "--bind-address=127.0.0.1", f"--port={port}", "--max-connections=50"]
    with running(tmp_path_factory.mktemp("tracer"), *options) as daemon:
        daemon.config |= {"port": port, "tls": {"enabled": False}}
        yield daemon


@pytest.fixture
def tracer(server, tmp_path, monkeypatch):
    """The module on db1, and all of it gone afterwards."""
    monkeypatch.setattr(process, "FOLDER", tmp_path / "tracer")
    module = load("_modules/hamysql_tracer.py", "hamysql_tracer_module")
    site = {
        "self": "db1",
        "vip": {"address": "127.0.0.1"},
        "cluster": {"nodes": dict.fromkeys(NODES)},
        "mysql": server.config,
    }
    module.__salt__ = {"hamysql.config": lambda **_: site}
    # The default of a parameter is the folder's at import.
    monkeypatch.setattr(process.go, "__defaults__", (tmp_path / "tracer",))
    monkeypatch.setattr(process.stop, "__defaults__", (tmp_path / "tracer",))
    yield module
    module.stop()
    module.forget()


def traces(server) -> list[str]:
    return server.sql("SELECT User FROM mysql.user WHERE User LIKE 'hamysql%';", "SHOW DATABASES LIKE 'hamysql';")


def test_it_writes_and_tells_what_it_has_seen_and_nothing_is_left(server, tracer):
    hashes = {"db1": tracer.start()}
    tracer.admit(hashes)
    seen = tracer.go()["acknowledged"]
    assert seen >= 1
    assert tracer.go(again=True)["acknowledged"] > seen
    seen = tracer.stop()
    assert seen["gap"] > 0
    assert tracer.forget()["db1"] >= seen["number"]
    assert traces(server) == []
    assert not process.FOLDER.exists()
    assert tracer.stop() is None


def test_a_time_without_a_write_is_the_gap(server, tracer):
    tracer.admit({"db1": tracer.start()})
    tracer.go()
    began = time.time()
    server.sql("SET GLOBAL read_only = 1; FLUSH TABLES WITH READ LOCK; SELECT SLEEP(3);")
    server.sql("SET GLOBAL read_only = 0;")
    before = process.go(20)["acknowledged"]
    wait.until(lambda: process.go(20), lambda seen: seen["acknowledged"] > before, "it writes again", timeout=30)
    seen = tracer.stop()
    assert seen["gap"] >= 3
    assert began - 1 < seen["at"] < began + 3
    assert tracer.forget()["db1"] >= seen["number"]


def test_a_connection_that_is_cut_is_made_again(server, tracer):
    tracer.admit({"db1": tracer.start()})
    tracer.go()
    (connection,) = server.sql("SELECT ID FROM information_schema.PROCESSLIST WHERE User = 'hamysql-tracer-1';")
    server.sql(f"KILL {connection};")
    before = process.go(20)["acknowledged"]
    wait.until(lambda: process.go(20), lambda seen: seen["acknowledged"] > before + 1, "it writes again", timeout=30)
    seen = tracer.stop()
    assert seen["failed"] >= 1
    assert "ERROR" in seen["last"]


def test_the_password_stays_on_the_node_and_its_account_can_do_nothing_else(server, tracer):
    tracer.admit({"db1": tracer.start()})
    tracer.go()
    shown = server.sql("SHOW GRANTS FOR 'hamysql-tracer-1'@'%';")
    assert [line for line in shown if "USAGE" not in line] == [
        "GRANT INSERT, DELETE ON `hamysql`.`tracer` TO `hamysql-tracer-1`@`%`"
    ]


def test_where_nobody_is_let_in_it_says_so(server, tracer):
    tracer.start()
    with pytest.raises(NotReady, match="Access denied"):
        tracer.go(timeout=3)


def test_a_run_that_was_killed_is_taken_over_by_the_next(server, tracer):
    tracer.admit({"db1": tracer.start()})
    first = tracer.go()
    hashes = {"db1": tracer.start()}
    assert tracer.admit(hashes)
    assert tracer.go()["number"] <= first["number"] + 1
    assert len(server.sql("SELECT 1 FROM mysql.user WHERE User LIKE 'hamysql-tracer%';")) == 1


def test_where_nobody_ends_it_it_ends_itself_and_cleans_up(server, tracer):
    tracer.admit({"db1": tracer.start(limit=3)})
    tracer.go()
    wait.until(lambda: traces(server), lambda found: not found, "it has cleaned up", timeout=30)


def test_a_table_of_that_name_that_is_somebody_else_s_stays(server, tracer):
    server.sql("CREATE DATABASE hamysql; CREATE TABLE hamysql.tracer (id INT); INSERT INTO hamysql.tracer VALUES (7);")
    try:
        with pytest.raises(CommandFailed, match="already exists"):
            tracer.admit({"db1": tracer.start()})
        assert tracer.forget() == {}
        assert server.sql("SELECT * FROM hamysql.tracer;") == ["7"]
    finally:
        server.sql("DROP DATABASE hamysql;")


def test_a_database_of_that_name_keeps_what_is_in_it(server, tracer):
    server.sql("CREATE DATABASE hamysql; CREATE TABLE hamysql.mine (id INT);")
    try:
        tracer.admit({"db1": tracer.start()})
        tracer.forget()
        assert server.sql("SHOW TABLES FROM hamysql;") == ["mine"]
    finally:
        server.sql("DROP DATABASE hamysql;")


def test_names_of_accounts_fit_into_any_server():
    assert max(len(tables.user(node, ["x" * 64, "y" * 64])) for node in ("x" * 64, "y" * 64)) <= 32
    assert MARIADB.digest("a").startswith("*")
