"""The copy of a datadir that is written to meanwhile: whatever is written and when, the last pass has all of it.

The model has rsync's quick check (size, and mtime in whole seconds) and a file system whose clock has ticks, and may be another
one than the node's, as over NFS.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hamysql.errors import Refused
from hamysql.storage.move import copying
from hamysql.storage.move.copying import Note
from hamysql.system.command import Result

TICK = 4 * 10**6  # nanoseconds
FILES = ("ibdata1", "mysql/user.MAI", "probe/writes.ibd")


class Model:
    """Files of one size, written to at moments; ``skew`` is how far the file system's clock is from the node's."""

    def __init__(self, skew: int) -> None:
        self.now, self.skew, self.writes = 10**18, skew, 0
        self.content, self.ctime, self.copy = {}, {}, {}
        for name in FILES:
            self.write(name)
            self.now += 3600 * 10**9

    def write(self, name: str) -> None:
        self.writes += 1
        self.content[name] = self.writes
        self.ctime[name] = (self.now + self.skew) // TICK * TICK

    def wait(self, nanoseconds: int) -> None:
        self.now += nanoseconds

    def transfer(self, name: str, forced: bool) -> None:
        size_and_second = self.ctime[name] // 10**9
        if forced or self.copy.get(name, (None, None))[1] != size_and_second:
            self.copy[name] = (self.content[name], size_and_second)


EVENTS = st.lists(
    st.tuples(st.sampled_from([None, *FILES]), st.sampled_from([0, 10**3, 10**6, 4 * 10**6, 10**9, 60 * 10**9])),
    max_size=6,
)


# Written just before it is noted, and in the same tick again once it was read.
RACE = [[[(FILES[1], 0)], [], [], [], [], [(FILES[1], 0)], []]]


@example(skew=0, passes=RACE)
@example(skew=-3600 * 10**9, passes=RACE)
@settings(deadline=None, max_examples=400)
@given(
    skew=st.sampled_from([0, -3600 * 10**9, 3600 * 10**9, 5 * 10**8]),
    passes=st.lists(st.lists(EVENTS, min_size=2 * len(FILES) + 1, max_size=2 * len(FILES) + 1), min_size=1, max_size=3),
)
def test_whatever_is_written_and_when_the_last_pass_has_all_of_it(skew, passes):
    model, before = Model(skew), None

    def happen(events):
        for name, nanoseconds in events:
            model.wait(nanoseconds)
            if name:
                model.write(name)

    for moments in [*passes, None]:  # the last one with the server stopped
        happens = iter(moments or [[]] * (2 * len(FILES) + 1))
        began, files = model.now, {}
        for name in FILES:
            files[name] = (1, 16384, model.ctime[name], model.ctime[name])
            happen(next(happens))
        note = Note(files, began, model.now - began)
        again = copying.changed(note, before)
        for name in FILES:
            happen(next(happens))
            model.transfer(name, name in again)
        happen(next(happens))
        before = note
    assert {name: content for name, (content, _) in model.copy.items()} == model.content


def test_what_is_old_and_the_same_is_not_read_again():
    model = Model(0)
    model.wait(3600 * 10**9)
    model.write(FILES[2])
    model.wait(10**9)
    files = {name: (1, 16384, model.ctime[name], model.ctime[name]) for name in FILES}
    note = Note(files, model.now, 10**6)
    assert copying.changed(note, note) == [FILES[2]], "it was young when it was noted"


@pytest.mark.parametrize("field", range(4))
def test_any_of_the_four_that_differs_is_a_change(field):
    before = {"a": [1, 2, 3, 4], "young": [1, 2, 10**18, 10**18]}
    now = {"a": list(before["a"]), "young": before["young"]}
    now["a"][field] += 1
    notes = [Note({k: tuple(v) for k, v in one.items()}, 10**18, 0) for one in (now, before)]
    assert "a" in copying.changed(*notes)


@pytest.mark.parametrize("other", [{"boot": "another"}, {"target": "another"}])
def test_a_note_of_another_boot_or_another_copy_says_nothing(other):
    files = {"a": (1, 2, 3, 4)}
    now = Note(files, 10**18, 0, "boot", "target")
    then = Note(files, 10**18, 0, **{"boot": "boot", "target": "target", **other})
    assert copying.changed(now, then) == ["a"]
    assert copying.changed(now, None) == ["a"]


# --- on real files


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "datadir"
    for name in ("lost+found/1", "ibdata1", "mysql/user.MAI", "a/b/c"):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text("x" * 5000)
    (made / "link").symlink_to("ibdata1")
    return made


def test_what_a_folder_has(folder):
    note = copying.look(folder, "boot", "target")
    assert sorted(note.files) == ["a/b/c", "ibdata1", "mysql/user.MAI"]
    seen = (folder / "ibdata1").stat()
    assert note.files["ibdata1"] == (seen.st_ino, 5000, seen.st_mtime_ns, seen.st_ctime_ns)


def test_a_note_is_read_as_it_was_written(folder, tmp_path):
    (folder / os.fsdecode(b"na\xffme")).write_text("x")
    note = copying.look(folder, "boot", "target")
    copying.keep(note, tmp_path / "copied")
    assert copying.kept(tmp_path / "copied") == note
    (tmp_path / "copied").write_text("{")
    assert copying.kept(tmp_path / "copied") is None
    assert copying.kept(tmp_path / "none") is None


def commands(files, live=True, attributes=True):
    asked = []

    def run(argv, *, timeout, accept):
        listed = next((word.partition("=")[2] for word in argv if word.startswith("--files-from=")), None)
        names = Path(listed).read_bytes().split(b"\0") if listed else None
        asked.append(([word for word in argv if not word.startswith("--files-from=")], names, accept))
        return Result(0, "")

    copying.transfer(run, Path("/a"), Path("/b"), files, live=live, attributes=attributes)
    return asked


BASE = ["rsync", "--archive", "--hard-links", "--sparse", "--numeric-ids", "--whole-file", "--acls", "--xattrs"]
ALL = ["--delete", "--exclude=/lost+found", "/a/", "/b/"]


def test_the_first_pass_reads_everything():
    assert commands(None) == [([*BASE, "--ignore-times", *ALL], None, (0, 24))]


def test_a_later_pass_reads_what_has_changed_whatever_size_and_mtime_say():
    first, second = commands(["a", "b/c"])
    assert first == (
        [*BASE, "--ignore-times", "--ignore-missing-args", "--from0", "/a/", "/b/"],
        [b"a", b"b/c", b""],
        (0, 24),
    )
    assert second == ([*BASE, *ALL], None, (0, 24))


def test_in_the_last_pass_nothing_may_vanish():
    first, second = commands(["a"], live=False)
    assert "--ignore-missing-args" not in first[0]
    assert (first[2], second[2]) == ((0,), (0,))


def test_over_nfs_without_attributes_that_a_server_may_not_take():
    (only,) = commands(None, attributes=False)
    assert not {"--acls", "--xattrs"} & set(only[0])


def test_a_copy_that_would_not_fit_is_refused(folder, tmp_path, monkeypatch):
    target = tmp_path / "target"
    target.mkdir()
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=1, f_frsize=4096))
    with pytest.raises(Refused, match="the new storage is too small"):
        copying.check_space(folder, target)
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=100, f_frsize=4096))
    copying.check_space(folder, target)


def test_who_has_something_open_below_the_datadir(folder):
    mine = f"({os.getpid()})"
    assert copying.users(folder) == []
    with open(folder / "ibdata1"):
        (found,) = copying.users(folder)
        assert found.endswith(mine)
    assert copying.users(folder) == []
