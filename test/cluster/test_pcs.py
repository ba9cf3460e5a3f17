"""Nodes with pcs and without crmsh, as on Enterprise Linux: deployed, again, and each message names a command that works there.

The tests of this file build on each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import yaml
from cluster import Cluster

from lab import api

pytestmark = [pytest.mark.cluster, pytest.mark.long]


@pytest.fixture(scope="module")
def cluster(lab, progress, figures) -> Iterator[Cluster]:
    api.up(lab, progress, fresh=True, storage="drbd")
    served = lab.salt / "pillar/lab.sls"
    original = served.read_bytes()
    changed = yaml.safe_load(original)
    del changed["hamysql"]["repo"]["repositories"]["crmsh"]
    changed["hamysql"]["package"] = {"crm": ["pcs"]}
    served.unlink()
    served.write_text(yaml.safe_dump(changed, sort_keys=False))
    result = api.deploy(lab, progress)
    figures.append(f"with pcs: deployed in {result.seconds:.0f} s")
    made = Cluster(lab, progress, result)
    made.wait_healthy()
    yield made
    served.unlink()
    served.write_bytes(original)


def test_it_is_deployed_without_crmsh_and_again_without_a_change(cluster):
    for node in ("db1", "db2"):
        assert api.ssh(cluster.lab, node, "command -v crm || true") == ""
        assert "pcs" in api.ssh(cluster.lab, node, "command -v pcs")
    assert api.deploy(cluster.lab, cluster.progress).changes == {}
    assert cluster.highstate("db*") == {"db1": {}, "db2": {}}


def test_the_daemon_of_pcs_is_off_and_its_port_closed(cluster):
    for node in ("db1", "db2"):
        assert api.ssh(cluster.lab, node, "systemctl is-enabled pcsd", check=False).strip() == "disabled"
        assert api.ssh(cluster.lab, node, "systemctl is-active pcsd", check=False).strip() == "inactive"
        assert api.ssh(cluster.lab, node, "ss -Hltn '( sport = :2224 )'") == ""


@pytest.mark.parametrize(
    "intervention",
    [
        "pcs node standby {standby}",
        "pcs node maintenance {standby}",
        "pcs resource ban g_mysql {standby}",
        "pcs resource unmanage p_ip_mysql",
    ],
)
def test_what_a_message_names_ends_what_it_tells(cluster, intervention):
    node, standby = cluster.active, cluster.standby
    api.ssh(cluster.lab, node, intervention.format(standby=standby), timeout=120)
    told = api.salt_json(cluster.lab, node, "hamysql_cib.drift")[node]
    assert told
    for sentence in told:
        (*_, command) = re.findall("`([^`]+)`", sentence)
        assert command.startswith("pcs ")
        api.ssh(cluster.lab, node, command, timeout=120)
    assert api.salt_json(cluster.lab, node, "hamysql_cib.drift")[node] == []
    cluster.wait_healthy()


def test_it_survives_a_power_cut_and_is_repaired(cluster):
    assert cluster.power_cut().lost == 0
    cluster.repair()
