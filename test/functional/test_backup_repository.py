"""Backups in a real repository of restic: taken, listed, restored, proven, thinned out; cut off, damaged and shut ones are told."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from database_server import CLIENT, MISSING, SERVER, running
from test_restore_into_service import Place as InService

from hamysql.backup import job, place, repository, restic, restore, swap, take
from hamysql.backup.take import Site
from hamysql.errors import CommandFailed, HamysqlError, Refused
from hamysql.system import command, root
from hamysql.system.command import run

pytestmark = pytest.mark.skipif(
    bool(MISSING) or not shutil.which("mariadb-backup") or not shutil.which("restic") or os.geteuid() != 0,
    reason=MISSING or "mariadb-backup or restic is missing (Debian: mariadb-backup, restic), or this is not root",
)
PASSWORD = "canary,of the=repository"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running(tmp_path_factory.mktemp("server"), "--log-bin=binlog", "--server-id=7") as daemon:
        daemon.config |= {"datadir": f"{daemon.socket.parent}/data", "binary": SERVER, "client": CLIENT, "user": "root"}
        yield daemon


@pytest.fixture
def site(server, tmp_path):
    """A site whose repository nobody has made yet; restic's cache is below the test's folder."""
    environment = {restic.REPOSITORY: str(tmp_path / "repository"), "RESTIC_PASSWORD": PASSWORD}
    with root.below(tmp_path / "node"):
        yield Site(
            *("galaxy-db", "db1", server.config, "", "03:00", 2, 0),
            staging=str(tmp_path / "staging"),
            environment=environment,
        )


@pytest.fixture
def scratch(tmp_path):
    yield tmp_path / "scratch"
    assert not (tmp_path / "scratch").exists()


def seen_by_all(argv, **options):
    """As :func:`run`; what everybody can see of a program has no secret."""
    assert not any(PASSWORD in word for word in argv)
    try:
        return run(argv, **options)
    except CommandFailed as exc:
        assert argv[0] != "restic"
        raise exc


def left(site):
    """What is left of backups on the node."""
    return [path.name for path in Path(site.staging).rglob("*") if path.name not in (site.cluster, ".lock")]


def test_a_backup_goes_into_the_repository_and_comes_back(server, site, scratch, caplog):
    caplog.set_level("DEBUG")
    assert site.place(run).kept() == []  # nobody has made the repository yet
    standby = replace(site, test_every=7, mysql={**site.mysql, "socket": str(scratch / "none")})
    assert "no test is due" in job.scheduled(run, standby)
    said = take.take(seen_by_all, site)
    assert left(site) == []
    found = site.place(run)
    assert found.kept() == [{"manifest": said, "proof": None}]
    assert found.glance(run) == {"newest": said["began"].replace(" ", "T"), "proven": None, "point": None}
    proof = restore.tried(seen_by_all, site, scratch=scratch)
    assert proof["rows"] == said["tracer"]["rows"]
    assert found.kept() == [{"manifest": said, "proof": proof}]
    assert found.glance(run)["proven"] == proof["when"].replace(" ", "T")
    assert PASSWORD not in caplog.text
    assert PASSWORD not in repr(site)


def test_a_backup_of_a_repository_replaces_the_data(tmp_path):
    made = InService(tmp_path)
    environment = {restic.REPOSITORY: str(tmp_path / "repository"), "RESTIC_PASSWORD": PASSWORD}
    made.site = replace(made.site, directory="", staging=str(tmp_path / "staging"), environment=environment)
    with root.below(tmp_path / "node"), made.served() as daemon:
        daemon.sql("CREATE DATABASE shop; CREATE TABLE shop.orders (id INT PRIMARY KEY) ENGINE = InnoDB;")
        daemon.sql("INSERT INTO shop.orders VALUES (1);")
        name = take.take(run, made.site)["name"]
        daemon.sql("INSERT INTO shop.orders VALUES (2);")
        assert made.prepare(name).tables > 20
    made.act(swap.replaced)
    assert made.rows() == ["1"]


def test_nothing_in_the_repository_is_readable_without_its_password(server, site):
    server.sql("CREATE DATABASE IF NOT EXISTS shop; CREATE OR REPLACE TABLE shop.words (word TEXT) ENGINE = MyISAM;")
    server.sql("INSERT INTO shop.words VALUES ('plain words that a thief would read');")
    take.take(run, site)
    files = [path for path in Path(site.environment[restic.REPOSITORY]).rglob("*") if path.is_file()]
    assert len(files) > 4
    assert not [path for path in files if b"that a thief" in path.read_bytes()]
    other = replace(site, environment={**site.environment, "RESTIC_PASSWORD": "canary another one"})
    with pytest.raises(HamysqlError, match=r"cannot be read(.|\n)*wrong password") as told:
        take.take(run, other)
    assert "canary" not in str(told.value)


def test_the_oldest_ones_go_and_the_newest_proven_one_stays(server, site, scratch):
    moments = iter(range(1_700_000_000, 1_700_001_000, 100))
    names = [take.take(run, site, now=lambda: next(moments))["name"]]
    restore.tried(run, site, scratch=scratch)
    names += [take.take(run, site, now=lambda: next(moments))["name"] for _ in range(3)]
    assert site.place(run).names() == [names[3], names[2], names[0]]


def test_what_others_keep_in_the_same_repository_stays(server, site):
    program = restic.Restic(run, site.environment, "somebody-else")
    program.make()
    folder = Path(site.staging)
    folder.mkdir()
    (folder / "theirs").write_text("theirs")
    program.keep(folder, ["theirs"], [repository.TAG])
    for moment in (1_700_000_000, 1_700_000_100):
        take.take(run, replace(site, keep=1), now=lambda moment=moment: moment)
    assert len(site.place(run).names()) == 1
    assert len(program.snapshots()) == 1


def test_an_upload_that_is_cut_off_is_no_backup_and_leaves_no_copy_on_the_node(server, site):
    take.take(run, site, now=lambda: 1_700_000_000)

    def cut_off(argv, **options):
        if "backup" in argv:
            raise CommandFailed(argv, -9, f"cut off, with {PASSWORD}")
        return run(argv, **options)

    with pytest.raises(CommandFailed, match="cut off") as told:
        take.take(cut_off, site)
    assert "canary" not in str(told.value)
    assert left(site) == []
    assert len(site.place(run).names()) == 1


def test_what_a_killed_job_has_left_goes_with_the_next(server, site):
    """A copy, and restic's lock of a process that is gone."""
    take.take(run, site, now=lambda: 1_700_000_000)
    staged = site.place(run).staged
    (staged.making("20260131T030000Z") / "data").mkdir()
    (staged.path / "20260130T030000Z").mkdir()
    take.take(run, site)
    assert left(site) == []


def test_a_damaged_repository_is_told_and_gives_no_proof(server, site, scratch):
    take.take(run, site)
    packs = sorted(
        (Path(site.environment[restic.REPOSITORY]) / "data").rglob("*"), key=lambda path: path.stat().st_size
    )
    with open(packs[-1], "r+b") as file:
        file.seek(packs[-1].stat().st_size // 2)
        file.write(b"damaged" * 1000)
    with pytest.raises(HamysqlError):
        restore.tried(run, site, scratch=scratch)
    assert site.place(run).kept()[0]["proof"] is None


def test_without_room_for_the_copy_nothing_is_made(server, site, monkeypatch):
    usage = shutil.disk_usage("/")._replace(free=1_000_000)
    monkeypatch.setattr(repository.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(Refused, match=r"has 1 MB left, and a backup is made there .*which needs \d+ MB"):
        take.take(run, site)
    assert left(site) == []


def test_the_timers_job_reads_the_secrets_from_roots_file(server, site, tmp_path):
    keys = ("cluster", "node", "directory", "at", "keep", "throttle", "test_at", "test_every", "mounted", "staging")
    task = {**{key: getattr(site, key) for key in keys}, "mysql": {key: server.config[key] for key in job._MYSQL}}
    file = tmp_path / "backup.json"
    file.write_text(json.dumps({**task, "repository": True}))
    file.with_name(job.SECRETS).write_text(json.dumps(site.environment))
    assert "min after its time" in job.main(file)
    assert "no backup is due" in job.main(file)


@pytest.fixture
def elsewhere():
    """A folder on another file system than the root."""
    if os.stat("/dev/shm").st_dev == os.stat("/").st_dev:
        pytest.skip("/dev/shm is no file system of its own here")
    made = Path(tempfile.mkdtemp(prefix="hamysql-", dir="/dev/shm"))
    yield made
    shutil.rmtree(made)


def test_a_place_that_is_not_mounted_is_refused_before_anything_is_written(site, tmp_path, elsewhere):
    target = tmp_path / "target"
    target.mkdir()
    (tmp_path / "node").mkdir()
    folder = replace(site, directory=str(target), environment={}, mounted=True)
    with pytest.raises(Refused, match=r"nothing is mounted on .*backup:mounted to false"):
        take.take(run, folder)
    environment = {**site.environment, restic.REPOSITORY: str(target / "repository")}
    with pytest.raises(Refused, match="nothing is mounted on"):
        take.take(run, replace(site, environment=environment, mounted=True))
    assert list(target.iterdir()) == []
    place.must_be_mounted(elsewhere)
    assert take.take(run, replace(folder, directory=str(elsewhere)))["files"] > 10
    with pytest.raises(Refused, match="there is no folder"):
        place.must_be_mounted(elsewhere / "gone")


def test_a_repository_out_of_reach_is_told_without_its_login(site):
    """restic asks such an address itself; nobody is there."""
    address = "rest:http://me:canary-word@127.0.0.1:9/galaxy"
    program = restic.Restic(run, {restic.REPOSITORY: address, "RESTIC_PASSWORD": PASSWORD}, "galaxy-db")
    assert program.told == "rest:http://127.0.0.1:9/galaxy"
    assert "canary" not in program.masked(f"{address} {PASSWORD}")


def test_restic_is_found_where_programs_are_looked_for():
    assert command.exists("restic")
