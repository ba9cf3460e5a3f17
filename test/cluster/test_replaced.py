"""A node dies for good, and a blank machine takes its place while the other one serves; killed at each step, and under another name.

It takes about a quarter of an hour, so `make test` leaves it out; `make test-long` runs it. The tests build on each other.
"""

from __future__ import annotations

import json
import re

import pytest
from cluster import boots, refresh_pillar
from test_second_day import Operations

from lab import api

pytestmark = pytest.mark.long

REPLACE = "hamysql.orch.replace_node"
MOMENTS = (
    *("[1/", "- db1 notes", "- db1 takes over", "- the cluster forgets", "- packages and files"),
    *("- the cluster gets", "- the storage of", "- corosync and pacemaker", "[4/"),
)
OTHER, ADDRESSES = "db3", ("10.77.1.16", "10.77.2.16")


@pytest.fixture
def operations(deployed, progress, figures):
    return Operations(deployed, progress, figures)


@pytest.fixture
def serving(operations):
    """db1 serves, so that db2 may die."""
    if operations.cluster.active != "db1":
        operations.done("hamysql.orch.switchover", hamysql_to="db1")
    return operations


def died(operations):
    """db2 loses its power, is fenced, and a blank machine is in its place."""
    lab = operations.lab
    api.power(lab, "db2", "off")
    api.wait_until(lab, "db2 to be fenced", lambda _: "db2" in operations.cluster.shot("db1"), timeout=180)
    api.blank(lab, "db2")
    api.wait_for_minions(lab, operations.progress)
    assert api.ssh(lab, "db2", "ls /etc/corosync /var/lib/hamysql 2>/dev/null; true").strip() == ""


def names(lab):
    return set(re.findall(r'<node [^>]*uname="([^"]+)"', api.ssh(lab, "db1", "cibadmin --query --scope nodes")))


def test_a_node_that_is_alive_is_not_replaced(serving):
    before = boots(serving.lab)
    refused = serving.run(REPLACE, hamysql_replace="db2")
    assert "is online in the cluster" in " ".join(refused.failures.values())
    refused = serving.run(REPLACE)
    assert "hamysql_replace" in " ".join(refused.failures.values())
    assert boots(serving.lab) == before


def test_a_blank_machine_of_the_same_name_takes_the_place_killed_at_each_step(serving):
    lab, cluster = serving.lab, serving.cluster
    api.ssh(lab, "db1", "crm_attribute --type nodes --node db2 --name hamysql-fenced-1 --update 'yesterday old'")
    said = []

    def work():
        died(serving)
        planned = serving.run(REPLACE, test=True, hamysql_replace="db2")
        assert not planned.failures, planned.failures
        assert "gets all data from db1" in json.dumps(planned.changes)
        for moment in MOMENTS:
            came = serving.killed(moment, REPLACE, hamysql_replace="db2")
            serving.figures.append(f"replace_node killed at {moment!r}: {'came' if came else 'did not come'}")
        said.append(serving.done(REPLACE, hamysql_replace="db2"))

    outcome = cluster.probed(work)
    cluster.wait_healthy()
    assert cluster.active == "db1"
    assert "db2" in said[0]
    serving.figures.append(
        f"replace_node: a client's gap {outcome.longest_gap_seconds:.1f} s, the fencing of db2 included"
    )
    assert "yesterday" not in api.ssh(lab, "db1", "cibadmin --query --scope nodes")
    serving.before = boots(lab)
    serving.nothing_is_left()
    again = api.orchestrate(lab, serving.progress)
    assert not again.failures, again.failures
    assert not again.changes, again.changes


def test_a_machine_with_another_name_and_other_addresses_takes_the_place(serving, pillar):
    lab, cluster = serving.lab, serving.cluster
    died(serving)
    api.ssh(lab, "db2", f"hostnamectl set-hostname {OTHER} || {{ echo {OTHER} > /etc/hostname; hostname {OTHER}; }}")
    for link, address in enumerate(ADDRESSES):
        api.ssh(lab, "db2", f"ip address add {address}/24 dev eth{link}")
    api.ssh(lab, "db2", "systemctl restart salt-minion", timeout=120)
    api.wait_for_minions(lab, serving.progress)

    def edit(config):
        nodes, devices = config["cluster"]["nodes"], config["fencing"]["devices"]
        nodes[OTHER] = {**nodes.pop("db2"), "minion_id": "db2", "addresses": list(ADDRESSES)}
        devices[OTHER] = devices.pop("db2")

    pillar(edit)
    refresh_pillar(lab)
    refused = api.orchestrate(lab, serving.progress)
    assert "hamysql.orch.replace_node" in " ".join(refused.failures.values())
    said = []

    def work():
        serving.killed("- db1 takes over", REPLACE, hamysql_replace="db2")
        said.append(serving.done(REPLACE, hamysql_replace="db2"))

    outcome = cluster.probed(work)
    assert f"{OTHER} has taken the place of db2" in said[0]
    (own,) = re.findall(r"longest write gap ([\d.]+) s", said[0])
    serving.figures.append(
        f"replace_node, another name: own gap {own} s, a client's {outcome.longest_gap_seconds:.1f} s"
    )
    assert names(lab) == {"db1", OTHER}
    assert "db2" not in api.ssh(lab, "db1", "cibadmin --query --scope constraints; crm_node --list; stonith_admin -L")
    assert "UpToDate/UpToDate" in api.ssh(lab, "db1", "cat /proc/drbd")
    again = api.orchestrate(lab, serving.progress)
    assert not again.failures, again.failures
    assert not again.changes, again.changes
    serving.done("hamysql.orch.switchover", hamysql_to=OTHER)  # the new node can serve
    assert api.ssh(lab, "db2", "mariadb --batch --skip-column-names -e 'SELECT 1'").split() == ["1"]
