"""The alert that switches a fenced node on again: for whom, and how often it tries."""

from __future__ import annotations

import os
import subprocess

import pytest

from hamysql.fencing import devices
from support import ROOT

ALERT = ROOT / "hamysql" / "fencing" / "files" / "power-on.sh"
FENCED = {
    "CRM_alert_kind": "fencing",
    "CRM_alert_node": "db2",
    "CRM_alert_rc": "0",
    "CRM_alert_desc": "Operation reboot of db2 by db1 for pacemaker-controld.803@db1: OK (ref=164998c1)",  # pacemaker 2.1.5
    "CRM_alert_task": "st_notify_fence",
    "hamysql_nodes": "db1 db2",
    "hamysql_timeout": "60",
}


@pytest.fixture
def alert(tmp_path):
    """Run the alert; returns its exit status and what it has asked pacemaker for. The first so many attempts fail."""

    def run(failures=0, **changed):
        asked = tmp_path / "asked"
        asked.write_text("")
        programs = {
            "stonith_admin": f'echo "$@" >>{asked}; [ $(wc -l <{asked}) -gt {failures} ]',
            "sleep": "exit 0",
            "logger": f'echo "$@" >>{tmp_path}/said',
        }
        for name, text in programs.items():
            (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
            (tmp_path / name).chmod(0o755)
        environment = {**os.environ, **FENCED, **changed, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
        code = subprocess.run(["sh", ALERT], env=environment, timeout=30, check=False).returncode
        return code, asked.read_text().splitlines()

    run.said = tmp_path / "said"
    return run


def test_pacemaker_lets_it_try_as_often_as_it_does():
    assert f"\nATTEMPTS={devices.POWER_ON_ATTEMPTS} " in ALERT.read_text()


def test_a_node_that_was_to_be_rebooted_is_switched_on(alert):
    assert alert() == (0, ["--unfence db2 --timeout 60"])
    assert "db2 was fenced, and is switched on again" in alert.said.read_text()


@pytest.mark.parametrize(
    "changed",
    [
        {"CRM_alert_kind": "node", "CRM_alert_desc": "lost"},
        {"CRM_alert_rc": "1"},
        {"CRM_alert_desc": FENCED["CRM_alert_desc"].replace("reboot", "off")},
        {"CRM_alert_desc": FENCED["CRM_alert_desc"].replace("reboot", "on")},
        {"hamysql_nodes": "db1"},
        {"hamysql_nodes": "db21"},
    ],
    ids=["another event", "a failed fencing", "switched off for good", "switched on", "another device", "another name"],
)
def test_nobody_else_is(alert, changed):
    assert alert(**changed) == (0, [])


@pytest.mark.parametrize(("failures", "code", "attempts"), [(2, 0, 3), (3, 1, 3)])
def test_a_board_that_is_busy_is_asked_again_and_a_silent_one_is_told_of(alert, failures, code, attempts):
    assert alert(failures) == (code, ["--unfence db2 --timeout 60"] * attempts)
    assert ("db2 stays switched off: stonith_admin --unfence db2" in alert.said.read_text()) == bool(code)
