"""Binary logs of a real server are shipped, and a backup is brought to a second by them, in a folder and in a repository of restic."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from database_server import CLIENT, MISSING, SERVER, Server, make_datadir

from hamysql.backup import beside as backup_beside
from hamysql.backup import manifest, prepare, restic, restore, swap, take
from hamysql.backup.logs import chain, replay, ship, snapshots
from hamysql.backup.take import Site
from hamysql.errors import CommandFailed, HamysqlError, Refused
from hamysql.system import root, wait
from hamysql.system.command import run

pytestmark = pytest.mark.skipif(
    bool(MISSING) or not shutil.which("mariadb-backup") or not shutil.which("mariadb-binlog") or os.geteuid() != 0,
    reason=MISSING
    or "mariadb-backup or mariadb-binlog is missing (Debian: mariadb-backup, mariadb-client), or this is not root",
)
PASSWORD = "canary of the logs"


class Node:
    """A datadir with a server that writes binary logs, and a place for backups; a second server on it is that of the other node."""

    def __init__(self, path, environment=None):
        self.path, self.datadir = path, path / "data"
        make_datadir("mariadb", self.datadir)
        self.server = Server(path)
        self.server.config |= {"datadir": str(self.datadir), "binary": SERVER, "client": CLIENT, "user": "root"}
        (path / "backups").mkdir()
        self.site = Site(
            *("galaxy-db", "db1", self.server.config, "" if environment else str(path / "backups"), "03:00", 7, 0),
            staging=str(path / "staging"),
            environment=environment or {},
        )
        self.process = None

    def start(self, *options):
        argv = [SERVER, "--no-defaults", "--user=root", f"--datadir={self.datadir}", f"--socket={self.server.socket}"]
        argv += ["--skip-networking", "--log-bin=binlog", "--sync-binlog=1", "--server-id=7", *options]
        with open(self.path / "error.log", "a") as log:
            self.process = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        up = lambda: self.process.poll() is not None or self.server.module.active()  # noqa: E731
        wait.until(up, bool, "it answers", timeout=60)
        assert self.process.poll() is None, (self.path / "error.log").read_text()

    def end(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(60)

    def sql(self, *statements):
        return self.server.sql(*statements)

    def add(self, row):
        """Write a row; returns a second before which it was committed, and after which nothing was."""
        self.sql(f"INSERT INTO shop.orders VALUES ({row});")
        (now,) = self.sql("SELECT FLOOR(UNIX_TIMESTAMP(SYSDATE(6)));")
        until = int(now) + 1
        wait.until(time.time, lambda moment: moment >= until, "the second is over", timeout=3, interval=0.05)
        return until

    def ship(self):
        return ship.ship(run, self.site)

    def restored(self, to, query="SELECT id FROM shop.orders ORDER BY id;"):
        """What a query finds in the data of a moment, as it would be served; ``to`` is in seconds."""
        out = []

        def asked(argv, **options):
            if argv[-1] == "--silent":  # the tables are about to be checked
                tool = [word for word in argv if "sock" in word]
                out.extend(run([CLIENT, "--no-defaults", *tool, "--user=root", "-BN"], stdin=query).stdout.splitlines())
            return run(argv, **options)

        proof = restore.tried(asked, self.site, scratch=self.path / "scratch", to=chain.told(to))
        assert proof["tables"] > 20
        assert not (self.path / "scratch").exists()
        return out


@contextmanager
def served(path, environment=None):
    made = Node(path, environment)
    made.start()
    try:
        made.sql("CREATE DATABASE shop; CREATE TABLE shop.orders (id INT PRIMARY KEY) ENGINE = InnoDB;")
        yield made
    finally:
        made.end()


@pytest.fixture
def node(tmp_path):
    with root.below(tmp_path / "node"), served(tmp_path) as made:
        yield made


@pytest.fixture
def with_restic(tmp_path):
    if not shutil.which("restic"):
        pytest.skip("restic is missing (Debian: restic)")
    environment = {restic.REPOSITORY: str(tmp_path / "repository"), "RESTIC_PASSWORD": PASSWORD}
    with root.below(tmp_path / "node"), served(tmp_path, environment) as made:
        yield made


def names(node):
    return sorted(path.name for path in (node.path / "backups/galaxy-db/logs").glob("2*"))


def test_a_row_a_table_and_an_account_of_a_second_are_there_and_later_ones_are_not(node):
    node.add(1)
    take.take(run, node.site)
    first = node.add(2)
    node.sql("CREATE TABLE shop.more (id INT); CREATE USER later@localhost IDENTIFIED BY 'canary';")
    node.sql("GRANT SELECT ON shop.* TO later@localhost; INSERT INTO shop.more VALUES (7);")
    node.sql(
        "CREATE PROCEDURE shop.p() SELECT 1; CREATE TRIGGER shop.t BEFORE INSERT ON shop.more FOR EACH ROW SET @x = 1;"
    )
    second = node.add(3)
    node.sql("DROP TABLE shop.orders;")
    assert "can be restored" in node.ship()
    assert node.restored(first) == ["1", "2"]
    assert node.restored(second) == ["1", "2", "3"]
    asked = "SELECT COUNT(*) FROM mysql.global_priv WHERE User = 'later'; SELECT id FROM shop.more;"
    assert node.restored(second, asked) == ["1", "7"]
    assert node.restored(first, asked.partition(";")[0]) == ["0"]
    (kept,) = node.site.folder.kept()
    assert kept["proof"]


def test_an_event_of_the_scheduler_is_there_as_well(node):
    take.take(run, node.site)
    node.sql("CREATE EVENT shop.e ON SCHEDULE EVERY 1 DAY DO DELETE FROM shop.orders;")
    to = node.add(1)
    node.ship()
    assert node.restored(to, "SELECT name FROM mysql.event;") == ["e"]


def test_what_is_out_of_reach_is_refused_with_what_is_possible(node):
    assert "no backup yet" in node.ship()
    said = take.take(run, node.site)
    with pytest.raises(Refused, match="no moment yet"):
        replay.target(run, node.site, "2026-01-31 03:00:00")
    node.add(1)
    node.ship()
    (found,) = chain.ranges([said], node.site.place(run).logs().shipped())
    possible = f"{chain.told(found.begin)} to {chain.told(found.end)}"
    for second in (found.begin - 1, found.end + 1):
        with pytest.raises(Refused, match=possible):
            replay.target(run, node.site, chain.told(second))
    with pytest.raises(Refused, match="expected a time in UTC"):
        replay.target(run, node.site, "yesterday")


def test_a_server_that_nobody_writes_to_begins_no_new_log_and_the_moment_goes_on(node):
    take.take(run, node.site)
    node.add(1)
    node.ship()
    there, point = names(node), node.site.folder.glance(run)["point"]
    end = time.time() + 2
    wait.until(time.time, lambda now: now > end, "two seconds", timeout=5)
    node.ship()
    assert names(node) == there
    assert node.site.folder.glance(run)["point"] > point
    to = node.add(2)
    node.ship()
    assert len(names(node)) == len(there) + 1
    assert node.restored(to) == ["1", "2"]


def test_the_other_node_goes_on_with_the_same_chain_after_a_power_cut(node):
    take.take(run, node.site)
    node.add(1)
    node.ship()
    node.add(2)
    node.end(signal.SIGKILL)
    node.site = replace(node.site, node="db2")
    node.start()
    to = node.add(3)
    node.ship()
    assert node.restored(to) == ["1", "2", "3"]
    (found,) = chain.ranges([node.site.folder.kept()[0]["manifest"]], node.site.place(run).logs().shipped())
    assert [log.number for log in found.logs] == [1, 2, 3]


@pytest.mark.parametrize("tail", ["cut", "zeros", "garbage"])
def test_half_an_event_of_a_power_cut_is_no_damage_and_the_transaction_is_not_replayed(node, tail):
    take.take(run, node.site)
    node.add(1)
    node.ship()
    node.add(2)
    node.add(9)
    node.end(signal.SIGKILL)
    log = sorted(node.datadir.glob("binlog.0*"))[-1]
    content = log.read_bytes()
    cut = len(content) - 40  # in the rows or the end of the transaction that writes 9
    log.write_bytes(content[:cut] + {"cut": b"", "zeros": bytes(40), "garbage": b"\x11" * 40}[tail])
    node.start()
    node.sql("DELETE FROM shop.orders WHERE id = 9;")
    to = node.add(3)
    node.ship()
    assert [row for row in node.restored(to) if row != "9"] == ["1", "2", "3"]


def test_a_damaged_log_is_told_and_nothing_is_restored(node):
    take.take(run, node.site)
    node.add(1)
    to = node.add(2)
    node.ship()
    file = node.path / "backups/galaxy-db/logs" / names(node)[0]
    content = file.read_bytes()
    for damaged in (content[:-30], content[:-60] + b"x" + content[-59:]):
        file.write_bytes(damaged)
        with pytest.raises(HamysqlError, match=r"binlog.000001 is damaged at byte \d+ of \d+"):
            node.restored(to)
    assert not (node.path / "scratch").exists()


def test_a_gap_is_told_until_the_next_backup(node):
    take.take(run, node.site)
    first = node.add(1)
    node.ship()
    node.add(2)
    node.sql("FLUSH BINARY LOGS;")
    node.add(3)
    node.sql("FLUSH BINARY LOGS; PURGE BINARY LOGS TO 'binlog.000003';")
    to = node.add(4)
    assert "no backup leads to them" in node.ship()
    with pytest.raises(Refused, match=f"possible is .* to {chain.told(first)[:-2]}"):
        node.restored(to)
    take.take(run, node.site)
    to = node.add(5)
    assert "can be restored" in node.ship()
    assert node.restored(to) == ["1", "2", "3", "4", "5"]
    assert node.restored(first) == ["1"]


def test_a_restored_cluster_has_a_chain_of_its_own_and_an_undo_the_old_one_again(node):
    """Its logs begin with number 1 once more."""
    said = take.take(run, node.site)
    first = node.add(1)
    node.add(2)
    node.ship()
    with backup_beside.opened(node.datadir, make=True) as beside:
        to = chain.told(first)
        intent = prepare.prepared(run, node.site, said["name"], beside, 120, to)
        assert (intent.to, to in intent.point) == (to, True)
        assert prepare.prepared(run, node.site, said["name"], beside, 120, to) == intent
        node.end()
        swap.replaced(beside, intent)
        node.start()
        assert node.sql("SELECT id FROM shop.orders;") == ["1"]
        assert not list(node.datadir.glob("logs"))
        node.add(10)
        assert "no backup leads to them" in node.ship()
        take.take(run, node.site)
        other = node.add(11)
        node.ship()
        assert node.restored(other) == ["1", "10", "11"]
        assert node.restored(first) == ["1"]
        node.end()
        swap.undone(beside, beside.intent())
    node.start()
    back = node.add(20)
    node.ship()
    assert node.restored(other) == ["1", "10", "11"]
    (old,) = [item for item in ranges(node) if item.backup["name"] == said["name"]]
    assert old.end >= back
    assert len(old.logs) > 2


def ranges(node):
    place = node.site.place(run)
    return chain.ranges([item["manifest"] for item in place.kept()], place.logs().shipped())


def test_logs_that_no_backup_needs_go(node):
    node.site = replace(node.site, keep=1)
    take.take(run, node.site)
    node.add(1)
    node.ship()
    old = names(node)
    node.add(2)
    take.take(run, node.site)
    node.add(3)
    node.ship()
    node.add(4)
    to = node.add(5)
    node.ship()
    assert not set(old) & set(names(node))
    assert node.restored(to) == ["1", "2", "3", "4", "5"]


def test_a_log_that_was_cut_off_is_shipped_again(node):
    take.take(run, node.site)
    node.add(1)
    node.ship()
    (last,) = names(node)
    folder = node.path / "backups/galaxy-db/logs"
    (folder / last).rename(folder / f".making-{last}")
    to = node.add(2)
    node.ship()
    assert last in names(node)
    assert not list(folder.glob(".making*"))
    assert node.restored(to) == ["1", "2"]


def test_a_server_without_binary_logs_is_told(node):
    node.end()
    node.start("--skip-log-bin")
    said = take.take(run, node.site)
    assert "log" not in said
    assert "writes no binary logs yet" in node.ship()


def test_what_the_databases_account_puts_in_a_logs_place_is_not_read(node):
    take.take(run, node.site)
    node.add(1)
    node.sql("FLUSH BINARY LOGS;")
    log = node.datadir / "binlog.000001"
    log.rename(node.datadir / "elsewhere")
    log.symlink_to("/etc/shadow")
    with pytest.raises(HamysqlError, match="expected a regular file"):
        node.ship()


def test_one_ships_at_a_time_and_a_backup_is_no_obstacle(node):
    place = node.site.place(run)
    take.take(run, node.site)
    node.add(1)
    with place.locked():
        assert "can be restored" in node.ship()
    with place.logs().locked(), pytest.raises(Refused, match="somebody else ships"):
        node.ship()


def test_a_repository_has_one_snapshot_of_a_days_logs_and_gives_them_back(with_restic, monkeypatch):
    node = with_restic
    assert "no backup yet" in node.ship()
    take.take(run, node.site)
    program = node.site.place(run).restic
    first = node.add(1)
    node.ship()
    node.add(2)
    node.ship()
    (one,) = program.snapshots(snapshots.TAG)
    node.ship()  # nobody has written: the same snapshot will do for some minutes
    assert program.snapshots(snapshots.TAG) == [one]
    monkeypatch.setattr(snapshots, "IDLE", 0)
    node.ship()
    (other,) = program.snapshots(snapshots.TAG)
    assert other != one
    to = node.add(3)
    node.ship()
    assert len(program.snapshots(snapshots.TAG)) == 1
    assert node.restored(first) == ["1"]
    assert node.restored(to) == ["1", "2", "3"]
    glance = node.site.place(run).glance(run)
    assert glance["point"] >= manifest.moment_of(to)
    assert glance["newest"]


def test_in_a_repository_old_logs_go_and_a_gap_is_told(with_restic):
    node = with_restic
    node.site = replace(node.site, keep=1)
    take.take(run, node.site)
    first = node.add(1)
    node.ship()
    node.sql("RESET MASTER;")
    node.add(2)
    assert "no backup leads to them" in node.ship()
    assert len(node.site.place(run).restic.snapshots(snapshots.TAG)) == 2
    take.take(run, node.site)
    to = node.add(3)
    node.ship()
    with pytest.raises(Refused, match="possible is"):
        node.restored(first)
    assert node.restored(to) == ["1", "2", "3"]
    assert len(node.site.place(run).restic.snapshots(snapshots.TAG)) == 1


def test_restic_waits_for_another_one_and_unlocks_what_a_killed_one_has_left(with_restic):
    node = with_restic
    take.take(run, node.site)
    program = node.site.place(run).restic
    environment = {**os.environ, **program.environment}
    argv = ["restic", "backup", "--stdin", "--quiet"]
    busy = subprocess.Popen(argv, env=environment, stdin=subprocess.PIPE)
    locks = Path(program.environment[restic.REPOSITORY]) / "locks"
    wait.until(lambda: list(locks.iterdir()), bool, "it has its lock", timeout=30)
    (found,) = program.snapshots("hamysql-backup")
    with pytest.raises(CommandFailed, match="unable to create lock"):
        replace(program, patience=0).forget([found["id"]])
    busy.kill()
    busy.wait()
    program.forget([found["id"]])
    assert program.snapshots("hamysql-backup") == []
