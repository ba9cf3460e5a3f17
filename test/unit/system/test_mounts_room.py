"""How much room there is, by the real df."""

from __future__ import annotations

import os

import pytest

from hamysql.errors import CommandFailed
from hamysql.system import mounts
from hamysql.system.command import run


def test_each_file_system_is_told_once_and_a_folder_that_is_not_there_is_no_error(tmp_path):
    found = mounts.room(run, ["/", "/", "/proc", str(tmp_path / "missing")])
    assert [room["folder"] for room in found] == ["/", "/proc"]
    stat = os.statvfs("/")
    assert found[0]["size"] == stat.f_blocks * stat.f_frsize
    assert 0 < found[0]["free"] < found[0]["size"]


@pytest.mark.parametrize("returncode", [None, 2])
def test_file_systems_that_do_not_answer_are_not_told(returncode):
    def dead(argv, **given):
        assert given["timeout"] <= 10
        raise CommandFailed(argv, returncode, "")

    assert mounts.room(dead, ["/"]) == []
