"""The phases "members", "nodes" and "storage": what is asked in which order, and what ends them."""

from __future__ import annotations

from collections import defaultdict

import pytest
from answering import Cluster, fails
from orchestration import state, survey

from hamysql.errors import HamysqlError, NotReady, Refused
from hamysql.master.deployment import Failed
from hamysql.master.orchestration import nodes


def test_members_that_are_as_the_master_has_them_are_asked_nothing(cluster, deploy):
    changes, comment = nodes.check(deploy(cluster))
    assert (changes, cluster.asked) == ({}, [])
    assert comment == (
        "db1, db2 answer, their pillar is valid, their storage is blank or ours, and they are fit for each other"
    )


def test_the_modules_come_before_the_pillar(cluster, deploy):
    cluster.surveys["db2"]["pillar"] = "an old one"
    cluster.answers |= {"saltutil.sync_all": {}, "saltutil.refresh_pillar": True}
    nodes.check(deploy(cluster))
    both = ("db1", "db2")
    assert cluster.asked == [
        ("saltutil.sync_all", both, {"refresh": False}),
        ("saltutil.refresh_pillar", both, {"wait": True, "timeout": 30}),
    ]


def test_members_with_other_code_are_refused(cluster, deploy):
    cluster.surveys["db2"]["code"] = "another"
    cluster.answers |= {"saltutil.sync_all": {}, "saltutil.refresh_pillar": True}
    with pytest.raises(HamysqlError, match="the master has another version of hamysql"):
        nodes.check(deploy(cluster))


def test_all_that_forbids_it_is_one_refusal(deploy):
    cluster = Cluster(survey)
    cluster.surveys["db1"]["storage"]["size"] = None
    cluster.surveys["db2"]["facts"]["storage"]["module"]["loadable"] = False
    with pytest.raises(Refused) as caught:
        nodes.check(deploy(cluster))
    assert "db2: found no kernel module drbd" in str(caught.value)
    assert "db1, /dev/ubdb: there is no such block device" in str(caught.value)
    assert cluster.asked == []


def test_a_warning_of_the_pillar_is_told_as_a_step(cluster, deploy):
    for seen in cluster.surveys.values():
        seen["settings"]["warnings"] = ["there is no fencing"]
    nodes.check(deploy(cluster))
    assert cluster.said == ["WARNING: there is no fencing"]


def test_what_there_is_is_kept_before_the_highstate_and_not_where_it_is_only_shown(cluster, deploy):
    nodes.configure(deploy(cluster))
    assert cluster.checkpoints == [("20260131", "a deployment", 0)]
    nodes.configure(deploy(cluster, test=True))
    assert len(cluster.checkpoints) == 1


def test_a_highstate_s_changes_are_those_of_each_node(cluster, deploy):
    written = {"file_|-a_|-/etc/a_|-managed": state({"diff": "x"}, result=True, id_="a")}
    cluster.answers["state.apply"] = lambda minion, **_: written if minion == "db2" else {}
    assert nodes.configure(deploy(cluster)) == ({"db2": {"a": {"diff": "x"}}}, "1 change")
    assert cluster.asked == [("state.apply", ("db1", "db2"), {"mods": "hamysql", "test": False, "queue": True})]


def test_a_failed_state_keeps_what_was_changed_and_nothing_is_taken_over(cluster, deploy):
    applied = {
        "db1": {"file_|-a_|-/etc/a_|-managed": state({"diff": "x"}, result=True, id_="a")},
        "db2": {"file_|-b_|-/etc/b_|-managed": state(result=False, comment="no space", id_="b", name="/etc/b")},
    }
    cluster.answers["state.apply"] = lambda minion, **_: applied[minion]
    with pytest.raises(Failed, match=r"db2: .*no space") as caught:
        nodes.configure(deploy(cluster))
    assert caught.value.changes == {"db1": {"a": {"diff": "x"}}}
    assert cluster.functions == ["state.apply"]


def test_storage_that_is_there_needs_no_step(cluster, deploy):
    assert nodes.initialise_storage(deploy(cluster)) == ({}, "no steps")
    assert nodes.initialise_storage(deploy(cluster, test=True)) == ({}, "0 steps planned")
    assert cluster.asked == []


def test_a_plan_is_told_and_not_performed(deploy):
    cluster = Cluster(survey)
    changes, comment = nodes.initialise_storage(deploy(cluster, test=True))
    assert comment == f"{len(changes['storage'])} steps planned"
    assert any(step.startswith("create_metadata on ") for step in changes["storage"])
    assert cluster.asked == []


def test_storage_that_does_not_get_ready_is_not_tried_for_ever(deploy):
    cluster = Cluster(survey)
    cluster.answers = defaultdict(bool)  # each verb finds nothing to do
    with pytest.raises(NotReady, match="the storage does not get ready, this is planned again and again"):
        nodes.initialise_storage(deploy(cluster))
    assert cluster.functions.count("hamysql_drbd.create_metadata") == 8


def test_a_step_that_fails_ends_the_phase(deploy):
    cluster = Cluster(survey)
    cluster.answers["hamysql_drbd.create_metadata"] = fails("the disk is gone")
    with pytest.raises(HamysqlError, match=r"hamysql_drbd\.create_metadata: the disk is gone"):
        nodes.initialise_storage(deploy(cluster))
    assert cluster.functions == ["hamysql_drbd.create_metadata"]


def test_a_cluster_of_somebody_else_is_told_alone_and_before_anything_is_written(deploy):
    cluster = Cluster(survey)
    cluster.surveys["db1"]["storage"]["size"] = None
    cluster.surveys["db2"]["facts"]["foreign"] = "pacemaker's configuration has p_mysql"
    with pytest.raises(Refused) as caught:
        nodes.check(deploy(cluster))
    (line,) = str(caught.value).splitlines()[1:]
    assert line.startswith("  - db2: found a cluster that hamysql has not made (pacemaker's configuration has p_mysql)")
    assert cluster.asked == []
