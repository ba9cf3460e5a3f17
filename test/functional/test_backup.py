"""Backups of a real MariaDB server with the real mariadb-backup, which are restored; damaged, cut off and missing ones are told."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import replace

import pytest
from database_server import CLIENT, MISSING, SERVER, running

from hamysql.backup import folder, job, manifest, restore, take, tracer
from hamysql.backup.folder import Folder
from hamysql.backup.take import Site
from hamysql.errors import CommandFailed, HamysqlError, NotReady, Refused
from hamysql.mysql.flavours import registry
from hamysql.mysql.flavours.tools import SCRATCH_LOG
from hamysql.system.command import run

TOOL = shutil.which("mariadb-backup")
pytestmark = pytest.mark.skipif(
    bool(MISSING) or not TOOL or os.geteuid() != 0,
    reason=MISSING or "mariadb-backup is missing (Debian: mariadb-backup), or this is not root",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running(tmp_path_factory.mktemp("server"), "--log-bin=binlog", "--server-id=7") as daemon:
        folder = daemon.socket.parent
        daemon.config |= {"datadir": f"{folder}/data", "binary": SERVER, "client": CLIENT, "user": "root"}
        daemon.sql("CREATE DATABASE shop; CREATE TABLE shop.orders (id INT PRIMARY KEY) ENGINE = InnoDB;")
        yield daemon


@pytest.fixture
def site(server, tmp_path):
    target = tmp_path / "backups"
    target.mkdir()
    return Site("galaxy-db", "db1", server.config, str(target), "03:00", 2, 0)


@pytest.fixture
def scratch(tmp_path):
    yield tmp_path / "scratch"
    assert not (tmp_path / "scratch").exists()


def test_a_backup_is_taken_written_down_and_restored(server, site, scratch):
    server.sql("REPLACE INTO shop.orders VALUES (1), (2);")
    said = take.take(run, site)
    (kept,) = site.folder.kept()
    assert kept == {"manifest": said, "proof": None}
    assert said["size"] > 1e6
    assert said["files"] > 10
    assert said["tool"].startswith("10.") or said["tool"].startswith("11.")
    assert said["binlog"].startswith("binlog.0000")
    assert said["tracer"]["label"] == said["name"]
    assert site.folder.path.stat().st_mode & 0o777 == 0o700
    proof = restore.tried(run, site, scratch=scratch)
    assert proof["rows"] == said["tracer"]["rows"]
    assert proof["tables"] > 20
    (kept,) = site.folder.kept()
    assert kept["proof"] == proof


def test_the_oldest_ones_go_and_the_newest_proven_one_stays(server, site, scratch):
    moments = iter(range(1_700_000_000, 1_700_001_000, 100))
    names = [take.take(run, site, now=lambda: next(moments))["name"]]
    restore.tried(run, site, scratch=scratch)
    names += [take.take(run, site, now=lambda: next(moments))["name"] for _ in range(3)]
    assert site.folder.names() == [names[3], names[2], names[0]]


def test_a_damaged_backup_is_told_and_gets_no_proof(server, site, scratch):
    said = take.take(run, site)
    file = site.folder.path / said["name"] / manifest.DATA / "ibdata1"
    with open(file, "r+b") as data:
        data.seek(100_000)
        data.write(b"damaged")
    with pytest.raises(HamysqlError, match=r"is damaged: 1 of \d+ files .* ibdata1"):
        restore.tried(run, site, scratch=scratch)
    assert site.folder.kept()[0]["proof"] is None


def test_a_backup_of_another_moment_is_told(server, site, scratch):
    said = take.take(run, site)
    file = site.folder.path / said["name"] / manifest.FILE
    rows = said["tracer"]["rows"]
    file.write_text(file.read_text().replace(f'"rows": {rows}', f'"rows": {rows + 1}'))
    with pytest.raises(HamysqlError, match="is not of that moment"):
        restore.tried(run, site, scratch=scratch)


def test_what_was_cut_off_is_no_backup_and_goes_with_the_next(server, site):
    with site.folder.locked():
        (site.folder.making("20260131T030000Z") / "data").mkdir()
    assert site.folder.names() == []
    said = take.take(run, site)
    assert sorted(path.name for path in site.folder.path.iterdir()) == [".lock", said["name"]]


def test_two_at_once_are_one(server, site, monkeypatch):
    monkeypatch.setattr(folder, "PATIENCE", 0.0)
    with site.folder.locked(), pytest.raises(Refused, match="another backup is at work"):
        take.take(run, site)


def test_one_that_ends_soon_is_waited_for(server, site):
    """Its orchestration was killed, and it was run again."""
    held = site.folder.locked()
    held.__enter__()
    threading.Timer(1, lambda: held.__exit__(None, None, None)).start()
    assert take.take(run, site)["files"] > 0


def test_a_tool_that_fails_leaves_nothing_that_looks_like_a_backup(server, site, tmp_path):
    client = tmp_path / "bin" / "mariadb"
    client.parent.mkdir()
    client.symlink_to(CLIENT)
    tool = client.with_name("mariadb-backup")
    tool.write_text("#!/bin/sh\necho 'disk full' >&2\nmkdir -p \"${4#*=}\"\nexit 1\n")
    tool.chmod(0o755)
    broken = replace(site, mysql={**site.mysql, "client": str(client)})
    with pytest.raises(CommandFailed, match="disk full"):
        take.take(run, broken)
    assert broken.folder.names() == []


def test_a_node_that_does_not_serve_takes_none(site, tmp_path):
    passive = Site(site.cluster, "db2", {**site.mysql, "socket": str(tmp_path / "none")}, site.directory, "03:00", 2, 0)
    with pytest.raises(NotReady, match="on the node that serves"):
        take.take(run, passive)


def test_a_folder_that_is_not_mounted_is_told(site):
    missing = Site(site.cluster, "db1", site.mysql, "/mnt/hamysql-not-there", "03:00", 2, 0)
    with pytest.raises(Refused, match="there is no folder /mnt/hamysql-not-there"):
        take.take(run, missing)


def test_without_a_backup_there_is_nothing_to_restore(site, scratch):
    with pytest.raises(Refused, match="there is no backup"):
        restore.tried(run, site, scratch=scratch)


def test_a_restored_server_that_does_not_start_says_why(server, site, scratch):
    said = take.take(run, site)
    options = site.folder.path / said["name"] / manifest.DATA / "backup-my.cnf"
    options.write_text(f"{options.read_text()}init_file=/nonexistent\n")
    lines = (f"{digest}  {name}\n" for name, digest in folder.sums(options.parent).items())
    (site.folder.path / said["name"] / manifest.SUMS).write_text("".join(lines))
    with pytest.raises(HamysqlError, match=r"does not start:(.|\n)*/nonexistent"):
        restore.tried(run, site, scratch=scratch)


def test_a_test_that_was_killed_is_cleared_away_by_the_next(server, site, scratch):
    """Its server runs on, in a folder that is to go."""
    said = take.take(run, site)
    scratch.mkdir()
    shutil.copytree(site.folder.path / said["name"] / manifest.DATA, scratch / manifest.DATA)
    tool = registry.of(site.mysql).backup(site.mysql, str(scratch / manifest.DATA))
    run(tool.prepare, timeout=120)
    with open(scratch / "out", "wb") as out:
        left = subprocess.Popen(tool.serve, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while run(tool.ask, stdin="SELECT 1;", accept=range(256)).returncode:
            assert left.poll() is None, (scratch / SCRATCH_LOG).read_text()
            assert time.monotonic() < deadline
            time.sleep(0.2)
        threading.Thread(target=left.wait, daemon=True).start()  # init does that for an orphan
        proof = restore.tried(run, site, scratch=scratch)
        assert left.wait(10) == -signal.SIGKILL
        assert proof["rows"]
    finally:
        left.kill()


def test_the_standby_tries_the_newest_out_once_each_week(server, site, scratch, tmp_path):
    """It has no server, and its data is mounted nowhere."""
    standby = replace(site, mysql={**site.mysql, "socket": str(tmp_path / "none")}, test_every=7)
    assert "no test is due" in job.scheduled(run, standby)
    take.take(run, site)
    assert site.folder.glance(run)["proven"] is None
    assert "tables are in order" in job.try_out(run, standby, scratch=scratch)
    (kept,) = site.folder.kept()
    assert kept["proof"]
    glance = site.folder.glance(run)
    assert glance["newest"] == kept["manifest"]["began"].replace(" ", "T")
    assert glance["proven"]
    assert "no test is due" in job.try_out(run, standby, scratch=scratch)
    take.take(run, site, now=lambda: 1_900_000_000)
    (site.folder.path / kept["manifest"]["name"] / manifest.PROOF).unlink()
    assert "the next attempt is tomorrow" in job.try_out(run, standby, scratch=scratch)
    assert "no test is wanted" in job.scheduled(run, replace(standby, test_every=0))
    assert replace(site, directory="/mnt/hamysql-not-there").folder.glance(run) is None


def test_where_the_data_is_mounted_nothing_is_tried_out(site):
    assert "nothing is tried out" in job.try_out(run, replace(site, mysql={**site.mysql, "datadir": "/"}, test_every=7))


def test_the_rows_of_backups_do_not_grow_without_end(server, monkeypatch):
    monkeypatch.setattr(tracer, "MOST", 3)
    for number in range(5):
        out = server.sql(tracer.written(f"row{number}"), tracer.asked(f"row{number}"))
    assert tracer.read(out[-1], "row4") == ({"label": "row4", "rows": 3}, True)
    server.sql("DROP DATABASE hamysql;")


def test_each_cluster_has_a_folder_of_its_own(tmp_path):
    assert Folder(str(tmp_path), "a").path != Folder(str(tmp_path), "b").path
