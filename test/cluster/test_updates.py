"""Updates of both nodes under a writing client: shown before, killed at each step and run again, with a boot of each node.

It takes about a quarter of an hour, so `make test` leaves it out; `make test-long` runs it. The tests build on each other.
"""

from __future__ import annotations

import json
import re

import pytest
from cluster import boots
from test_second_day import Operations

from lab import api

pytestmark = pytest.mark.long

UPDATE = "hamysql.orch.update"
# The beginnings of the lines at which it is killed, in their order; each run goes on where the one before it was killed. At a boot
# pacemaker starts by itself.
MOMENTS = (
    *(
        "[1/",
        "- the packages are fetched",
        "- a client on",
        "- {standby} goes into standby",
        "- {standby} stops corosync",
    ),
    *("- {standby} installs its updates", "- {standby} boots"),
    *("- {standby} is a member again", "- the service moves", "- {active} stops corosync", "- {active} boots", "[5/"),
)
# A package of the cluster, made again with a higher version. Its installation asks for a boot, or not.
OFFER = r"""set -e
mkdir -p /srv/updates; cd /srv/updates; rm -rf build
dpkg-deb -R /srv/repo/main/pool/psmisc_*.deb build
sed -i 's/^Version: .*/&+lab{number}/' build/DEBIAN/control
printf '#!/bin/sh\n{act}\n' >build/DEBIAN/postinst
chmod 755 build/DEBIAN/postinst
dpkg-deb -b build psmisc.deb >/dev/null
{{ dpkg-deb -f psmisc.deb; echo Filename: ./psmisc.deb; echo Size: $(stat -c %s psmisc.deb)
  echo SHA256: $(sha256sum psmisc.deb | cut -d' ' -f1); }} >Packages
echo 'deb [trusted=yes] file:/srv/updates ./' >/etc/apt/sources.list.d/updates.list
"""


@pytest.fixture
def operations(cluster, progress, figures):
    return Operations(cluster, progress, figures)


def offer(lab, number, act="true"):
    for node in lab.topology.data_nodes:
        api.ssh(lab, node.name, OFFER.format(number=number, act=act), timeout=120)


def versions(lab):
    names = [node.name for node in lab.topology.data_nodes]
    return {name: api.ssh(lab, name, "dpkg-query -W -f '${Version}' psmisc").strip() for name in names}


def test_an_update_with_a_boot_is_shown_killed_at_each_step_and_gets_there(operations):
    cluster, lab = operations.cluster, operations.lab
    active, standby = cluster.active, cluster.standby
    offer(lab, 1, "touch /run/reboot-required")
    before = versions(lab)
    planned = operations.run(UPDATE, test=True)
    assert not planned.failures, planned.failures
    shown = json.dumps(planned.changes)
    assert f"{standby}: psmisc" in shown
    assert f"{active}: psmisc" in shown
    assert versions(lab) == before
    said = []

    def work():
        for moment in MOMENTS:
            line = moment.format(active=active, standby=standby)
            came = operations.killed(line, UPDATE)
            operations.figures.append(f"update killed at {line!r}: {'came' if came else 'did not come'}")
        said.append(operations.done(UPDATE))

    outcome = cluster.probed(work)
    operations.figures.append(f"{said[0]}; a client's gap {outcome.longest_gap_seconds:.1f} s")
    assert all(version.endswith("+lab1") for version in versions(lab).values())
    after = boots(lab)
    assert all(after[name] != boot for name, boot in operations.before.items()), "a node has not booted"
    assert cluster.active == standby
    cluster.wait_healthy()
    operations.before = after
    operations.nothing_is_left()
    for node in (active, standby):
        assert api.salt_json(lab, node, "hamysql_update.look")[node]["mark"] is None
    assert "nothing was to be updated" in operations.done(UPDATE)
    assert cluster.active == standby


def test_an_update_without_a_boot_moves_the_service_once_and_tells_its_gap(operations):
    cluster, lab = operations.cluster, operations.lab
    standby = cluster.standby
    offer(lab, 2)
    said = []
    outcome = cluster.probed(lambda: said.append(operations.done(UPDATE)))
    (own,) = re.findall(r"longest write gap ([\d.]+) s", said[0])
    operations.figures.append(f"update without a boot: own gap {own} s, a client's {outcome.longest_gap_seconds:.1f} s")
    assert all(version.endswith("+lab2") for version in versions(lab).values())
    assert cluster.active == standby
    operations.nothing_is_left()


def test_it_is_refused_while_the_other_node_could_not_serve_and_where_a_kernel_has_no_module(operations):
    lab, standby = operations.lab, operations.cluster.standby
    offer(lab, 3)
    api.ssh(lab, standby, f"crm node standby {standby}")
    refused = operations.run(UPDATE)
    assert any("state standby" in reason for reason in refused.failures.values()), refused.failures
    api.ssh(lab, standby, f"crm node online {standby}")
    operations.cluster.wait_healthy()
    api.ssh(lab, standby, "mkdir -p /boot; touch /boot/vmlinuz-99.0.0-1-amd64")
    refused = operations.run(UPDATE)
    assert any("has no module drbd" in reason for reason in refused.failures.values()), refused.failures
    api.ssh(lab, standby, "rm /boot/vmlinuz-99.0.0-1-amd64")
    assert all(version.endswith("+lab2") for version in versions(lab).values())
    api.ssh(lab, standby, "rm -r /srv/updates /etc/apt/sources.list.d/updates.list")
