"""Reading and writing where somebody else may have put something."""

from __future__ import annotations

import os
import socket
from types import SimpleNamespace

import pytest
from minion import load

from hamysql.errors import HamysqlError, ParseError
from hamysql.mysql import process
from hamysql.storage import latch
from hamysql.storage.nfs import mark as nfs_mark
from hamysql.system import files
from hamysql.system.files import Unreadable
from support import ROOT


def pipe(path):
    os.mkfifo(path)


def endless(path):
    path.symlink_to("/dev/zero")


def link(path):
    target = path.with_name("secret")
    target.write_text("root's\n")
    path.symlink_to(target)


def folder(path):
    path.mkdir()


def listening(path):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def huge(path):
    with path.open("wb") as file:
        file.truncate(10**12)


TRAPS = [pipe, endless, link, folder, listening, huge]
WORDS = ["a pipe", "a symbolic link", "a symbolic link", "a folder", "", "more than"]


@pytest.mark.parametrize(("trap", "word"), list(zip(TRAPS, WORDS)))
def test_only_regular_files_of_a_bounded_size_are_read(tmp_path, trap, word):
    place = tmp_path / "file"
    trap(place)
    for read in (files.read, files.text, files.text_if_any):
        with pytest.raises(Unreadable, match=rf"{place}.*{word}"):
            read(place)


def test_a_device_is_no_file_even_where_links_are_followed(tmp_path):
    endless(tmp_path / "file")
    with pytest.raises(Unreadable, match="found a device, expected a regular file"):
        files.read(tmp_path / "file", links=True)


def test_what_is_there_is_read(tmp_path):
    (tmp_path / "file").write_bytes(b"caf\xe9\n")
    assert files.read(tmp_path / "file", 5) == b"caf\xe9\n"
    assert files.text(tmp_path / "file") == "caf\N{REPLACEMENT CHARACTER}\n"
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert files.read(tmp_path / "link", links=True) == b"caf\xe9\n"
    assert files.text_if_any(tmp_path / "none") is None
    with pytest.raises(FileNotFoundError):
        files.read(tmp_path / "none")
    with pytest.raises(Unreadable, match="more than 4 bytes"):
        files.read(tmp_path / "file", 4)


def test_a_new_file_is_written_to_no_others(tmp_path):
    link(tmp_path / "file")
    files.create(tmp_path / "file", "new\n", 0o600)
    assert (tmp_path / "secret").read_text() == "root's\n"
    assert (tmp_path / "file").read_text() == "new\n"
    assert (tmp_path / "file").lstat().st_mode == 0o100600


@pytest.mark.parametrize("trap", TRAPS)
def test_traps_as_files_of_ours_are_errors_in_words(tmp_path, trap):
    (tmp_path / "next").mkdir()
    trap(tmp_path / "next" / "backend")
    with pytest.raises(ParseError, match="remove it to give up the move that was begun"):
        latch.moving_to(tmp_path)
    trap(tmp_path / "mysql.json")
    with pytest.raises(ParseError, match=r"mysql\.json is damaged"):
        latch.load(tmp_path / "mysql.json")
    trap(tmp_path / nfs_mark.NFS_MARK)
    assert nfs_mark.read(tmp_path) == {"cluster": "(damaged)", "id": "(damaged)"}


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"lvm\n", b"drbd\nnfs\n", b"\x00"])
def test_a_damaged_mark_of_a_move_is_an_error_in_words(tmp_path, content):
    (tmp_path / "next").mkdir()
    (tmp_path / "next" / "backend").write_bytes(content)
    with pytest.raises(HamysqlError, match=r"next/backend is damaged: found .*expected one of drbd, shared, nfs"):
        latch.moving_to(tmp_path)


@pytest.fixture
def changes(tmp_path):
    """The module that reads the node's files, in a folder of the test's."""
    module = load("_modules/hamysql_change.py", "hamysql_change_of_files")
    module.AUTHKEY, module.NOTES = tmp_path / "authkey", tmp_path / "notes"
    module.which = lambda *_, **__: "/usr/sbin/corosync-cmapctl"
    module.run = lambda *_, **__: SimpleNamespace(returncode=0, stdout="")
    return module


@pytest.mark.parametrize("key", [bytes(range(256)) * 4, b"\xff" * 128, b""])
def test_a_key_that_corosync_has_made_itself_differs(changes, monkeypatch, key):
    seen = []
    monkeypatch.setattr(changes.corosync_pending, "pending", lambda site, there, differs, _: seen.append(differs) or ())
    changes.AUTHKEY.write_bytes(key)
    monkeypatch.setattr(changes.corosync_pending, "parse_map", lambda _: {})
    changes._corosync({"corosync": {"authkey": "k" * 128, "encrypted": True}})
    assert seen == [True]


@pytest.mark.parametrize("trap", TRAPS)
def test_a_trap_as_pid_file_is_no_server(changes, tmp_path, trap):
    trap(tmp_path / "pid")
    assert process.found({"pid_file": str(tmp_path / "pid"), "binary": "/usr/sbin/mariadbd"}, changes.NOTES) is None


@pytest.mark.parametrize("content", ["", "../self", "-1", "1 2", "9" * 63, "\x00", "\N{SUPERSCRIPT TWO}"])
def test_what_is_no_process_is_no_server(changes, tmp_path, content):
    for place in (tmp_path / "pid", changes.NOTES):
        place.write_text(content)
        assert process.found({"pid_file": str(tmp_path / "pid"), "binary": "/usr/sbin/mariadbd"}, changes.NOTES) is None


def test_the_agents_notes_come_first_and_are_about_that_very_process(changes, tmp_path):
    config = {"pid_file": str(tmp_path / "pid"), "binary": "/usr/sbin/mariadbd"}
    born = process.stat(os.getpid())[1]
    (tmp_path / "pid").write_text(f"{os.getpid()}\n")  # another program
    assert process.found(config, changes.NOTES) is None
    changes.NOTES.write_text(f"{os.getpid()} {born}\n")
    assert process.found(config, changes.NOTES) == process.Process(os.getpid(), born)
    changes.NOTES.write_text(f"{os.getpid()} {born + 1}\n")
    assert process.found(config, changes.NOTES) is None


def test_what_reads_a_node_goes_through_the_one_reader():
    """``read_text`` and ``open`` follow links, wait for pipes and have no bound: only for /proc and /sys, and what root has just made."""
    allowed = {
        "hamysql.py": {"salt.utils.files.fopen("},
        "storage/nfs/verbs.py": {"root.at(MOUNTS).read_text("},
        "storage/drbd/replica.py": {"root.at(PROC).read_text(", "path.read_text("},
        # In a folder that root has just made, with nobody else's rights.
        "mysql/tracer/process.py": (
            'open(folder / "errors.writer"',
            '(folder / "errors.writer").read_text(',
            '(folder / "seen").read_text(',
            'os.open(folder / "lock"',
        ),
        "mysql/process.py": {'root.at(PROC / str(pid) / "stat").read_text('},
        "hamysql_iscsi.py": {'(place / "targetname").read_text(', "open(handle,"},
    }
    folders = (ROOT / "_modules", ROOT / "_utils" / "hamysql")
    there = {str(path.relative_to(folder)): path for folder in folders for path in folder.rglob("*.py")}
    names = [
        name
        for name in there
        if name.startswith("hamysql") or name.endswith(("/verbs.py", "/local.py", "/replica.py", "/process.py"))
    ]
    assert {*allowed, "storage/lun/verbs.py", "storage/drbd/verbs.py"} <= {*names}
    for name in names:
        for line in there[name].read_text().splitlines():
            if any(word in line for word in ("read_text(", "read_bytes(", " open(", "fopen(")):
                assert any(known in line for known in allowed.get(name, ())), f"{name}: {line.strip()}"
