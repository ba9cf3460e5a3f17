"""What the data dictates: a pillar that wants it elsewhere or otherwise is told so, with the path."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import machines
import pytest
from minion import load as load_module

from hamysql.config import resolution, resources
from hamysql.storage import pending as storage_pending
from hamysql.storage.drbd.plan import Latch, Stage
from hamysql.system import root
from support import ROOT, load, parameters

LATCH = Latch("galaxy-db", "mysql", "/dev/ubdb", Stage.INITIALISED, "F00D")


def resolved(change=lambda given: None):
    given = load(ROOT / "lab" / "software" / "pillar.sls")["hamysql"]
    change(given)
    return resolution.resolve(resolution.layered(parameters(), given), minion_id="db1", nodename="db1")


CIB = f"<cib>{ET.tostring(resources.desired(resolved()), 'unicode')}</cib>"


def found(change=lambda given: None, cib=CIB, latches=(LATCH,), uuid=""):
    items = list(storage_pending.pending(resolved(change), cib, latches, uuid))
    assert all(item.kind == "refused" for item in items)
    return [(item.path, item.old, item.new) for item in items]


def test_a_cluster_that_is_the_pillar_s_has_nothing_against_it():
    assert found() == []


def test_before_there_is_anything_nothing_is_refused():
    assert found(cib=None, latches=()) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda given: given["cluster"].update(name="new"), ("hamysql:cluster:name", "galaxy-db", "new")),
        (
            lambda given: given["storage"]["drbd"].update(disk="/dev/sdx"),
            ("hamysql:storage:drbd:disk", "/dev/ubdb", "/dev/sdx"),
        ),
        (
            lambda given: given["storage"]["drbd"].update(device="/dev/drbd3"),
            ("hamysql:storage:drbd:device", "/dev/drbd0", "/dev/drbd3"),
        ),
        (
            lambda given: given["storage"]["drbd"].update(resource="other"),
            ("hamysql:storage:drbd:resource", "mysql", "other"),
        ),
        (
            lambda given: given["storage"]["filesystem"].update(type="ext4"),
            ("hamysql:storage:filesystem:type", "xfs", "ext4"),
        ),
        (
            lambda given: given["mysql"].update(datadir="/srv/mysql"),
            ("hamysql:mysql:datadir", "/var/lib/mysql", "/srv/mysql"),
        ),
    ],
)
def test_each_is_refused_with_its_path_and_both_values(change, expected):
    assert found(change) == [expected]


def test_without_a_cluster_configuration_the_latch_still_knows_the_resource():
    renamed = found(lambda given: given["storage"]["drbd"].update(resource="other"), cib=None)
    assert renamed == [("hamysql:storage:drbd:resource", "mysql", "other")]


def test_a_latch_of_another_cluster_or_disk_does_not_forbid_a_new_resource():
    old = Latch("galaxy-db", "gone", "/dev/vdx", Stage.INITIALISED, "F00D")
    assert found(cib=None, latches=(old,)) == []


def test_another_name_of_the_latch_s_own_disk_is_not_another_disk():
    def rename(given):
        given["storage"]["drbd"].update(disk="/dev/disk/by-id/ata-GALAXY")

    assert found(rename, uuid="f00d") == []
    for uuid in ("", "feed"):
        assert found(rename, uuid=uuid) == [("hamysql:storage:drbd:disk", "/dev/ubdb", "/dev/disk/by-id/ata-GALAXY")]
    # It does not hide that the resource has another name as well.
    both = found(
        lambda given: given["storage"]["drbd"].update(disk="/dev/sdx", resource="other"), cib=None, uuid="F00D"
    )
    assert both == [("hamysql:storage:drbd:resource", "mysql", "other")]


def test_a_lun_is_told_by_its_name_since_a_copy_of_it_has_the_same_uuids():
    def on_a_lun(given):
        given["storage"] = {"backend": "shared", "shared": {"device": "/dev/disk/by-id/wwn-0x2"}}

    known = Latch("galaxy-db", "mysql", "/dev/disk/by-id/wwn-0x1", Stage.INITIALISED, "F00D", backend="shared")
    expected = [("hamysql:storage:shared:device", "/dev/disk/by-id/wwn-0x1", "/dev/disk/by-id/wwn-0x2")]
    assert found(on_a_lun, cib=None, latches=[known], uuid="F00D") == expected


def test_a_latch_that_has_recorded_no_metadata_is_about_no_other_disk():
    claimed = Latch("galaxy-db", "mysql", "/dev/ubdb", Stage.CLAIMED)
    change = [lambda given: given["storage"]["drbd"].update(disk="/dev/sdx")]
    assert found(*change, cib=None, latches=[claimed]) == [("hamysql:storage:drbd:disk", "/dev/ubdb", "/dev/sdx")]


@pytest.mark.parametrize(
    ("moving", "wanted", "old", "said"),
    [
        ("", "shared", "drbd", "hamysql.orch.migrate_storage"),
        ("shared", "shared", "drbd", "hamysql_migration.abandon"),
        ("shared", "drbd", "drbd, with a move to shared under way,", "hamysql_migration.abandon"),
        ("", "drbd", None, None),
    ],
)
def test_another_kind_of_storage_is_refused_with_the_way_to_have_it(moving, wanted, old, said):
    config = {"cluster": {"name": "galaxy-db"}, "mysql": {"datadir": "/var/lib/mysql"}}
    filesystem = {"device": "/dev/drbd0", "type": "xfs"}
    drbd = {"resource": "mysql", "disk": "/dev/sdb"}
    config["storage"] = {
        "backend": wanted,
        "drbd": drbd,
        "shared": {"lvm": {}, "device": None},
        "filesystem": filesystem,
    }
    known = Latch("galaxy-db", "mysql", "/dev/sdb", Stage.INITIALISED, "e7c4c235")
    found = [
        item
        for item in storage_pending.pending(config, None, [known], "", moving)
        if item.path == storage_pending.BACKEND
    ]
    assert [item.old for item in found] == ([old] if old else [])
    assert all(said in str(item) and item.kind == "refused" for item in found)


@pytest.mark.parametrize(
    ("moving", "begun", "test", "refused"),
    [("", "", False, True), ("shared", "shared", False, False), ("shared", "", True, False), ("shared", "", False, True),
     ("nfs", "nfs", False, True), ("shared", "nfs", True, True)],
)  # fmt: skip
def test_only_the_move_itself_may_have_the_new_storage_in_the_pillar(moving, begun, test, refused, tmp_path):
    module = load_module("_modules/hamysql_change.py", "hamysql_change_refused")
    item = storage_pending.Pending(storage_pending.REFUSED, "data", storage_pending.BACKEND, "drbd", "shared")
    module._site, module._pending = lambda: {"storage": {"backend": "shared"}}, lambda _: [item]
    module.__opts__ = {"test": test}
    machines.put(tmp_path / "var/lib/hamysql/next/backend", begun or None)
    with root.below(tmp_path):
        assert bool(module.refused(**({"moving": moving} if moving else {}))) is refused
