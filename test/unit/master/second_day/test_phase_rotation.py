"""The operation "rotate_secrets": what forbids it, the order of what is asked, and what a run that was cut off goes on with."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
import yaml
from answering import Cluster
from test_phase_switchover import SEEN

from hamysql.errors import HamysqlError, Refused
from hamysql.master import secretfile
from hamysql.master.second_day import new_secrets, rotation
from hamysql.system.command import Result

OLD, NEW = "key-000000000000", "key-111111111111"
SHARED = ("storage", "drbd", "shared_secret")
DEVICE = {"id": "p_fence_db1", "secrets": {"password": "x"}, "node": "db1"}


class Site(Cluster):
    """A cluster that is whole, whose pillar has another key of corosync; db2 serves."""

    def __init__(self):
        super().__init__()
        self.keys = {
            name: {"pillar": NEW, "file": OLD, "beside": "", "before": "", "unable": []} for name in ("db1", "db2")
        }
        self.refusing, self.failing = [], []
        for seen in self.surveys.values():
            seen["settings"]["fencing"] |= {"levels": {}, "devices": [DEVICE]}
        self.answers |= {
            "hamysql_cib.interventions": lambda _: [],
            "hamysql_rolling.settle": True,
            "hamysql_secrets.state": lambda minion: {"key": dict(self.keys[minion]), "fencing": [], "storage": []},
            "hamysql_secrets.refusing": lambda _: self.refusing,
            "hamysql_secrets.stage": self.stage,
            "hamysql_secrets.replace": self.replace,
            "hamysql_secrets.reload": True,
            "hamysql_secrets.finish": self.finish,
            "hamysql_secrets.reread": lambda _: ["p_fence_db1"],
            "hamysql_secrets.accepted": lambda _: self.failing,
            "hamysql_node.pending": lambda _: {"service": "", "resources": [], "drift": [], "accounts": []},
            "hamysql_tracer.start": lambda minion, limit: f"*{minion}",
            "hamysql_tracer.admit": True,
            "hamysql_tracer.go": SEEN,
            "hamysql_tracer.stop": SEEN,
            "hamysql_tracer.forget": lambda _: {"db1": 41, "db2": 41},
            "hamysql_rolling.wait_whole": True,
        }

    def stage(self, minion):
        self.keys[minion]["beside"] = self.keys[minion]["pillar"]
        return True

    def replace(self, minion, expected):
        self.keys[minion] |= {"file": expected, "before": OLD}
        return True

    def finish(self, minion, expected):
        self.keys[minion] |= {"beside": "", "before": ""}
        return True

    def of_keys(self):
        """What was asked about corosync's key, with whom."""
        short = "hamysql_secrets."
        return [
            (f.removeprefix(short), on) for f, on, _ in self.asked if f.startswith(short) and not f.endswith("state")
        ]


BOTH = ("db1", "db2")


def test_the_key_is_in_both_files_before_one_node_reloads(deploy):
    cluster = Site()
    deployment = deploy(cluster)
    rotation.check(deployment, None, None)
    _, said = rotation.rotate(deployment, 900)
    assert cluster.of_keys() == [
        ("refusing", BOTH),
        *(("stage", BOTH), ("replace", BOTH), ("reload", ("db1",)), ("finish", BOTH)),
        *(("reread", ("db1",)), ("accepted", BOTH)),
    ]
    applied = [kwargs["mods"] for function, _, kwargs in cluster.asked if function == "state.apply"]
    assert applied == ["hamysql", "hamysql.mysql.accounts"]
    assert "longest write gap" in said
    _, said = rotation.verify(deployment, None)
    assert "are in use" in said
    assert cluster.events[-1]["state"] == "finished"


def test_nothing_is_reloaded_where_a_file_has_the_old_key(deploy):
    cluster = Site()
    cluster.answers["hamysql_secrets.replace"] = lambda minion, expected: (
        minion == "db1" and cluster.replace(minion, expected)
    )
    deployment = deploy(cluster)
    with pytest.raises(HamysqlError, match="not the same on both nodes"):
        rotation.rotate(deployment, 900)
    assert "hamysql_secrets.reload" not in cluster.functions
    assert "state.apply" not in cluster.functions


@pytest.mark.parametrize("after", ["stage", "replace", "reload"])
def test_a_run_that_was_cut_off_goes_on(deploy, after):
    cluster = Site()
    for node in BOTH:
        cluster.stage(node)
        if after != "stage":
            cluster.replace(node, NEW)
    if after == "replace":  # a node that has started since is alone with its key, until the reload
        cluster.surveys["db1"]["cluster"]["nodes"]["db2"]["online"] = False
    deployment = deploy(cluster)
    rotation.check(deployment, None, None)
    cluster.surveys["db1"]["cluster"]["nodes"]["db2"]["online"] = True
    rotation.rotate(deployment, 900)
    assert ("reload", ("db1",)) in cluster.of_keys()
    assert {key["beside"] for key in cluster.keys.values()} == {""}


def test_where_all_is_in_use_no_key_is_touched(deploy):
    cluster = Site()
    for key in cluster.keys.values():
        key["file"] = NEW
    deployment = deploy(cluster)
    rotation.check(deployment, None, None)
    rotation.rotate(deployment, 900)
    assert [name for name, _ in cluster.of_keys()] == ["refusing", "reread", "accepted"]


def test_it_is_shown_before(deploy):
    cluster = Site()
    deployment = deploy(cluster, test=True)
    rotation.check(deployment, None, None)
    changes, _ = rotation.rotate(deployment, 900)
    assert changes == {"secrets": [f"~ {node}: corosync's key, in service" for node in BOTH]}
    assert set(cluster.functions) <= {
        "hamysql_cib.interventions", "hamysql_secrets.state", "hamysql_secrets.refusing", "hamysql_node.pending",
    }  # fmt: skip


def test_all_that_is_wrong_is_told(deploy):
    cluster = Site()
    cluster.refusing = ["p_fence_db1"]
    cluster.keys["db2"]["pillar"] = OLD
    path = "hamysql:corosync:authkey"
    waits = {"kind": "restart", "scope": "mysql", "path": "hamysql:mysql:config", "old": "1", "new": "2", "advice": ""}
    key = {"kind": "refused", "scope": "corosync", "path": path, "old": "another", "new": "a new one", "advice": ""}
    cluster.surveys["db1"]["pending"] = [waits, key]
    cluster.keys["db1"]["unable"] = ["corosync's transport is udpu, expected knet"]
    with pytest.raises(Refused) as caught:
        rotation.check(deploy(cluster), None, None)
    for part in ("mysql:config waits", "not the same in the pillars", "p_fence_db1 does not answer", "expected knet"):
        assert part in str(caught.value)


def test_a_device_that_does_not_take_its_secret_is_an_error(deploy):
    cluster = Site()
    cluster.failing = ["p_fence_db1"]
    with pytest.raises(HamysqlError, match="does not answer pacemaker with its new secrets"):
        rotation.rotate(deploy(cluster), 900)


# --- the file


@pytest.fixture
def place(tmp_path):
    made = tmp_path / "secrets.sls"
    secretfile.write(made, secretfile.text(VALUES))
    return made


VALUES = {
    secretfile.AUTHKEY: "k" * 256,
    SHARED: "s" * 48,
    ("storage", "shared", "iscsi", "password"): "c" * 16,
    (*secretfile.PASSWORDS, "app@%"): "p" * 32,
}


def master(place, **opts):
    def pillars(minions):
        return {minion: yaml.safe_load(place.read_text())["hamysql"] for minion in minions}

    return SimpleNamespace(opts={"conf_file": "/etc/salt/master", **opts}, owner=None, pillars=pillars)


def read(place):
    return dict(new_secrets._leaves(yaml.safe_load(place.read_text())["hamysql"]))


def test_a_file_gets_new_values_once_and_the_old_one_is_kept(place):
    assert new_secrets.renew(place, None, master(place), None)
    now, old = read(place), read(new_secrets.before(place))
    assert old == VALUES
    assert {path for path in now if now[path] != old[path]} == set(VALUES) - {
        ("storage", "shared", "iscsi", "password")
    }
    assert all(os.stat(path).st_mode & 0o777 == 0o600 for path in (place, new_secrets.before(place)))
    assert not new_secrets.renew(place, None, master(place), None)
    assert read(place) == now
    assert new_secrets.forget(place)
    assert not new_secrets.forget(place)


def test_a_run_that_was_cut_off_before_the_new_file_makes_it(place):
    secretfile.write(new_secrets.before(place), place.read_text())
    assert new_secrets.renew(place, None, master(place), None)
    assert read(place) != VALUES


def test_a_file_that_the_pillar_is_not_made_of_is_refused(place):
    new_secrets.in_the_pillar(place, None, master(place), ["db1"])
    other = master(place)
    other.pillars = lambda minions: {minion: {"corosync": {"authkey": "o" * 128}} for minion in minions}
    with pytest.raises(Refused, match="has another hamysql:corosync:authkey") as caught:
        new_secrets.in_the_pillar(place, None, other, ["db1"])
    assert "kkk" not in str(caught.value)


def test_an_encrypted_file_keeps_what_is_not_made_anew(tmp_path):
    place = tmp_path / "secrets.sls"
    secretfile.write(place, secretfile.text(VALUES, lambda value: f"<{value}>"))
    with pytest.raises(Refused, match="hamysql_gpg_key"):
        new_secrets.renew(place, None, master(place), None)

    def run(argv, stdin="", **_):
        return Result(0, stdin.strip("<>") if "--decrypt" in argv else f"<{stdin}>")

    plain = master(place)
    plain.pillars = lambda minions: {"db1": yaml.safe_load(secretfile.text(VALUES))["hamysql"]}
    new_secrets.in_the_pillar(place, run, plain, ["db1"])
    assert new_secrets.renew(place, run, master(place), "salt@example.org")
    now = read(place)
    assert now["storage", "shared", "iscsi", "password"].strip() == f"<{'c' * 16}>"
    assert now[secretfile.AUTHKEY].startswith("<")
    assert now[secretfile.AUTHKEY].strip("<>") != "k" * 256


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "there is no file"), ("hamysql:\n  corosync: {}\n", "was not made by")],
)
def test_another_file_is_left_alone(tmp_path, content, said):
    place = tmp_path / "a.sls"
    if content:
        place.write_text(content)
    with pytest.raises(Refused, match=said):
        new_secrets.check(str(place))
    with pytest.raises(Refused, match="absolute"):
        new_secrets.check("a.sls")
