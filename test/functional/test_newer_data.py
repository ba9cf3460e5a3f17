"""ocf:hamysql:mysql with a real server, and data that a server of another series has had: an older one is not started on it."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
from database_server import MISSING, make_datadir
from test_mysql_agent import GENERIC, INSTALLED, NOT_RUNNING, SUCCESS, Resource

from hamysql.system import command

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="a resource agent runs as root"),
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
]


@pytest.fixture(scope="module", params=["mariadb", "mysql"])
def flavour(request):
    return request.param


@pytest.fixture(scope="module")
def pristine(tmp_path_factory, flavour):
    folder = tmp_path_factory.mktemp("series")
    make_datadir(flavour, folder / "data")
    return folder / "data"


class Node(Resource):
    """A node with data of its own."""

    def __init__(self, folder: Path, pristine: Path, flavour: str) -> None:
        command.run(["cp", "--archive", str(pristine), f"{folder}/data"])
        super().__init__(folder, folder / "data", flavour)
        self.data, self.note = folder / "data", folder / "data" / "hamysql-series"
        said = command.run([self.parameters["binary"], "--no-defaults", "--version"]).stdout
        self.own = ".".join(said.partition(" Ver ")[2].split(".")[:2])

    def refused(self, by: Path) -> str:
        """A start is refused because of a file, and no server runs; returns the reason."""
        started = self.call("start")
        assert started.returncode == INSTALLED, started.stderr
        assert f"({by} tells)" in started.stderr
        assert self.does("monitor") == NOT_RUNNING
        return started.stderr

    def starts(self) -> None:
        started = self.call("start")
        assert started.returncode == SUCCESS, started.stderr
        assert self.does("stop") == SUCCESS


@pytest.fixture
def node(tmp_path, pristine, flavour):
    made = Node(tmp_path, pristine, flavour)
    yield made
    made.does("stop")


def test_a_start_notes_its_series_in_the_data_and_an_older_server_is_not_started_on_a_newer_one(node):
    node.starts()
    assert node.note.read_text() == f"{node.own}\n"
    major, minor = map(int, node.own.split("."))
    for newer in (f"{major + 1}.0", f"{major}.{minor + 1}"):
        node.note.write_text(f"{newer}\n")
        assert f"a server of series {newer} has run on this data" in node.refused(node.note)
        assert f"and the one here is {node.own}:" in node.refused(node.note)
        assert node.note.read_text() == f"{newer}\n"
    node.note.write_text(f"{major - 1}.99\n")
    node.starts()
    assert node.note.read_text() == f"{node.own}\n"


@pytest.mark.parametrize("name", ["mariadb_upgrade_info", "mysql_upgrade_info"])
def test_data_that_was_upgraded_by_other_means_is_noticed(node, name):
    info = node.data / name
    node.starts()
    info.write_text("99.8.3-MariaDB\n")
    later(info, node.note)
    node.refused(info)
    node.note.unlink()
    node.refused(info)
    info.write_text(f"{node.own}.1-MariaDB")
    later(info, node.note)
    node.starts()
    # Looked at once: the note is younger then.
    assert node.note.stat().st_mtime_ns > info.stat().st_mtime_ns


def later(file: Path, than: Path) -> None:
    """The file is the younger one, by a clock of whole seconds as well."""
    now = time.time()
    os.utime(file, (now - 2, now - 2))
    if than.exists():
        os.utime(than, (now - 9, now - 9))


@pytest.mark.parametrize(
    "text", ["", "\n", "junk", "11", "..", "11.x", "99999999999999999999.1", "-1.5", "08.9", "$(id)"]
)
def test_a_note_that_tells_nothing_keeps_no_server_from_starting(node, text):
    node.note.write_text(text)
    node.starts()
    assert node.note.read_text() == f"{node.own}\n"


@pytest.fixture
def counted(node):
    """A binary that counts how often it is asked for its version, in a folder of its own."""
    folder = node.folder / "sbin"
    folder.mkdir()
    binary, count = folder / "server", node.folder / "count"
    real = node.parameters["binary"]
    binary.write_text(f'#!/bin/sh\ncase $* in *--version) echo >>{count} ;; esac\nexec {real} "$@"\n')
    binary.chmod(0o755)
    node.parameters["binary"] = str(binary)
    for path in (binary, folder):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    node.asked = lambda: count.read_text().count("\n") if count.exists() else 0
    return node


def test_a_start_after_a_probe_asks_the_binary_nothing(counted):
    assert counted.does("monitor") == NOT_RUNNING
    assert counted.asked() == 1
    assert counted.does("start") == SUCCESS
    assert counted.does("monitor") == SUCCESS
    assert counted.does("stop") == SUCCESS
    counted.starts()
    assert counted.asked() == 1


def test_a_binary_that_a_package_manager_has_replaced_is_asked_again(counted):
    """It gives the file the time of its build, which is older than the note."""
    counted.starts()
    binary = Path(counted.parameters["binary"])
    other = binary.with_name("server.dpkg-new")
    other.write_text('#!/bin/sh\necho "server  Ver 5.1.73 for Linux"\n')
    other.chmod(0o755)
    os.utime(other, (1_000_000_001, 1_000_000_001))
    other.rename(binary)
    assert "and the one here is 5.1:" in counted.refused(counted.note)


def test_the_note_is_there_before_a_server_that_dies_at_once_and_of_it_an_older_one_is_kept_away(node):
    """Such a server may have changed the data, though it has never answered."""
    real = node.parameters["binary"]
    dies = node.folder / "dies"
    dies.write_text(
        '#!/bin/sh\ncase $* in *--version) echo "mariadbd  Ver 99.8.3-MariaDB for Linux"; exit ;; esac\nexit 1\n'
    )
    dies.chmod(0o755)
    node.parameters["binary"] = str(dies)
    assert node.does("start") == GENERIC
    assert node.note.read_text() == "99.8\n"
    node.parameters["binary"] = real
    assert "a server of series 99.8 has run on this data" in node.refused(node.note)


def test_where_the_note_cannot_be_written_a_server_is_started_all_the_same(node):
    """As on a full disk: a folder cannot be replaced by a file."""
    node.note.mkdir()
    node.starts()
    assert node.note.is_dir()


def test_a_new_datadir_and_the_real_upgrade_are_no_newer_data(node, flavour):
    """What the server's own programs write of its version is read as its own series."""
    if flavour == "mysql":
        pytest.skip("MySQL upgrades its tables as it starts, and has no such program")
    node.starts()
    node.note.unlink()
    assert node.does("start") == SUCCESS
    login = ["--no-defaults", f"--socket={node.parameters['socket']}", "--user=root", "--force"]
    subprocess.run(["mariadb-upgrade", *login], check=True, capture_output=True, timeout=300)
    assert node.does("stop") == SUCCESS
    (info,) = node.data.glob("*_upgrade_info")
    assert info.read_text().startswith(f"{node.own}.")
    node.starts()
