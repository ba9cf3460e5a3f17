"""The cluster's secrets are others under a writing client: shown, killed at each step, run again, and no node forms a membership anew.

It takes about ten minutes, so `make test` leaves it out; `make test-long` runs it.
"""

from __future__ import annotations

import json

import pytest
import yaml
from cluster import refresh_pillar
from test_changes import daemons, on_both
from test_second_day import Operations

from lab import api

pytestmark = pytest.mark.long

ROTATE = "hamysql.orch.rotate_secrets"
# The beginnings of the lines at which it is killed.
MOMENTS = (
    "[2/",
    "- a client on",
    "- corosync's new key is laid",
    "- corosync's new key takes",
    "- corosync takes over",
    "- corosync's old key goes",
    "- a highstate",
    "- pacemaker reads",
    "- passwords of",
    "[4/",
)
IN_SERVICE = "drbdsetup show mysql | grep -c {}; true"
RING = "corosync-quorumtool -s | grep 'Ring ID'"
KEYS = "ls /etc/corosync | grep authkey"


class Site:
    """The lab's pillar without its own secrets, and a file of those that were made."""

    def __init__(self, lab):
        self.lab, self.file = lab, lab.salt / "pillar" / "galaxy-db-secrets.sls"
        self.before = self.file.with_name(f"{self.file.name}.before")

    def secrets(self):
        return yaml.safe_load(self.file.read_text())["hamysql"]

    def in_use(self):
        """Whether corosync's file and DRBD's kernel module have the file's secrets, on both nodes."""
        have = self.secrets()
        kernel = on_both(self.lab, IN_SERVICE.format(have["storage"]["drbd"]["shared_secret"]))
        key = on_both(self.lab, "cat /etc/corosync/authkey")
        return set(kernel.values()) == {"1"} and set(key.values()) == {have["corosync"]["authkey"]}


@pytest.fixture
def operations(cluster, progress, figures):
    return Operations(cluster, progress, figures)


@pytest.fixture
def site(operations, pillar):
    """The cluster runs with the secrets of a file; afterwards with those of the lab's pillar again."""
    lab, top = operations.lab, operations.lab.salt / "pillar" / "top.sls"
    made, original = Site(lab), top.read_text()
    served = lab.salt / "pillar" / "lab.sls"
    own = served.read_text()

    def without(config):
        del config["corosync"]["authkey"], config["storage"]["drbd"]["shared_secret"]

    try:
        pillar(without)
        done = api.salt_run(lab, "hamysql.secrets", str(made.file))
        assert done.returncode == 0, done.stderr
        top.write_text("base:\n  '*':\n    - lab\n    - galaxy-db-secrets\n")
        refresh_pillar(lab)
        yield made
    finally:
        top.write_text(original)
        served.unlink()
        served.write_text(own)
        refresh_pillar(lab)
        operations.done(ROTATE)
        for path in (made.file, made.before):
            path.unlink(missing_ok=True)


def test_secrets_are_rotated_without_a_gap_and_by_a_command_that_is_killed_at_each_step(operations, site):
    cluster, lab = operations.cluster, operations.lab
    processes, rings = daemons(lab), on_both(lab, RING)
    said = []

    def work():
        # The pillar has other secrets than the cluster: it takes those.
        planned = operations.run(ROTATE, test=True)
        assert not planned.failures, planned.failures
        assert "corosync's key, in service" in json.dumps(planned.changes)
        assert not site.in_use()
        said.append(operations.done(ROTATE))
        assert site.in_use()
        # New ones in the file, killed at each step.
        for moment in MOMENTS:
            old = site.secrets()
            came = operations.killed(moment, ROTATE, hamysql_file=str(site.file))
            operations.figures.append(f"rotation killed at {moment!r}: {'came' if came else 'did not come'}")
            assert came
            between = site.secrets()
            said.append(operations.done(ROTATE, hamysql_file=str(site.file)))
            assert site.secrets() == between or moment == "[2/"
            assert site.secrets() != old
            assert site.in_use(), moment
            assert not site.before.exists()

    outcome = cluster.probed(work)
    operations.figures.append(f"rotation: a client's longest gap {outcome.longest_gap_seconds:.1f} s")
    assert outcome.lost == 0
    assert daemons(lab) == processes
    assert on_both(lab, RING) == rings, "a membership was formed anew"
    assert on_both(lab, KEYS) == {"db1": "authkey", "db2": "authkey"}
    assert "hamysql-proving" not in api.ssh(lab, "db1", "cibadmin --query")
    operations.nothing_is_left()
    again = api.deploy(lab, operations.progress)
    assert not again.failures, again.failures
    assert not again.changes, again.changes


def test_a_node_that_boots_in_the_middle_of_a_rotation_comes_back_with_the_next_run(operations, site):
    """It has the new key in its file, and the other node runs with the old one."""
    cluster, lab, node = operations.cluster, operations.lab, operations.cluster.standby

    def work():
        assert operations.killed("- corosync takes over", ROTATE, hamysql_file=str(site.file))
        api.ssh(lab, node, "systemctl reboot", check=False)
        api.wait_until(lab, f"{node} to be gone", lambda report: not report["nodes"][node]["reachable"], timeout=120)
        api.wait_until(lab, f"{node} to be back", lambda report: report["nodes"][node]["reachable"], timeout=240)
        api.wait_for_minions(lab, operations.progress)
        operations.done(ROTATE, hamysql_file=str(site.file))

    assert cluster.probed(work).lost == 0
    cluster.wait_healthy()
    assert site.in_use()


def test_a_fence_device_with_another_password_is_refused_and_nothing_is_changed(operations, pillar):
    lab = operations.lab

    def another(config):
        config["corosync"]["authkey"] = "another-lab-only-key-" * 8
        for levels in config["fencing"]["devices"].values():
            levels[0]["secrets"]["password"] = "not-set-on-the-device"

    before = on_both(lab, "sha256sum /etc/corosync/authkey")
    pillar(another)
    refresh_pillar(lab)
    refused = operations.run(ROTATE)
    assert "set them on the device first" in " ".join(refused.failures.values())
    assert on_both(lab, "sha256sum /etc/corosync/authkey") == before
