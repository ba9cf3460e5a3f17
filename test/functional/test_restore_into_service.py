"""A real backup of a real server replaces its data: killed before each change, run again, undone, confirmed; and what is refused."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import replace as changed

import pytest
from database_server import CLIENT, MISSING, SERVER, Server, make_datadir
from test_backup import TOOL

from hamysql.backup import beside as backup_beside
from hamysql.backup import prepare, swap, take
from hamysql.backup.beside import DONE, ENTERING, LEAVING, READY, UNDO
from hamysql.backup.take import Site
from hamysql.errors import HamysqlError, Refused
from hamysql.system import wait
from hamysql.system.command import run

pytestmark = pytest.mark.skipif(
    bool(MISSING) or not TOOL or os.geteuid() != 0,
    reason=MISSING or "mariadb-backup is missing (Debian: mariadb-backup), or this is not root",
)


class Killed(BaseException):
    """The process ends here."""


class Place:
    """A datadir, a server that can be stopped and started on it, and a folder for backups."""

    def __init__(self, path):
        self.path, self.datadir = path, path / "data"
        make_datadir("mariadb", self.datadir)
        (self.datadir / "lost+found").mkdir(mode=0o700)
        self.server = Server(path)
        self.server.config |= {"datadir": str(self.datadir), "binary": SERVER, "client": CLIENT, "user": "root"}
        (path / "backups").mkdir()
        self.site = Site("galaxy-db", "db1", self.server.config, str(path / "backups"), "03:00", 7, 0)

    @contextmanager
    def served(self):
        argv = [SERVER, "--no-defaults", "--user=root", f"--datadir={self.datadir}", f"--socket={self.server.socket}"]
        with open(self.path / "error.log", "w") as log:
            process = subprocess.Popen(
                [*argv, "--skip-networking", "--log-bin=binlog", "--innodb-log-file-size=32M"],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        try:
            up = lambda: process.poll() is not None or self.server.module.active()  # noqa: E731
            wait.until(up, bool, "it answers", timeout=60)
            assert process.poll() is None, (self.path / "error.log").read_text()
            yield self.server
        finally:
            process.terminate()
            process.wait(60)

    def rows(self):
        with self.served() as server:
            return server.sql("SELECT id FROM shop.orders ORDER BY id;")

    @contextmanager
    def beside(self, make=False):
        with backup_beside.opened(self.datadir, make) as found:
            yield found

    def prepare(self, name):
        with self.beside(make=True) as beside:
            return prepare.prepared(run, self.site, name, beside, 120)

    def act(self, verb, step=lambda _: None):
        with self.beside() as beside:
            return verb(beside, beside.intent(), step)

    def state_of(self, verb):
        """The intent that a verb has, whose folders are told."""
        found = self.state()
        return found if verb == "replaced" else changed(found, direction=UNDO)

    def state(self):
        with self.beside() as beside:
            return beside.intent()


@pytest.fixture
def place(tmp_path):
    """A server whose backup has one row, and which has two."""
    made = Place(tmp_path)
    with made.served() as server:
        server.sql("CREATE DATABASE shop; CREATE TABLE shop.orders (id INT PRIMARY KEY) ENGINE = InnoDB;")
        server.sql("INSERT INTO shop.orders VALUES (1);")
        made.name = take.take(run, made.site)["name"]
        server.sql("INSERT INTO shop.orders VALUES (2);")
        made.intent = made.prepare(made.name)  # while it serves
        assert server.sql("SELECT COUNT(*) FROM shop.orders;") == ["2"]
    return made


def killed_at(number):
    """A step that ends the process at the change of that number."""
    count = iter(range(10_000))

    def step(_):
        if next(count) == number:
            raise Killed

    return step


def test_the_backup_is_served_and_the_data_of_before_is_kept_and_can_be_put_back(place):
    assert place.intent.stage == READY
    assert place.intent.tables > 20
    assert place.act(swap.replaced).stage == DONE
    assert place.rows() == ["1"]
    with place.beside() as beside:
        assert beside.kept() == [f"before-{place.name}"]
        assert os.stat(beside.path / f"before-{place.name}").st_mode & 0o777 == 0o700
    found = place.act(swap.undone)
    assert (found.direction, found.stage) == (UNDO, DONE)
    assert place.rows() == ["1", "2"]
    with place.beside() as beside:
        assert beside.kept() == [f"after-{place.name}"]


def test_done_again_nothing_is_exchanged_twice(place):
    for verb, rows in ((swap.replaced, ["1"]), (swap.undone, ["1", "2"])):
        place.act(verb)
        assert place.act(verb).stage == DONE
        assert place.rows() == rows


@pytest.mark.parametrize("verb", ["replaced", "undone"])
def test_killed_before_each_change_it_goes_on(place, verb):
    """Each attempt is killed one change later than the one before; nothing is lost or written over, and no server starts between."""
    if verb == "undone":
        place.act(swap.replaced)
    whole = [sorted(os.listdir(place.datadir))]
    with place.beside() as beside:
        whole.append(sorted({*os.listdir(beside.path / place.state_of(verb).into), ".hamysql", "lost+found"}))
    stages, attempts = set(), 0
    while True:
        try:
            place.act(getattr(swap, verb), killed_at(1 + attempts % 2))
            break
        except Killed:
            attempts += 1
        stages.add(place.state().stage)
        there = sorted(os.listdir(place.datadir))
        assert "mysql" not in there or there in whole
    assert {LEAVING, ENTERING} <= stages
    assert attempts > 10
    assert place.rows() == (["1"] if verb == "replaced" else ["1", "2"])


def test_no_server_starts_while_the_data_is_exchanged(place):
    with pytest.raises(Killed):
        place.act(swap.replaced, killed_at(3))
    assert place.state().stage == LEAVING
    with pytest.raises(AssertionError), place.served():
        pass
    with place.beside() as beside:
        gone = set(os.listdir(beside.path / f"before-{place.name}"))
    made = gone & set(os.listdir(place.datadir))
    assert made
    with pytest.raises(Refused, match="somebody has started a server meanwhile"):
        place.act(swap.replaced)
    for name in made:
        (place.datadir / name).unlink()
    place.act(swap.replaced)
    assert place.rows() == ["1"]
    place.act(swap.undone)
    assert place.rows() == ["1", "2"]


def test_an_undo_ends_a_restore_that_was_cut_off(place):
    with pytest.raises(Killed):
        place.act(swap.replaced, killed_at(5))
    place.act(swap.undone)
    assert place.rows() == ["1", "2"]


def test_a_confirmation_takes_away_what_is_not_served(place):
    place.act(swap.replaced)
    with place.beside() as beside, pytest.raises(Refused, match="no database answers here"):
        swap.confirmed(beside, lambda: False)
    with place.served() as server:
        with place.beside() as beside:
            assert swap.confirmed(beside, server.module.active) == [f"before-{place.name}"]
        backup_beside.close(place.datadir)
        assert not (place.datadir / ".hamysql").exists()
        assert server.sql("SELECT id FROM shop.orders;") == ["1"]
        assert take.take(run, place.site, now=lambda: 1_900_000_000)["files"] > 10


def test_a_backup_that_is_taken_while_data_is_kept_has_none_of_it_and_can_be_restored(place):
    place.act(swap.replaced)
    with place.served():
        name = take.take(run, place.site, now=lambda: 1_900_000_000)["name"]
    data = place.site.folder.path / name / "data"
    assert not [path for path in data.rglob("*.ibd") if ".hamysql" in path.parts]
    with place.beside() as beside:
        swap.confirmed(beside, lambda: True)
    place.prepare(name)
    place.act(swap.replaced)
    assert place.rows() == ["1"]


def test_another_restore_has_to_wait_for_a_word(place):
    place.act(swap.replaced)
    with pytest.raises(Refused, match="its data is kept still"):
        place.prepare(place.name)


def test_a_prepared_copy_can_be_given_up_and_is_prepared_once(place):
    assert place.prepare(place.name) == place.intent
    with place.beside() as beside:
        assert swap.given_up(beside) is True
        assert swap.given_up(beside) is False
    backup_beside.close(place.datadir)
    assert not (place.datadir / ".hamysql").exists()
    assert place.rows() == ["1", "2"]


def test_a_damaged_backup_is_told_before_anything_stops_and_its_copy_goes(place):
    with place.beside() as beside:
        swap.given_up(beside)
    with open(place.site.folder.path / place.name / "data" / "ibdata1", "r+b") as data:
        data.seek(100_000)
        data.write(b"damaged")
    with pytest.raises(HamysqlError, match="is damaged"):
        place.prepare(place.name)
    with place.beside() as beside:
        assert os.listdir(beside.handle) == []


def test_without_room_it_is_said_how_much_is_missing(place, monkeypatch):
    with place.beside() as beside:
        swap.given_up(beside)
    usage = shutil.disk_usage(place.path)._replace(free=1_000_000)
    monkeypatch.setattr(prepare.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(Refused, match=r"has 1 MB left, .* needs \d+ MB: \d+ MB are missing"):
        place.prepare(place.name)


def test_a_server_with_its_log_elsewhere_is_not_restored(place, tmp_path):
    with place.beside() as beside:
        swap.given_up(beside)
    (tmp_path / "log").mkdir()
    (place.datadir / "ib_logfile0").rename(tmp_path / "log" / "ib_logfile0")
    argv = [SERVER, "--no-defaults", "--user=root", f"--datadir={place.datadir}", f"--socket={place.server.socket}"]
    process = subprocess.Popen(
        [*argv, "--skip-networking", f"--innodb-log-group-home-dir={tmp_path}/log"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    try:
        wait.until(place.server.module.active, bool, "it answers", timeout=60)
        with pytest.raises(Refused, match="keeps a part of its data in"):
            place.prepare(place.name)
    finally:
        process.terminate()
        process.wait(60)


def test_a_backup_of_another_series_is_not_restored(place):
    with place.beside() as beside:
        swap.given_up(beside)
    file = place.site.folder.path / place.name / "manifest.json"
    file.write_text(file.read_text().replace('"server": "1', '"server": "9'))
    with place.served(), pytest.raises(Refused, match=r"is of the server 9.*, and 1.* serves here"):
        place.prepare(place.name)


def test_somebody_elses_folder_is_not_entered(place, tmp_path):
    with place.beside() as beside:
        swap.given_up(beside)
    backup_beside.close(place.datadir)
    (tmp_path / "other").mkdir()
    (place.datadir / ".hamysql").symlink_to(tmp_path / "other")
    with pytest.raises(Refused, match="is no folder"):
        place.prepare(place.name)
    (place.datadir / ".hamysql").unlink()
    (place.datadir / ".hamysql").mkdir()
    os.chown(place.datadir / ".hamysql", 65534, 65534)
    with pytest.raises(Refused, match="is not root's alone"):
        place.prepare(place.name)
