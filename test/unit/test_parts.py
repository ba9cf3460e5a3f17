"""The parts of the long tests: each test is in one, each comes in time, and one that hangs is stopped and named."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

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


@pytest.mark.parametrize("step", [1, 5, 13, 22, 39, 40])
def test_no_landing_of_forty_commits_or_less_skips_a_part(step):
    seen = [parts.choose(count, {}) for count in range(353, 353 + 40 * len(parts.PARTS), step)]
    assert set(seen) == set(range(1, len(parts.PARTS) + 1))


def test_the_part_follows_from_the_number_of_commits_alone_when_nothing_was_recorded():
    assert [parts.choose(count, {}) for count in (0, 39, 40, 79, 40 * len(parts.PARTS))] == [1, 1, 2, 2, 1]


def test_what_passed_lately_is_passed_over_unless_all_has():
    recent = {place: 10 for place in range(1, len(parts.PARTS) + 1)}
    assert parts.choose(0, {1: 10, 2: parts.RECENT}) == 3
    assert parts.choose(0, {1: parts.RECENT + 1}) == 1
    assert parts.choose(40, {**recent, 1: None}) == 1
    assert parts.choose(40, recent) == 2


def git(folder, *words):
    who = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    then = {**os.environ, "GIT_COMMITTER_DATE": "2020-01-01T12:00:00Z"}
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, env=then)


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "made"
    folder.mkdir()
    git(folder, "init", "--quiet")
    for _ in range(3):
        git(folder, "commit", "--quiet", "--allow-empty", "--message=one")
    return folder


def test_the_commits_are_counted(repository):
    assert parts.commits(repository) == (3, "")


def test_a_shallow_clone_says_so_and_has_a_part_all_the_same(repository, tmp_path):
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{repository}", "shallow")
    count, reason = parts.commits(tmp_path / "shallow")
    assert "this clone is shallow" in reason
    assert count % parts.STRIDE == 0
    assert parts.choose(count, {}) in range(1, len(parts.PARTS) + 1)


def test_without_git_there_is_a_part_all_the_same(tmp_path):
    count, reason = parts.commits(tmp_path)
    assert "git does not tell" in reason
    assert parts.choose(count, {}) in range(1, len(parts.PARTS) + 1)


def entry(when, state="passed"):
    return {state: {"commit": "abcdef12", "time": when, "seconds": 60.0, "reason": "there is one path"}}


def test_a_part_is_as_old_as_its_oldest_pass_and_a_failure_or_a_gap_counts_as_never(repository):
    tests = [
        f"test/cluster/test_lun_guarded.py::test_{name}[{guard}]" for guard in ("scsi", "mpath") for name in ("a", "b")
    ]
    long_ago, later = "2019-12-31T00:00:00Z", "2020-01-02T00:00:00Z"
    known = {tests[0]: entry(long_ago), tests[1]: entry(later, "skipped"), tests[2]: entry(later)}
    assert parts.passed_ago(repository, known, tests) == {10: 3, 11: None}
    known[tests[3]] = {**entry(long_ago), **entry(later, "failed")}
    assert parts.passed_ago(repository, known, tests)[11] is None
    assert parts.passed_ago(repository, {**known, tests[3]: entry(later)}, tests)[11] == 0


def test_the_minutes_that_were_measured_are_shown_when_all_of_a_part_has_passed(long_tests):
    ours = [nodeid for nodeid in long_tests if parts.parts_of(nodeid) == [3]]
    known = {nodeid: entry("2026-11-28T10:00:00Z") for nodeid in ours}
    assert Counter(line.endswith("| 3 |") for line in parts.shown(known, long_tests).splitlines())[True] == 1
    del known[ours[0]]
    assert not any(line.endswith("| 3 |") for line in parts.shown(known, long_tests).splitlines())


@pytest.mark.parametrize("given", ["0", "14", "-1", "three", ""])
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


def test_a_part_that_hangs_fails_names_what_ran_and_may_take_down_its_lab(tmp_path, capsys):
    done = tmp_path / "done"
    assert parts.run([sys.executable, "-c", HANG, done], limit=2, grace=60) == 1
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
    commands = [line for line in lines if "make test" in line and not line.startswith("#")]
    assert commands == ["make test", 'exec make test-long PART="$part"']
    assert "part=$(.venv/bin/python test/parts.py due)" in lines
