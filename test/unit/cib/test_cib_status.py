"""crm_mon's XML as values: captured from a two-node cluster of pacemaker 2.1.5, and the same CIB shown by 3.0.0."""

from __future__ import annotations

from pathlib import Path

import pytest

from hamysql.cib import status as cib_status
from hamysql.errors import ParseError

FIXTURES = Path(__file__).parent / "fixtures"


def cluster(name):
    return cib_status.parse((FIXTURES / f"crm_mon-{name}.xml").read_text(encoding="utf-8"))


def node(name, number, **flags):
    values = dict.fromkeys(("standby", "maintenance", "pending", "unclean", "shutdown"), False)
    return cib_status.Node(name=name, id=number, **{"online": True, **values, **flags})


@pytest.mark.parametrize("version", ["2.1.5", "3.0.0"])
def test_a_running_cluster(version):
    found = cluster(f"{version}-running")
    assert (found.dc, found.quorum, found.maintenance, found.fencing) == ("db1", True, False, ())
    assert found.nodes == {"db1": node("db1", "1"), "db2": node("db2", "2")}
    assert [(resource.id, resource.role, resource.node, resource.parent) for resource in found.resources] == [
        ("p_ip_mysql", "Started", "db2", "g_mysql"),
        ("p_fs_mysql", "Started", "db2", "g_mysql"),
        ("p_mysql", "Started", "db2", "g_mysql"),
        ("p_drbd_mysql", "Promoted", "db2", "ms_drbd_mysql"),
        ("p_drbd_mysql", "Unpromoted", "db1", "ms_drbd_mysql"),
    ]
    assert {resource.managed for resource in found.resources} == {True}
    assert found.resources[3].agent == "ocf:pacemaker:Stateful"


@pytest.mark.parametrize("version", ["2.1.5", "3.0.0"])
def test_standby_maintenance_and_failures(version):
    found = cluster(f"{version}-drifted")
    assert found.maintenance
    assert found.nodes == {"db1": node("db1", "1"), "db2": node("db2", "2", standby=True)}
    assert [resource.id for resource in found.resources if resource.failed] == ["p_mysql"]
    assert {resource.managed for resource in found.resources} == {False}
    assert found.failures
    assert {failure.action for failure in found.failures} <= {"p_mysql_asyncmon_0", "p_mysql_monitor_20000"}
    last = found.failures[-1]
    assert (last.action, last.node, last.reason) == (
        "p_mysql_monitor_20000",
        "db2",
        "Resource agent did not complete within 20s",
    )


def test_the_fence_history():
    (event,) = cluster("2.1.5-drifted").fencing
    assert (event.target, event.action, event.status) == ("db2", "off", "failed")


def test_before_a_controller_is_elected():
    found = cluster("2.1.5-no-dc")
    assert (found.dc, found.quorum, found.resources) == (None, False, ())
    assert found.nodes["db1"] == node("db1", "1", online=False, unclean=True)


def test_a_stopped_resource_has_no_node():
    text = """<pacemaker-result><summary><current_dc present="false"/></summary><resources><clone id="c">
      <resource id="p" resource_agent="a" role="Stopped" managed="true" blocked="true" failed="false"/></clone>
      </resources></pacemaker-result>"""
    (resource,) = cib_status.parse(text).resources
    assert (resource.node, resource.parent, resource.blocked) == (None, "c", True)


def test_a_replica_of_a_bundle_belongs_to_the_bundle():
    text = """<pacemaker-result><summary/><resources><bundle id="b"><replica id="0">
      <resource id="b-docker-0" role="Started"><node name="db1"/></resource></replica></bundle></resources></pacemaker-result>"""
    assert [(resource.id, resource.parent) for resource in cib_status.parse(text).resources] == [("b-docker-0", "b")]


def test_daemons_that_are_just_starting_show_no_cluster_yet():
    text = """<pacemaker-result api-version="2.25" request="crm_mon --one-shot --output-as=xml">
      <pacemakerd sys_from="" state="starting_daemons" last_updated=""/><status code="0" message="OK"/></pacemaker-result>"""
    assert cib_status.parse(text) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "did not print XML"),
        ("<else/>", "printed <else>"),
        ('<pacemaker-result><status code="102" message="Not connected"/></pacemaker-result>', "Not connected"),
    ],
)
def test_no_state_of_a_cluster_is_a_parse_error(text, words):
    with pytest.raises(ParseError, match=words):
        cib_status.parse(text)


def failure(action, node="db2", reason="Couldn't mount device"):
    return {"action": action, "node": node, "status": "error (Error)", "reason": reason, "when": ""}


def test_a_start_that_failed_is_what_a_node_is_not_given_any_more():
    failures = [
        failure("p_fs_mysql_start_0"),
        failure("p_fs_mysql_start_0", reason="again"),  # one sentence for each resource and node, with the last reason
        failure("p_mysql_monitor_5000"),
        failure("p_mysql_monitor_0"),
        failure("p_fence_db2_start_0", node="db1", reason=""),
    ]
    first, second = cib_status.given_up({"failures": failures, "shell": "crm"})
    assert first == (
        "pacemaker does not start p_fs_mysql on db2, because its start failed there (again): "
        "`crm resource cleanup p_fs_mysql db2` when that is put right"
    )
    assert "pacemaker does not start p_fence_db2 on db1, because its start failed there (error (Error))" in second
    assert cib_status.given_up({"failures": failures, "shell": "crm"}, "db1") == [second]
    assert cib_status.given_up({"failures": [], "shell": "crm"}) == []
