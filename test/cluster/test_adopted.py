"""A cluster of the 2013 procedure, built by hand on bare nodes, is described as a pillar; a deployment of that touches nothing.

It takes about ten minutes, so `make test` leaves it out; `make test-long` runs it. The tests build on each other.
"""

from __future__ import annotations

import time

import pytest
import yaml

from lab import api
from lab.basics.context import PROJECT

pytestmark = pytest.mark.long

SCRIPT = (PROJECT / "test" / "helpers" / "procedure_2013.sh").read_text()
SETTINGS = {
    "ADDRESS1": "10.77.1.11",
    "ADDRESS2": "10.77.1.12",
    "VIP": "10.77.1.100",
    "BIND": "10.77.1.0",
    "DISK1": "/dev/ubdb",
    "SECRET": "canary-of-2013",
    "CLUSTER": "galaxy-db",
}
SOURCES = "deb [trusted=yes] file:/srv/repo/main bookworm main\ndeb [trusted=yes] file:/srv/repo/crmsh bookworm main\n"
NODES = ("db1", "db2")
SERVES = "mariadb --batch --skip-column-names -e 'SELECT @@server_id' 2>/dev/null; pidof mariadbd; true"


def steps(lab, node, *words):
    given = " ".join(f"{name}={value}" for name, value in SETTINGS.items())
    api.ssh(lab, node, f"env {given} sh -s {' '.join(words)}", stdin=SCRIPT, timeout=600)


def until(what, condition, timeout=600):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {timeout} s"
        time.sleep(2)


def unchanged(lab):
    """What a deployment must not touch: files, the cluster's configuration, and the server's process."""
    look = (
        "sha256sum /etc/corosync/corosync.conf /etc/drbd.conf; ls /etc/drbd.d /var/lib/hamysql /etc/hamysql 2>/dev/null;"
        " cibadmin --query --scope configuration | sha256sum; pidof mariadbd corosync pacemakerd; true"
    )
    return {node: api.ssh(lab, node, look) for node in NODES}


@pytest.fixture(scope="module")
def built(bare, progress):
    """The procedure's cluster, which serves."""
    for node in NODES:
        api.ssh(bare, node, "cat >/etc/apt/sources.list.d/procedure.list", stdin=SOURCES)
        api.ssh(bare, node, "apt-get -q update", timeout=300)
        steps(bare, node, "packages", "files", "replica")
    steps(bare, "db1", "data")
    for node in NODES:
        steps(bare, node, "start")
    until("both nodes are online", lambda: "Online: [ db1 db2 ]" in api.ssh(bare, "db1", "crm_mon -1; true"))
    steps(bare, "db1", "resources")
    until("the database answers", lambda: any(len(api.ssh(bare, node, SERVES).split()) == 2 for node in NODES))
    until("the replicas are alike", lambda: "UpToDate/UpToDate" in api.ssh(bare, "db1", "cat /proc/drbd"))
    return bare


def test_the_cluster_is_described_and_nothing_is_touched(built):
    before = unchanged(built)
    path = built.salt / "pillar" / "adopted.sls"
    path.unlink(missing_ok=True)
    path.with_name("adopted-secrets.sls").unlink(missing_ok=True)
    said = api.salt_run(built, "hamysql.adopt", *NODES, f"path={path}", "--out=yaml")
    assert said.returncode == 0, said.stdout + said.stderr
    assert SETTINGS["SECRET"] not in said.stdout + path.read_text()
    done = yaml.safe_load(said.stdout)
    assert done["secrets"] == ["hamysql:storage:drbd:shared_secret"], done
    assert {"p_mysql", "ms_drbd_mysql", "g_mysql"} <= {*done["adopt"]}
    assert not [sentence for sentence in done["unfit"] if "drbdadm reads a resource in one place" not in sentence], (
        done["unfit"]
    )
    found = yaml.safe_load(path.read_text())["hamysql"]
    assert found["cluster"]["nodes"]["db2"] == {"minion_id": "db2", "addresses": ["10.77.1.12"], "disk": "/dev/ubdb"}
    assert unchanged(built) == before


def test_a_deployment_of_it_is_refused_and_the_service_runs_on(built, progress):
    before = unchanged(built)
    folder = built.salt / "pillar"
    adopted, lab = folder / "adopted.sls", folder / "lab.sls"
    whole = yaml.safe_load(adopted.read_text())["hamysql"]
    secrets = yaml.safe_load((folder / "adopted-secrets.sls").read_text())["hamysql"]
    whole["storage"]["drbd"] |= secrets["storage"]["drbd"]
    whole["firewall"]["client_networks"] = ["10.77.1.0/24"]
    kept = lab.read_bytes()
    lab.unlink()
    lab.write_text(yaml.safe_dump({"hamysql": whole}))
    try:
        result = api.orchestrate(built, progress)
    finally:
        lab.unlink()
        lab.write_bytes(kept)
    said = " ".join(result.failures.values())
    assert "a cluster that hamysql has not made" in said, result.failures
    assert "p_mysql" in said
    assert "hamysql_storage.adopt" not in said, "advice that would have its files written"
    assert result.changes == {}
    assert unchanged(built) == before
