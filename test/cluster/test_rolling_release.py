"""A running cluster goes from Debian 12 to Debian 13, a node at a time: each is installed anew, and replaces itself, under a client.

It takes about a quarter of an hour, so `make test` leaves it out; `make test-long` runs it.
"""

from __future__ import annotations

import pytest
import yaml
from cluster import Cluster
from test_second_day import Operations

from lab import api

pytestmark = pytest.mark.long

REPLACE, SWITCHOVER = "hamysql.orch.replace_node", "hamysql.orch.switchover"
# As a site writes it that has both releases for a while.
CODENAME = "{{ grains['oscodename'] }}"
AGENTS = "{{ 'fence-agents-ipmilan' if grains['oscodename'] == 'trixie' else 'fence-agents' }}"
VERSIONS = "dpkg-query --show --showformat '${Version}\\n' pacemaker mariadb-server | sed 's/^[0-9]*://; s/[-~+].*//'"


@pytest.fixture
def operations(lab, progress, figures):
    pillar = api.pillar_for(lab, "drbd", "bookworm", "mariadb")
    pillar["hamysql"]["package"] = {"fencing": {"agents": ["AGENTS"]}}
    text = (
        yaml.safe_dump(pillar, sort_keys=False).replace(" bookworm ", f" {CODENAME} ").replace("AGENTS", f'"{AGENTS}"')
    )
    path = lab.dir / "rolling.sls"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    api.down(lab, progress)
    api.up(lab, progress, pillar=path, fresh=True, storage="drbd", release="bookworm", flavor="mariadb")
    cluster = Cluster(lab, progress, api.deploy(lab, progress))
    cluster.wait_healthy()
    return Operations(cluster, progress, figures)


def versions(lab, node):
    """The series of the database and of pacemaker, as dpkg-query sorts them: ``["10.11", "2.1"]``."""
    return [".".join(line.split(".")[:2]) for line in api.ssh(lab, node, VERSIONS).split()]


def reinstall(operations, node):
    """The node stops in order, and a machine with Debian 13 and nothing else comes back."""
    lab = operations.lab
    api.ssh(lab, node, "systemctl poweroff", check=False)
    api.wait_for(lambda: api.power(lab, node, "status") == "off", f"{node} to be off", timeout=180)
    api.blank(lab, node, "trixie", operations.progress)
    api.wait_for_minions(lab, operations.progress)


def test_each_node_in_turn_gets_the_new_release_and_no_write_is_lost(operations):
    lab, cluster = operations.lab, operations.cluster
    first, second = cluster.standby, cluster.active
    assert versions(lab, first) == versions(lab, second)
    before = versions(lab, second)

    def work():
        reinstall(operations, first)
        refused = operations.run(REPLACE, hamysql_replace=first)
        assert "the same major version" in " ".join(refused.failures.values())
        said = operations.done(REPLACE, hamysql_replace=first, hamysql_newer=True)
        assert f"replace {second} next" in said
        assert versions(lab, first) != versions(lab, second) == before
        assert f"mariadb-upgrade has run on {first}" in operations.done(SWITCHOVER, hamysql_to=first)
        assert f"{second} cannot take over: it has mariadb-server 10.11" in api.salt_run(lab, "hamysql.status").stdout
        back = operations.run(SWITCHOVER, hamysql_to=second)
        assert f"{second} cannot take over" in " ".join(back.failures.values())
        # From here on the older server must not have this data.
        series = api.ssh(lab, first, "cat /var/lib/mysql/hamysql-series").strip()
        assert series == versions(lab, first)[0]
        reinstall(operations, second)
        operations.done(REPLACE, hamysql_replace=second, hamysql_newer=True)

    outcome = cluster.probed(work)
    operations.figures.append(
        f"Debian 12 to 13: {outcome.acknowledged} acknowledged, {outcome.lost} lost, gap {outcome.longest_gap_seconds:.1f} s"
    )
    cluster.wait_healthy()
    assert versions(lab, first) == versions(lab, second) != before
    again = api.orchestrate(lab, operations.progress)
    assert not again.failures, again.failures
    assert not again.changes, again.changes
    cut = cluster.power_cut()
    operations.figures.append(f"power cut on Debian 13: gap {cut.longest_gap_seconds:.1f} s")
    cluster.repair()
