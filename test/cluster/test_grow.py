"""A larger disk below DRBD taken into use under a writing client, killed at each step; and a disk that grew while DRBD was down.

The lab's disks cannot grow, so DRBD's disk is a volume of LVM on each of them. A deployment from bare nodes: `make test-long` runs it.
The tests build on each other, and leave another lab behind than they found.
"""

from __future__ import annotations

import json

import pytest
import yaml
from cluster import Cluster
from test_second_day import Operations

from lab import api

pytestmark = [pytest.mark.cluster, pytest.mark.long]

GROW = "hamysql.orch.grow"
DISK = "/dev/grown/data"
# What an administrator has done before: a volume of three quarters of the disk.
PREPARED = """set -e
list=/etc/apt/sources.list.d/lab.list
. /etc/os-release
echo "deb [trusted=yes] file:/srv/repo/main $VERSION_CODENAME main" >$list
apt-get update -q
DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends lvm2
rm $list
pvcreate --yes /dev/ubdb
vgcreate --yes grown /dev/ubdb
lvcreate --yes --extents 75%FREE --name data grown
udevadm settle
"""
# The beginnings of the lines at which it is killed.
MOMENTS = ("[1/", "- the disk", "- a client on", "- the device", "- the file system")


@pytest.fixture(scope="module")
def grown(lab, progress, figures):
    pillar = api.pillar_for(lab, "drbd")
    storage = pillar["hamysql"]["storage"]
    storage["drbd"] = {**storage.get("drbd", {}), "disk": DISK}
    for node in pillar["hamysql"]["cluster"]["nodes"].values():
        node.pop("disk", None)
    path = lab.dir / "grown.sls"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(pillar, sort_keys=False))
    api.up(lab, progress, fresh=True, pillar=path)
    for node in lab.topology.data_nodes:
        api.ssh(lab, node.name, "sh", stdin=PREPARED, timeout=300)
    result = api.deploy(lab, progress)
    made = Cluster(lab, progress, result)
    made.wait_healthy()
    return Operations(made, progress, figures)


def sizes(operations, node):
    """Bytes of the disk and of the device, as the kernel of a node knows them."""
    script = f"blockdev --getsize64 {DISK}; echo $(( $(cat /sys/class/block/drbd0/size) * 512 ))"
    return [int(word) for word in api.ssh(operations.lab, node, script).split()]


def free(operations):
    look = "df --output=size --block-size=1 /var/lib/mysql | tail -1"
    return int(api.ssh(operations.lab, operations.cluster.active, look))


def megabytes(operations, more):
    """The size of the disk, and so many MiB, as an operator says it."""
    return f"{sizes(operations, operations.cluster.active)[0] // 2**20 + more}M"


def test_a_larger_disk_is_taken_into_use_while_a_client_writes_killed_and_run_again(grown):
    cluster, size, before = grown.cluster, megabytes(grown, 64), free(grown)
    had = {node: sizes(grown, node) for node in (cluster.active, cluster.standby)}
    planned = grown.run(GROW, test=True, hamysql_size=size)
    assert not planned.failures
    assert "the device /dev/drbd0" in json.dumps(planned.changes)
    assert {node: sizes(grown, node) for node in had} == had, "test=True has changed something"
    active, said = cluster.active, []

    def work():
        for moment in MOMENTS:
            came = grown.killed(moment, GROW, hamysql_size=size)
            grown.figures.append(f"grow killed at {moment!r}: {'came' if came else 'did not come'}")
        said.append(grown.done(GROW, hamysql_size=size))

    outcome = cluster.probed(work)
    grown.figures.append(f"{said[0]}; a client's gap {outcome.longest_gap_seconds:.1f} s")
    assert cluster.active == active, "the service moved"
    for node, (disk, device) in had.items():
        now = sizes(grown, node)
        assert now[0] >= disk + 60 * 2**20
        assert now[1] >= device + 60 * 2**20
    assert free(grown) > before + 32 * 2**20
    cluster.wait_healthy()
    grown.nothing_is_left()
    assert "nothing had to grow" in grown.done(GROW)


def test_a_disk_of_one_node_alone_bounds_the_device(grown):
    cluster = grown.cluster
    before = sizes(grown, cluster.active)[1]
    api.ssh(grown.lab, cluster.standby, "lvextend --yes --size +32M grown/data")
    assert "nothing had to grow" in grown.done(GROW)
    assert sizes(grown, cluster.active)[1] == before


def test_a_disk_that_grew_while_drbd_was_down_forgets_nothing(grown):
    """The node that serves has blocks that its peer lacks, and both disks grow behind their metadata."""
    cluster, lab = grown.cluster, grown.lab
    active, standby = cluster.active, cluster.standby
    for node in (standby, active):
        if node == active:  # it goes on alone for a while: what it writes, the standby lacks
            outcome = api.start_probe(lab, 20).finish()
            assert outcome.acknowledged > 0
        api.ssh(lab, node, "systemctl stop pacemaker corosync", timeout=300)
    for node in (active, standby):
        api.ssh(lab, node, "drbdadm down mysql || true; lvextend --yes --extents +100%FREE grown/data")
    api.deploy(lab, grown.progress)
    cluster.wait_healthy()
    for node in (active, standby):
        journal = api.ssh(
            lab, node, "journalctl -u pacemaker --no-pager -o cat -b | grep -c 'its metadata follows' || true"
        )
        grown.figures.append(f"{node}: its metadata followed the disk {journal.strip()} times")
    for node in (active, standby):
        shown = api.ssh(lab, node, "drbdadm get-gi mysql")
        assert shown.strip()
    said = grown.done(GROW)
    grown.figures.append(said)
    assert "the file system" in said
    outcome = api.start_probe(lab, 5).finish()
    assert (outcome.lost, outcome.acknowledged > 0) == (0, True)
