"""A change is undone by its checkpoint, under a writing client and killed at each step, and a report tells of it without secrets.

It takes about ten minutes, so `make test` leaves it out; `make test-long` runs it. The tests build on each other.
"""

from __future__ import annotations

import json
import tarfile

import pytest
from cluster import refresh_pillar
from test_second_day import Operations

from lab import api
from support import load, secrets_of

pytestmark = pytest.mark.long

UNDO = "hamysql.orch.undo"
# The beginnings of the lines at which it is killed.
MOMENTS = ("[1/", "- a client on", "- db", "- the configuration is back")
TIMEOUT = "cibadmin --query --xpath \"//primitive[@id='p_mysql']//op[@name='monitor']\""


@pytest.fixture
def operations(cluster, progress, figures):
    return Operations(cluster, progress, figures)


def kept(operations, node):
    return api.salt_json(operations.lab, node, "hamysql_checkpoint.list")[node]


def changed(operations, pillar, seconds):
    """Deploy another timeout of the server's monitor; returns the checkpoint that both nodes have made before."""

    def edit(given):
        times = given.setdefault("pacemaker", {}).setdefault("operations", {}).setdefault("p_mysql", {})
        times["monitor"] = {"interval": "20s", "timeout": f"{seconds}s"}

    pillar(edit)
    refresh_pillar(operations.lab)
    result = api.deploy(operations.lab, operations.progress)
    assert not result.failures, result.failures
    assert f"{seconds}s" in api.ssh(operations.lab, "db1", TIMEOUT)
    (one,) = {kept(operations, node.name)[0]["name"] for node in operations.lab.topology.data_nodes}
    return one


def test_a_deployment_keeps_what_there_was_and_one_that_changes_nothing_keeps_nothing(operations, pillar):
    lab = operations.lab
    name = changed(operations, pillar, 41)
    listed = api.salt_run(lab, "hamysql.checkpoints").stdout
    assert name in listed
    assert "before a deployment, job" in listed
    for node in lab.topology.data_nodes:
        modes = api.ssh(
            lab, node.name, f"stat -c %a%U /var/lib/hamysql/checkpoints /var/lib/hamysql/checkpoints/{name}/*"
        )
        assert set(modes.split()) == {"700root", "600root"}
    again = api.deploy(lab, operations.progress)
    assert not again.changes
    secret = load(lab.project / "lab" / "software" / "pillar.sls")["hamysql"]["storage"]["drbd"]["shared_secret"]
    text = api.salt_run(lab, "hamysql.export", name).stdout
    assert "p_mysql" in text
    assert "shared-secret" in text
    assert secret not in text


def test_a_change_is_undone_though_each_step_is_killed_and_the_pillar_brings_it_back(operations, pillar):
    cluster, lab = operations.cluster, operations.lab
    unnamed = operations.run(UNDO)
    assert any("say which checkpoint" in reason for reason in unnamed.failures.values())
    said = []

    def work():
        for number, moment in enumerate(MOMENTS):
            name = changed(operations, pillar, 50 + number)
            before = api.ssh(lab, "db1", TIMEOUT)
            planned = operations.run(UNDO, test=True, hamysql_checkpoint=name)
            assert f"{50 + number}s" in json.dumps(planned.changes)
            assert api.ssh(lab, "db1", TIMEOUT) == before
            came = operations.killed(moment, UNDO, hamysql_checkpoint=name)
            operations.figures.append(f"undo killed at {moment!r}: {'came' if came else 'did not come'}")
            said.append(operations.done(UNDO, hamysql_checkpoint=name))
            assert f"{50 + number}s" not in api.ssh(lab, "db1", TIMEOUT)
            assert "already" in operations.done(UNDO, hamysql_checkpoint=name)
            assert "The pillar still says otherwise" in said[-1]
        operations.nothing_is_left()

    cluster.probed(work)
    operations.figures.append(said[0])
    assert f"{50 + len(MOMENTS) - 1}s" in api.salt_run(lab, "hamysql.plan").stdout


def test_an_undo_is_refused_while_the_cluster_is_not_whole(operations):
    lab, standby = operations.lab, operations.cluster.standby
    name = kept(operations, operations.cluster.active)[0]["name"]
    api.ssh(lab, standby, f"crm node standby {standby}")
    refused = operations.run(UNDO, hamysql_checkpoint=name)
    assert any("nothing is moved while this is so" in reason for reason in refused.failures.values())
    api.ssh(lab, standby, f"crm node online {standby}")


def test_a_report_has_no_secret_and_is_made_while_a_node_does_not_answer(operations, tmp_path):
    cluster, lab = operations.cluster, operations.lab
    secrets = set(secrets_of(load(lab.project / "lab" / "software" / "pillar.sls")["hamysql"]))

    def made(name):
        path = tmp_path / name
        api.salt_run(lab, "hamysql.report", "since=1h", f"path={path}")
        with tarfile.open(path) as tar:
            texts = {item.name.partition("/")[2]: tar.extractfile(item).read().decode() for item in tar}
        operations.figures.append(f"report: {path.stat().st_size / 1e6:.2f} MB, {len(texts)} files")
        assert not [file for file, text in texts.items() if any(secret in text for secret in secrets)]
        return texts

    texts = made("both.tar.gz")
    for node in ("db1", "db2"):
        assert "totem" in texts[f"{node}/configuration/etc/corosync/corosync.conf"]
        assert "pacemaker" in texts[f"{node}/pacemaker.journal"]
        assert "p_mysql" in texts[f"{node}/crm_mon.txt"]
    assert json.loads(texts["status.json"])["cluster"]
    down = cluster.standby
    api.ssh(
        lab, down, "systemctl stop salt-minion"
    )  # a node that is switched off is fenced, boots, and answers in the middle
    texts = made("one.tar.gz")
    api.ssh(lab, down, "systemctl start salt-minion")
    assert down in texts["missing.txt"]
    assert not [file for file in texts if file.startswith(f"{down}/")]
