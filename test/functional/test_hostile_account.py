"""The database's account, taken over by somebody hostile, against ocf:hamysql:mysql with a real server that runs as that account.

What the account can do to itself is its own business. It must not become root, have root hang, or have root touch what is not its own.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import ocf
import pytest

from hamysql.mysql import datadir
from hamysql.system import command, wait
from support import ROOT

AGENT = ROOT / "hamysql" / "mysql" / "files" / "mysql-agent.sh"
SERVER, INSTALL, ADMIN = (shutil.which(name) for name in ("mariadbd", "mariadb-install-db", "mariadb-admin"))
SUCCESS, GENERIC, NOT_RUNNING = 0, 1, 7
ACCOUNT = "nobody"
PATIENCE = 60  # seconds: what takes longer hangs

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="a resource agent runs as root"),
    pytest.mark.skipif(
        not (SERVER and INSTALL and ADMIN),
        reason="mariadbd, mariadb-install-db or mariadb-admin is missing (Debian: mariadb-server-core, mariadb-client)",
    ),
]


def by_the_account(*argv: str | os.PathLike[str]) -> subprocess.Popen[bytes]:
    """Start a program as the account."""
    found = pwd.getpwnam(ACCOUNT)
    return subprocess.Popen([str(word) for word in argv], user=found.pw_uid, group=found.pw_gid, extra_groups=[])


def done_by_the_account(*argv: str | os.PathLike[str]) -> None:
    assert by_the_account(*argv).wait(timeout=PATIENCE) == 0


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pristine") / "data"
    command.run([INSTALL, "--no-defaults", "--user=root", f"--datadir={folder}", "--skip-test-db"], timeout=120)
    return folder


class Node:
    """A node as the formula leaves it: ``home`` stands for /var and /run, which are root's, and each folder in it is the account's."""

    def __init__(self, home: Path, pristine: Path) -> None:
        self.home = home
        home.chmod(0o755)
        command.run(["cp", "--recursive", str(pristine), f"{home}/data"])
        for name in ("run", "log"):
            (home / name).mkdir()
        command.run(["chown", "--recursive", ACCOUNT, *(f"{home}/{name}" for name in ("data", "run", "log"))])
        (home / "my.cnf").write_text("[mysqld]\nskip-networking\ninnodb_buffer_pool_size=16M\n")
        self.victim = home / "victim"
        self.victim.write_text("root's\n")
        self.victim.chmod(0o600)
        self.root = ocf.lay_down(home / "ocf")
        self.folder = home / "roots"
        self.folder.mkdir(mode=0o700)
        self.pid_file, self.socket, self.log = home / "run" / "pid", home / "run" / "sock", home / "log" / "error.log"
        self.parameters = {
            "binary": SERVER,
            "admin_binary": ADMIN,
            "config": f"{home}/my.cnf",
            "datadir": f"{home}/data",
            "user": ACCOUNT,
            "group": grp.getgrgid(pwd.getpwnam(ACCOUNT).pw_gid).gr_name,
            "ping_timeout": "2",
            "CRM_meta_timeout": "20000",
        }

    def call(self, action: str, **parameters: str) -> subprocess.CompletedProcess[str]:
        paths = {"socket": str(self.socket), "pid": str(self.pid_file), "log": str(self.log)}
        given = {f"OCF_RESKEY_{name}": value for name, value in {**self.parameters, **paths, **parameters}.items()}
        env = {
            **os.environ,
            **given,
            "HA_RSCTMP": f"{self.home}/tmp",
            "OCF_RESOURCE_INSTANCE": "p_mysql",
            "OCF_ROOT": self.root,
        }
        return subprocess.run(
            ["sh", str(AGENT), action], env=env, capture_output=True, text=True, timeout=PATIENCE, check=False
        )

    def does(self, action: str, **parameters: str) -> int:
        done = self.call(action, **parameters)
        print(action, done.returncode, done.stderr)  # shown where a test fails
        return done.returncode

    @property
    def notes(self) -> Path:
        return self.home / "tmp" / "hamysql"

    def pid(self) -> int:
        return int((self.notes / "p_mysql.pid").read_text().split()[0])

    def start_as_before(self, binary: str = str(SERVER)) -> int:
        """Start the server as the agent did before it had notes of its own: as root, which the server itself gives up."""
        argv = [binary, f"--defaults-file={self.home}/my.cnf", f"--datadir={self.home}/data", f"--socket={self.socket}"]
        argv += [f"--pid-file={self.pid_file}", f"--log-error={self.log}", f"--user={ACCOUNT}"]
        started = subprocess.Popen(argv, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait.until(self.pid_file.exists, bool, "the server is up", timeout=PATIENCE, interval=0.1)
        return started.pid

    def unharmed(self) -> None:
        seen = self.victim.stat()
        assert (self.victim.read_text(), seen.st_uid, seen.st_mode & 0o777) == ("root's\n", 0, 0o600)
        assert self.folder.stat().st_uid == 0
        assert list(self.folder.iterdir()) == []


@pytest.fixture
def node(pristine):
    # The account may not look into pytest's folders.
    with tempfile.TemporaryDirectory() as name:
        made = Node(Path(name), pristine)
        yield made
        for process in Path("/proc").iterdir():
            if process.name.isdigit() and f"--datadir={name}/data".encode() in _cmdline(process):
                os.kill(int(process.name), signal.SIGKILL)
                wait.until(
                    lambda at=process: _cmdline(at), lambda text: not text, "it has ended", timeout=30, interval=0.1
                )


def _cmdline(process: Path) -> list[bytes]:
    try:
        return (process / "cmdline").read_bytes().split(b"\0")[:-1]
    except OSError:
        return []


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_the_server_has_never_been_root_and_its_files_are_its_own(node):
    assert node.does("start") == SUCCESS
    seen, uid = status(node.pid()), str(pwd.getpwnam(ACCOUNT).pw_uid)
    assert set(seen["Uid"].split()) == {uid}
    assert (int(seen["CapEff"], 16), int(seen["CapPrm"], 16)) == (0, 0)
    for file in (node.log, node.pid_file, node.socket):
        assert file.owner() == ACCOUNT, file
    assert node.log.stat().st_mode & 0o777 == 0o640
    assert (node.notes.stat().st_uid, node.notes.stat().st_mode & 0o777) == (0, 0o700)
    assert node.does("monitor") == SUCCESS
    assert node.does("stop") == SUCCESS
    assert node.does("monitor") == NOT_RUNNING


def test_the_first_database_is_made_by_the_account():
    group = grp.getgrgid(pwd.getpwnam(ACCOUNT).pw_gid).gr_name
    mysql = {"flavor": "mariadb", "user": ACCOUNT, "group": group, "install_db": INSTALL}
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        folder = Path(name) / "data"
        folder.mkdir()
        datadir.install(command.run, mysql, str(folder))
        assert datadir.PROOF in os.listdir(folder)
        assert {path.owner() for path in [folder, *folder.rglob("*")]} == {ACCOUNT}
        assert folder.stat().st_mode & 0o777 == 0o750


def link(place: Path, target: Path) -> None:
    place.unlink(missing_ok=True)
    done_by_the_account("ln", "--symbolic", target, place)


@pytest.mark.parametrize("at", ["start", "monitor", "stop"])
@pytest.mark.parametrize("what", ["log", "pid_file", "socket"])
def test_a_link_leads_root_nowhere(node, what, at):
    place = getattr(node, what)
    if at != "start":
        assert node.does("start") == SUCCESS
    link(place, node.victim)
    answers = what != "socket"
    assert node.does("start" if at == "start" else "monitor") == (SUCCESS if at == "start" or answers else GENERIC)
    assert node.does("stop") == SUCCESS
    assert node.does("monitor") == NOT_RUNNING
    node.unharmed()


@pytest.mark.parametrize("what", ["log", "pid_file"])
def test_a_link_to_what_is_not_there_makes_nothing_there(node, what):
    link(getattr(node, what), node.folder / "made")
    node.does("start")
    assert node.does("stop") == SUCCESS
    node.unharmed()


@pytest.mark.parametrize("at", ["start", "monitor"])
def test_a_pipe_as_pid_file_keeps_nobody(node, at):
    if at == "monitor":
        assert node.does("start") == SUCCESS
    node.pid_file.unlink(missing_ok=True)
    done_by_the_account("mkfifo", node.pid_file)
    assert node.does("monitor") == (SUCCESS if at == "monitor" else NOT_RUNNING)
    assert node.does("start") == SUCCESS
    assert node.does("stop") == SUCCESS
    assert node.does("monitor") == NOT_RUNNING


def test_a_pipe_as_pid_file_or_log_of_a_server_that_does_not_come_up(node):
    (node.home / "my.cnf").write_text("[mysqld]\nno-such-option=1\n")
    for place in (node.pid_file, node.log):
        done_by_the_account("mkfifo", place)
    assert node.does("start") == GENERIC
    assert node.does("stop") == SUCCESS


@pytest.mark.parametrize("what", ["ibdata1", "aria_log_control"])
def test_a_pipe_as_a_file_of_the_data_is_no_storage_that_stands_still(node, what):
    assert node.does("start") == SUCCESS
    os.kill(node.pid(), signal.SIGSTOP)
    (node.home / "data" / what).unlink()
    done_by_the_account("mkfifo", node.home / "data" / what)
    seen = node.call("monitor", ping_timeout="4", storage_timeout="600")
    assert seen.returncode == GENERIC
    assert "storage" not in seen.stderr


@pytest.fixture
def processes():
    """Processes that must not be signalled, and are the tests' own."""
    made: list[subprocess.Popen[bytes]] = []
    yield made
    for one in made:
        one.kill()
        one.wait()


def test_the_pid_of_a_foreign_process_is_not_believed(node, processes):
    # One of root's, one of the account's that is another program, and the same program run by another one.
    fake = node.home / "mariadbd"
    shutil.copy("/bin/sleep", fake)
    processes += [
        subprocess.Popen(["sleep", "300"]),
        by_the_account("sleep", "300"),
        subprocess.Popen([str(fake), "300"]),
    ]
    for one in processes:
        node.pid_file.write_text(f"{one.pid}\n")
        for action in ("monitor", "stop", "monitor"):
            assert node.does(action, binary=str(fake)) == (SUCCESS if action == "stop" else NOT_RUNNING)
        assert one.poll() is None, one.args


@pytest.mark.parametrize(
    "what", ["../run/x", "self", "1", "-1", "0", "99999999999999999999", "", "1 2", "12\x0013", "x" * 10**6]
)
def test_what_is_no_process_is_not_believed(node, what):
    node.pid_file.write_text(what)
    assert node.does("monitor") == NOT_RUNNING
    assert node.does("stop") == SUCCESS
    assert node.does("start") == SUCCESS
    assert node.does("stop") == SUCCESS


def test_a_running_server_is_still_known_whatever_its_pid_file_says(node, processes):
    assert node.does("start") == SUCCESS
    pid = node.pid()
    processes.append(subprocess.Popen(["sleep", "300"]))
    node.pid_file.write_text(f"{processes[0].pid}\n")
    assert node.does("monitor") == SUCCESS
    assert node.does("start") == SUCCESS
    assert node.pid() == pid
    assert node.does("stop") == SUCCESS
    assert not _cmdline(Path(f"/proc/{pid}"))
    assert processes[0].poll() is None


@pytest.mark.parametrize("where", ["run", "log"])
def test_a_folder_that_was_replaced_by_a_link(node, where):
    """Where the pillar puts files into a folder below one of the account's, that can be replaced as a whole."""
    target = node.home / "target"
    target.mkdir(mode=0o755)
    inner = node.home / where / "inner"
    done_by_the_account("ln", "--symbolic", target, inner)
    if where == "run":
        node.pid_file, node.socket = inner / "pid", inner / "sock"
    else:
        node.log = inner / "error.log"
    node.does("start")
    assert node.does("stop") == SUCCESS
    assert [path for path in target.iterdir() if path.owner() != "root"] == []
    assert target.owner() == "root"


def test_a_folder_that_is_missing_is_made_by_whoever_owns_the_one_above(node):
    node.pid_file, node.socket = node.home / "run" / "below" / "pid", node.home / "fresh" / "sock"
    assert node.does("start") == SUCCESS
    assert [(node.home / name).owner() for name in ("run/below", "fresh")] == [ACCOUNT, ACCOUNT]
    assert node.does("stop") == SUCCESS


def test_a_link_as_a_missing_folder_gives_nothing_away(node):
    inner = node.home / "run" / "inner"
    done_by_the_account("ln", "--symbolic", node.folder / "made", inner)
    node.pid_file = inner / "pid"
    assert node.does("start") == GENERIC
    node.unharmed()


def test_the_notes_are_kept_in_a_folder_of_roots_only(node, processes):
    """A local user who was there first has root write nowhere, and signal nobody."""
    processes.append(subprocess.Popen(["sleep", "300"]))
    born = Path(f"/proc/{processes[0].pid}/stat").read_text().rpartition(")")[2].split()[19]
    theirs = node.home / "run" / "theirs"
    done_by_the_account("mkdir", theirs)
    (theirs / "p_mysql.pid").write_text(f"{processes[0].pid} {born}\n")
    node.notes.parent.mkdir()
    for make in (lambda: node.notes.symlink_to(theirs), lambda: shutil.copytree(theirs, node.notes)):
        make()
        os.chown(node.notes, pwd.getpwnam(ACCOUNT).pw_uid, -1, follow_symlinks=False)
        assert node.does("monitor") == NOT_RUNNING
        started = node.call("start")
        assert started.returncode == GENERIC
        assert f"{node.notes}: is not a folder of root's" in started.stderr
        assert node.does("stop") == SUCCESS
        assert processes[0].poll() is None
        node.notes.unlink() if node.notes.is_symlink() else shutil.rmtree(node.notes)


def test_a_server_that_an_earlier_agent_has_started_is_found_and_stopped(node):
    pid = node.start_as_before()
    wait.until(
        lambda: node.does("monitor"), lambda code: code == SUCCESS, "it is found", timeout=PATIENCE, interval=0.5
    )
    assert node.pid() == pid
    node.pid_file.write_text("1\n")  # from now on the notes count
    assert node.does("monitor") == SUCCESS
    assert node.does("stop") == SUCCESS
    assert not _cmdline(Path(f"/proc/{pid}"))


def test_a_server_whose_package_was_upgraded_meanwhile_is_still_ours(node):
    binary = node.home / "mariadbd"
    shutil.copy(SERVER, binary)
    node.parameters["binary"] = str(binary)
    node.start_as_before(str(binary))
    shutil.copy(SERVER, node.home / "new")
    os.replace(node.home / "new", binary)
    assert node.does("stop") == SUCCESS
    assert node.does("monitor") == NOT_RUNNING
    assert "Shutdown complete" in node.log.read_text()


def test_a_log_that_is_roots_is_put_aside_by_the_account(node):
    node.log.write_text("from an earlier life\n")
    node.log.chmod(0o644)
    assert node.does("start") == SUCCESS
    assert node.log.owner() == ACCOUNT
    assert node.log.with_name("error.log.before").read_text() == "from an earlier life\n"
    assert node.does("stop") == SUCCESS


def test_the_words_of_a_server_that_does_not_come_up_are_in_its_log(node):
    (node.home / "my.cnf").write_text("[mysqld]\nno-such-option=1\n")
    assert node.does("start") == GENERIC
    assert (node.log.owner(), "no-such-option" in node.log.read_text()) == (ACCOUNT, True)


def test_a_process_that_took_the_number_of_a_server_that_died_is_not_the_server(node, processes):
    assert node.does("start") == SUCCESS
    os.kill(node.pid(), signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE
    while node.does("monitor") != NOT_RUNNING:
        assert time.monotonic() < deadline
    born = (node.notes / "p_mysql.pid").read_text().split()[1]
    processes.append(subprocess.Popen(["sleep", "300"]))
    (node.notes / "p_mysql.pid").write_text(f"{processes[0].pid} {born}\n")
    assert node.does("monitor") == NOT_RUNNING
    assert node.does("stop") == SUCCESS
    assert processes[0].poll() is None


@pytest.mark.parametrize("name", ["hamysql-series", "mariadb_upgrade_info"])
@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "dangling"])
def test_what_tells_of_the_data_s_series_is_never_followed_nor_waited_for(node, name, kind):
    there = node.home / "data" / name
    there.unlink(missing_ok=True)
    node.victim.write_text("99.9\n")
    make = {
        "link": ("ln", "--symbolic", node.victim, there),
        "pipe": ("mkfifo", there),
        "folder": ("mkdir", there),
        "dangling": ("ln", "--symbolic", node.folder / "new", there),
    }
    done_by_the_account(*make[kind])
    assert node.does("start") == SUCCESS
    assert node.does("stop") == SUCCESS
    assert node.victim.read_text() == "99.9\n"
    node.victim.write_text("root's\n")
    node.unharmed()
