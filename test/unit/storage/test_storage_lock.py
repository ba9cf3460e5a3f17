"""Two jobs at once on one node: the orchestration was killed, what it started goes on, and the next run comes to the same step."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from lun_nfs_world import DEVICE, Lun, Nas
from storage_world import World
from test_storage_converges import assert_done, deployed

from hamysql.errors import Refused
from hamysql.storage import lock as storage_lock
from hamysql.storage.latch import Stage
from hamysql.system.command import Result, run
from support import ROOT

WORK = r"another job is still at work on this node's storage \(first, process \d+\)"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A lock that nobody else has, in a folder that is not there yet, as after a power cut."""
    monkeypatch.setattr(storage_lock, "FOLDER", tmp_path / "run" / "hamysql")
    return storage_lock.FOLDER


def refused() -> bool:
    try:
        with storage_lock.held("second"):
            return False
    except Refused:
        return True


def test_a_second_job_is_told_who_is_at_work(folder):
    with storage_lock.held("first"):
        with pytest.raises(Refused, match=f"second: {WORK}; wait for it to end"):
            with storage_lock.held("second"):
                pass
    assert not refused()
    assert folder.stat().st_mode & 0o777 == 0o700


def test_the_service_has_a_lock_of_its_own(folder):
    with storage_lock.held("first"), storage_lock.held("move to db2", "service"):
        message = r"move to db1: another job is still at work on this node's service \(move to db2, process \d+\)"
        with pytest.raises(Refused, match=message):
            with storage_lock.held("move to db1", "service", 0):
                pass


def test_an_error_gives_it_back(folder):
    with pytest.raises(ZeroDivisionError):
        with storage_lock.held("first"):
            raise ZeroDivisionError
    assert not refused()


def test_a_second_job_waits_for_a_first_that_ends_soon(folder, monkeypatch):
    monkeypatch.setattr(storage_lock, "PATIENCE", 60)
    holder = subprocess.Popen(["flock", folder_of(folder), "sleep", "0.5"])
    try:
        while not refused_now(monkeypatch):
            time.sleep(0.01)
        with storage_lock.held("second"):
            assert holder.poll() is not None
    finally:
        holder.kill()
        holder.wait()


def folder_of(folder) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder / "storage.lock")


def refused_now(monkeypatch) -> bool:
    with monkeypatch.context() as context:
        context.setattr(storage_lock, "PATIENCE", 0)
        return refused()


KILLED = """
import sys; sys.path.insert(0, {utils!r})
from pathlib import Path
from hamysql.storage import lock as storage_lock
from hamysql.system import command
storage_lock.FOLDER = Path({folder!r})
with storage_lock.held("first"):
    command.run(["sh", "-c", "echo $$ > {pid}; exec sleep 60"])
"""


def test_a_program_that_outlives_its_job_keeps_it(folder, tmp_path):
    pid = tmp_path / "pid"
    text = KILLED.format(utils=str(ROOT / "_utils"), folder=str(folder), pid=pid)
    job = subprocess.Popen([sys.executable, "-c", text])
    try:
        while not (pid.exists() and pid.read_text().strip()):
            assert job.poll() is None
            time.sleep(0.02)
        job.kill()
        job.wait()
        assert refused()
    finally:
        job.kill()
        job.wait()
        os.kill(int(pid.read_text()), signal.SIGKILL)
    deadline = time.monotonic() + 60
    while refused():  # the kernel takes a moment to end it
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_given_back_no_program_has_it(folder):
    with storage_lock.held("first"):
        pass
    assert "storage.lock" not in run(["sh", "-c", "ls -l /proc/self/fd"]).stdout


# --- the verbs

VERBS = ("create_metadata", "up", "seed", "make_filesystem", "initialise_datadir", "release", "seal")


def during(world: World, program: str, act) -> list:
    """Have something happen in the middle of a program, once; returns what comes of it."""
    came = []
    original = getattr(world, program)

    def call(node, argv):
        if not came:
            came.append(None)
            came[0] = act()
        return original(node, argv)

    setattr(world, program, call)
    return came


@pytest.mark.parametrize(
    ("verb", "program"),
    [
        ("create_metadata", "_create_md"),
        ("up", "_up"),
        ("seed", "_primary"),
        ("make_filesystem", "_mkfs"),
        ("initialise_datadir", "_mariadb_install_db"),
        ("release", "_secondary"),
    ],
)
def test_nothing_is_done_on_a_node_while_a_verb_is_at_work(verb, program):
    world = World()
    for step in VERBS[: VERBS.index(verb)]:
        for name in ("db1", "db2") if step in ("create_metadata", "up") else ("db1",):
            world.perform(name, step)
    calls = []

    def again():
        for other in (*VERBS, "rejoin"):
            try:
                world.perform("db1", other)
            except Refused as exc:
                calls.append(f"{other}: another job is still at work on this node's storage ({verb}" in str(exc))
        for other, argument in (
            ("wipe", {"found": []}),
            ("adopt", {"device_uuid": "1"}),
            ("skip_initial_sync", {"run_id": "1"}),
        ):
            with pytest.raises(Refused, match="still at work"):
                world.perform("db1", other, **argument)

    during(world, program, again)
    assert world.perform("db1", verb) is True
    assert calls == [True] * (len(VERBS) + 1)


@pytest.mark.parametrize("program", ["_create_md", "_up", "_primary", "_mkfs", "_mariadb_install_db", "_secondary"])
def test_the_next_run_leaves_what_is_at_work_alone_and_the_one_after_it_gets_to_the_end(program):
    world = World()
    # The first orchestration is killed in the middle; its job on the node goes on, and this is the second one.
    second = during(world, program, world.deploy)
    assert world.deploy()["result"] is True
    assert second[0]["result"] is False
    assert "still at work" in second[0]["comment"]
    assert_done(world)
    assert world.serve()


def test_reading_waits_for_nobody():
    world = World()
    seen = during(world, "_create_md", lambda: world.perform("db1", "survey")["latch"]["stage"])
    assert world.perform("db1", "create_metadata") is True
    assert seen == ["CLAIMED"]


# --- what the latch says of the first database is looked at


def unmounted(world, node, argv):
    """The mount has gone meanwhile; the same folder of the root file system got the database."""
    node.mounted = False
    return Result(0, "")


def of_another(world, node, argv):
    node.source = "/dev/sdc1"
    return Result(0, "")


def nothing(world, node, argv):
    return Result(0, "")


@pytest.mark.parametrize("install", [unmounted, of_another, nothing])
def test_a_database_that_is_not_on_the_replicated_device_is_not_recorded(install):
    world = World()
    original = world._mariadb_install_db
    world._mariadb_install_db = lambda node, argv: install(world, node, argv)
    world._sync = lambda node, argv: Result(0, "")
    returned = world.deploy()
    assert returned["result"] is False
    assert "/dev/drbd0 holds no database" in returned["comment"]
    node = world.nodes["db1"]
    assert (node.latch.stage, node.mounted) == (Stage.FILESYSTEM, False)
    node.source, world._mariadb_install_db = "/dev/drbd0", original
    assert_done(deployed(world))
    assert world.serve()


# --- a LUN, an export

SHARED = {
    Lun: ("claim", "make_filesystem", "initialise_datadir", "seal"),
    Nas: ("claim", "initialise_datadir", "seal"),
}
OF_ALL = {
    Lun: {"make_volume": {}, "wipe": {"found": []}, "adopt": {"uuid": "1"}},
    Nas: {"look": {}, "adopt": {"uuid": "1"}},
}


@pytest.mark.parametrize(
    ("kind", "verb", "program"),
    [
        (Lun, "make_filesystem", "_mkfs"),
        (Lun, "initialise_datadir", "_mariadb_install_db"),
        (Nas, "claim", "_mount"),
        (Nas, "initialise_datadir", "_mariadb_install_db"),
    ],
)
def test_nothing_is_done_to_shared_storage_while_a_verb_is_at_work(tmp_path, kind, verb, program):
    world = kind(tmp_path)
    for step in SHARED[kind][: SHARED[kind].index(verb)]:
        assert world.perform("db1", step) is True
    calls = []

    def again():
        for other, arguments in {**{key: {} for key in SHARED[kind]}, **OF_ALL[kind]}.items():
            with pytest.raises(Refused, match=f"still at work on this node's storage .{verb}"):
                world.perform("db1", other, **arguments)
            calls.append(other)

    during(world, program, again)
    assert world.perform("db1", verb) is True
    assert len(calls) == len(SHARED[kind]) + len(OF_ALL[kind])


def test_a_survey_does_not_take_the_export_away_from_a_verb(tmp_path):
    world = Nas(tmp_path)
    assert world.perform("db1", "claim") is True
    seen = during(world, "_mariadb_install_db", lambda: world.perform("db1", "survey")["view"]["error"])
    assert world.perform("db1", "initialise_datadir") is True
    assert "still at work" in seen[0]


def moved(world, node):
    world.source = "/dev/sdc1"


def gone(world, node):
    node.mounted = False


@pytest.mark.parametrize("happens", [moved, gone, lambda world, node: None])
def test_a_database_that_is_not_on_the_lun_is_not_recorded(tmp_path, happens):
    world = Lun(tmp_path)
    original = world._mariadb_install_db
    world._mariadb_install_db = lambda node, argv: happens(world, node) or Result(0, "")
    returned = world.deploy()
    assert returned["result"] is False
    assert f"{DEVICE} holds no database" in returned["comment"]
    assert (world.nodes["db1"].latch.stage, world.nodes["db1"].mounted) == (Stage.FILESYSTEM, False)
    world.source, world._mariadb_install_db = DEVICE, original
    assert world.deploy()["result"] is True
    assert world.serve()


def test_a_database_that_is_not_on_the_export_is_not_recorded(tmp_path):
    world = Nas(tmp_path)
    original = world._mariadb_install_db
    world._mariadb_install_db = lambda node, argv: Result(0, "")
    returned = world.deploy()
    assert returned["result"] is False
    assert "192.0.2.50:/srv/galaxy-db holds no database" in returned["comment"]
    assert world.nodes["db1"].latch.stage == Stage.CLAIMED
    world._mariadb_install_db = original
    assert world.deploy()["result"] is True
    assert world.serve()
