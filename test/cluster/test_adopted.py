"""A cluster of the 2013 procedure, built by hand on bare nodes, is described as a pillar; a deployment of that touches nothing.

Then it is taken over under a writing client. That takes about twenty minutes, so `make test` leaves it out; `make test-long` runs it
in two parts, of which each builds the cluster.
"""

from __future__ import annotations

import json
import time

import pytest
import yaml
from cluster import Cluster, refresh_pillar
from test_second_day import Operations

from lab import api
from lab.basics.context import PROJECT

pytestmark = pytest.mark.long

SCRIPT = (PROJECT / "test" / "helpers" / "procedure_2013.sh").read_text()
# Some have other names than hamysql's, which are the procedure's: they are renamed.
RENAMED = {"p_fs_mysql": "fs_mysql", "ms_drbd_mysql": "ms_r0", "p_drbd_mysql": "r0_mysql"}
for old, new in RENAMED.items():
    SCRIPT = SCRIPT.replace(old, new)
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
# As an administrator of 2013 had it, whose clients come over the network; and what the lab's small nodes need.
SERVER = "cat >/etc/mysql/mariadb.conf.d/90-procedure.cnf"
OPTIONS = "[mysqld]\nbind-address = 0.0.0.0\ninnodb_buffer_pool_size_max = 256M\ninnodb_buffer_pool_size = 64M\n"
ADOPT = "hamysql.orch.adopt"
# The beginnings of the lines at which the takeover is killed: held, files, storage, configuration, end.
MOMENTS = ("- pacemaker is held", "- files and packages", "- the storage is noted", "- db", "- pacemaker acts again")
SERVES = "mariadb --batch --skip-column-names -e 'SELECT @@server_id' 2>/dev/null; cat /run/mysqld/mysqld.pid 2>/dev/null; true"


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
        " cibadmin --query --scope configuration | sha256sum; cat /run/mysqld/mysqld.pid 2>/dev/null; pidof corosync pacemakerd; true"
    )
    return {node: api.ssh(lab, node, look) for node in NODES}


def serve(lab, kept=None):
    """The master serves the described pillar, with what only a human knows; or what it has served before, which is returned."""
    folder = lab.salt / "pillar"
    served = folder / "lab.sls"
    before = served.read_bytes()
    if kept is None:
        whole = yaml.safe_load((folder / "adopted.sls").read_text())["hamysql"]
        secrets = yaml.safe_load((folder / "adopted-secrets.sls").read_text())["hamysql"]
        whole["storage"]["drbd"] |= secrets["storage"]["drbd"]
        whole["firewall"]["client_networks"] = ["10.77.1.0/24"]
        ours = yaml.safe_load(before)["hamysql"]
        whole["mysql"] |= {key: ours["mysql"][key] for key in ("databases", "users")}
        whole["repo"] = ours["repo"]
        kept = yaml.safe_dump({"hamysql": whole}).encode()
    served.unlink()
    served.write_bytes(kept)
    return before


def described(lab):
    """The pillar of the cluster, and its secrets."""
    path = lab.salt / "pillar" / "adopted.sls"
    path.unlink(missing_ok=True)
    path.with_name("adopted-secrets.sls").unlink(missing_ok=True)
    said = api.salt_run(lab, "hamysql.adopt", *NODES, f"path={path}", "--out=yaml")
    assert said.returncode == 0, said.stdout + said.stderr
    return path, said.stdout


@pytest.fixture(scope="module")
def built(bare, progress):
    """The procedure's cluster, which serves."""
    for node in NODES:
        api.ssh(bare, node, "cat >/etc/apt/sources.list.d/procedure.list", stdin=SOURCES)
        api.ssh(bare, node, "apt-get -q update", timeout=300)
        steps(bare, node, "packages", "files", "replica")
        api.ssh(bare, node, SERVER, stdin=OPTIONS)
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
    path, said = described(built)
    assert SETTINGS["SECRET"] not in said + path.read_text()
    done = yaml.safe_load(said)
    assert done["secrets"] == ["hamysql:storage:drbd:shared_secret"], done
    assert {"p_mysql", "ms_drbd_mysql", "g_mysql"} <= {*done["adopt"]}
    assert done["unfit"] == []
    assert set(done["renamed"]) == {f"{theirs} becomes {ours}" for ours, theirs in RENAMED.items()}
    found = yaml.safe_load(path.read_text())["hamysql"]
    assert found["cluster"]["nodes"]["db2"] == {"minion_id": "db2", "addresses": ["10.77.1.12"], "disk": "/dev/ubdb"}
    assert unchanged(built) == before


def test_a_deployment_of_it_is_refused_and_the_service_runs_on(built, progress):
    before = unchanged(built)
    kept = serve(built)
    try:
        result = api.orchestrate(built, progress)
    finally:
        serve(built, kept)
    said = " ".join(result.failures.values())
    assert "a cluster that hamysql has not made" in said, result.failures
    assert "pacemaker's configuration has" in said
    assert "hamysql_storage.adopt" not in said, "advice that would have its files written"
    assert result.changes == {}
    assert unchanged(built) == before


# --- the takeover


@pytest.fixture(scope="module")
def foreign(built, progress, figures):
    """The same cluster with the probe's account, as its administrator made it; the described pillar is served."""
    described(built)
    kept = serve(built)
    user = next(item for item in yaml.safe_load(kept)["hamysql"]["mysql"]["users"] if item["name"] == "probe")
    statements = (
        "CREATE DATABASE IF NOT EXISTS probe; CREATE USER IF NOT EXISTS 'probe'@'%' IDENTIFIED BY "
        f"'{user['password']}'; GRANT ALL ON probe.* TO 'probe'@'%';"
    )
    api.ssh(built, next(iter(processes(built))), "mariadb", stdin=statements)
    refresh_pillar(built)
    yield Operations(Cluster(built, progress, None), progress, figures)
    serve(built, kept)


def processes(lab):
    """What must not be another one: the server and its mount, of the node that has them, and the daemons of both."""
    look = "cat /run/mysqld/mysqld.pid && grep ' /var/lib/mysql ' /proc/self/mountinfo; true"
    return {node: said for node in NODES if (said := api.ssh(lab, node, look))}


def daemons(lab):
    return {node: api.ssh(lab, node, "pidof corosync pacemakerd pacemaker-execd") for node in NODES}


def test_what_would_be_taken_over_is_shown_and_nothing_is_touched(foreign):
    before = unchanged(foreign.lab)
    planned = foreign.run(ADOPT, test=True)
    assert not planned.failures, planned.failures
    told = json.dumps(planned.changes)
    for theirs in RENAMED.values():
        assert f"{theirs} becomes" in told, told
    assert "/etc/corosync/corosync.conf" in told
    assert unchanged(foreign.lab) == before


def test_it_is_taken_over_while_a_client_writes_though_it_is_killed_at_each_step(foreign):
    lab, before, others = foreign.lab, processes(foreign.lab), daemons(foreign.lab)
    assert len(before) == 1, before
    said = []

    def work():
        for moment in MOMENTS:
            came = foreign.killed(moment, ADOPT)
            foreign.figures.append(f"adopt killed at {moment!r}: {'came' if came else 'did not come'}")
            time.sleep(5)  # what it has started on the nodes goes on
            assert processes(lab) == before
        said.append(foreign.done(ADOPT))

    outcome = foreign.cluster.probed(work)
    foreign.figures.append(
        f"adopt: a client's longest gap {outcome.longest_gap_seconds:.1f} s, {outcome.errors} errors; {said[0]}"
    )
    assert processes(lab) == before, "the server and its mount are the same"
    assert daemons(lab) == others
    live = api.ssh(lab, "db1", "cibadmin --query")
    assert "maintenance-mode" not in live
    assert not [theirs for theirs in RENAMED.values() if f'"{theirs}"' in live], "of the status as well"
    for node in NODES:
        assert "drbd.d/*.res" in api.ssh(lab, node, "cat /etc/drbd.conf")
        assert "mysql" in api.ssh(lab, node, "drbdadm status mysql 2>/dev/null || drbdadm role mysql")
    assert "already" in foreign.done(ADOPT)


def test_a_deployment_makes_what_is_left_and_a_second_one_changes_nothing(foreign):
    first = api.deploy(foreign.lab, foreign.progress)
    foreign.figures.append(f"the first deployment after the takeover changed {sorted(first.changes)}")
    foreign.cluster.wait_healthy()
    second = api.deploy(foreign.lab, foreign.progress)
    assert not second.changes, second.changes


def test_the_service_moves_and_comes_back(foreign):
    for _ in NODES:
        standby = foreign.cluster.standby
        outcome = foreign.cluster.probed(lambda to=standby: foreign.done("hamysql.orch.switchover", hamysql_to=to))
        assert foreign.cluster.active == standby
        foreign.figures.append(f"a switchover after the takeover: {outcome.longest_gap_seconds:.1f} s")
