"""The orchestration with test=True: what each phase shows of clusters in several states, and what it asks of the members."""

from __future__ import annotations

import pytest
from orchestration import Site, installed, state, survey, working
from printed import NODE

from hamysql.master import progress


def changes(returned):
    return {name: ret["changes"] for name, ret in returned.items() if ret["changes"]}


def test_bare_nodes_get_everything():
    package = {"hamysql_package_|-p_|-p_|-installed": state({"corosync": {"old": "", "new": "installed"}})}
    site = Site(survey, {("hamysql", name): package for name in ("db1", "db2")})
    returned = site.run()
    assert all(ret["result"] in (True, None) for ret in returned.values())
    found = changes(returned)
    assert found["nodes_configured"] == {name: ["+ packages corosync, and what they need"] for name in ("db1", "db2")}
    assert (
        "seed on db1: no member has ever held data; this is the first node of the pillar"
        in found["storage_initialised"]["storage"]
    )
    assert found["cluster_online"]["cluster"] == [
        f"+ corosync and pacemaker are started on {name}" for name in ("db1", "db2")
    ]
    assert len(found["resources_managed"]["resources"]) > 10
    assert found["accounts_managed"]["accounts"][0].startswith("+ database probe")
    count = sum(len(entries) for phase in found.values() for entries in phase.values())
    assert f"{count} changes would be made" in returned["summarised"]["comment"]
    # A follower is shown the same.
    shown = "\n".join(progress.line(event) for event in site.events)
    for phase in found.values():
        for entries in phase.values():
            assert all(entry.splitlines()[0] in shown for entry in entries)


def test_a_converged_cluster_has_nothing_to_do():
    site = Site(working)
    returned = site.run()
    assert changes(returned) == {}
    assert all(ret["result"] is True for ret in returned.values())
    assert "no changes would be made" in returned["summarised"]["comment"]
    assert not any(event.get("lines") for event in site.events)


def test_a_drifted_cluster_shows_words_and_not_xml_and_what_pacemaker_would_do():
    timeout = {"old": "op monitor interval=20s timeout=30s", "new": "op monitor interval=20s timeout=20s"}
    cib = {
        "changes": [{"kind": "changed", "id": "p_mysql", **timeout}],
        "actions": ["restart p_mysql on db2"],
        "drift": ["node db1 is in standby; `crm_standby --node db1 --delete` ends it"],
    }
    file = {"file_|-hamysql-a_|-/etc/a_|-managed": state({"diff": "<show_changes=False>"})}
    returned = Site(working, {("hamysql", "db2"): file}, cib).run()
    assert changes(returned) == {
        "nodes_configured": {"db2": ["~ file /etc/a\n    (it holds a secret: the difference is not shown)"]},
        "resources_managed": {"resources": ["~ p_mysql: op monitor timeout 30s -> 20s"]},
    }
    assert returned["resources_managed"]["comment"].splitlines() == [
        "1 change",
        "a manual change stays in effect: node db1 is in standby; `crm_standby --node db1 --delete` ends it",
        "what pacemaker would do about it:",
        "  p_mysql restarts on db2",
    ]
    assert "2 changes would be made" in returned["summarised"]["comment"]


def test_what_cannot_be_known_of_a_stopped_cluster_is_not_guessed():
    returned = Site(installed).run()
    assert set(changes(returned)) == {"cluster_online"}
    for phase in ("resources_managed", "accounts_managed"):
        assert returned[phase]["comment"].startswith("not known: ")


def test_a_cluster_with_a_member_missing_is_planned_and_not_waited_for():
    site = Site(working)
    for seen in site.surveys.values():
        seen["cluster"] |= {"dc": "db1", "nodes": {"db1": NODE, "db2": {**NODE, "pending": True}}}
    site.surveys["db2"]["cluster"]["dc"] = None
    returned = site.run()
    assert changes(returned) == {}
    assert returned["cluster_online"]["comment"] == (
        "would wait until all members are online: db1 sees db2 not online; db2 sees no controller, db2 not online"
    )


@pytest.mark.parametrize("test", [True, False])
def test_accounts_are_not_managed_while_it_is_not_known_which_server_is_the_cluster_s(test):
    site = Site(working)
    site.module.__opts__["test"] = test
    site.surveys["db1"]["database"] = True
    ret = site.module.accounts_managed("accounts")
    assert (ret["result"], ret["changes"]) == (False, {})
    assert "answers on the local socket of db1 and db2" in ret["comment"]
    assert [function for function, _, _ in site.asked] == ["hamysql_node.survey"]


def test_all_that_is_wrong_is_one_refusal_and_no_member_is_asked_more():
    site = Site(survey)
    site.surveys["db1"]["storage"] |= {"size": None}
    site.surveys["db2"]["facts"]["storage"]["module"]["loadable"] = False
    ret = site.module.members_checked("members")
    assert ret["result"] is False
    assert "  - db2: found no kernel module drbd" in ret["comment"]
    assert "  - db1, /dev/ubdb: there is no such block device" in ret["comment"]
    assert [function for function, _, _ in site.asked] == ["hamysql_node.survey"]


def test_a_warning_is_told_and_does_not_stop_a_cluster_at_work():
    site = Site(working)
    site.surveys["db2"]["facts"]["unreachable"] = ["10.77.2.11"]
    ret = site.module.members_checked("members")
    assert ret["result"] is True
    (line,) = (line for line in ret["comment"].splitlines() if "ping" in line)
    assert line.startswith("WARNING: db2: found no answer to a ping from 10.77.2.12 to 10.77.2.11 of db1")
    assert any(line in event["text"] for event in site.events)
