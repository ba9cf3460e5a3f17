"""The address on two nodes whose interfaces have different names, judged by pacemaker's own tools."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from hamysql.cib import live as cib_live
from hamysql.cib import plan as cib_plan
from hamysql.config import resources

SAME = "primitive p_ip_mysql ocf:hamysql:address params ip=10.77.1.100 cidr_netmask=24"


def with_nics(changed, db1, db2):
    return changed(lambda site: site["vip"].update(interface=db1, interfaces={"db1": db1, "db2": db2}))


def address(root):
    return next(element for element in root.iter("primitive") if element.get("id") == "p_ip_mysql")


def test_one_name_is_a_plain_parameter(changed, desired):
    assert ET.tostring(with_nics(changed, "eth0", "eth0")) == ET.tostring(desired)
    assert len(address(desired).findall("instance_attributes")) == 1


def test_two_names_are_a_set_for_each_node_beside_the_plain_one(changed):
    sets = address(with_nics(changed, "eth0", "enp3s0")).findall("instance_attributes")
    plain, *own = sets
    assert [pair.get("name") for pair in plain] == ["ip", "cidr_netmask"]
    found = {part.find("rule/expression").get("value"): part.find("nvpair[@name='nic']").get("value") for part in own}
    assert found == {"db1": "eth0", "db2": "enp3s0"}
    ids = [element.get("id") for part in sets for element in part.iter()]
    assert len(ids) == len(set(ids))


def test_a_change_is_said_in_words(changed, make_cib):
    planned = cib_plan.plan(make_cib(), with_nics(changed, "eth0", "enp3s0"))
    said = {change.id: change.new for change in planned.changes}["p_ip_mysql"]
    assert said.startswith(f"{SAME} rule #uname eq db1: nic=eth0 rule #uname eq db2: nic=enp3s0 op start ")
    other = cib_plan.plan(planned.xml, with_nics(changed, "eth0", "eno1"))
    assert other.changes == (
        cib_plan.Change(
            "changed", "p_ip_mysql", "params rule #uname eq db2: nic=enp3s0", "params rule #uname eq db2: nic=eno1"
        ),
    )
    back = cib_plan.plan(planned.xml, with_nics(changed, "eth0", "eth0"))
    assert [(change.id, change.new) for change in back.changes] == [("p_ip_mysql", "params nic=eth0")]


@pytest.mark.parametrize(
    "rule",
    [
        '<rule id="r" score="0" boolean-op="or"><expression id="e" attribute="#uname" operation="eq" value="db1"/></rule>',
        '<rule id="r" score="0"><expression id="e" attribute="a" operation="gt" value="1" type="number"/></rule>',
        '<rule id="r" score="0"><expression id="e" attribute="a" operation="defined"/></rule>',
        '<rule id="r" score="0"><date_expression id="e" operation="gt" start="2026-01-01"/></rule>',
        '<rule id="r" score="0"/>',
    ],
)
def test_rules_of_other_kinds_are_compared_as_they_stand(make_cib, rule):
    def item(text):
        params = f'<instance_attributes id="i">{text}<nvpair id="n" name="nic" value="eth0"/></instance_attributes>'
        live = make_cib(f'<primitive id="p" class="ocf" provider="hamysql" type="address">{params}</primitive>')
        return cib_plan.model.index(cib_plan.model.configuration(cib_plan.model.parse(live)))["p"]

    plain = '<rule id="r" score="0"><expression id="e" attribute="#uname" operation="eq" value="db1"/></rule>'
    assert any(clause.startswith("<instance_attributes") for clause in cib_plan.model.clauses(item(rule)))
    assert cib_plan.model.clauses(item(plain))[1:] == ["params rule #uname eq db1: nic=eth0"]


def test_pacemaker_takes_it_and_a_second_time_nothing_is_changed(tools, changed):
    wanted = with_nics(changed, "eth0", "enp3s0")
    assert "p_ip_mysql" in {change.id for change in cib_live.apply(tools.run, lambda _: wanted).plan.changes}
    tools.run(["crm_verify", "--live-check"])
    assert cib_live.apply(tools.run, lambda _: wanted).plan.changes == ()
    outcome = cib_live.apply(tools.run, lambda _: with_nics(changed, "eth0", "eno1"))
    assert [change.id for change in outcome.plan.changes] == ["p_ip_mysql"]
    tools.run(["crm_verify", "--live-check"])
    assert cib_live.apply(tools.run, lambda _: with_nics(changed, "eth0", "eth0")).plan.changes
    assert cib_live.apply(tools.run, lambda _: with_nics(changed, "eth0", "eth0")).plan.changes == ()


@pytest.mark.parametrize(("lost", "nic"), [("db2", "eth0"), ("db1", "enp3s0")])
def test_pacemaker_starts_the_address_on_the_interface_of_the_node(tools, tmp_path, lab, lost, nic):
    """By its own scheduler: the action that it would send to the node that is left."""
    lab["vip"]["interfaces"] = {"db1": "eth0", "db2": "enp3s0"}
    lab["storage"]["backend"] = "nfs"
    lab["fencing"].update(devices=[], levels={}, enabled=False)
    lab["pacemaker"]["properties"] |= {"stonith-enabled": "false", "no-quorum-policy": "ignore"}
    cib_live.apply(tools.run, lambda _: resources.desired(lab))
    graph, node = tmp_path / "graph.xml", ({"db1", "db2"} - {lost}).pop()
    argv = ["crm_simulate", "--simulate", f"--xml-file={tools.path}", "--quorum=true", f"--node-up={node}"]
    tools.run([*argv, f"--save-graph={graph}", f"--save-output={tools.path}"])
    actions = {
        (op.get("operation"), op.get("on_node")): op.find("attributes").get("nic")
        for op in ET.parse(graph).iterfind("synapse/action_set/rsc_op")
        if op.find("primitive").get("id") == "p_ip_mysql"
    }
    assert actions == {("monitor", node): nic, ("start", node): nic}
