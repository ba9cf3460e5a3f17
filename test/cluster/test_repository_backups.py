"""Backups under a writing client that go into a repository of restic: killed, taken again, restored, and no secret in sight.

It takes some minutes, so `make test` leaves it out; `make test-long` runs it. The tests build on each other.
"""

from __future__ import annotations

import pytest
from cluster import refresh_pillar
from test_backups import BACKUP, RESTORE_TEST, kept
from test_second_day import Operations

from lab import api

pytestmark = pytest.mark.long

REPOSITORY, PASSWORD = "/srv/restic", "lab-canary-of-the-repository"


@pytest.fixture
def stored(cluster, progress, figures, pillar):
    """The cluster with a repository of restic on each node, which the nodes do not share."""
    backup = {"repository": REPOSITORY, "password": PASSWORD, "mounted": False, "keep": 2}
    pillar(lambda given: given.update(backup=backup))
    refresh_pillar(cluster.lab)
    api.deploy(cluster.lab, progress)
    return Operations(cluster, progress, figures)


def test_a_repository_of_restic_gets_them_encrypted_and_gives_them_back(stored):
    lab, cluster = stored.lab, stored.cluster
    active, staging = cluster.active, "/var/lib/hamysql/staging"
    said = []

    def work():
        stored.killed(f"- {active} takes", BACKUP)
        said.append(stored.done(BACKUP))

    outcome = cluster.probed(work)
    stored.figures.append(f"{said[0]}; a client's gap {outcome.longest_gap_seconds:.1f} s")
    newest = kept(stored, active)[0]
    cluster.probed(lambda: said.append(stored.done(RESTORE_TEST, hamysql_node=active)))
    stored.figures.append(said[-1])
    assert kept(stored, active)[0]["proof"]["rows"] == newest["manifest"]["tracer"]["rows"]
    assert api.ssh(lab, active, f"find {staging} -type f ! -name .lock") == ""
    assert api.ssh(lab, active, "stat -c '%a %U' /etc/hamysql/backup-repository.json").split() == ["600", "root"]
    shown = api.ssh(lab, active, f"grep -rl {PASSWORD} /etc /var/log /var/lib/hamysql {REPOSITORY} || true").split()
    assert shown == ["/etc/hamysql/backup-repository.json"]
    assert PASSWORD not in "".join(said)
    api.ssh(lab, active, "systemctl start hamysql-backup.service", timeout=300)
    journal = api.ssh(lab, active, "journalctl -u hamysql-backup --no-pager -o cat -n 5")
    assert "no backup is due" in journal or "after its time" in journal, journal
