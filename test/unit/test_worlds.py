"""The worlds of tests fake programs and the clock alone: the files of a node are real ones, below a folder."""

from __future__ import annotations

import ast
import re

import machines
import minion
import orchestration
import pytest
from lun_nfs_world import Lun, Nas
from storage_world import World

from hamysql import fingerprint
from hamysql.storage.drbd.replica import Seen
from hamysql.survey import Cluster, Facts, Survey
from hamysql.system import command, mounts, root
from hamysql.system.command import Result
from support import ROOT

WORLDS = (
    "storage_world", "storage_nodes", "drbd_programs", "lun_nfs_world", "migration_world", "migration_programs", "status_world",
    "lab_node", "printed",
)  # fmt: skip

# Replaces something of the product: what is allowed beside it is the clock of ``wait.until``.
REPLACES = re.compile(r"patch\.object|monkeypatch|(?<!patch\.dict\()wait\.until")


@pytest.mark.parametrize("name", WORLDS)
def test_a_world_replaces_nothing_but_programs_and_the_clock(name):
    text = (ROOT / "test/helpers/worlds" / f"{name}.py").read_text(encoding="utf-8")
    assert REPLACES.findall(text) == []
    imported = {alias.asname or alias.name for item in ast.walk(ast.parse(text)) if isinstance(item, ast.ImportFrom)
                if (item.module or "").startswith("hamysql") for alias in item.names}  # fmt: skip
    given = {f"{target.value.id}.{target.attr}" for item in ast.walk(ast.parse(text)) if isinstance(item, ast.Assign)
             for target in item.targets if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name)}  # fmt: skip
    assert not {one for one in given if one.partition(".")[0] in imported}
    assert {one for one in given if one.startswith("module.")} <= {"module.run", "module.__salt__"}


def test_what_runs_programs_and_asks_the_network_is_replaced_in_one_place():
    text = (ROOT / "test/helpers/worlds/minion.py").read_text(encoding="utf-8")
    assert re.findall(r"mock\.patch\.\w+\((\w+)", text) == ["command", "reach", "fingerprint"]
    with minion.at_work(ROOT, None):
        assert fingerprint.package(ROOT / "_utils/hamysql") == fingerprint.LOADED, "remembered, and not made up"


def test_a_node_s_files_are_below_its_root_and_its_names_stay(tmp_path):
    assert str(root.at("/proc/drbd")) == "/proc/drbd"
    with root.below(tmp_path):
        assert root.at("/proc/drbd") == tmp_path / "proc/drbd"
        with root.below(tmp_path / "other"):
            assert root.at("/proc") == tmp_path / "other/proc"
        assert not command.exists("mount.nfs")
        machines.program(tmp_path, "mount.nfs")
        assert command.exists("mount.nfs")
    assert str(root.at("/")) == "/"


def test_two_names_of_one_device_are_the_same(tmp_path):
    machines.disk(tmp_path / "dev/sdb", 4096)
    machines.link(tmp_path / "dev/disk/by-id/wwn-0x1", tmp_path / "dev/sdb")
    with root.below(tmp_path):
        assert mounts.same("/dev/sdb", "/dev/disk/by-id/wwn-0x1")
        assert not mounts.same("/dev/sdc", "/dev/disk/by-id/wwn-0x1")
        assert not mounts.same("", "/dev/sdb")
    assert not mounts.same("", ""), "nothing is mounted, and nothing was wanted"


@pytest.mark.parametrize(("code", "said", "found"), [(0, "/dev/drbd0\n", "/dev/drbd0"), (1, "", "")])
def test_what_is_mounted_on_a_folder(code, said, found):
    asked = []

    def run(argv, accept):
        asked.append((argv, accept))
        return Result(code, said)

    assert mounts.source(run, "/srv") == found
    assert asked == [(["findmnt", "--noheadings", "--output", "SOURCE", "--mountpoint", "/srv"], (0, 1))]


@pytest.mark.parametrize("member", [orchestration.survey, orchestration.installed, orchestration.working])
def test_what_a_node_of_the_lab_says_has_the_form_that_is_declared(member):
    seen = member("db1")
    assert set(seen) == set(Survey.__annotations__)
    assert set(seen["facts"]) == set(Facts.__annotations__)
    assert set(seen["cluster"]) == set(Cluster.__annotations__)
    assert set(seen["storage"]) == {*Seen.__annotations__, "latch", "backend"}


@pytest.mark.parametrize("kind", [World, Lun, Nas])
def test_a_world_s_survey_has_it_too(kind, tmp_path):
    world = kind() if kind is World else kind(tmp_path)
    seen = world.call(["db1"], "hamysql_node.survey", {}, 1)["db1"].value
    assert set(seen) == set(Survey.__annotations__)
    assert set(seen["facts"]) == set(Facts.__annotations__)
    assert set(seen["cluster"]) == set(Cluster.__annotations__)
