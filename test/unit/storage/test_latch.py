"""The latch, in a folder of the test's."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest

from hamysql.errors import ParseError
from hamysql.storage import latch
from hamysql.storage.latch import Latch, Stage

LATCH = Latch("galaxy-db", "mysql", "/dev/sdb", Stage.SEEDING, "e7c4c235a46d231d")


def test_there_is_none_before_anything_was_done(tmp_path):
    assert latch.read("mysql", "drbd", tmp_path / "not-there") is None


@pytest.mark.parametrize("stage", list(Stage))
def test_it_is_read_as_it_was_written(tmp_path, stage):
    written = replace(LATCH, stage=stage)
    latch.write(written, tmp_path / "hamysql")
    assert latch.read("mysql", "drbd", tmp_path / "hamysql") == written


def test_the_file_says_the_stage_by_its_name(tmp_path):
    # A number would change its meaning when a stage is added in between.
    latch.write(LATCH, tmp_path)
    assert json.loads((tmp_path / "mysql.json").read_text()) == {
        "cluster": "galaxy-db",
        "resource": "mysql",
        "disk": "/dev/sdb",
        "stage": "SEEDING",
        "device_uuid": "e7c4c235a46d231d",
        "run": "",
    }


def test_a_later_stage_replaces_the_earlier_one(tmp_path):
    latch.write(LATCH, tmp_path)
    latch.write(replace(LATCH, stage=Stage.INITIALISED), tmp_path)
    assert latch.read("mysql", "drbd", tmp_path).stage is Stage.INITIALISED
    assert os.listdir(tmp_path) == ["mysql.json"]


def test_resources_have_latches_of_their_own(tmp_path):
    latch.write(LATCH, tmp_path)
    latch.write(replace(LATCH, resource="other", stage=Stage.CLAIMED), tmp_path)
    assert latch.read("mysql", "drbd", tmp_path) == LATCH


def test_a_write_that_fails_leaves_the_latch_as_it_was(tmp_path, monkeypatch):
    latch.write(LATCH, tmp_path)

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        latch.write(replace(LATCH, stage=Stage.INITIALISED), tmp_path)
    assert latch.read("mysql", "drbd", tmp_path) == LATCH


def test_content_and_folder_are_synchronised_before_it_counts(tmp_path, monkeypatch):
    synchronised = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (synchronised.append(os.fstat(handle).st_ino), real(handle)))
    latch.write(LATCH, tmp_path)
    assert synchronised == [(tmp_path / "mysql.json").stat().st_ino, tmp_path.stat().st_ino]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '"SEEDING"',
        '{"cluster": "galaxy-db"}',
        '{"cluster": "c", "resource": "mysql", "disk": "/dev/sdb", "stage": "DONE"}',
        '{"cluster": "c", "resource": "mysql", "disk": "/dev/sdb", "stage": "SEEDING", "unknown": 1}',
    ],
)
def test_a_damaged_latch_is_an_error_that_names_the_file_and_never_none(tmp_path, content):
    (tmp_path / "mysql.json").write_text(content)
    with pytest.raises(ParseError, match=r"mysql\.json is damaged"):
        latch.read("mysql", "drbd", tmp_path)
