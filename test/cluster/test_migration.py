"""A cluster that serves all the time is moved from DRBD to a LUN, and another one to NFS: killed in the copy, killed when the service
was stopped, run again. Then it is moved back, to disks that were freed as docs/storage/move.md says.

It takes about half an hour, so `make test` leaves it out; `make test-long` runs it. The tests build on each other.
"""

from __future__ import annotations

import json
import time

import pytest
import yaml
from cluster import Cluster
from test_interrupted import Next

from lab import api
from lab.software import pillar

pytestmark = pytest.mark.long

MIGRATE = "hamysql.orch.migrate_storage"
LATCH = "cat /var/lib/hamysql/mysql.json"
# The beginnings of the lines at which it is killed: while the data is copied, and when the database has stopped.
MOMENTS = ("[3/", "- the last pass")


# The lab's word for where the data goes, with the pillar's, and the file system that is mounted then.
TARGETS = {"iscsi": ("shared", "xfs"), "nfs": ("nfs", "nfs4")}


@pytest.fixture(scope="module", params=TARGETS)
def target(request):
    """Where the data goes."""
    return request.param


@pytest.fixture(scope="module")
def cluster(target, lab, progress):
    """A lab with a SAN or a file server, whose cluster has its data on DRBD."""
    api.up(lab, progress, fresh=True, storage=target, pillar=pillar.PILLAR)
    made = Cluster(lab, progress, api.deploy(lab, progress))
    made.wait_healthy()
    return made


def serve(lab, storage):
    """Have the master serve the pillar with this kind of storage."""
    served = lab.salt / "pillar" / "lab.sls"
    served.unlink()
    served.write_text(yaml.safe_dump(api.pillar_for(lab, storage), sort_keys=False))


def gap_said(result):
    """The first line of what the switch says: how long the service was away."""
    said = [state["comment"] for state in result.states.values() if state["__id__"] == "hamysql-migration-switched"]
    return said[0].splitlines()[0]


@pytest.fixture(scope="module")
def moved(cluster, target, progress, figures):
    """The pillar names the new storage, and the data is moved, while a client writes; what the client has seen."""
    lab = cluster.lab
    serve(lab, target)
    probe = api.start_probe(lab, 3600)
    try:
        time.sleep(5)
        refused = api.orchestrate(lab, progress)
        assert any("hamysql.orch.migrate_storage" in reason for reason in refused.failures.values()), refused.failures
        planned = api.orchestrate(lab, progress, sls=MIGRATE, test=True)
        assert not planned.failures
        assert "hamysql-migration-prepared" in planned.changes
        for moment in MOMENTS:
            kill = Next([moment], lambda _: api.kill_orchestration(lab))
            with pytest.raises(api.LabError):
                api.orchestrate(lab, progress, sls=MIGRATE, watch=kill)
            assert kill.came, f"{moment} did not come"
            if moment == MOMENTS[0]:
                middle = api.orchestrate(lab, progress)
                assert any("hamysql_migration.abandon" in reason for reason in middle.failures.values()), (
                    middle.failures
                )
        result = api.orchestrate(lab, progress, sls=MIGRATE)
        assert not result.failures, result.failures
        cluster.wait_healthy()
        time.sleep(5)
    finally:
        probe.stop()
    outcome = probe.finish()
    figures.append(f"moved from DRBD to {target}: longest gap {outcome.longest_gap_seconds:.1f} s; {gap_said(result)}")
    return outcome


def test_no_acknowledged_write_is_lost(moved):
    assert moved.acknowledged > 0
    assert moved.lost == 0


def test_the_data_is_there_and_drbd_is_in_no_configuration(cluster, target, moved):
    lab, active = cluster.lab, cluster.active
    backend, filesystem = TARGETS[target]
    mounted = api.ssh(lab, active, "findmnt --noheadings --output FSTYPE,SOURCE /var/lib/mysql")
    assert mounted.split()[0] == filesystem
    assert "drbd" not in mounted
    assert "drbd" not in api.ssh(lab, active, "crm configure show")
    for node in (active, cluster.standby):
        assert f'"backend": "{backend}"' in api.ssh(lab, node, LATCH)
        assert api.ssh(lab, node, "ls -d /var/lib/hamysql/next", check=False) == ""
        assert "INITIALISED" in api.ssh(lab, node, "cat /var/lib/hamysql/before/*.json")


def test_both_orchestrations_have_nothing_left_to_do(cluster, moved, progress):
    assert api.deploy(cluster.lab, progress).changes == {}
    again = api.orchestrate(cluster.lab, progress, sls=MIGRATE)
    assert not again.failures
    assert again.changes == {}


def survives_a_power_cut(cluster, figures, when):
    standby = cluster.standby
    outcome = cluster.power_cut()
    figures.append(f"{when}, power cut of the active node: longest gap {outcome.longest_gap_seconds:.1f} s")
    cluster.repair()
    assert cluster.active == standby, "the service moved back by itself"


def test_a_power_cut_of_the_active_node_loses_nothing(cluster, target, moved, figures):
    survives_a_power_cut(cluster, figures, f"after the move to {target}")


FREED = """drbdadm down mysql; wipefs --all --quiet /dev/ubdb && blkdiscard --zeroout --length 1MiB /dev/ubdb &&
  rm /etc/drbd.d/mysql.res /etc/modules-load.d/hamysql-drbd.conf"""


def test_the_way_back_is_a_move_like_any_other(cluster, target, moved, progress, figures):
    lab, active = cluster.lab, cluster.active
    for node in (active, cluster.standby):
        api.ssh(lab, node, FREED)
    serve(lab, "drbd")
    results = []

    def move():
        results.append(api.orchestrate(lab, progress, sls=MIGRATE))
        assert not results[0].failures, results[0].failures
        cluster.wait_healthy()

    outcome = cluster.probed(move)
    figures.append(
        f"moved from {target} to DRBD: longest gap {outcome.longest_gap_seconds:.1f} s; {gap_said(results[0])}"
    )
    assert "/dev/drbd0" in api.ssh(lab, cluster.active, "findmnt --noheadings --output SOURCE /var/lib/mysql")
    for node in (active, cluster.standby):
        latch = json.loads(api.ssh(lab, node, LATCH))
        assert (latch["stage"], latch.get("backend", "drbd")) == ("INITIALISED", "drbd")
    assert api.deploy(lab, progress).changes == {}


def test_after_the_way_back_a_power_cut_of_the_active_node_loses_nothing(cluster, target, moved, figures):
    survives_a_power_cut(cluster, figures, f"after the way back from {target}")
