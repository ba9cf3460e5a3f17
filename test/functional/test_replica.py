"""A real server follows another one, from a real backup: seeded, killed, broken, seeded again, promoted; and the way back."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from dataclasses import replace as changed

import certificates
import pytest
from database_server import CLIENT, MISSING, SERVER, Server, make_datadir

from hamysql.backup import restore, take
from hamysql.backup import swap as backup_swap
from hamysql.backup.take import Site
from hamysql.config import resolution
from hamysql.errors import CommandFailed, NotReady, Refused
from hamysql.master.replicas import situation
from hamysql.mysql.flavours import registry
from hamysql.replica import account, record, site, verbs
from hamysql.replica import server as replica_server
from hamysql.system import command, root, wait
from hamysql.system.command import Result
from support import load_pillar, parameters

pytestmark = pytest.mark.skipif(
    bool(MISSING) or not shutil.which("mariadb-backup") or os.geteuid() != 0,
    reason=MISSING or "mariadb-backup is missing (Debian: mariadb-backup), or this is not root",
)
OPTIONS = registry.FLAVOURS["mariadb"].replication({}).options


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Killed(BaseException):
    """The job ends here."""


class Machine:
    """A datadir with a server that listens on loopback, and can be killed."""

    def __init__(self, path, empty, number, options):
        self.path, self.datadir, self.number, self.options = path, path / "data", number, options
        shutil.copytree(empty, self.datadir)
        (path / "tmp").mkdir()  # a server that starts removes the temporary tables of others
        self.server = Server(path)
        self.server.config |= {"datadir": str(self.datadir), "binary": SERVER, "client": CLIENT, "user": "root"}
        self.server.config |= {"tls": {"enabled": False}, "roles": []}
        self.port = free_port()
        self.process = None

    def start(self):
        argv = [SERVER, f"--defaults-file={self.options}"] if self.options.exists() else [SERVER, "--no-defaults"]
        if (more := self.options.with_name(verbs.PROMOTED_OPTIONS)).exists():
            argv.append(f"--{more.read_text().splitlines()[-1].replace(' ', '')}")
        argv += ["--user=root", f"--datadir={self.datadir}", f"--socket={self.server.socket}", f"--port={self.port}"]
        argv += [
            "--bind-address=127.0.0.1",
            f"--server-id={self.number}",
            "--innodb-buffer-pool-size=32M",
            f"--tmpdir={self.path}/tmp",
        ]
        with open(self.path / "error.log", "a") as log:
            self.process = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        wait.until(lambda: self.process.poll() is not None or self.server.module.active(), bool, "", timeout=60)
        assert self.process.poll() is None, (self.path / "error.log").read_text()

    def end(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(60)

    def sql(self, *statements):
        return self.server.sql(*statements)

    def rows(self):
        return [int(row) for row in self.sql("SELECT id FROM shop.orders ORDER BY id;")]


class World:
    """A cluster's server, and a machine that becomes a replica; ``systemctl`` is ours, all other programs are real."""

    def __init__(self, path, empty):
        self.path = path
        source = path / "source.cnf"
        source.write_text("[mysqld]\nlog-bin = binlog\nsync-binlog = 1\n")
        self.source = Machine(path / "source", empty, 7, source)
        options = path / "node/etc/mysql/mariadb.conf.d/90-hamysql.cnf"
        options.parent.mkdir(parents=True)
        lines = [f"{name} = {value}" for name, value in OPTIONS.items()]
        options.write_text("\n".join(["[mysqld]", *lines, "sync-binlog = 0", ""]))
        self.replica = Machine(path / "replica", empty, 8, options)
        (path / "backups").mkdir()
        self.site = Site("galaxy-db", "db1", self.source.server.config, str(path / "backups"), "03:00", 7, 0)
        self.step = lambda words: None
        backup = {
            "cluster": "galaxy-db",
            "node": "reports",
            "mysql": {
                key: self.replica.server.config[key]
                for key in ("flavor", "client", "socket", "datadir", "binary", "user")
            },
            "directory": str(path / "backups"),
            "at": "03:00",
            "keep": 7,
            "throttle": 0,
            "test_at": "05:00",
            "test_every": 0,
            "mounted": False,
            "staging": "",
            "repository": False,
        }
        self.task = {
            "cluster": "galaxy-db",
            "name": "reports",
            "address": "127.0.0.1",
            "port": self.source.port,
            "tls": False,
            "ca": "",
            "verify": False,
            "service": "mariadb.service",
            "options": "/etc/mysql/mariadb.conf.d/90-hamysql.cnf",
            "repository": "",
            "backup": backup,
        }
        self.server = replica_server.Server(self.run, self.task)

    def run(self, argv, **options):
        self.step(" ".join(map(str, argv)) + (options.get("stdin") or ""))
        if argv[0] != "systemctl":
            return command.run(argv, **options)
        if argv[1] == "stop":
            self.replica.end()
        elif argv[1] == "start":
            self.replica.start()
        return Result(0, "")

    def admit(self):
        return account.admit(command.run, self.source.server.config, "127.0.0.1", verbs.digest(self.server))

    def seed(self, name=None):
        """What the orchestration asks the machine for, from the backup on."""
        self.admit()
        noted = record.read()
        going = noted["backup"] if noted and noted["stage"] == record.SEEDING else None
        chosen = name or going or take.take(command.run, self.site)["name"]
        verbs.begin(self.server, {}, chosen)
        verbs.prepared(self.server, {}, 120)
        verbs.exchanged(self.server, 120)
        verbs.follows(self.server)
        self.caught_up()
        verbs.finished(self.server)
        return chosen

    def caught_up(self, timeout=60):
        return verbs.caught_up(self.server, account.source(command.run, self.source.server.config, "db1"), timeout)

    def situation(self):
        return situation.of(replica_server.look(self.server), (), "galaxy-db", f"127.0.0.1:{self.source.port}")

    def again(self):
        """A second backup begins in a second of its own."""
        time.sleep(1.1)


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A datadir as it is made, which each test copies."""
    made = tmp_path_factory.mktemp("empty") / "data"
    make_datadir("mariadb", made)
    return made


@pytest.fixture
def world(tmp_path, empty):
    with root.below(tmp_path / "node"):
        made = World(tmp_path, empty)
        made.source.start()
        made.replica.start()
        try:
            made.source.sql("CREATE DATABASE shop; CREATE TABLE shop.orders (id INT PRIMARY KEY) ENGINE = InnoDB;")
            made.source.sql("INSERT INTO shop.orders VALUES (1);")
            yield made
        finally:
            made.source.end()
            made.replica.end()


def test_a_real_server_takes_the_options_that_follow_from_a_pillar(tmp_path):
    pillar = load_pillar("fenced")
    pillar["backup"] = {"directory": "/mnt/backups", "binary_logs": True}
    pillar["replicas"] = {"reports": {"address": "192.0.2.31"}}
    merged = resolution.layered(parameters("Debian"), pillar)
    found = resolution.resolve(merged, minion_id="db1", nodename="db1")
    options = tmp_path / "replica.cnf"
    options.write_text("\n".join([*found["replicas"]["reports"]["option_lines"], ""]))
    flavour = registry.FLAVOURS["mariadb"]
    said = command.run([SERVER, f"--defaults-file={options}", *flavour.validate], accept=range(256))
    assert said.returncode == 0, said.stderr
    assert flavour.not_taken(said.stderr, switches=True) == []
    shown = dict(line.split(maxsplit=1) for line in said.stdout.splitlines() if len(line.split()) == 2)
    wanted = {
        "log-slave-updates": "FALSE",
        "gtid-strict-mode": "TRUE",
        "master-retry-count": "0",
        "slave-net-timeout": "10",
    }
    assert {name: shown[name] for name in wanted} == wanted


def test_it_is_seeded_and_what_is_written_later_gets_there(world):
    assert world.situation().kind == situation.NEW
    world.seed()
    assert world.situation().kind == situation.FOLLOWS
    world.source.sql("INSERT INTO shop.orders VALUES (2), (3); CREATE TABLE shop.more (id INT);")
    world.source.sql("CREATE USER reader@'%' IDENTIFIED BY 'canary'; GRANT SELECT ON shop.* TO reader@'%';")
    found = world.caught_up()
    assert world.replica.rows() == [1, 2, 3]
    assert (found["receives"], found["applies"], found["read_only"], found["own"]) == ("Yes", "Yes", True, "")
    assert found["lag"] is not None
    with pytest.raises(CommandFailed, match="read-only"):
        world.replica.server.login("reader", "canary", "INSERT INTO shop.orders VALUES (9);")
    assert not (world.replica.datadir / ".hamysql").exists(), "nothing is left of the seeding"
    assert world.admit() == [], "a second run changes nothing, and writes nothing to the binary log"


def test_its_password_is_its_own_and_in_no_output(world):
    said = []
    world.step = said.append
    world.replica.sql(f"SET GLOBAL general_log_file = '{world.path}/general.log'; SET GLOBAL general_log = ON;")
    world.seed()
    secret = record.password()
    place = root.at(record.SECRET)
    assert (place.stat().st_mode & 0o777, len(secret)) == (0o600, 40)
    assert [words for words in said if secret in words and "MASTER_PASSWORD" not in words] == []
    shown = [path for path in world.path.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    assert {path.name for path in shown} == {"replica.password", "master.info"}
    world.source.sql("DROP USER 'hamysql-replica'@'127.0.0.1';")
    world.replica.sql("STOP SLAVE; START SLAVE;")
    wait.until(lambda: world.server.following()["error"], bool, "it is turned away", timeout=30)
    assert secret not in replica_server.said(world.server.following())


class Writer:
    """A client that writes one row after the other, and knows which ones were acknowledged."""

    def __init__(self, world):
        self.world, self.acknowledged, self.end = world, [], threading.Event()
        self.thread = threading.Thread(target=self._write)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        self.thread.join()

    def _write(self):
        row = 100
        while not self.end.is_set():
            row += 1
            try:
                self.world.source.sql(f"INSERT INTO shop.orders VALUES ({row});")
                self.acknowledged.append(row)
            except CommandFailed:
                time.sleep(0.05)

    def writes_more(self):
        """Wait until more than 20 further rows are acknowledged."""
        seen = len(self.acknowledged)
        wait.until(lambda: len(self.acknowledged), lambda count: count > seen + 20, "", timeout=60)


def test_it_survives_failovers_without_a_loss_or_a_duplicate(world):
    """The server is killed under a writer and started on the same data, as behind the virtual IP."""
    world.seed()
    with Writer(world) as writer:
        for _ in range(3):
            writer.writes_more()
            world.source.end(signal.SIGKILL)
            world.source.start()
    world.caught_up(120)
    rows = world.replica.rows()
    assert rows == world.source.rows()
    assert set(writer.acknowledged) <= set(rows)
    assert world.situation().kind == situation.FOLLOWS


def test_it_survives_its_own_power_cut(world):
    world.seed()
    with Writer(world) as writer:
        for _ in range(2):
            writer.writes_more()
            world.replica.end(signal.SIGKILL)
            world.replica.start()
    world.caught_up(120)
    assert world.replica.rows() == world.source.rows()


def test_one_that_is_broken_is_told_and_seeded_again(world):
    world.seed()
    world.replica.sql("SET SESSION sql_log_bin = 0; DELETE FROM shop.orders;")
    world.source.sql("SET SESSION binlog_format = ROW; UPDATE shop.orders SET id = 5 WHERE id = 1;")
    with pytest.raises(NotReady, match=r"reports has stopped at 0-7-\d+: .*shop\.orders"):
        world.caught_up()
    found = world.situation()
    assert found.kind == situation.BROKEN
    assert found.replaces
    world.again()
    world.seed()
    assert world.situation().kind == situation.FOLLOWS
    assert world.replica.rows() == [5]


def test_what_somebody_writes_on_it_is_seen_though_nothing_stops(world):
    world.seed()
    world.replica.sql("INSERT INTO shop.orders VALUES (77);")
    world.source.sql("INSERT INTO shop.orders VALUES (2);")
    found = world.caught_up()
    assert not found["ended"]
    assert world.situation().kind == situation.BROKEN
    assert "somebody has written to it (0-8-" in world.situation().why


def test_logs_that_are_purged_break_it_and_a_stop_by_hand_does_not(world):
    world.seed()
    world.replica.sql("STOP SLAVE;")
    assert world.situation().kind == situation.STOPPED
    verbs.follows(world.server)
    world.caught_up()
    world.replica.sql("STOP SLAVE;")
    world.source.sql("INSERT INTO shop.orders VALUES (2); FLUSH BINARY LOGS;")
    last = world.source.sql("SHOW BINARY LOGS;")[-1].split("\t")[0]
    wait.until(
        lambda: world.source.sql(f"PURGE BINARY LOGS TO '{last}'; SHOW BINARY LOGS;"),
        lambda left: len(left) == 1,
        "the old logs are gone",
        timeout=30,
    )
    verbs.follows(world.server)
    with pytest.raises(NotReady, match="reports has stopped"):
        world.caught_up()
    assert world.situation().kind == situation.BROKEN


def killed_before(word):
    def step(words):
        if word in words:
            raise Killed

    return step


@pytest.mark.parametrize(
    "moment",
    [
        "--prepare",
        "--silent",
        "systemctl stop",
        "systemctl start",
        "RESET SLAVE ALL",
        "START SLAVE",
        "MASTER_GTID_WAIT",
    ],
)
def test_killed_at_each_step_and_run_again_it_goes_on_from_the_same_backup(world, moment):
    world.source.sql("INSERT INTO shop.orders VALUES (2);")
    world.step = killed_before(moment)
    with pytest.raises(Killed):
        world.seed()
    began = record.read()["backup"]
    world.source.sql("INSERT INTO shop.orders VALUES (3);")
    world.step = lambda words: None
    assert world.seed() == began
    assert world.replica.rows() == [1, 2, 3]


@pytest.mark.parametrize("number", [0, 5, 15])
def test_killed_at_renames_the_machine_boots_without_a_server_and_goes_on(world, number, monkeypatch):
    count, real = iter(range(1000)), backup_swap.replaced

    def step(_):
        if next(count) == number:
            raise Killed

    monkeypatch.setattr(backup_swap, "replaced", lambda beside, intent: real(beside, intent, step))
    try:
        world.seed()
        pytest.fail("it was not killed")
    except Killed:
        pass
    monkeypatch.setattr(backup_swap, "replaced", real)
    world.seed()
    assert world.replica.rows() == [1]


def test_a_position_is_set_once(world):
    """Whoever is killed after the start finds data that was applied since: setting the position again would apply it again."""
    world.step = killed_before("MASTER_GTID_WAIT")
    with pytest.raises(Killed):
        world.seed()
    world.source.sql("INSERT INTO shop.orders VALUES (2);")
    wait.until(world.replica.rows, lambda rows: rows == [1, 2], "it is applied", timeout=30)
    said = []
    world.step = said.append
    world.seed()
    assert not [words for words in said if "gtid_slave_pos =" in words]
    assert world.replica.rows() == [1, 2]


def test_it_is_promoted_with_all_that_it_has_and_the_cluster_gets_that_back(world):
    world.seed()
    world.source.sql("INSERT INTO shop.orders VALUES (2);")
    world.caught_up()
    world.source.end(signal.SIGKILL)
    found = verbs.promote(world.server, 60)
    assert (found["source"], found["read_only"]) == ("", False)
    assert verbs.promote(world.server, 60)["source"] == "", "run again, it is done"
    assert world.situation().kind == situation.PROMOTED
    world.replica.sql("INSERT INTO shop.orders VALUES (3);")
    world.replica.end()
    world.replica.start()
    assert world.replica.sql("SELECT @@GLOBAL.read_only;") == ["0"], "a restart does not make it a replica again"
    # The way back: its backup is one that the cluster restores.
    said = take.take(command.run, site.backups(world.task, {}))
    assert said["node"] == "reports"
    world.source.start()
    proof = restore.tried(command.run, changed(world.site), said["name"], scratch=world.path / "scratch")
    assert proof["tables"] > 20


def test_a_promotion_applies_what_was_received_and_not_applied_yet(world):
    world.seed()
    world.replica.sql("STOP SLAVE SQL_THREAD;")
    world.source.sql("INSERT INTO shop.orders VALUES (2), (3);")
    position = account.source(command.run, world.source.server.config, "db1")
    wait.until(
        lambda: world.server.following()["received"], lambda seen: seen == position, "it is received", timeout=30
    )
    world.source.end(signal.SIGKILL)
    world.replica.sql("START SLAVE SQL_THREAD;")
    verbs.promote(world.server, 60)
    assert world.replica.rows() == [1, 2, 3]


def test_with_tls_it_insists_on_a_certificate_that_an_authority_vouches_for(world):
    """The certificate has the address; one that another authority has signed is not believed, and nothing is sent there."""
    found = certificates.pair(extensions="subjectAltName=IP:127.0.0.1")
    cert, key, ca = found["cert"], found["key"], found["ca"]
    folder = world.path / "tls"
    folder.mkdir()
    other, _ = certificates.authority("other")
    for name, text in {"cert": cert, "key": key, "ca": ca, "other": other}.items():
        (folder / f"{name}.pem").write_text(text)
    tls = {"enabled": True, "cert": cert, "key": None, "ca": ca, "required": False}
    assert account.has_address(command.run, tls, "127.0.0.1")
    assert not account.has_address(command.run, tls, "192.0.2.1")
    world.source.end()
    lines = [f"ssl-{name} = {folder}/{name}.pem" for name in ("cert", "key")]
    world.source.options.write_text("\n".join([world.source.options.read_text(), *lines, ""]))
    world.source.start()
    world.source.server.config["tls"] = tls
    world.task |= {"tls": True, "ca": str(folder / "other.pem"), "verify": True}
    world.admit()
    verbs.begin(world.server, {}, take.take(command.run, world.site)["name"])
    verbs.prepared(world.server, {}, 120)
    verbs.exchanged(world.server, 120)
    verbs.follows(world.server)
    refused = wait.until(world.server.following, lambda seen: seen["error"], "it is refused", timeout=30)
    assert "SSL connection error" in refused["error"]
    world.replica.sql("STOP SLAVE; RESET SLAVE ALL;")
    world.task["ca"] = str(folder / "ca.pem")
    verbs.follows(world.server)
    world.caught_up()
    (shown,) = world.source.sql("SHOW CREATE USER 'hamysql-replica'@'127.0.0.1';")
    assert "REQUIRE SSL" in shown


def test_what_is_no_replica_is_refused(world):
    with pytest.raises(Refused, match="reports does not have all data of a backup yet"):
        verbs.promote(world.server, 5)
    with pytest.raises(Refused, match="this machine is not being seeded"):
        verbs.exchanged(world.server, 5)
    with pytest.raises(Refused, match="reports is no replica, or was promoted"):
        verbs.follows(world.server)
    with pytest.raises(Refused, match="there is no backup"):
        verbs.begin(world.server, {}, "20260131T030000Z")
    with pytest.raises(NotReady, match="this machine is no replica yet"):
        site.read()
    world.replica.sql("CREATE DATABASE own;")
    found = world.situation()
    assert (found.kind, found.databases) == (situation.FOREIGN, ("own",))
    world.source.sql("SET GLOBAL sync_binlog = 0, GLOBAL innodb_flush_log_at_trx_commit = 2;")
    with pytest.raises(Refused, match=r"sync_binlog is 0(?s:.*)innodb_flush_log_at_trx_commit is 2"):
        account.source(command.run, world.source.server.config, "db1")
