"""The timer of the backups: its files by Salt's own renderer, and its job as systemd would start it, with a real server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
from database_server import CLIENT, MISSING, SERVER, running
from salt_node import Node

from hamysql.backup.folder import Folder
from support import ROOT, load_pillar


@pytest.fixture(scope="module")
def configured(tmp_path_factory):
    """A node whose pillar has a folder for backups."""
    pillar = {
        **load_pillar("minimal"),
        "backup": {"directory": "/mnt/backups", "at": "04:30", "keep": 3, "binary_logs": True},
    }
    made = Node(tmp_path_factory.mktemp("backup") / "root", pillar, "debian12")
    yield made
    made.end()


def test_the_highstate_has_the_timer_and_installs_the_tool_first(configured):
    chunks = {chunk["__id__"]: chunk for chunk in configured.low()}
    assert chunks["hamysql-backup-timer-running"]["enable"] is True
    assert list(chunks).index("hamysql-package-installed") < list(chunks).index("hamysql-backup-task-file-managed")
    assert "mariadb-backup" in configured.call("hamysql.config")["package"]["names"]


def test_without_a_folder_there_is_no_timer(node):
    assert not [chunk for chunk in node("minimal").low() if "backup" in chunk["__id__"]]


def test_the_files_are_what_systemd_reads(configured, tmp_path):
    assert configured.complaints("backup", tmp_path) == ""
    (file,) = [chunk for chunk in configured.low() if chunk.get("name") == "/etc/hamysql/backup.json"]
    task = json.loads(file["contents"])
    assert (task["at"], task["keep"], task["cluster"]) == ("04:30", 3, load_pillar("minimal")["cluster"]["name"])


def test_binary_logs_have_a_timer_and_the_server_its_options(configured, tmp_path):
    chunks = {chunk["__id__"]: chunk for chunk in configured.low()}
    assert chunks["hamysql-logs-timer-running"]["enable"] is True
    assert configured.complaints("logs", tmp_path) == ""
    lines = configured.call("hamysql.config")["mysql"]["option_lines"]["mysqld"]
    assert {"log-bin = binlog", "sync-binlog = 1", "expire-logs-days = 3"} <= set(lines)


def test_the_secrets_of_a_repository_are_in_roots_file_alone(tmp_path):
    backup = {
        "repository": "rest:https://backups.example.org/galaxy",
        "password": "canary of the repository",
        "environment": {"RESTIC_REST_USERNAME": "me", "RESTIC_REST_PASSWORD": "canary-login"},
    }
    made = Node(tmp_path / "root", {**load_pillar("minimal"), "backup": backup}, "debian12")
    try:
        chunks = {chunk["__id__"]: chunk for chunk in made.low()}
        file = chunks["hamysql-backup-repository-file-managed"]
        assert (file["mode"], file["user"], file["show_changes"]) == ("0600", "root", False)
        assert "canary" not in json.dumps(list(chunks.values()), default=str)
        assert "canary" not in json.dumps(made.call("hamysql.settings"))
        text = made.call("slsutil.renderer", file["source"], default_renderer="jinja", saltenv="base")
        assert json.loads(text) == {
            "RESTIC_REPOSITORY": "rest:https://me:canary-login@backups.example.org/galaxy",
            "RESTIC_PASSWORD": "canary of the repository",
        }
        unit = "salt://hamysql/backup/files/hamysql-backup.service.jinja"
        text = made.call("slsutil.renderer", unit, default_renderer="jinja", saltenv="base")
        assert "RequiresMountsFor" not in text
        assert "canary" not in text
        names = made.call("hamysql.config")["package"]["names"]
        assert {"restic", "mariadb-backup"} <= set(names)
    finally:
        made.end()


def job(task, path):
    """What the timer's unit runs."""
    path.write_text(json.dumps(task))
    argv = [sys.executable, "-m", "hamysql.backup.job", str(path)]
    environment = {"PYTHONPATH": str(ROOT / "_utils"), "PATH": os.environ["PATH"]}
    return subprocess.run(argv, env=environment, capture_output=True, text=True, cwd="/", timeout=120)


@pytest.mark.skipif(bool(MISSING) or not shutil.which("mariadb-backup"), reason=MISSING or "mariadb-backup is missing")
def test_the_job_takes_one_where_it_serves_and_one_is_due(tmp_path):
    target = tmp_path / "backups"
    target.mkdir()
    with running(tmp_path) as daemon:
        mysql = {
            "flavor": "mariadb",
            "client": CLIENT,
            "socket": str(daemon.socket),
            "datadir": f"{tmp_path}/data",
            "binary": SERVER,
            "user": "root",
        }
        task = {
            "cluster": "galaxy-db",
            "node": "db1",
            "mysql": mysql,
            "directory": str(target),
            "at": "03:00",
            "keep": 3,
            "throttle": 0,
            "test_at": "05:00",
            "test_every": 0,
            "mounted": False,
            "staging": str(tmp_path / "staging"),
            "repository": False,
        }
        elsewhere = {**task, "node": "db2", "mysql": {**mysql, "socket": str(tmp_path / "none")}}
        done = job(elsewhere, tmp_path / "task")
        assert (done.returncode, "db2 does not serve" in done.stdout) == (0, True), done.stderr
        done = job(task, tmp_path / "task")
        assert done.returncode == 0, done.stderr
        (kept,) = Folder(str(target), "galaxy-db").kept()
        assert kept["manifest"]["scheduled"] is True
        assert kept["manifest"]["late"] >= 0
        assert "no backup is due" in job(task, tmp_path / "task").stdout
        missing = job({**task, "directory": str(tmp_path / "not-mounted")}, tmp_path / "task")
        assert missing.returncode == 1
        assert "there is no folder" in missing.stderr
