"""ocf:hamysql:mysql with a real server: what pacemaker asks of it, and what happens to servers."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import ocf
import pytest
from database_server import make_datadir, programs

from hamysql.system import command
from support import ROOT

AGENT = ROOT / "hamysql" / "mysql" / "files" / "mysql-agent.sh"
SERVER, INSTALL, ADMIN = (shutil.which(name) for name in ("mariadbd", "mariadb-install-db", "mariadb-admin"))
SUCCESS, GENERIC, ARGS, UNIMPLEMENTED, INSTALLED, CONFIGURED, NOT_RUNNING = 0, 1, 2, 3, 5, 6, 7

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="a resource agent runs as root"),
    pytest.mark.skipif(
        not (SERVER and INSTALL and ADMIN),
        reason="mariadbd, mariadb-install-db or mariadb-admin is missing (Debian: mariadb-server-core, mariadb-client)",
    ),
]


# Where the kind of server makes a difference to the agent: the others have MariaDB alone.
WITH_BOTH = {
    "test_start_returns_when_the_server_answers_and_stop_when_it_is_gone",
    "test_a_server_that_was_killed_is_not_running_and_is_started_again",
    "test_a_server_that_does_not_shut_down_is_killed_when_its_time_is_over",
    "test_a_server_that_does_not_come_up_fails_at_once_and_says_where_to_look",
    "test_a_lock_file_of_a_process_that_lives_keeps_no_server_from_starting",
    "test_data_on_which_a_newer_server_has_run_is_left_alone",
}


def pytest_generate_tests(metafunc):
    if "flavour" in metafunc.fixturenames:
        both = metafunc.function.__name__ in WITH_BOTH
        metafunc.parametrize("flavour", ["mariadb", "mysql"] if both else ["mariadb"], scope="module")


@pytest.fixture(scope="module")
def datadir(tmp_path_factory, flavour):
    """A datadir that a server has never used."""
    folder = tmp_path_factory.mktemp("agent")
    make_datadir(flavour, folder / "data")
    return folder / "data"


class Resource:
    """The agent with its parameters, as pacemaker calls it."""

    def __init__(self, folder: Path, data: Path, flavour: str = "mariadb") -> None:
        self.folder, self.root = folder, ocf.lay_down(folder / "ocf")
        (folder / "my.cnf").write_text("[mysqld]\nskip-networking\nloose-mysqlx=OFF\ninnodb_buffer_pool_size=16M\n")
        self.query = [programs(flavour).client, "--no-defaults", f"--socket={folder}/run/sock", "--user=root"]
        self.parameters = {
            "binary": programs(flavour).server,
            "admin_binary": programs(flavour).admin,
            "config": f"{folder}/my.cnf",
            "datadir": str(data),
            "socket": f"{folder}/run/sock",
            "pid": f"{folder}/run/pid",
            "log": f"{folder}/error.log",
            "user": "root",
            "group": "root",
            "ping_timeout": "2",
        }

    def call(self, action: str, patience: float = 90, **parameters: str) -> subprocess.CompletedProcess[str]:
        words = {"CRM_meta_timeout": "60000", **self.parameters, **parameters}
        given = {f"OCF_RESKEY_{name}": value for name, value in words.items()}
        env = {
            **os.environ,
            **given,
            "HA_RSCTMP": f"{self.folder}/tmp",
            "OCF_RESOURCE_INSTANCE": "p_mysql",
            "OCF_ROOT": self.root,
        }
        return subprocess.run(
            ["sh", str(AGENT), *action.split()], env=env, capture_output=True, text=True, timeout=patience, check=False
        )

    def does(self, action: str, **parameters: str) -> int:
        return self.call(action, **parameters).returncode

    @property
    def pid(self) -> int:
        """As the agent has noted it, in root's own folder."""
        return int((self.folder / "tmp" / "hamysql" / "p_mysql.pid").read_text().split()[0])

    def ended(self) -> bool:
        return self.does("monitor") == NOT_RUNNING


@pytest.fixture
def resource(tmp_path, datadir, flavour):
    made = Resource(tmp_path, datadir, flavour)
    yield made
    if made.does("monitor") != NOT_RUNNING:
        os.kill(made.pid, signal.SIGKILL)
        assert made.does("stop") == SUCCESS


@ocf.needs_tester
def test_it_passes_the_cluster_labs_own_tester(resource):
    ocf.assert_passes(AGENT, "p_mysql", resource.parameters, timeout=300)


def test_start_returns_when_the_server_answers_and_stop_when_it_is_gone(resource):
    assert resource.does("monitor") == NOT_RUNNING
    assert resource.does("stop") == SUCCESS
    assert resource.does("start") == SUCCESS
    pid = resource.pid
    query = resource.query
    command.run([*query, "--execute=CREATE DATABASE IF NOT EXISTS kept"])
    assert (resource.does("monitor"), resource.does("start"), resource.pid) == (SUCCESS, SUCCESS, pid)
    assert resource.does("stop") == SUCCESS
    assert resource.does("monitor") == NOT_RUNNING
    assert "Shutdown complete" in (resource.folder / "error.log").read_text()
    assert resource.does("start") == SUCCESS
    assert "kept" in command.run([*query, "--execute=SHOW DATABASES"]).stdout


def test_the_error_log_is_the_servers_own(datadir):
    with tempfile.TemporaryDirectory() as name:  # the account may not look into pytest's folders
        folder = Path(name)
        folder.chmod(0o755)
        command.run(["cp", "--recursive", str(datadir), f"{folder}/data"])
        command.run(["chown", "--recursive", "nobody", f"{folder}/data"])
        server = Resource(folder, folder / "data")
        server.parameters |= {"user": "nobody", "group": "nogroup"}
        log = folder / "error.log"
        for _ in ("a log that is not there", "a log that somebody else has made"):
            started = server.call("start")
            assert started.returncode == SUCCESS, started.stderr
            assert (log.owner(), "Permission denied" in log.read_text()) == ("nobody", False)
            assert server.does("stop") == SUCCESS
            os.chown(log, 0, 0)


def test_a_server_that_was_killed_is_not_running_and_is_started_again(resource):
    assert resource.does("start") == SUCCESS
    os.kill(resource.pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while not resource.ended():
        assert time.monotonic() < deadline
    assert resource.does("start") == SUCCESS
    assert resource.does("monitor") == SUCCESS


def test_a_server_that_hangs_is_noticed_and_killed_without_the_time_of_a_shutdown(resource):
    assert resource.does("start") == SUCCESS
    pid = resource.pid
    os.kill(pid, signal.SIGSTOP)
    seen = resource.call("monitor")
    assert seen.returncode == GENERIC
    assert f"ocf-exit-reason:the server (process {pid}) has not answered" in seen.stderr
    # With the time that a shutdown may take this would not return before the test's own time is over.
    assert resource.does("stop", CRM_meta_timeout="600000") == SUCCESS
    assert resource.does("monitor") == NOT_RUNNING
    assert resource.does("start") == SUCCESS


@pytest.fixture
def storage(resource, monkeypatch):
    """The storage as the agent sees it: ``storage(SECONDS)`` has it stand still for so long, from now on; ``reads()``, how often it was read.

    A block that is read past all caches of a file of the server's comes when the storage is back.
    """
    programs, until, read = (resource.folder / name for name in ("readers", "until", "read"))
    programs.mkdir()
    (programs / "dd").write_text(
        f"""#!/bin/sh
case "$*" in "if={resource.parameters["datadir"]}/ibdata1 "*" iflag=direct") echo >>{read} ;; *) exit 1 ;; esac
while [ "$(date +%s%N)" -lt "$(cat {until})" ]; do sleep 0.1; done
{shutil.which("dd")} "$@"
"""
    )
    (programs / "dd").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")

    def still(seconds):
        until.write_text(str(time.time_ns() + int(seconds * 1e9)))

    still(0)
    still.reads = lambda: read.read_text().count("\n") if read.exists() else 0
    yield still
    still(0)  # a reader that nobody waits for would go on


def test_a_server_that_answers_has_its_storage_not_looked_at(resource, storage):
    assert resource.does("start") == SUCCESS
    assert resource.does("monitor", storage_timeout="30") == SUCCESS
    assert storage.reads() == 0


def test_a_server_that_does_nothing_at_all_is_noticed_long_before_one_that_works(resource):
    assert resource.does("start") == SUCCESS
    pid = resource.pid
    os.kill(pid, signal.SIGSTOP)
    # With ping_timeout alone this would not return before the test's own time is over.
    seen = resource.call("monitor", patience=40, ping_timeout="600")
    assert seen.returncode == GENERIC
    assert "has not answered" in seen.stderr
    assert "did nothing at all meanwhile" in seen.stderr
    stopped = resource.call("stop", patience=40, CRM_meta_timeout="600000")
    assert (stopped.returncode, "did not shut down within 0 s and is killed" in stopped.stderr) == (SUCCESS, True)


# What a program does in a thread of its own that stands for a server: a twentieth of a processor; nothing, for want of a processor that
# another one has; a write to a file system that is frozen; nothing, under a debugger.
WORK = {
    "processor": "while True:\n    sum(range(500_000))\n    time.sleep(0.15)",
    "runnable": "os.sched_setaffinity(0, {CPU}); os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\nwhile True: pass",
    "disk": "open('FROZEN/file', 'w').write('x')",
    "debugger": "time.sleep(600)",
}
PTRACE_ATTACH = 16
HOG = "import os\nos.sched_setaffinity(0, {CPU})\nwhile True: pass"


@pytest.fixture
def frozen(tmp_path):
    """A file system that lets nobody write: who does waits in state D."""
    image, folder = tmp_path / "image", tmp_path / "frozen"
    folder.mkdir()
    command.run(["truncate", "--size=20M", image])
    command.run(["mkfs.ext4", "-q", image])
    command.run(["mount", "--options=loop", image, folder])
    try:
        command.run(["fsfreeze", "--freeze", folder])
        yield folder
    finally:
        command.run(["umount", folder])


@pytest.fixture
def silent(resource):
    """Something listens on the server's socket, and never answers."""
    (resource.folder / "run").mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(resource.parameters["socket"])
        listening.listen(8)
        yield resource


def stands_in(resource, work):
    """A program in the server's place, with a thread that does this work."""
    program, script = resource.folder / "server", resource.folder / "server.py"
    shutil.copy(Path(sys.executable).resolve(), program)
    script.write_text(f"import os, threading, time\ndef work():\n    {work.replace(chr(10), chr(10) + '    ')}\n")
    with script.open("a") as file:
        file.write("threading.Thread(target=work).start()\n")
    running = subprocess.Popen([program, script])
    (resource.folder / "run" / "pid").write_text(f"{running.pid}\n")
    given = {"binary": str(program), "ping_timeout": "8", "frozen_timeout": "3", "CRM_meta_timeout": "25000"}
    return running, given


@pytest.mark.parametrize("sign", WORK)
def test_a_server_that_does_anything_has_its_whole_time(silent, frozen, sign):
    cpu = str(min(os.sched_getaffinity(0)))
    running, given = stands_in(silent, WORK[sign].replace("CPU", cpu).replace("FROZEN", str(frozen)))
    others = [subprocess.Popen([sys.executable, "-c", HOG.replace("CPU", cpu)])] if sign == "runnable" else []
    if sign == "debugger":
        assert ctypes.CDLL(None).ptrace(PTRACE_ATTACH, running.pid, None, None) == 0
        os.waitpid(running.pid, 0)
    try:
        seen = silent.call("monitor", **given)
        assert seen.returncode == GENERIC
        assert "did nothing at all" not in seen.stderr, seen.stderr
        # A busy one has the operation's own time, less what it takes to say so; the others have ping_timeout.
        busy = sign in ("processor", "runnable")
        assert (", and was busy meanwhile" in seen.stderr) == busy
        lasted = int(re.search(r"has not answered on \S+ for (\d+) s", seen.stderr)[1])
        # A clock of whole seconds may have lost one.
        assert lasted >= (14 if busy else 7)
        assert busy or lasted < 14
    finally:
        for process in (*others, running):
            process.kill()
        command.run(["fsfreeze", "--unfreeze", frozen])  # who waits there cannot even be killed
        running.wait()


@pytest.mark.parametrize(("timeout", "words"), [("3", "did nothing at all meanwhile"), ("0", "")])
def test_a_server_that_does_nothing_has_its_whole_time_only_where_nobody_looks(silent, timeout, words):
    running, given = stands_in(silent, "time.sleep(600)")
    try:
        seen = silent.call("monitor", **{**given, "frozen_timeout": timeout})
        assert seen.returncode == GENERIC
        assert words in seen.stderr
        assert ("did nothing at all" in seen.stderr) == bool(words)
    finally:
        running.kill()
        running.wait()


def test_an_error_is_no_hang_while_the_server_has_time_left(resource, tmp_path):
    """A server that is short of time drops who comes; the next one is greeted."""
    assert resource.does("start") == SUCCESS
    count, admin = tmp_path / "count", tmp_path / "admin"
    admin.write_text(f'#!/bin/sh\necho >>{count}\n[ "$(wc -l <{count})" -gt 4 ] || exit 1\nexec {ADMIN} "$@"\n')
    admin.chmod(0o755)
    assert resource.does("monitor", admin_binary=str(admin), ping_timeout="20", frozen_timeout="0") == SUCCESS
    assert count.read_text().count("\n") == 5


def test_a_server_that_ends_while_it_is_asked_is_not_waited_for(resource):
    assert resource.does("start") == SUCCESS
    pid = resource.pid
    os.kill(pid, signal.SIGSTOP)
    killed = threading.Timer(4, os.kill, (pid, signal.SIGKILL))
    killed.start()
    began = time.monotonic()
    assert resource.does("monitor", ping_timeout="40", frozen_timeout="0") == NOT_RUNNING
    assert time.monotonic() - began < 30


def test_a_server_that_hangs_while_its_storage_works_is_noticed_in_its_own_time(resource, storage):
    assert resource.does("start") == SUCCESS
    os.kill(resource.pid, signal.SIGSTOP)
    # With the storage's time this would not return before the test's own time is over.
    seen = resource.call("monitor", storage_timeout="600")
    assert seen.returncode == GENERIC
    assert "has not answered" in seen.stderr
    assert "storage" not in seen.stderr
    assert storage.reads() > 0


def test_a_server_that_waits_for_its_storage_is_left_alone(resource, storage):
    assert resource.does("start") == SUCCESS
    pid = resource.pid
    os.kill(pid, signal.SIGSTOP)
    storage(10)
    freed = threading.Timer(12, os.kill, (pid, signal.SIGCONT))
    freed.start()
    try:
        # Longer than the 2 s at once and twice the 4 s that a server has to answer.
        assert resource.does("monitor", ping_timeout="4", storage_timeout="60") == SUCCESS
    finally:
        freed.cancel()
    assert resource.pid == pid


def test_storage_that_stays_away_is_not_waited_for_for_ever(resource, storage):
    assert resource.does("start") == SUCCESS
    os.kill(resource.pid, signal.SIGSTOP)
    storage(600)
    seen = resource.call("monitor", ping_timeout="4", storage_timeout="9")
    assert seen.returncode == GENERIC
    assert ", and its storage stood still meanwhile" in seen.stderr
    assert resource.does("stop", CRM_meta_timeout="600000") == SUCCESS


def test_a_server_that_does_not_shut_down_is_killed_when_its_time_is_over(resource):
    assert resource.does("start") == SUCCESS
    os.kill(resource.pid, signal.SIGSTOP)
    stopped = resource.call("stop", CRM_meta_timeout="2000")
    assert stopped.returncode == SUCCESS
    assert "did not shut down within 1 s and is killed" in stopped.stderr
    assert resource.does("monitor") == NOT_RUNNING


def test_a_start_that_was_given_up_in_the_middle_of_a_recovery_leaves_a_server_that_stop_finds(resource):
    slow = resource.folder / "slow-server"
    slow.write_text("#!/bin/sh\n[ $2 != --version ] || exit\ntrap '' TERM\nwhile :; do sleep 0.1; done\n")
    slow.chmod(0o755)
    with pytest.raises(subprocess.TimeoutExpired):
        resource.call("start", binary=str(slow), patience=3)
    pid = resource.pid
    assert resource.does("monitor", binary=str(slow)) == GENERIC  # there, and it does not answer
    assert resource.does("stop", binary=str(slow), CRM_meta_timeout="4000") == SUCCESS
    assert resource.does("monitor", binary=str(slow)) == NOT_RUNNING
    cmdline = Path(f"/proc/{pid}/cmdline")  # empty: dead, and not buried yet
    assert not cmdline.exists() or cmdline.read_bytes() == b""


def test_a_server_that_refuses_the_login_answers(resource):
    assert resource.does("start") == SUCCESS
    query = resource.query
    command.run(
        [
            *query,
            "--execute=DROP USER IF EXISTS gone@localhost; CREATE USER gone@localhost; SET GLOBAL max_connections = 10",
        ]
    )
    command.run([*query, "--execute=ALTER USER root@localhost ACCOUNT LOCK"])
    try:
        assert resource.does("monitor") == SUCCESS
    finally:
        assert resource.does("stop") == SUCCESS
        text = (resource.folder / "my.cnf").read_text()
        (resource.folder / "my.cnf").write_text(text + "skip-grant-tables\n")
        assert resource.does("start") == SUCCESS
        command.run([*query, "--execute=FLUSH PRIVILEGES; ALTER USER root@localhost ACCOUNT UNLOCK"])


def test_a_server_that_does_not_come_up_fails_at_once_and_says_where_to_look(resource):
    (resource.folder / "my.cnf").write_text("[mysqld]\nno-such-option=1\n")
    started = resource.call("start")
    assert started.returncode == GENERIC
    assert f"the server ended while it started, see {resource.folder}/error.log" in started.stderr
    assert "no-such-option" in (resource.folder / "error.log").read_text()
    assert resource.does("monitor") == NOT_RUNNING


def test_a_process_id_that_another_program_has_got_is_not_the_server_and_is_not_killed(resource):
    other = subprocess.Popen(["sleep", "60"])
    try:
        (resource.folder / "run").mkdir()
        (resource.folder / "run" / "pid").write_text(f"{other.pid}\n")
        assert resource.does("monitor") == NOT_RUNNING
        assert resource.does("stop") == SUCCESS
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


@pytest.fixture
def over_nfs(resource, monkeypatch):
    """The agent takes its file system for NFS, where flock(2) and the server's own locks are of the same kind."""
    programs = resource.folder / "programs"
    programs.mkdir()
    real = shutil.which("stat")
    (programs / "stat").write_text(f'#!/bin/sh\n[ "$1" != --file-system ] || exec echo nfs\nexec {real} "$@"\n')
    (programs / "stat").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return resource


@pytest.mark.parametrize("name", ["aria_log_control", "ibdata1"])
def test_over_nfs_a_start_waits_for_the_locks_of_a_node_that_died(over_nfs, datadir, name):
    holder = subprocess.Popen(["flock", "--exclusive", datadir / name, "sleep", "3"])
    try:
        time.sleep(0.5)
        started = over_nfs.call("start")
        assert holder.poll() is not None, "the server was started while the file was locked"
        assert started.returncode == SUCCESS, started.stderr
        assert over_nfs.does("stop") == SUCCESS
    finally:
        holder.kill()
        holder.wait()


def test_over_nfs_a_start_gives_up_on_locks_that_stay_and_says_so(over_nfs, datadir):
    holder = subprocess.Popen(["flock", "--exclusive", "--no-fork", datadir / "ibdata1", "sleep", "60"])
    try:
        time.sleep(0.5)
        started = over_nfs.call("start", CRM_meta_timeout="2000")
        assert started.returncode == GENERIC
        assert "ibdata1 has been locked for 1 s: a server on another node uses it" in started.stderr
        assert over_nfs.does("monitor") == NOT_RUNNING
    finally:
        holder.kill()
        holder.wait()


def test_locks_of_flock_mean_nothing_on_a_disk(resource, datadir):
    holder = subprocess.Popen(["flock", "--exclusive", "--no-fork", datadir / "ibdata1", "sleep", "60"])
    try:
        time.sleep(0.5)
        assert resource.does("start", CRM_meta_timeout="60000") == SUCCESS
        assert resource.does("stop") == SUCCESS
    finally:
        holder.kill()
        holder.wait()


def test_a_lock_file_of_a_process_that_lives_keeps_no_server_from_starting(resource):
    folder = resource.folder / "run"
    folder.mkdir()
    (folder / "sock.lock").write_text(f"{os.getpid()}\n")
    assert resource.does("start") == SUCCESS
    assert resource.does("stop") == SUCCESS
    assert list(folder.iterdir()) == []


def test_data_on_which_a_newer_server_has_run_is_left_alone(resource, datadir):
    """As after a move to a node with a newer release. The note goes with the data."""
    note = datadir / "hamysql-series"
    assert resource.does("start") == SUCCESS
    own = note.read_text().strip()
    assert re.fullmatch(r"\d+\.\d+", own)
    assert resource.does("stop") == SUCCESS
    major, minor = map(int, own.split("."))
    for newer in (f"{major}.{minor + 1}", f"{major + 1}.0"):
        note.write_text(f"{newer}\n")
        refused = resource.call("start")
        assert refused.returncode == INSTALLED
        assert f"a server of series {newer} has run on this data, and the one here is {own}" in refused.stderr
        assert note.read_text() == f"{newer}\n"
    for older in (f"{major}.{minor - 1}" if minor else f"{major - 1}.9", "nonsense", ""):
        note.write_text(f"{older}\n")
        assert resource.does("start") == SUCCESS
        assert note.read_text().strip() == own
        assert resource.does("stop") == SUCCESS


def test_data_of_an_account_with_another_number_becomes_this_node_s(resource, datadir, tmp_path):
    """As after a failover from a node on which packages have numbered the account otherwise."""
    elsewhere, others = tmp_path / "elsewhere", datadir / "mysql" / "others"
    for path in (elsewhere, others):
        path.write_text("")
    os.chown(elsewhere, 4711, 4712)
    link = datadir / "mysql" / "link"
    link.symlink_to(elsewhere)
    for path in (datadir, *datadir.rglob("*")):
        os.chown(path, 4711, 4712, follow_symlinks=False)
    os.chown(others, 5000, 5000)
    assert resource.does("start") == SUCCESS
    assert {
        (path.lstat().st_uid, path.lstat().st_gid) for path in (datadir, *datadir.rglob("*")) if path != others
    } == {(0, 0)}
    assert [(path.stat().st_uid, path.stat().st_gid) for path in (others, elsewhere)] == [(5000, 5000), (4711, 4712)]
    assert resource.does("stop") == SUCCESS
    link.unlink()
    others.unlink()


def test_a_package_that_was_updated_since_the_last_probe_counts(resource, datadir):
    (datadir / "hamysql-series").write_text("10.1\n")
    assert resource.does("start") == SUCCESS
    assert resource.does("stop") == SUCCESS
    own = (datadir / "hamysql-series").read_text()
    (known,) = resource.folder.rglob("*.version")
    known.write_text("5.5\n")
    assert resource.does("start") == SUCCESS
    assert (datadir / "hamysql-series").read_text() == own


@pytest.mark.parametrize("answer", ["exit 1", "echo no version", "sleep 60"])
def test_a_binary_that_does_not_tell_its_version_is_started(resource, datadir, tmp_path, answer):
    (datadir / "hamysql-series").write_text("10.1\n")
    binary = tmp_path / "server"
    binary.write_text(f'#!/bin/sh\n[ $2 != --version ] || {{ {answer}; exit; }}\nexec {SERVER} "$@"\n')
    binary.chmod(0o755)
    assert resource.does("start", binary=str(binary)) == SUCCESS
    assert (datadir / "hamysql-series").read_text() == "10.1\n"
    assert resource.does("stop", binary=str(binary)) == SUCCESS


def test_a_note_that_is_a_link_or_a_pipe_is_no_note(resource, datadir, tmp_path):
    note = datadir / "hamysql-series"
    (tmp_path / "elsewhere").write_text("99.9\n")
    note.unlink(missing_ok=True)
    note.symlink_to(tmp_path / "elsewhere")
    assert resource.does("start") == SUCCESS
    assert resource.does("stop") == SUCCESS
    assert not note.is_symlink()
    assert (tmp_path / "elsewhere").read_text() == "99.9\n"
    note.unlink()
    os.mkfifo(note)
    assert resource.does("start") == SUCCESS
    assert note.is_file()


def test_no_datadir_is_an_error_and_none_is_made(resource):
    empty = resource.folder / "empty"
    empty.mkdir()
    started = resource.call("start", datadir=str(empty))
    assert started.returncode == INSTALLED
    assert f"{empty}: no data of a database server is there" in started.stderr
    assert list(empty.iterdir()) == []


@pytest.mark.parametrize(
    ("action", "parameters", "code"),
    [
        ("start", {"binary": "/no/such/server"}, INSTALLED),
        ("validate-all", {"admin_binary": "/no/such/admin"}, INSTALLED),
        ("validate-all", {"ping_timeout": "soon"}, CONFIGURED),
        ("validate-all", {"storage_timeout": "-1"}, CONFIGURED),
        ("validate-all", {}, SUCCESS),
        ("promote", {}, UNIMPLEMENTED),
        ("", {}, ARGS),
    ],
)
def test_what_cannot_work_has_the_code_for_it(resource, action, parameters, code):
    assert resource.does(action, **parameters) == code
    assert not (resource.folder / "run").exists()
