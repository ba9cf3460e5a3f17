"""Both replicas are compared under a writing client: equal, different, made equal, killed at each step, and by the timer.

It takes about a quarter of an hour, so `make test` leaves it out; `make test-long` runs it. The tests build on each other.
"""

from __future__ import annotations

import json

import pytest
from cluster import refresh_pillar
from test_second_day import SWITCHOVER, Operations

from lab import api

pytestmark = pytest.mark.long

VERIFY = "hamysql.orch.verify"
# The beginnings of the lines at which it is killed; "db1 compares", "db2 gets".
COMPARED = ("[1/", "- a client on", "- db")
DIFFER = 64  # KiB


@pytest.fixture
def operations(cluster, progress, figures, pillar):
    """The cluster with a digest, and a rate of which the lab's disks need some seconds."""
    verify = {"alg": "sha256", "every": 1, "rate": "60M"}
    # By itself DRBD gives way to the client that writes, down to 250 kB/s.
    options = {"disk": {"c-min-rate": "60M"}}
    pillar(lambda given: given["storage"].setdefault("drbd", {}).update(verify=verify, options=options))
    refresh_pillar(cluster.lab)
    planned = api.orchestrate(cluster.lab, progress, test=True)
    if planned.changes:
        assert "verify" in json.dumps(planned.changes)
    api.deploy(cluster.lab, progress)
    return Operations(cluster, progress, figures)


def out_of_sync(operations, node):
    return api.salt_json(operations.lab, node, "hamysql_drbd.status")[node]["out_of_sync"]


def spoil(operations, node):
    """Change blocks of the replica's disk below DRBD, near the end of the file system."""
    script = (
        "size=$(blockdev --getsize64 /dev/ubdb); "
        "dd if=/dev/urandom of=/dev/ubdb bs=64K count=1 oflag=direct conv=notrunc seek=$(( (size - 16 * 1048576) / 65536 ))"
    )
    api.ssh(operations.lab, node, script)


def test_equal_replicas_are_compared_while_a_client_writes_killed_and_run_again(operations):
    cluster = operations.cluster
    planned = operations.run(VERIFY, test=True)
    assert not planned.failures
    assert "compares all blocks" in json.dumps(planned.changes)
    said = []

    def work():
        for moment in COMPARED:
            came = operations.killed(moment, VERIFY)
            operations.figures.append(f"verify killed at {moment!r}: {'came' if came else 'did not come'}")
        said.append(operations.done(VERIFY))

    outcome = cluster.probed(work)
    assert "they are equal" in said[0]
    operations.figures.append(f"{said[0]}; a client's gap {outcome.longest_gap_seconds:.1f} s")
    assert "last compared" in api.salt_run(operations.lab, "hamysql.status").stdout
    shown = api.ssh(operations.lab, cluster.active, "drbdsetup show mysql")
    assert "10240k" in shown, "the usual rate did not come back"
    operations.nothing_is_left()


def test_what_differs_is_found_told_and_resynchronised(operations):
    cluster, lab = operations.cluster, operations.lab
    active, standby = cluster.active, cluster.standby
    spoil(operations, standby)
    said = []

    def work():
        said.append(operations.done(VERIFY))
        assert f"{DIFFER} KiB differ" in said[0]
        assert out_of_sync(operations, active) == DIFFER
        assert f"differ by {DIFFER} KiB" in api.salt_run(lab, "hamysql.status").stdout
        refused = operations.run(SWITCHOVER, hamysql_to=standby)
        assert any("differ by" in reason for reason in refused.failures.values())
        operations.killed(f"- {standby} gets", VERIFY, hamysql_resynchronise=True)
        said.append(operations.done(VERIFY, hamysql_resynchronise=True))

    cluster.probed(work)
    assert (cluster.active, out_of_sync(operations, active)) == (active, 0)
    cluster.wait_healthy()
    assert "they are equal" in operations.done(VERIFY)
    operations.nothing_is_left()


def test_a_standby_that_was_left_alone_in_the_middle_is_connected_again(operations):
    lab, standby = operations.lab, operations.cluster.standby
    api.ssh(lab, standby, "touch /run/hamysql/resynchronise; drbdadm disconnect mysql")
    assert "they are equal" in operations.done(VERIFY)
    operations.cluster.wait_healthy()


def test_the_timer_of_the_node_that_serves_makes_up_for_what_was_missed(operations):
    lab, cluster = operations.lab, operations.cluster
    for node in (cluster.active, cluster.standby):
        api.ssh(lab, node, f"crm_attribute --type nodes --node {node} --name hamysql-verified --delete", check=False)
        api.ssh(
            lab,
            node,
            "touch -d '3 days ago' /etc/hamysql/verify.json; systemctl start hamysql-verify.service",
            timeout=600,
        )
    journal = api.ssh(lab, cluster.standby, "journalctl -u hamysql-verify --no-pager -o cat -n 5")
    assert f"{cluster.standby} does not serve" in journal
    last = api.salt_json(lab, cluster.standby, "hamysql_verify.last")[cluster.standby]
    assert (last["node"], last["out_of_sync"]) == (cluster.active, 0)
    assert last["late"] > 0
    operations.nothing_is_left()
