"""A split brain is shown and ended by one command, killed at each step: one side's changes go, its disk is kept, the other's stay.

It takes about a quarter of an hour, so `make test` leaves it out; `make test-long` runs it.
"""

from __future__ import annotations

import json
import re

import pytest
from cluster import refresh_pillar
from test_data_safety import REPLICATION, keep, kept
from test_second_day import Operations

from lab import api

pytestmark = pytest.mark.long

SPLIT = "hamysql.orch.split_brain"
FOLDER = "/srv/kept"
# The beginnings of the lines at which it is killed.
MOMENTS = ("[2/", "- the disk of", "- db", "- corosync and pacemaker")


@pytest.fixture
def operations(cluster, progress, figures, pillar):
    """The cluster with a digest, and a rate at which the lab's disks are soon synchronised."""
    pillar(lambda given: given["storage"].setdefault("drbd", {}).update(verify={"alg": "sha256"}, rate="60M"))
    refresh_pillar(cluster.lab)
    api.deploy(cluster.lab, progress)
    return Operations(cluster, progress, figures)


def split(operations):
    """Have the standby write on its own, as a node without fencing would."""
    lab, standby = operations.lab, operations.cluster.standby
    api.ssh(lab, standby, "systemctl stop pacemaker corosync", timeout=120)
    for chain in ("INPUT", "OUTPUT"):
        api.ssh(lab, standby, f"iptables-legacy --insert {chain} {REPLICATION}")
    folder = "/run/other"
    write = f"mkdir -p {folder}; mount /dev/drbd0 {folder}; touch {folder}/other-side; umount {folder}"
    api.ssh(lab, standby, f"drbdadm up mysql; drbdadm primary --force mysql; {write}; drbdadm down mysql")
    for chain in ("INPUT", "OUTPUT"):
        api.ssh(lab, standby, f"iptables-legacy --delete {chain} {REPLICATION}")
    # The lab's root file system is small: a file in memory of the disk's size, which is sparse.
    api.ssh(lab, standby, f"mkdir -p {FOLDER}; mountpoint -q {FOLDER} || mount -t tmpfs -o size=2G tmpfs {FOLDER}")
    keep(operations.cluster, "split")


def test_a_split_brain_is_shown_and_ended_though_it_is_killed_at_each_step(operations):
    cluster, lab = operations.cluster, operations.lab
    active, standby = cluster.active, cluster.standby
    split(operations)
    shown = operations.done(SPLIT)
    assert "hold different data (split brain)" in shown
    assert f'"{standby}"' in shown
    operations.figures.append(shown)
    refused = operations.run(SPLIT, hamysql_victim=active)
    assert any("serves, or is Primary" in reason for reason in refused.failures.values())
    words = {"hamysql_victim": standby, "hamysql_keep": FOLDER}
    planned = operations.run(SPLIT, test=True, **words)
    assert not planned.failures
    assert f"{standby} gives its changes up" in json.dumps(planned.changes)
    assert api.ssh(lab, standby, f"ls {FOLDER}") == ""
    said = []

    def work():
        for moment in MOMENTS:
            came = operations.killed(moment, SPLIT, **words)
            operations.figures.append(f"split brain killed at {moment!r}: {'came' if came else 'did not come'}")
        said.append(operations.done(SPLIT, **words))

    cluster.probed(work)
    cluster.wait_healthy()
    operations.figures.append(said[0])
    assert cluster.active == active
    assert "split" in kept(cluster)
    (path,) = re.findall(rf"what it had is in (\S+) on {standby}", said[0])
    assert "they are equal" in said[0]
    mount = f"mount -t xfs -o loop,nouuid {path} /run/look"  # as docs/operations/split_brain.md has it
    look = f"modprobe loop; mkdir -p /run/look; {mount}; ls /run/look; umount /run/look"
    assert "other-side" in api.ssh(lab, standby, look), "the copy does not have what was given up"
    refused = operations.run(SPLIT, **words)
    assert any("there is no split brain" in reason for reason in refused.failures.values())
    api.ssh(lab, standby, f"umount {FOLDER}")
    operations.nothing_is_left()
