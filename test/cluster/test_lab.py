"""The lab's own verbs on running nodes."""

from __future__ import annotations

import re

import pytest

from lab import api

BOOT_ID = "cat /proc/sys/kernel/random/boot_id"


def lost(lab: api.Lab, address: str) -> float:
    """The share of pings from the administrator's side that stay without an answer, in percent."""
    argv = lab.in_namespace("ping", "-q", "-c", "60", "-i", "0.05", "-W", "1", address)
    shown = api.run(argv, check=False).stdout
    found = re.search(r"([\d.]+)% packet loss", shown)
    assert found, shown
    return float(found[1])


def test_a_lossy_link_loses_some_packets_until_it_is_healed(cluster):
    lab = cluster.lab
    api.net(lab, "db2", "lossy", link="1", loss="40%")
    assert 10 < lost(lab, "10.77.2.12") < 80
    assert lost(lab, "10.77.1.12") == 0
    api.net(lab, "db2", "heal")
    assert lost(lab, "10.77.2.12") == 0
    with pytest.raises(api.LabError, match="'much' is not understood"):
        api.net(lab, "db2", "lossy", loss="much")


def test_a_snapshot_that_is_not_there_is_an_error_and_the_nodes_stay_as_they_are(cluster):
    before = {name: api.ssh(cluster.lab, name, BOOT_ID) for name in ("db1", "db2")}
    with pytest.raises(api.LabError, match="there is no snapshot 'none'"):
        api.up(cluster.lab, cluster.progress, snapshot_name="none")
    assert {name: api.ssh(cluster.lab, name, BOOT_ID) for name in ("db1", "db2")} == before
    assert api.healthy(api.status(cluster.lab))
