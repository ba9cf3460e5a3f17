"""A disk that the pillar calls by another name: from what a node finds pending to what the orchestration makes of it."""

from __future__ import annotations

import json
from pathlib import Path

import machines
import pytest
from minion import load
from orchestration import Site, working

from hamysql.config import resolution
from hamysql.storage import latch
from hamysql.storage.latch import Latch, Stage
from hamysql.system import root
from hamysql.system.command import Result
from support import ROOT, parameters
from support import load as load_yaml

FIXTURES = Path(__file__).parent / "fixtures"
SHOW = (FIXTURES / "show-8.4.11.txt").read_text(encoding="ascii")
FULL = (FIXTURES / "show-defaults-8.4.11.txt").read_text(encoding="ascii")
OLD, NEW, OTHER = "/dev/ubdb", "/dev/disk/by-id/ata-GALAXY_db1", "/dev/disk/by-id/ata-STRANGER"
# Which disk a name leads to, and whose metadata is there.
REAL = {OLD: OLD, NEW: OLD, OTHER: "/dev/ubdc"}
UUIDS = {OLD: "e7c4c235a46d231d", "/dev/ubdc": "feedfeedfeedfeed"}


@pytest.fixture
def node(tmp_path):
    """hamysql_change on db1, whose replica was made and is in service as /dev/ubdb; ``ran`` are its programs, with their input."""

    def make(disk, up=True, **drbd):
        module = load("_modules/hamysql_change.py", "renamed_disk")
        given = load_yaml(ROOT / "lab" / "software" / "pillar.sls")["hamysql"]
        given["storage"]["drbd"].update(
            disk=disk,
            link=0,
            options={"net": {"ping-int": 10, "ping-timeout": 5, "timeout": 60, "ko-count": 7}},
            **drbd,
        )
        site = resolution.resolve(resolution.layered(parameters(), given), minion_id="db1", nodename="db1")
        module.ran = []

        def run(argv, stdin=None, **_):
            module.ran.append((argv, stdin))
            if argv[0] == "blockdev":
                return Result(0, f"{2**29}\n")
            if argv[0] == "wipefs":
                row = {"type": "drbd", "offset": "0x1ffff03c", "uuid": UUIDS[REAL[argv[-1]]]}
                return Result(0, json.dumps({"signatures": [row]}))
            if argv[:2] == ["drbdsetup", "show"]:
                return Result(0, FULL if "--show-defaults" in argv else SHOW)
            assert argv == [
                "drbdadm",
                "--config-file",
                "-",
                *(["--dry-run"] if "--dry-run" in argv else []),
                "adjust",
                "mysql",
            ]
            return Result(0, adjustment(stdin))

        def adjustment(text):
            """As drbdadm does it, see test_change_drbd.py."""
            moved = "" if f"disk {OLD};" in text else "drbdsetup-84 detach 0\ndrbdsetup-84 attach 0 X X internal\n"
            rate = (
                ""
                if "resync-rate 10M;" in text
                else "drbdsetup-84 disk-options 0 --set-defaults --resync-rate=20M --c-plan-ahead=0 --fencing=resource-and-stonith\n"
            )
            return moved + rate

        module.run = run
        for name, device in REAL.items():
            machines.disk(root.at(device), 2**20)
            if name != device:
                machines.link(root.at(name), root.at(device))
        latch.Latches().write(Latch("galaxy-db", "mysql", OLD, Stage.INITIALISED, UUIDS[OLD].upper()))
        replicated = " 0: cs:Connected ro:Secondary/Primary ds:UpToDate/UpToDate C r-----\n    oos:0\n" if up else ""
        machines.put(root.at("/proc/drbd"), f"version: 8.4.11 (api:1/proto:86-101)\n{replicated}")
        module.__salt__ = {"hamysql.config": lambda **_: site}
        return module

    with root.below(tmp_path):
        yield make


def members_checked(pending, disk, uuid):
    """What the first phase says, where db1 finds this."""
    site = Site(working)
    seen = site.surveys["db1"]
    seen["pending"] = pending
    seen["storage"] |= {"disk": disk, "signatures": [{"type": "drbd", "offset": 0, "uuid": uuid}]}
    seen["storage"]["latch"] |= {"device_uuid": UUIDS[OLD]}
    return site, site.module.members_checked("members")


@pytest.mark.parametrize("up", [True, False], ids=["in service", "down"])
def test_our_own_disk_under_another_name_is_nothing_pending_and_not_refused(node, up):
    module = node(NEW, up)
    assert module.pending() == []
    site, checked = members_checked(module.pending(), NEW, UUIDS[OLD])
    assert checked["result"] is True, checked["comment"]
    assert site.module.storage_initialised("storage")["changes"]["storage"] == [
        f"adopt on db1: the disk of its replica had the name {OLD}, and is {NEW} now"
    ]


@pytest.mark.parametrize("up", [True, False], ids=["in service", "down"])
def test_another_disk_is_refused_as_ever(node, up):
    module = node(OTHER, up)
    (found,) = module.pending()
    assert (found["kind"], found["path"], found["old"], found["new"]) == (
        "refused",
        "hamysql:storage:drbd:disk",
        OLD,
        OTHER,
    )
    _, checked = members_checked([found], OTHER, UUIDS["/dev/ubdc"])
    assert checked["result"] is False
    assert f"hamysql:storage:drbd:disk: {OLD} is in service" in checked["comment"]


def test_a_copy_of_the_disk_is_not_the_disk_that_is_in_service(node, monkeypatch):
    """A clone has the same metadata. The kernel knows which one it has."""
    monkeypatch.setitem(UUIDS, "/dev/ubdc", UUIDS[OLD])
    assert [(found["kind"], found["path"]) for found in node(OTHER).pending()] == [
        ("refused", "hamysql:storage:drbd:disk")
    ]


def test_an_option_is_still_applied_live_and_the_disk_stays_where_it_is(node):
    module = node(NEW, rate="20M")
    assert [(found["kind"], found["path"]) for found in module.pending()] == [("live", "hamysql:storage:drbd:rate")]
    module.ran.clear()
    assert list(module.apply()) == ["hamysql:storage:drbd:rate"]
    (text,) = (text for argv, text in module.ran if argv == ["drbdadm", "--config-file", "-", "adjust", "mysql"])
    assert f"disk {OLD};" in text
    assert "resync-rate 20M;" in text
    assert text.count(f"disk {NEW};") == 1  # the other node's


def test_a_disk_that_is_not_there_is_not_looked_at(node):
    module = node(OTHER, up=False)
    known = module.run
    module.run = lambda argv, **how: Result(1, "") if argv[0] == "blockdev" else known(argv, **how)
    assert [found["new"] for found in module.pending()] == [OTHER]
    assert not [argv for argv, _ in module.ran if argv[0] == "wipefs"]
