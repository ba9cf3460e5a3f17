"""The phase "cluster": what goes before the first start, who is started, and who is only waited for."""

from __future__ import annotations

import pytest
from answering import Cluster, fails
from orchestration import installed, state, working
from printed import running

from hamysql.errors import HamysqlError, Refused
from hamysql.master.members import NoAnswer
from hamysql.master.orchestration import start, third_vote

WAITED = ("hamysql_cluster.wait_online", ("db1",), {"nodes": ["db1", "db2"], "timeout": 180})
DEVICE = {"address": "10.77.3.13", "minion_id": "qd1", "algorithm": "ffsplit"}
TEXT = "db1, db2 online, db1 is the controller"


def started(cluster):
    """An answer to ``hamysql_cluster.start``: from then on the node sees a cluster at work."""

    def answer(minion):
        for seen in cluster.surveys.values():
            seen["cluster"] = running().as_dict("crm")
        return True

    return answer


@pytest.fixture
def stopped():
    """A cluster whose pacemaker runs nowhere."""
    cluster = Cluster(installed)
    cluster.answers |= {"hamysql_fencing.restore": True, "hamysql_cluster.wait_online": {}}
    cluster.answers["hamysql_cluster.start"] = started(cluster)
    return cluster


def with_device(cluster):
    """The cluster has a quorum device, whose server signs whatever it is given."""
    for seen in cluster.surveys.values():
        settings = seen["settings"]
        settings["quorum"] = {"device": DEVICE}
        settings["package"] = {**settings["package"], "quorum": {"server": ["corosync-qnetd"]}}
        settings["repo"]["repositories"] = {
            "ours": {"options": {"name": "deb http://a"}, "disable_after_install": False},
            "theirs": {"options": {"name": "deb http://b"}, "disable_after_install": True},
        }
    verbs = {"authority": "A", "certified": False, "request": "R", "sign": "S", "install": True, "start": True}
    cluster.answers |= {f"hamysql_quorum.{verb}": value for verb, value in verbs.items()}
    cluster.answers |= {"saltutil.sync_all": {}, "hamysql_cluster.wait_online": {}}
    return cluster


def test_a_cluster_that_is_online_is_asked_nothing(cluster, deploy):
    assert start.online(deploy(cluster), 180) == ({}, TEXT)
    assert cluster.asked == []


def test_fencing_is_what_it_should_be_before_a_node_starts(stopped, deploy):
    change = {"cluster": {"old": "stopped", "new": "running"}}
    assert start.online(deploy(stopped), 180) == ({"db1": change, "db2": change}, TEXT)
    both = ("db1", "db2")
    assert stopped.asked == [("hamysql_fencing.restore", both, {}), ("hamysql_cluster.start", both, {}), WAITED]
    assert stopped.said == ["starting corosync and pacemaker on db1, db2"]


def test_only_the_node_that_is_stopped_is_started(cluster, deploy):
    cluster.surveys["db2"]["cluster"] = installed("db2")["cluster"]
    cluster.answers |= {"hamysql_fencing.restore": True, "hamysql_cluster.wait_online": {}}
    cluster.answers["hamysql_cluster.start"] = started(cluster)
    changes, _ = start.online(deploy(cluster), 180)
    assert list(changes) == ["db2"]
    assert cluster.asked[:2] == [("hamysql_fencing.restore", ("db2",), {}), ("hamysql_cluster.start", ("db2",), {})]


def test_without_fencing_there_is_nothing_to_restore(stopped, deploy):
    for seen in stopped.surveys.values():
        seen["settings"]["fencing"]["enabled"] = False
    start.online(deploy(stopped), 180)
    assert stopped.functions == ["hamysql_cluster.start", "hamysql_cluster.wait_online"]


def test_a_node_that_is_not_ready_is_only_waited_for(cluster, deploy):
    cluster.surveys["db1"]["cluster"]["nodes"]["db2"]["pending"] = True
    cluster.answers["hamysql_cluster.wait_online"] = {}
    assert start.online(deploy(cluster), 180) == ({}, TEXT)
    assert cluster.asked == [WAITED]


def test_a_node_that_does_not_come_is_told_of(stopped, deploy):
    stopped.answers["hamysql_cluster.wait_online"] = fails("db1 online, controller not elected")
    with pytest.raises(NoAnswer, match="controller not elected"):
        start.online(deploy(stopped), 180)


@pytest.mark.parametrize(("prepared", "changed"), [(True, {"sbd": "/dev/sdc prepared"}), (False, {})])
def test_the_disk_of_sbd_is_prepared_before_the_first_start_by_one_node(stopped, deploy, prepared, changed):
    for seen in stopped.surveys.values():
        seen["settings"]["fencing"]["sbd"] = {"device": "/dev/sdc"}
    stopped.answers |= {"hamysql_sbd.check": "0x6001", "hamysql_sbd.prepare": prepared}
    changes, _ = start.online(deploy(stopped), 180)
    assert stopped.asked[:2] == [("hamysql_sbd.check", ("db1", "db2"), {}), ("hamysql_sbd.prepare", ("db1",), {})]
    assert {key: value for key, value in changes.items() if key == "sbd"} == changed


def test_nodes_that_see_different_disks_are_not_started(stopped, deploy):
    for seen in stopped.surveys.values():
        seen["settings"]["fencing"]["sbd"] = {"device": "/dev/sdc"}
    stopped.answers["hamysql_sbd.check"] = lambda minion: {"db1": "0x6001", "db2": ""}[minion]
    with pytest.raises(Refused, match="not the same disk on all nodes: db1: 0x6001; db2: no serial number"):
        start.online(deploy(stopped), 180)
    assert stopped.functions == ["hamysql_sbd.check"]


def test_the_third_vote_is_there_before_the_first_start(stopped, deploy):
    start.online(deploy(with_device(stopped)), 180)
    assert stopped.functions == [
        "saltutil.sync_all", "state.apply", "hamysql_quorum.authority", "hamysql_quorum.certified", "hamysql_quorum.request",
        "hamysql_quorum.sign", "hamysql_quorum.install", "hamysql_quorum.sign", "hamysql_quorum.install",
        "hamysql_fencing.restore", "hamysql_cluster.start", "hamysql_quorum.start", "hamysql_cluster.wait_online",
    ]  # fmt: skip
    minions = {function: who for function, who, _ in stopped.asked}
    assert {function for function, who in minions.items() if who == ("qd1",)} == {
        "saltutil.sync_all", "state.apply", "hamysql_quorum.authority", "hamysql_quorum.sign",
    }  # fmt: skip


def test_the_third_machine_gets_the_packages_and_the_sources_that_stay(cluster, deploy):
    changes = third_vote.provide(deploy(with_device(cluster)))
    _, _, applied = cluster.asked[1]
    assert applied["pillar"] == {
        "hamysql_quorum": {"packages": ["corosync-qnetd"], "repositories": {"ours": {"name": "deb http://a"}}}
    }
    signed = {"old": None, "new": "signed by qd1"}
    assert changes == {"db1's certificate": signed, "db2's certificate": signed}


def test_what_changed_on_the_third_machine_is_told(cluster, deploy):
    with_device(cluster).answers["hamysql_quorum.certified"] = True
    cluster.answers["state.apply"] = {
        "pkg_|-a_|-a_|-installed": state({"corosync-qnetd": {"new": "3"}}, result=True, id_="a")
    }
    changes, comment = start.online(deploy(cluster), 180)
    assert (changes, comment) == ({"qd1": {"a": {"corosync-qnetd": {"new": "3"}}}}, TEXT)
    assert cluster.functions[-2:] == ["hamysql_quorum.start", "hamysql_cluster.wait_online"]


def test_a_third_machine_that_fails_keeps_the_cluster_from_starting(stopped, deploy):
    failed = {"pkg_|-a_|-a_|-installed": state(result=False, comment="no such package", id_="a")}
    with_device(stopped).answers["state.apply"] = failed
    with pytest.raises(HamysqlError, match=r"^qd1: .*no such package"):
        start.online(deploy(stopped), 180)
    assert stopped.functions == ["saltutil.sync_all", "state.apply"]


def test_without_a_quorum_device_nobody_is_asked(cluster, deploy):
    assert third_vote.provide(deploy(cluster)) == {}
    assert cluster.asked == []


def test_a_plan_starts_nobody(deploy):
    cluster = with_device(Cluster(installed))
    changes, comment = start.online(deploy(cluster, test=True), 180)
    assert changes == {"cluster": [f"+ corosync and pacemaker are started on {name}" for name in ("db1", "db2")]}
    assert (comment, cluster.asked) == ("would be started on db1, db2", [])


def test_a_plan_of_a_running_cluster_signs_nothing(deploy):
    cluster = with_device(Cluster(working))
    assert start.online(deploy(cluster, test=True), 180) == ({}, TEXT)
    assert cluster.functions == ["saltutil.sync_all", "state.apply"]
    assert cluster.asked[1][2]["test"] is True
    cluster.surveys["db1"]["cluster"]["nodes"]["db2"]["online"] = False
    changes, comment = start.online(deploy(cluster, test=True), 180)
    assert (changes, comment) == ({}, "would wait until all members are online: db1 sees db2 not online")
