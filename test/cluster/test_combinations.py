"""Each combination of :mod:`combinations`: deployed from bare nodes, deployed again, moved, its active node cut off and rebooted.

What it took is recorded, and is a row of docs/tested.md.
"""

from __future__ import annotations

import time
from importlib import metadata

import pytest
import yaml
from cluster import Cluster
from combinations import COMBINATIONS

from lab import api

pytestmark = [pytest.mark.cluster, pytest.mark.long]
MOVED = 180  # seconds for a node to take over, or to come back


@pytest.fixture(params=COMBINATIONS)
def name(request):
    return request.param


def bare(lab, progress, combination):
    """Bare nodes with what this site has set up, and the pillar for it."""
    setup = combination.setup
    pillar = api.pillar_for(lab, setup.storage, setup.release, setup.flavor)
    combination.pillar(pillar["hamysql"])
    path = lab.dir / "combination.sls"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(pillar, sort_keys=False))
    api.down(lab, progress)  # what an earlier site has set up goes with the network
    api.up(lab, progress, pillar=path, fresh=True, storage=setup.storage, release=setup.release, flavor=setup.flavor)
    combination.prepare(lab)


def test_deployed_again_moved_cut_off_and_rebooted(lab, progress, name, record_property):
    combination = COMBINATIONS[name]
    bare(lab, progress, combination)
    result = api.deploy(lab, progress)
    cluster = Cluster(lab, progress, result)
    cluster.wait_healthy()
    again = api.deploy(lab, progress)
    assert again.changes == {}

    active, standby = cluster.active, cluster.standby
    moved = cluster.probed(lambda: api.salt_json(lab, active, "hamysql_cib.move", standby))
    assert cluster.active == standby
    cluster.wait_healthy()

    cut = cluster.power_cut()
    cluster.repair()

    active, standby = cluster.active, cluster.standby
    for node in lab.topology.data_nodes:
        api.ssh(lab, node.name, "stonith_admin --cleanup --history '*' >/dev/null")

    def reboot():
        api.ssh(lab, active, "systemctl reboot", check=False, timeout=MOVED)
        api.wait_until(lab, f"{standby} to serve", lambda report: report["active"] == standby, timeout=MOVED)
        time.sleep(10)

    rebooted = cluster.probed(reboot)
    cluster.wait_healthy(timeout=240)
    assert {name for node in lab.topology.data_nodes for name in cluster.shot(node.name)} == set()
    api.wait_for_minions(lab, progress)
    assert api.deploy(lab, progress).changes == {}

    seen = (moved, cut, rebooted)
    record_property(
        "row",
        {
            "system": f"Debian {combination.setup.system.version}",
            "database": database(lab, cluster.active),
            "storage": combination.setup.storage,
            "special": combination.words,
            "salt": metadata.version("salt"),
            "deployed": round(result.seconds),
            "again": round(again.seconds),
            "moved": round(moved.longest_gap_seconds, 1),
            "cut": round(cut.longest_gap_seconds, 1),
            "rebooted": round(rebooted.longest_gap_seconds, 1),
            "acknowledged": sum(outcome.acknowledged for outcome in seen),
            "lost": sum(outcome.lost for outcome in seen),
        },
    )


def database(lab, active):
    """What the server says that it is, in two words."""
    said = api.ssh(
        lab, active, "mysql --batch --skip-column-names --execute 'SELECT VERSION()' || mariadb -BNe 'SELECT VERSION()'"
    )
    version = said.strip()
    return f"{'MariaDB' if 'MariaDB' in version else 'MySQL'} {version.partition('-')[0]}"
