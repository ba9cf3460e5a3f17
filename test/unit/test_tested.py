"""What is recorded of the tests' runs, and the page that is written from it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import parts
import pytest
import records
import tested

from support import ROOT

A, B = "test/cluster/test_a.py::test_one", "test/cluster/test_a.py::test_a_node_s_end[nfs]"
EARLY, LATE = "2026-11-27T10:00:00Z", "2026-11-28T10:00:00Z"


def passed(when, commit="aaaaaaaa", **more):
    return {"passed": {"commit": commit, "time": when, "seconds": 61.2, **more}}


def failed(when, commit="ffffffff"):
    return {"failed": {"commit": commit, "time": when}}


def test_the_later_of_two_passes_stays_whichever_comes_first():
    early, late = {A: passed(EARLY)}, {A: passed(LATE, "bbbbbbbb")}
    assert records.merged(early, late) == records.merged(late, early) == late


def test_a_failure_is_marked_until_the_next_pass():
    known = records.merged({A: passed(EARLY)}, {A: failed(LATE)})
    assert known == {A: passed(EARLY) | failed(LATE)}
    assert records.newest(known[A])[0] == "failed"
    assert records.merged(known, {A: passed("2026-11-29T10:00:00Z")}) == {A: passed("2026-11-29T10:00:00Z")}
    assert records.merged({A: passed(LATE)}, {A: failed(EARLY)}) == {A: passed(LATE)}


def test_an_entry_is_a_sorted_line():
    text = records.text({B: passed(EARLY), A: passed(LATE)})
    assert json.loads(text) == {A: passed(LATE), B: passed(EARLY)}
    assert [line.partition('": ')[0].strip('"') for line in text.splitlines()[1:-1]] == sorted([A, B])


def test_two_runs_add_to_one_file(tmp_path):
    path = tmp_path / "new" / "tested.json"
    records.add(path, {A: passed(EARLY)})
    records.add(path, {B: passed(LATE)})
    assert records.read(path) == {A: passed(EARLY), B: passed(LATE)}


@pytest.mark.parametrize(
    ("nodeid", "words"),
    [
        (A, "One"),
        (B, "A node's end (nfs)"),
        ("test/cluster/test_failover.py::test_the_cluster_is_the_peer_s", "The cluster is the peer's"),
    ],
)
def test_a_name_is_a_sentence(nodeid, words):
    assert tested.scenario(nodeid) == words


def test_the_page_has_each_scenario_with_its_last_pass():
    skip = {"skipped": {"commit": "aaaaaaaa", "time": LATE, "reason": "there is one path"}}
    long = "test/cluster/test_third_vote.py::test_x"
    known = {A: passed(EARLY) | failed(LATE), B: passed(LATE, "bbbbbbbb+changes"), long: skip}
    page = tested.page(known, [A, B, long, f"{A}_more"], [])
    assert "Of 4 scenarios 1 passed when they ran last, 1 failed, 1 were skipped, 1 were never recorded." in page
    assert "| One | make test | **failed** at ffffffff, 2026-11-28; passed: aaaaaaaa, 2026-11-27, 61 s |" in page
    assert "| A node's end (nfs) | make test | bbbbbbbb+changes, 2026-11-28, 61 s |" in page
    assert "| X | part 9 | skipped: there is one path |" in page
    assert "| One more | make test | never recorded |" in page


def test_other_tests_are_counted_by_folder_and_what_failed_is_named():
    files = ["test/unit/test_a.py", "test/unit/cib/test_b.py", "test/unit/test_c.py", "test/functional/test_d.py"]
    known = {files[0]: passed(EARLY, tests=3), files[1]: passed(LATE, "bbbbbbbb", tests=4), files[2]: failed(LATE)}
    shown = tested.folders(known, files)
    assert "| test/unit | 2 of 3 | 7 | aaaaaaaa, 2026-11-27 | bbbbbbbb, 2026-11-28 |" in shown
    assert "| test/functional | 0 of 1 | 0 |" in shown
    assert "- test/unit/test_c.py: **failed** at ffffffff, 2026-11-28; passed: never" in shown


def test_what_is_no_test_any_more_is_dropped(tmp_path):
    for name in ("test", "docs", ".lab"):
        (tmp_path / name).mkdir()
    (tmp_path / records.COMMITTED).write_text(records.text({A: passed(EARLY), "test/unit/gone.py": passed(EARLY)}))
    (tmp_path / records.LOCAL).write_text(records.text({B: passed(LATE)}))
    tested.update(tmp_path, [A, B], [])
    assert records.read(tmp_path / records.COMMITTED) == {A: passed(EARLY), B: passed(LATE)}
    assert "2 passed" in (tmp_path / records.PAGE).read_text()


def test_the_committed_page_is_readable():
    # It has a line for each of some 150 scenarios of the lab.
    assert len((ROOT / records.PAGE).read_text().splitlines()) <= 300


TESTS = """
import pytest

def test_well(): pass

def test_ill(): assert False

def test_not(): pytest.skip("there is one path")

def test_well_but_badly_left(request): request.addfinalizer(lambda: 1 / 0)
"""


@pytest.fixture
def project(tmp_path):
    """A project with its own tests in the folders of ours, in git."""
    for name, text in {
        "test/cluster/test_x.py": TESTS,
        "test/unit/test_good.py": "def test_1(): pass\ndef test_2(): pass\n",
        "test/unit/test_bad.py": "def test_3(): pass\ndef test_4(): assert False\n",
        "pytest.ini": "[pytest]\naddopts = -m 'not long'\nmarkers = long\n",
        ".gitignore": ".lab/\n__pycache__/\n.pytest_cache/\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    shutil.copy(ROOT / "test" / "conftest.py", tmp_path / "test")
    who = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    for words in (["init", "--quiet"], ["add", "--all"], [*who, "commit", "--quiet", "--message=one"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True)
    return tmp_path


def pytest_in(folder, *words, **more):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "xdist", *words]
    # Salt's plugins are not needed, and take longer to load than all of this takes to run.
    env = {**os.environ, "PYTHONPATH": str(ROOT / "test"), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **more}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=env)


def states(folder):
    return {
        key.removeprefix("test/"): records.newest(entry)[0]
        for key, entry in records.read(folder / records.LOCAL).items()
    }


@pytest.mark.parametrize("processes", [[], ["--numprocesses=2"]])
def test_a_run_is_recorded_and_the_tree_stays_clean(project, processes):
    pytest_in(project, *processes)
    assert states(project) == {
        "cluster/test_x.py::test_well": "passed",
        "cluster/test_x.py::test_ill": "failed",
        "cluster/test_x.py::test_not": "skipped",
        "cluster/test_x.py::test_well_but_badly_left": "failed",
        "unit/test_good.py": "passed",
        "unit/test_bad.py": "failed",
    }
    found = records.read(project / records.LOCAL)
    assert found["test/unit/test_good.py"]["passed"]["tests"] == 2
    assert found["test/cluster/test_x.py::test_not"]["skipped"]["reason"] == "there is one path"
    assert {facts["commit"] for entry in found.values() for facts in entry.values()} == {records.commit(project)}
    assert records.git(project, "status", "--porcelain") == ""


def test_a_file_of_which_only_some_tests_ran_has_not_passed(project):
    pytest_in(project, "test/unit", "-k", "test_1 or test_3")
    pytest_in(project, "test/unit/test_good.py::test_1")
    assert states(project) == {}
    pytest_in(project, "test/unit/test_bad.py::test_4")
    assert states(project) == {"unit/test_bad.py": "failed"}


def test_a_tree_with_changes_is_said_to_have_some_unless_it_is_the_record(project):
    clean = records.commit(project)
    assert len(clean) == 8
    for name in (records.COMMITTED, records.PAGE):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text("{}\n")
    assert records.commit(project) == clean
    (project / "test" / "unit" / "test_good.py").write_text("def test_5(): pass\n")
    assert records.commit(project) == f"{clean}+changes"
    assert records.commit(project.parent) is None


def test_what_is_at_work_is_said(project, tmp_path_factory):
    said = tmp_path_factory.mktemp("said") / "running"
    pytest_in(project, "test/unit/test_good.py", **{parts.RUNNING: str(said)})
    assert said.read_text() == "test/unit/test_good.py::test_2 (teardown)"


def test_only_the_tests_of_a_part_are_run(project):
    vote = project / "test" / "cluster" / "test_third_vote.py"
    vote.write_text("import pytest\npytestmark = pytest.mark.long\n\ndef test_vote(): pass\n")
    pytest_in(project, "-m", "long", "--part=9", "test/cluster")
    assert states(project) == {"cluster/test_third_vote.py::test_vote": "passed"}
    done = pytest_in(project, "--part=99", "test/cluster")
    assert done.returncode == 4
    assert "expected a number from 1" in done.stderr


def test_a_combination_that_passed_is_a_row_and_one_that_failed_is_none():
    row = dict.fromkeys(tested.COLUMNS, 1) | {"system": "Debian 13", "lost": 0}
    known = {A: passed(LATE, row=row), B: failed(LATE)}
    *_, last = tested.combinations(known, [A, B]).splitlines()
    assert last.split(" | ")[0] == "| Debian 13"
    assert last.endswith("| 0 | aaaaaaaa | 2026-11-28 |")
    assert "ffffffff" not in tested.combinations(known, [A, B])


def test_what_a_test_is_worth_is_recorded_with_its_pass():
    recorder = records.Recorder("aaaaaaaa")
    recorder.report(A, "passed", 1, row={"lost": 0})
    recorder.report(A, "passed", 1)
    assert recorder.ended(A)[A]["passed"]["row"] == {"lost": 0}
