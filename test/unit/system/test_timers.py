"""A timer's job: it says to the journal what it did, or why not."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from hamysql.errors import Refused
from hamysql.system import timers


@pytest.fixture(autouse=True)
def task(tmp_path, monkeypatch):
    file = tmp_path / "task.json"
    monkeypatch.setattr(sys, "argv", ["job", str(file)])
    return file


def test_a_task_gets_to_its_job_as_it_was_given(task, capsys):
    unit = timers.unit({"node": "db1", "keep": 7}, "/var/cache/salt/minion/extmods")
    assert (unit["python"], unit["path"]) == (sys.executable, "/var/cache/salt/minion/extmods/utils")
    task.write_text(unit["task"])
    assert timers.main(lambda file: f"kept {json.loads(file.read_text())['keep']}", "nothing was done") == 0
    assert capsys.readouterr().out == "kept 7\n"


@pytest.mark.parametrize("error", [Refused("it may not be"), OSError("no disk"), ValueError("no JSON")])
def test_what_went_wrong_is_said_and_the_unit_fails(error, capsys):
    def job(file: Path) -> str:
        raise error

    assert timers.main(job, "nothing was done") == 1
    assert capsys.readouterr().err == f"nothing was done: {error}\n"
