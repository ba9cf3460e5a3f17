"""A cluster of the 2013 procedure, built by hand on bare nodes, is described as a pillar; a deployment of that touches nothing.

Then it is taken over, under a writing client, and killed in the middle. It takes about 18 minutes, so `make test` leaves it out; `make test-long` runs it. The tests build on each other.
"""

from __future__ import annotations

import contextlib
import json
import re
import time

import pytest
import yaml
from test_interrupted import Next

from lab import api
from lab.basics.context import PROJECT
from lab.software import settings

pytestmark = pytest.mark.long

# What the cluster calls what hamysql has other names for.
OTHER_NAMES = {"p_fs_mysql": "fs_mysql", "p_ip_mysql": "ip_mysql", "ms_drbd_mysql": "ms_r0", "p_drbd_mysql": "drbd_r0"}
SCRIPT = re.sub(
    "|".join(OTHER_NAMES),
    lambda found: OTHER_NAMES[found[0]],
    (PROJECT / "test" / "helpers" / "procedure_2013.sh").read_text(),
)
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
    assert done["unfit"] == []
    assert not [line for line in done["actions"] if "_mysql" in line and "p_network_mysql" not in line], done["actions"]
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


# --- the takeover

ADOPT = "hamysql.orch.adopt"
# The server's process, since when it runs, its mount, and the replica's role: none of it may change.
RUNNING = (
    "pid=$(pidof mariadbd) && echo $pid $(cut -d' ' -f22 /proc/$pid/stat) $(stat -c %i /proc/$pid/ns/mnt);"
    " grep ' /var/lib/mysql ' /proc/self/mountinfo | cut -d' ' -f1; grep -o 'ro:[^ ]*' /proc/drbd; true"
)


def running(lab):
    return {node: api.ssh(lab, node, RUNNING) for node in NODES}


def serving(lab):
    return next(node for node in NODES if len(api.ssh(lab, node, SERVES).split()) == 2)


@pytest.fixture(scope="module")
def described(built):
    """The lab's master serves the described pillar, with the lab's own fence devices, accounts and package sources; put back afterwards."""
    folder = built.salt / "pillar"
    lab = folder / "lab.sls"
    kept = lab.read_bytes()
    own = yaml.safe_load(kept)["hamysql"]
    whole = yaml.safe_load((folder / "adopted.sls").read_text())["hamysql"]
    secrets = yaml.safe_load((folder / "adopted-secrets.sls").read_text())["hamysql"]
    whole["storage"]["drbd"] |= secrets["storage"]["drbd"]
    whole["firewall"]["client_networks"] = ["10.77.1.0/24"]
    whole["fencing"] = own["fencing"]
    for key in ("repo", "package"):
        if key in own:
            whole[key] = own[key]
    for key in ("databases", "users"):
        whole["mysql"][key] = own["mysql"][key]
    whole["pacemaker"]["properties"].pop("no-quorum-policy", None)
    lab.unlink()
    lab.write_text(yaml.safe_dump({"hamysql": whole}))
    try:
        yield built
    finally:
        lab.unlink()
        lab.write_bytes(kept)


@pytest.fixture(scope="module")
def writer(described):
    """The probe's account, as an administrator of that cluster has made it."""
    login = settings.read(described).probe_login()
    made = (
        f"CREATE DATABASE IF NOT EXISTS {login['database']}; CREATE USER IF NOT EXISTS '{login['user']}'@'%' "
        f"IDENTIFIED BY '{login['password']}'; GRANT ALL ON {login['database']}.* TO '{login['user']}'@'%';"
    )
    api.ssh(described, serving(described), "mariadb", stdin=made)
    return described


def test_the_takeover_is_shown_and_touches_nothing(described, progress):
    before, ran = unchanged(described), running(described)
    planned = api.orchestrate(described, progress, sls=ADOPT, test=True)
    assert not planned.failures, planned.failures
    said = json.dumps(planned.changes) + json.dumps(planned.states)
    for ours, theirs in OTHER_NAMES.items():
        assert f"{theirs} is called {ours} from then on" in said
    assert "p_fence_db1" in said
    assert running(described) == ran
    assert unchanged(described) == before


def test_it_is_taken_over_under_a_writing_client_though_it_is_killed_in_the_middle(writer, progress, figures):
    lab, ran = writer, running(writer)
    probe = api.start_probe(lab, 3600)
    for moment in ("- files and packages on both nodes", "makes the configuration hamysql's"):
        kill = Next([moment], lambda _: api.kill_orchestration(lab))
        with contextlib.suppress(api.LabError):
            api.orchestrate(lab, progress, sls=ADOPT, watch=kill)
        assert kill.came is not None, moment
        assert running(lab) == ran
    done = api.orchestrate(lab, progress, sls=ADOPT)
    assert not done.failures, done.failures
    outcome = probe.finish()
    assert outcome.acknowledged > 0
    assert outcome.lost == 0
    figures.append(f"takeover: gap {outcome.longest_gap_seconds:.1f} s; " + list(done.states.values())[-1]["comment"])
    assert running(lab) == ran, "the server, its mount and the replicas are those of before"
    cib = api.ssh(lab, "db1", "cibadmin --query")
    assert 'id="hamysql"' in cib
    assert "maintenance-mode" not in cib
    assert not [name for name in OTHER_NAMES.values() if f'id="{name}"' in cib]


def test_a_second_takeover_and_the_second_deployment_change_nothing(writer, progress):
    again = api.orchestrate(writer, progress, sls=ADOPT)
    assert not again.failures, again.failures
    assert again.changes == {}
    first = api.orchestrate(writer, progress)
    assert not first.failures, first.failures
    second = api.orchestrate(writer, progress)
    assert not second.failures, second.failures
    assert second.changes == {}


def test_the_service_moves_to_the_other_node_and_back(writer, progress, figures):
    for _ in range(2):
        to = next(node for node in NODES if node != serving(writer))
        moved = api.orchestrate(writer, progress, sls="hamysql.orch.switchover", pillar={"hamysql_to": to})
        assert not moved.failures, moved.failures
        assert serving(writer) == to
        figures.append(list(moved.states.values())[-1]["comment"])
