"""The operations "backup" and "restore_test": which node is chosen, what is told, and what is refused."""

from __future__ import annotations

import pytest
from answering import fails
from test_phase_switchover import Whole

from hamysql.errors import HamysqlError, Refused
from hamysql.master import progress
from hamysql.master.second_day import backups

NAME = "20260131T030000Z"
MANIFEST = {
    "name": NAME, "cluster": "galaxy-db", "node": "db2", "began": "2026-01-31 03:00:00Z", "seconds": 10.0, "size": 50_000_000,
    "files": 100, "speed": 5.0, "flavor": "mariadb", "tool": "10.11", "server": "10.11", "binlog": "binlog.000001 42 0-1-7",
    "tracer": {"label": NAME, "rows": 3}, "scheduled": False, "late": 0.0,
}  # fmt: skip
PROOF = {"when": "", "node": "db1", "seconds": 20.0, "tables": 90, "rows": 3}


class Backed(Whole):
    """A cluster with a folder for backups, which both nodes see; db2 serves."""

    def __init__(self, *seen_by):
        super().__init__()
        for seen in self.surveys.values():
            seen["settings"]["backup"] |= {"directory": "/mnt/backups", "told": "/mnt/backups", "enabled": True}
        kept = [
            {"manifest": {**MANIFEST, "name": "20260130T030000Z"}, "proof": None},
            {"manifest": MANIFEST, "proof": None},
        ]
        self.answers |= {
            "hamysql_backup.take": MANIFEST,
            "hamysql_backup.list": lambda minion: kept if minion in seen_by else [],
            "hamysql_backup.restore_test": PROOF,
        }


def test_the_node_that_serves_takes_it_and_the_figures_are_told(deploy):
    cluster = Backed()
    deployment = deploy(cluster)
    backups.check_backup(deployment)
    changes, said = backups.back_up(deployment)
    assert changes == {"backup": [f"{NAME} taken on db2"]}
    assert "50 MB in 10 s (5 MB/s), at binlog.000001 42 0-1-7" in said
    assert "longest write gap" in said
    assert ("hamysql_backup.take", ("db2",), {}) in cluster.asked


def test_the_standby_restores_the_newest(deploy):
    cluster = Backed("db1", "db2")
    deployment = deploy(cluster)
    backups.check_restore(deployment, None, None)
    changes, said = backups.restore(deployment, None, None, 60)
    assert changes == {"restore_test": [f"{NAME} restored on db1"]}
    assert "90 tables are in order, and its tracer has 3 rows" in said
    assert ("hamysql_backup.restore_test", ("db1",), {"name": NAME, "timeout": 60}) in cluster.asked


def test_another_backup_and_another_node_can_be_named(deploy):
    cluster = Backed("db1", "db2")
    backups.restore(deploy(cluster), "db2", "20260130T030000Z", 60)
    assert ("hamysql_backup.restore_test", ("db2",), {"name": "20260130T030000Z", "timeout": 60}) in cluster.asked


@pytest.mark.parametrize(
    ("seen_by", "node", "name", "why"),
    [
        ((), None, None, "there is no backup yet"),
        (("db2",), None, None, f"db1 does not see the backup {NAME}, which db2 has"),
        (("db1", "db2"), None, "20250101T000000Z", f"the newest one is {NAME}"),
        (("db1", "db2"), "db3", None, "db3 is no node of this cluster"),
    ],
)
def test_what_cannot_be_tried_out_is_refused(deploy, seen_by, node, name, why):
    with pytest.raises(Refused, match=why):
        backups.check_restore(deploy(Backed(*seen_by)), node, name)


def test_nothing_is_done_without_a_folder_or_with_two_that_serve(deploy):
    with pytest.raises(Refused, match="the pillar names no place"):
        backups.check_backup(deploy(Whole()))
    cluster = Backed()
    cluster.surveys["db1"]["database"] = True
    with pytest.raises(Refused, match="answers on db1 and db2"):
        backups.check_backup(deploy(cluster))


def test_it_is_shown_before(deploy):
    cluster = Backed("db1", "db2")
    changes, _ = backups.back_up(deploy(cluster, test=True))
    assert changes == {"backup": ["~ db2 takes a backup to /mnt/backups"]}
    changes, _ = backups.restore(deploy(cluster, test=True), None, None, 60)
    assert changes == {"restore_test": [f"~ db1 restores {NAME} into a server of its own, and checks it"]}
    assert set(cluster.functions) == {"hamysql_backup.list"}


def test_what_is_wrong_with_a_backup_is_the_nodes_word(deploy):
    cluster = Backed("db1", "db2")
    cluster.answers["hamysql_backup.restore_test"] = fails("the backup is damaged")
    with pytest.raises(HamysqlError, match="the backup is damaged"):
        backups.restore(deploy(cluster), None, None, 60)
    assert cluster.functions[-2:] == ["hamysql_tracer.stop", "hamysql_tracer.forget"]


def test_each_phase_has_its_words():
    assert list(progress.ORDERS["backup"]) == ["checked", "taken"]
    assert list(progress.ORDERS["restore_test"]) == ["checked", "restored"]
