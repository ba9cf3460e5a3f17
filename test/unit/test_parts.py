"""The parts of the long tests: each test is in one, each comes in time, and one that hangs is stopped and named."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from types import SimpleNamespace

import parts
import pytest
import records

from support import ROOT


@pytest.fixture(scope="module")
def long_tests():
    return records.collected(ROOT, "long")


def test_every_long_test_is_in_exactly_one_part(long_tests):
    assert len(long_tests) > 40
    assert {nodeid: parts.parts_of(nodeid) for nodeid in long_tests if len(parts.parts_of(nodeid)) != 1} == {}


def test_every_name_and_parameter_of_a_part_is_that_of_a_test(long_tests):
    for part in parts.PARTS:
        for some in part.tests:
            for name in some.names or ("",):
                one = parts.Some(some.file, (name,) if name else (), some.param)
                assert any(one.has(nodeid) for nodeid in long_tests), one


def test_no_part_is_expected_to_take_longer_than_18_minutes():
    assert max(part.minutes for part in parts.PARTS) <= 18
    assert parts.LIMIT > 18 * 60


def test_contributing_has_the_parts():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    for place, part in enumerate(parts.PARTS, 1):
        assert f"| {place} | {part.words} | {part.minutes} |\n" in text
    assert f"stopped after {parts.LIMIT // 60} minutes" in text


ALL = set(range(1, len(parts.PARTS) + 1))


def chosen(counts, landings):
    return [parts.choose(parts.turn(count, [place for place in landings if place <= count]), {}) for count in counts]


@pytest.mark.parametrize("seed", range(20))
def test_as_many_landings_as_there_are_parts_have_each_of_them_when_each_commits_its_record(seed):
    steps = random.Random(seed).choices(range(5, 41), k=len(parts.PARTS))
    landings = list(itertools.accumulate(steps, initial=353))
    assert set(chosen(landings[1:], landings)) == ALL
    # Its record may be any of a landing's commits, and there may be two.
    first, second = [count - 4 for count in landings], [count - 2 for count in landings]
    assert set(chosen(landings[1:], sorted(first + second))) == ALL


@pytest.mark.parametrize("step", [1, 5, 13, 22, 39, 40])
def test_without_records_no_landing_of_forty_commits_or_less_skips_a_part(step):
    found = chosen(range(353, 353 + 40 * len(parts.PARTS), step), [])
    assert set(found) == ALL
    assert all((after - before) % len(parts.PARTS) <= 1 for before, after in itertools.pairwise(found))


def test_without_records_the_turn_follows_from_the_number_of_commits():
    assert [parts.turn(count, []) for count in (0, 39, 40, 79, 400)] == [0, 0, 1, 1, 10]
    assert [parts.turn(count, [50, 90, 92]) for count in (90, 129, 130, 171)] == [3, 3, 4, 5]


def test_what_passed_lately_is_passed_over_unless_all_has():
    recent = dict.fromkeys(ALL, 10)
    assert parts.choose(0, {1: 10, 2: parts.RECENT}) == 3
    assert parts.choose(0, {1: parts.RECENT + 1}) == 1
    assert parts.choose(1, {**recent, 1: None}) == 1
    assert parts.choose(1, recent) == 2


def git(folder, *words):
    who = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    then = {**os.environ, "GIT_COMMITTER_DATE": "2020-01-01T12:00:00Z"}
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, env=then)


@pytest.fixture
def repository(tmp_path):
    """Three commits, and one of the record."""
    folder = tmp_path / "made"
    (folder / "test").mkdir(parents=True)
    (folder / records.COMMITTED).write_text("{}")
    git(folder, "init", "--quiet")
    for _ in range(3):
        git(folder, "commit", "--quiet", "--allow-empty", "--message=one")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=the record")
    return folder


def test_the_commits_are_counted(repository, monkeypatch):
    monkeypatch.setattr(parts, "turn", lambda count, landings: (count, landings))
    assert parts.turns(repository) == ((4, [4]), "4 commits, 1 of them of the record", True)


def test_a_shallow_clone_says_so_and_has_a_part_all_the_same(repository, tmp_path):
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{repository}", "shallow")
    hours = 1577880000 // 3600
    turns, reason, counted = parts.turns(tmp_path / "shallow")
    assert (turns, counted) == (hours, False)
    assert "this clone is shallow" in reason
    assert parts.choose(turns, {}) in ALL


def test_without_git_there_is_a_part_all_the_same(tmp_path):
    turns, reason, counted = parts.turns(tmp_path)
    assert "git does not tell" in reason
    assert counted is False
    assert parts.choose(turns, {}) in ALL


def test_what_passed_lately_is_known_only_where_all_commits_are(repository, tmp_path, monkeypatch, long_tests):
    mine = next(nodeid for nodeid in long_tests if parts.parts_of(nodeid) == [2])
    (repository / records.COMMITTED).write_text(records.text({mine: entry("2019-12-31T00:00:00Z")}))
    git(repository, "commit", "--quiet", "--all", "--message=the record")
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{repository}", "shallow")
    monkeypatch.setattr(records, "collected", lambda folder, marks: [mine])
    monkeypatch.setattr(parts, "turn", lambda count, landings: 1)
    assert parts.due(repository)[0] == 3
    real = parts.turns(tmp_path / "shallow")
    monkeypatch.setattr(parts, "turns", lambda folder: (1, *real[1:]))
    assert parts.due(tmp_path / "shallow")[0] == 2


def entry(when, state="passed"):
    return {state: {"commit": "abcdef12", "time": when, "seconds": 60.0, "reason": "there is one path"}}


def test_a_part_is_as_old_as_its_oldest_pass_and_a_failure_or_a_gap_counts_as_never(repository):
    tests = [
        f"test/cluster/test_lun_guarded.py::test_{name}[{guard}]" for guard in ("scsi", "mpath") for name in ("a", "b")
    ]
    long_ago, later = "2019-12-31T00:00:00Z", "2020-01-02T00:00:00Z"
    known = {tests[0]: entry(long_ago), tests[1]: entry(later, "skipped"), tests[2]: entry(later)}
    assert parts.passed_ago(repository, known, tests) == {10: 4, 11: None}
    known[tests[3]] = {**entry(long_ago), **entry(later, "failed")}
    assert parts.passed_ago(repository, known, tests)[11] is None
    assert parts.passed_ago(repository, {**known, tests[3]: entry(later)}, tests)[11] == 0


def test_the_minutes_that_were_measured_are_shown_when_all_of_a_part_has_passed(long_tests):
    ours = [nodeid for nodeid in long_tests if parts.parts_of(nodeid) == [3]]
    known = {nodeid: entry("2026-11-28T10:00:00Z") for nodeid in ours}
    assert Counter(line.endswith("| 3 |") for line in parts.shown(known, long_tests).splitlines())[True] == 1
    del known[ours[0]]
    assert not any(line.endswith("| 3 |") for line in parts.shown(known, long_tests).splitlines())


@pytest.mark.parametrize("given", ["0", str(len(parts.PARTS) + 1), "-1", "three", ""])
def test_what_is_no_part_is_told(given, capsys):
    assert parts.main(["run", given]) == 2
    assert f"expected a number from 1 to {len(parts.PARTS)}" in capsys.readouterr().err


HANG = """
import os, signal, sys, time
if "deaf" in sys.argv:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
with open(os.environ["HAMYSQL_TEST_RUNNING"], "w") as file:
    file.write("test/cluster/test_x.py::test_that_hangs (call)")
try:
    time.sleep(600)
except KeyboardInterrupt:
    open(sys.argv[1], "w").write("taken down")
"""


@pytest.mark.parametrize("ours", [signal.default_int_handler, signal.SIG_IGN], ids=["foreground", "background"])
def test_a_part_that_hangs_fails_names_what_ran_and_may_take_down_its_lab(tmp_path, capsys, ours):
    done, before = tmp_path / "done", signal.signal(signal.SIGINT, ours)
    try:
        assert parts.run([sys.executable, "-c", HANG, done], limit=5, grace=60) == 1
    finally:
        signal.signal(signal.SIGINT, before)
    assert "this ran: test/cluster/test_x.py::test_that_hangs (call)" in capsys.readouterr().out
    assert done.read_text() == "taken down"


def test_a_part_that_does_not_even_stop_is_killed_and_its_lab_taken_down(tmp_path, capsys):
    done, after = tmp_path / "done", tmp_path / "after"
    command = [sys.executable, "-c", HANG, done, "deaf"]
    assert parts.run(command, limit=2, grace=1, after=["touch", str(after)]) == 1
    assert "test_that_hangs" in capsys.readouterr().out
    assert (done.exists(), after.exists()) == (False, True)


@pytest.mark.parametrize("code", [0, 1, 5])
def test_a_part_that_ends_in_time_ends_as_its_tests_did(code):
    assert parts.run([sys.executable, "-c", f"raise SystemExit({code})"], limit=60) == code


def test_ci_runs_the_part_that_is_due():
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    commands = [line for line in lines if line and not line.startswith(("#", "set ", "cd "))]
    assert commands == ["make test", 'exec .venv/bin/python test/parts.py ci "$SECONDS"']


@pytest.mark.parametrize(
    ("minutes", "limit"), [(0, parts.LIMIT), (40, parts.LIMIT), (50, 20 * 60), (58, 12 * 60), (59, None), (80, None)]
)
def test_on_a_slow_day_a_part_gets_what_is_left_or_is_left_out(minutes, limit):
    assert parts.room(minutes * 60) == limit


@pytest.mark.parametrize(("code", "limit", "has_passed", "expected"), [
    (0, parts.LIMIT, True, 0),
    (1, parts.LIMIT, True, 1),
    (1, parts.LIMIT, False, 0),
    (1, parts.LIMIT - 60, True, 0),
    (2, parts.LIMIT, True, 2),
])  # fmt: skip
def test_a_part_that_has_passed_before_may_not_fail(code, limit, has_passed, expected):
    assert parts.verdict(code, limit, has_passed)[0] == expected


@pytest.fixture
def asked(monkeypatch):
    """What CI runs, which always fails: the part and the seconds that it has. Parts 3 and 13 are due, and each takes ten minutes."""
    found, clock = [], [1000.0]

    def run(words, limit, after):
        found.append((words[words.index("--part") + 1], limit))
        clock[0] += 600
        return 1

    monkeypatch.setattr(parts, "due", lambda: (3, 13, "a reason"))
    monkeypatch.setattr(parts, "run", run)
    monkeypatch.setattr(parts, "passed_ago", lambda *_: {3: 7})
    monkeypatch.setattr(parts, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    return found


def test_ci_runs_the_part_whose_turn_it_is_and_says_what_came_of_it(asked, capsys):
    assert parts.ci(44 * 60) == 1
    assert asked == [("3", parts.LIMIT)]
    said = capsys.readouterr().out
    assert "part 3 of" in said
    assert "The part has failed." in said
    assert parts.ci(parts.WHOLE) == 0
    assert len(asked) == 1
    assert "no time for a part" in capsys.readouterr().out


def test_ci_runs_a_second_part_where_that_fits(asked, capsys):
    need = parts.PARTS[12].minutes * parts.SLOW * 60
    before = parts.WHOLE - 2 * parts.GRACE - 600 - need  # seconds that `make test` may take at most
    assert parts.ci(before) == 1, "the first one failed"
    assert asked == [("3", parts.LIMIT), ("13", pytest.approx(need))]
    assert "there is time for a second part" in capsys.readouterr().out
    del asked[:]
    parts.ci(before + 1)
    assert [place for place, _ in asked] == ["3"]


@pytest.mark.parametrize("turns", range(3))
def test_half_as_many_landings_have_all_parts_where_two_fit(turns, monkeypatch, repository):
    pairs = []
    for landing in range(turns, turns + (len(ALL) + 1) // 2):
        monkeypatch.setattr(parts, "turns", lambda folder, landing=landing: (landing, "", False))
        pairs += parts.due(repository)[:2]
    assert set(pairs) == ALL
