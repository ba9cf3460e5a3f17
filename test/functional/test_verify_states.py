"""The timer of the verifications: its files by Salt's own renderer, and its job as systemd would start it. And a real disk's copy."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from salt_node import Node

from hamysql.errors import CommandFailed
from hamysql.storage.drbd.care import image, tables
from hamysql.storage.drbd.care.image import Data
from hamysql.system.command import run
from support import ROOT, load_pillar

SIZE = 64 * 2**20


@pytest.fixture(scope="module")
def configured(tmp_path_factory):
    """A node whose pillar wants its replicas compared."""
    pillar = load_pillar("minimal")
    pillar["storage"]["drbd"]["verify"] = {"alg": "sha256", "every": 7, "at": "02:30", "rate": "5M"}
    made = Node(tmp_path_factory.mktemp("verify") / "root", pillar, "debian12")
    yield made
    made.end()


@pytest.fixture
def disk(tmp_path):
    """A disk with DRBD's metadata and a file system, which no kernel has in use."""
    if os.geteuid() or not shutil.which("drbdmeta"):
        pytest.skip("root and drbdmeta are needed")
    file = tmp_path / "disk"
    file.touch()
    os.truncate(file, SIZE)
    attached = subprocess.run(["losetup", "--find", "--show", file], capture_output=True, text=True, check=False)
    if attached.returncode:
        pytest.skip(f"no loop device can be had here: {attached.stderr.strip()}")
    device = attached.stdout.strip()
    run(["mkfs.ext4", "-q", device, f"{SIZE // 1024 - 1024}k"])
    place = tmp_path / "fill"
    place.mkdir()
    run(["mount", device, str(place)])
    (place / "data" / "shop").mkdir(parents=True)
    (place / "data" / "shop" / "orders.ibd").write_bytes(b"rows")
    run(["umount", str(place)])
    run(["drbdmeta", "--force", "9999", "v08", device, "internal", "create-md"], stdin="yes\n")
    yield device
    run(["losetup", "--detach", device])


def test_the_highstate_has_the_timer_and_the_digest(configured):
    chunks = {chunk["__id__"]: chunk for chunk in configured.low()}
    assert chunks["hamysql-verify-timer-running"]["enable"] is True
    task = json.loads(chunks["hamysql-verify-task-file-managed"]["contents"])
    assert (task["every"], task["at"], task["rate"], task["usual"]) == (7, "02:30", "5M", "10M")
    assert "verify-alg sha256;" in configured.call("hamysql.config")["storage"]["drbd"]["resource_texts"]["8.4"]


def test_without_an_interval_there_is_no_timer_and_no_digest(node):
    assert not [chunk for chunk in node("minimal").low() if "verify" in chunk["__id__"]]
    assert "verify-alg" not in node("minimal").call("hamysql.config")["storage"]["drbd"]["resource_texts"]["8.4"]


def test_the_files_are_what_systemd_reads(configured, tmp_path):
    assert configured.complaints("verify", tmp_path) == ""


def test_the_job_says_what_it_did_where_there_is_no_drbd(tmp_path):
    if Path("/proc/drbd").exists():
        pytest.skip("this machine has DRBD in its kernel")
    task = {"node": "db1", "resource": "mysql", "minor": 0, "rate": None, "usual": "10M", "every": 1, "at": "01:00"}
    path = tmp_path / "task"
    path.write_text(json.dumps(task))
    done = subprocess.run(
        [sys.executable, "-m", "hamysql.storage.drbd.care.job", str(path)],
        env={"PYTHONPATH": str(ROOT / "_utils"), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        cwd="/",
        timeout=60,
        check=False,
    )
    assert (done.returncode, "db1 does not serve" in done.stdout) == (0, True), done.stderr


def test_a_disk_s_tables_are_told_without_a_change_to_it(disk, tmp_path):
    def content():
        with open(disk, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()

    before = content()
    with tables.mounted(run, disk, "ext4", tmp_path / "place") as place:
        assert list(tables.listed(place / "data")) == ["shop.orders"]
        with pytest.raises(OSError, match="Read-only"):
            (place / "data" / "new").touch()
    assert content() == before
    assert run(["losetup", "--noheadings", "--associated", disk]).stdout == ""
    with pytest.raises(CommandFailed), tables.mounted(run, disk, "xfs", tmp_path / "place"):
        pass
    assert run(["losetup", "--noheadings", "--associated", disk]).stdout == ""


def test_a_disk_s_copy_is_the_disk_with_its_metadata(disk, tmp_path):
    generation = image.identity(disk, SIZE)
    made = image.keep(run, disk, "galaxy-db-db2-mysql", lambda: Data(generation, "boot 0"), str(tmp_path / "kept"))
    copy = Path(made["path"])
    assert hashlib.sha256(copy.read_bytes()).hexdigest() == made["sha256"]
    with open(disk, "rb") as file:
        assert copy.read_bytes() == file.read()
    assert copy.stat().st_blocks * 512 < SIZE, "it is not sparse"
    assert image.read(copy) == made
