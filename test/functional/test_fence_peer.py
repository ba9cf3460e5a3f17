"""DRBD's handler with pacemaker's own tools on a file: which case it takes, and that it leaves every other one to DRBD's own."""

from __future__ import annotations

import os
import subprocess
import threading
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from support import ROOT

HANDLER = ROOT / "hamysql" / "storage" / "drbd" / "files" / "fence-peer.sh"
CIB = ROOT / "test" / "unit" / "fixtures" / "cib" / "cib-2.1.5-running.xml"
SELF = os.uname().nodename
ALONE = "cs:WFConnection ro:Secondary/Unknown ds:UpToDate/DUnknown C r-----"
DEAD = {"in_ccm": "false", "crmd": "offline", "join": "down", "expected": "down"}
LOST = {**DEAD, "expected": "member"}
FENCED, STOCK = 7, 42
CONSTRAINT = "drbd-fence-by-handler-mysql-ms_drbd_mysql"


class Handler:
    """The handler on this machine, as if it were db1: its peer db2 and its replica are what the test says."""

    def __init__(self, folder: Path):
        self.folder, self.cib = folder, folder / "cib.xml"
        self.stock = folder / "crm-fence-peer.sh"
        self.stock.write_text(f'#!/bin/sh\n# : "${{role:="Master"}}"\necho "$@" >{folder}/stock\nexit {STOCK}\n')
        self.stock.chmod(0o755)
        text = HANDLER.read_text()
        for name, path in (
            ("STOCK", self.stock),
            ("STATES", folder / "drbd"),
            ("LOCKS", folder / "locks"),
            ("LOG", folder / "log"),
        ):
            (line,) = [line for line in text.splitlines() if line.startswith(f"{name}=")]
            text = text.replace(line, f"{name}={path}")
        (folder / "handler").write_text(text)
        self.cib.write_text(CIB.read_text().replace('"db1"', f'"{SELF}"'))
        self.drbd(ALONE)

    def drbd(self, state: str, minor: int = 0) -> None:
        head = "version: 8.4.11 (api:1/proto:86-101)\n"
        (self.folder / "drbd").write_text(f"{head} {minor}: {state}\n    ns:0 nr:0 dw:0 dr:0\n")

    def peer(self, **attributes: str) -> None:
        tree = ET.parse(self.cib)
        state = tree.find("status/node_state[@uname='db2']")
        assert state is not None
        for name, value in attributes.items():
            state.set(name, value)
        tree.write(self.folder / "new.xml")
        (self.folder / "new.xml").rename(self.cib)

    def run(self, patience: int = 9, notice: int = 2) -> int:
        given = {"CIB_file": str(self.cib), "DRBD_RESOURCE": "mysql", "DRBD_MINOR": "0"}
        argv = ["sh", str(self.folder / "handler"), str(notice), "--timeout", str(patience), "--dc-timeout", "99"]
        return subprocess.run(
            argv, env={**os.environ, **given}, capture_output=True, timeout=60, check=False
        ).returncode

    @property
    def constraint(self) -> ET.Element | None:
        return ET.parse(self.cib).find(f"configuration/constraints/rsc_location[@id='{CONSTRAINT}']")

    @property
    def left_to_stock(self) -> bool:
        return (self.folder / "stock").exists()


@pytest.fixture
def handler(tmp_path):
    return Handler(tmp_path)


@pytest.mark.parametrize("drbd", [ALONE, ALONE.replace("Secondary", "Primary")], ids=["promoted", "serving"])
@pytest.mark.parametrize("state", [DEAD, {**DEAD, "in_ccm": "0", "crmd": "0"}], ids=["2.1.5", "2.1.7"])
def test_of_a_fenced_peer_only_this_node_may_be_promoted(handler, state, drbd):
    handler.peer(**state)
    handler.drbd(drbd)
    assert handler.run() == FENCED
    assert not handler.left_to_stock
    assert handler.constraint.get("rsc") == "ms_drbd_mysql"
    assert handler.constraint.find("rule").attrib == {
        "role": "Master",
        "score": "-INFINITY",
        "id": "drbd-fence-by-handler-mysql-rule-ms_drbd_mysql",
    }
    assert handler.constraint.find("rule/expression").attrib == {
        "attribute": "#uname",
        "operation": "ne",
        "value": SELF,
        "id": "drbd-fence-by-handler-mysql-expr-ms_drbd_mysql",
    }


def test_a_lost_peer_is_waited_for(handler):
    handler.peer(**LOST)
    waiting = threading.Timer(1.5, lambda: handler.peer(**DEAD))
    waiting.start()
    started = time.monotonic()
    assert handler.run() == FENCED
    assert time.monotonic() - started >= 1.5
    assert handler.constraint is not None


def test_a_peer_that_nobody_fences_is_left_to_drbds_own_script_with_its_arguments(handler):
    handler.peer(**LOST)
    assert handler.run(patience=1) == STOCK
    assert (handler.folder / "stock").read_text() == "--timeout 1 --dc-timeout 99\n"
    assert handler.constraint is None


@pytest.mark.parametrize("drbd", [
    "cs:WFConnection ro:Secondary/Unknown ds:Consistent/DUnknown C r-----",
    "cs:WFConnection ro:Secondary/Unknown ds:Outdated/DUnknown C r-----",
    "cs:StandAlone ro:Secondary/Unknown ds:Inconsistent/DUnknown r-----",
    "cs:Connected ro:Secondary/Secondary ds:UpToDate/Outdated C r-----",
    "cs:SyncSource ro:Secondary/Secondary ds:UpToDate/UpToDate C r-----",
    "cs:Unconfigured",
])  # fmt: skip
def test_a_replica_that_is_not_provably_alone_and_up_to_date_is_left_to_drbds_own_script(handler, drbd):
    handler.peer(**DEAD)
    handler.drbd(drbd)
    assert handler.run() == STOCK
    assert handler.constraint is None


def test_another_resource_says_nothing_of_this_one(handler):
    handler.peer(**DEAD)
    handler.drbd(ALONE, minor=10)
    assert handler.run() == STOCK


@pytest.mark.parametrize("state", [
    {},
    {"crmd": "offline", "join": "down", "expected": "down"},
    {"in_ccm": "false", "crmd": "online"},
    {"in_ccm": "1764040000", "crmd": "1764040000"},
])  # fmt: skip
def test_a_peer_that_may_live_is_left_to_drbds_own_script(handler, state):
    handler.peer(**state)
    assert handler.run() == STOCK
    assert handler.constraint is None


def test_a_peer_that_drbd_has_lost_before_pacemaker_did_is_waited_for(handler):
    """Before that, crm-fence-peer.sh asks the peer's controller, and waits for an answer that cannot come."""
    waiting = threading.Timer(1.5, lambda: handler.peer(**DEAD))
    waiting.start()
    assert handler.run(notice=9) == FENCED
    assert not handler.left_to_stock


def test_without_a_cluster_that_answers_it_is_left_to_drbds_own_script(handler):
    handler.cib.write_text("no CIB")
    assert handler.run() == STOCK


def test_a_constraint_that_is_there_is_left_to_drbds_own_script(handler):
    handler.peer(**DEAD)
    assert handler.run() == FENCED
    before = handler.cib.read_text()
    assert handler.run() == STOCK
    assert handler.cib.read_text() == before


def test_it_says_in_the_kernels_log_what_it_has_done(handler):
    handler.peer(**DEAD)
    assert handler.run() == FENCED
    said = (handler.folder / "log").read_text()
    assert said == "<14>hamysql-fence-peer: mysql: the peer is fenced, placed the constraint\n"


def test_it_does_its_work_where_that_log_takes_nothing(handler):
    handler.peer(**DEAD)
    (handler.folder / "log").mkdir()
    assert handler.run() == FENCED
    assert handler.constraint is not None


def test_the_role_has_the_name_that_drbds_own_script_gives_it(handler):
    handler.peer(**DEAD)
    handler.stock.write_text(handler.stock.read_text().replace("Master", "Promoted"))
    assert handler.run() == FENCED
    assert handler.constraint.find("rule").get("role") == "Promoted"


@pytest.mark.skipif(not Path("/usr/lib/drbd/crm-fence-peer.sh").exists(), reason="drbd-utils is missing")
def test_drbds_own_script_knows_the_constraint_as_its_own(handler):
    """It compares texts; one that it takes for somebody else's would keep the writes held."""
    handler.peer(**DEAD)
    assert handler.run() == FENCED
    given = {"CIB_file": str(handler.cib), "DRBD_RESOURCE": "mysql", "DRBD_MINOR": "0"}
    argv = ["/usr/lib/drbd/crm-fence-peer.sh", "--lock-file", "NONE", "--master-id", "ms_drbd_mysql"]
    done = subprocess.run(argv, env={**os.environ, **given}, capture_output=True, timeout=60, check=False)
    assert done.returncode == 4  # fenced; "suitable constraint already placed"
