"""The phases "resources", "service", "accounts" and "summary": who is asked, and what ends them."""

from __future__ import annotations

import pytest
from answering import Cluster, fails
from orchestration import installed, state, survey

from hamysql.errors import NotReady, Refused
from hamysql.master.deployment import Failed
from hamysql.master.members import NoAnswer
from hamysql.master.orchestration import resources, service

DRIFT = "node db1 is in standby; `crm_standby --node db1 --delete` ends it"
APPLIED = {"hamysql_cib_|-a_|-a_|-managed": state({"p_mysql": {"old": "x", "new": "y"}}, result=True, id_="a")}
CONVERGED = {"resources": [], "accounts": [], "service": "", "drift": [DRIFT]}


def test_where_nothing_is_left_the_drift_is_told_once(cluster, deploy):
    cluster.answers["hamysql_node.pending"] = CONVERGED
    changes, comment = resources.manage(deploy(cluster))
    assert (changes, comment) == ({}, f"no changes\na manual change stays in effect: {DRIFT}")
    assert cluster.functions == ["hamysql_node.pending"]


def test_one_node_changes_the_configuration_and_all_forget_what_left_it(cluster, deploy):
    cluster.answers |= {
        "state.apply": APPLIED,
        "hamysql_fencing.forget": lambda minion: ["a"] if minion == "db2" else [],
    }
    changes, comment = resources.manage(deploy(cluster, changed=1))
    assert changes == {"db1": {"a": {"p_mysql": {"old": "x", "new": "y"}}}, "db2": {"hamysql-fencing-unused": ["a"]}}
    assert comment == "2 changes, by db1"
    assert [(function, who) for function, who, _ in cluster.asked] == [
        ("state.apply", ("db1",)), ("hamysql_fencing.forget", ("db1", "db2")),
    ]  # fmt: skip


def test_a_configuration_that_pacemaker_refuses_ends_it(cluster, deploy):
    refused = {"hamysql_cib_|-a_|-a_|-managed": state(result=False, comment="pacemaker would not accept it", id_="a")}
    cluster.answers["state.apply"] = refused
    with pytest.raises(Failed, match=r"db1: .*pacemaker would not accept it"):
        resources.manage(deploy(cluster, changed=1))
    assert cluster.functions == ["state.apply"]


def test_the_plan_of_a_running_cluster_comes_from_its_controller(cluster, deploy):
    change = {"kind": "changed", "id": "p_mysql", "old": "op monitor timeout=30s", "new": "op monitor timeout=20s"}
    seen = {"changes": [change], "actions": ["restart p_mysql on db2"], "drift": []}
    cluster.answers["hamysql_cib.preview"] = seen
    changes, comment = resources.manage(deploy(cluster, test=True, changed=1))
    assert changes == {"resources": ["~ p_mysql: op monitor timeout 30s -> 20s"]}
    assert comment.splitlines() == ["1 change", "what pacemaker would do about it:", "  p_mysql restarts on db2"]
    assert cluster.asked == [("hamysql_cib.preview", ("db1",), {})]


def test_a_stopped_cluster_s_configuration_is_planned_only_where_it_is_new(deploy):
    new, old = Cluster(survey), Cluster(installed)
    changes, comment = resources.manage(deploy(new, test=True))
    assert comment == f"{len(changes['resources'])} changes, to a cluster that is new"
    assert resources.manage(deploy(old, test=True)) == (
        {}, "not known: pacemaker runs nowhere, and its configuration is compared when it does",
    )  # fmt: skip
    assert (new.asked, old.asked) == ([], [])


def test_the_answer_on_the_address_is_waited_for(cluster, deploy):
    cluster.answers["hamysql_mysql.wait_answering"] = True
    assert service.answer(deploy(cluster, changed=1), 300) == ({}, "10.77.1.100 answers db1 and db2")
    assert cluster.asked == [("hamysql_mysql.wait_answering", ("db1", "db2"), {"timeout": 300})]


def test_an_answer_that_is_there_is_not_waited_for(cluster, deploy):
    cluster.answers["hamysql_node.pending"] = CONVERGED
    assert service.answer(deploy(cluster), 300) == ({}, "10.77.1.100 answers db1 and db2")
    assert cluster.functions == ["hamysql_node.pending"]


def test_a_service_that_does_not_answer_is_told_of(cluster, deploy):
    cluster.answers["hamysql_mysql.wait_answering"] = fails("no answer from 10.77.1.100")
    with pytest.raises(NoAnswer, match="no answer from "):
        service.answer(deploy(cluster, changed=1), 300)


def test_a_plan_does_not_look_at_the_address(cluster, deploy):
    assert service.answer(deploy(cluster, test=True), 300) == ({}, "not looked at with test=True")
    assert cluster.asked == []


def test_accounts_are_made_on_the_active_server(cluster, deploy):
    cluster.answers["state.apply"] = APPLIED
    changes, comment = service.manage_accounts(deploy(cluster, changed=1))
    assert (list(changes), comment) == (["db2"], "1 change, on db2")
    assert cluster.asked == [
        ("state.apply", ("db2",), {"mods": "hamysql.mysql.accounts", "test": False, "queue": True}),
    ]


def test_accounts_that_are_there_are_left_alone(cluster, deploy):
    cluster.answers["hamysql_node.pending"] = CONVERGED
    assert service.manage_accounts(deploy(cluster)) == ({}, "no changes, on db2")


def test_no_server_and_two_servers_are_refused(cluster, deploy):
    cluster.surveys["db1"]["database"] = True
    with pytest.raises(Refused, match="answers on the local socket of db1 and db2"):
        service.manage_accounts(deploy(cluster))
    for seen in cluster.surveys.values():
        seen["database"] = False
    with pytest.raises(NotReady, match="no member has a database server that answers"):
        service.manage_accounts(deploy(cluster))
    assert cluster.asked == []


def test_accounts_are_planned_only_for_a_database_that_is_new(deploy):
    new, old = Cluster(survey), Cluster(installed)
    changes, comment = service.manage_accounts(deploy(new, test=True))
    assert changes["accounts"][0].startswith("+ database ")
    assert comment == f"{len(changes['accounts'])} changes, to a database that is new"
    assert service.manage_accounts(deploy(old, test=True)) == (
        {}, "not known: no database runs, and its accounts are compared when it does",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "no changes made in "),
        ({"changed": 1}, "1 change made in "),
        ({"changed": 2, "test": True}, "2 changes would be made in "),
    ],
)
def test_the_summary_says_where_what_runs_and_what_was_changed(cluster, deploy, options, said):
    cluster.surveys["db1"]["settings"]["warnings"] = ["there is no fencing"]
    changes, comment = service.summarise(deploy(cluster, **options))
    lines = comment.splitlines()
    assert changes == {}
    assert lines[:4] == [
        "cluster galaxy-db, virtual IP 10.77.1.100",
        "  db1: passive; DRBD Secondary, UpToDate, Connected",
        "  db2: serves the database; DRBD Primary, UpToDate, Connected",
        "  WARNING: there is no fencing",
    ]
    assert lines[4].startswith(said)
    assert (cluster.events[-1]["state"], cluster.events[-1]["changes"]) == ("finished", options.get("changed", 0))
