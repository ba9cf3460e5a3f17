"""Stopping the server, or the whole service, and starting it again: nothing else of the configuration changes."""

from __future__ import annotations

import pytest

from hamysql.cib import drift as cib_drift
from hamysql.cib import live as cib_live
from hamysql.cib import model as cib_model
from hamysql.cib import plan as cib_plan
from hamysql.cib import stop as cib_stop
from hamysql.config import resources
from hamysql.errors import Refused


@pytest.fixture
def deployed(tools, site):
    """A CIB as a deployment makes it."""
    cib_live.apply(tools.run, lambda _: resources.desired(site))
    return tools.read()


def words(text):
    have = cib_model.index(cib_model.configuration(cib_model.parse(text)))
    return {name: cib_model.words(item) for name, item in have.items()}


@pytest.mark.parametrize("name", ["p_mysql", "g_mysql"])
def test_it_is_stopped_and_started_and_all_else_stays(tools, deployed, name):
    cib_live.edit(tools.run, lambda live: cib_stop.stopped(live, name))
    stopped = tools.read()
    assert cib_stop.stopped_ones(stopped) == (name,)
    assert [line.partition(";")[0] for line in cib_drift.interventions(stopped, "crm")] == [
        f"{name} has target-role=Stopped"
    ]
    assert {key for key, value in words(stopped).items() if value != words(deployed)[key]} == {name}
    assert cib_stop.stopped(stopped, name) == stopped
    cib_live.edit(tools.run, cib_stop.started)
    assert words(tools.read()) == words(deployed)
    assert cib_stop.stopped_ones(tools.read()) == ()


def test_both_are_started_at_once(tools, deployed):
    for name in ("p_mysql", "g_mysql"):
        cib_live.edit(tools.run, lambda live, name=name: cib_stop.stopped(live, name))
    assert cib_stop.stopped_ones(tools.read()) == ("p_mysql", "g_mysql")
    cib_live.edit(tools.run, cib_stop.started)
    assert words(tools.read()) == words(deployed)


def test_what_is_stopped_stays_so_when_the_configuration_becomes_another_storage_s(tools, deployed, site):
    for name in ("p_mysql", "g_mysql"):
        cib_live.edit(tools.run, lambda live, name=name: cib_stop.stopped(live, name))
    site["storage"]["backend"] = "shared"
    site["storage"]["filesystem"]["device"] = "/dev/disk/by-id/wwn-0x1"
    cib_live.apply(tools.run, lambda _: resources.desired(site))
    assert "ms_drbd_mysql" not in words(tools.read())
    assert cib_stop.stopped_ones(tools.read()) == ("p_mysql", "g_mysql")


def test_a_role_that_somebody_has_set_is_not_touched(tools, deployed):
    live = deployed.replace('<group id="g_mysql">', '<group id="g_mysql"><meta_attributes id="m"><nvpair id="r" name="target-role" value="Started"/></meta_attributes>')  # fmt: skip
    assert cib_stop.started(live) == live


def test_a_cluster_without_the_service(tools):
    with pytest.raises(Refused, match="has no p_mysql"):
        cib_stop.stopped(tools.read(), "p_mysql")


def running(text):
    """A CIB whose nodes have all of their resources running, as pacemaker notes it."""
    root = cib_model.parse(text)
    status = root.find("status")
    state = '<node_state id="{0}" uname="db{0}" in_ccm="true" crmd="online" join="member" expected="member"><lrm id="{0}"><lrm_resources>{1}</lrm_resources></lrm></node_state>'  # fmt: skip
    ran = '<lrm_resource id="p_drbd_mysql" class="ocf" provider="linbit" type="drbd"><lrm_rsc_op id="p_drbd_mysql_last_0" operation_key="p_drbd_mysql_start_0" operation="start" crm-debug-origin="x" crm_feature_set="3.16.1" transition-key="1:1:0:f57b8a8e-0000-0000-0000-000000000000" transition-magic="0:0;1:1:0:f57b8a8e-0000-0000-0000-000000000000" call-id="9" rc-code="0" op-status="0" interval="0" on_node="db{0}"/></lrm_resource>'  # fmt: skip
    for number in (1, 2):
        status.append(cib_model.parse(state.format(number, ran.format(number))))
    nodes = root.find("configuration/nodes")
    for node in list(nodes):
        nodes.remove(node)
    for number in (1, 2):
        nodes.append(cib_model.parse(f'<node id="{number}" uname="db{number}"/>'))
    return cib_model.ET.tostring(root, "unicode")


def test_a_running_clone_cannot_leave_but_one_at_rest_can(tools, deployed, site):
    """What the move asks before it stops anything, and why it stops DRBD before it takes it out."""
    site["storage"]["backend"] = "shared"
    site["storage"]["filesystem"]["device"] = "/dev/disk/by-id/wwn-0x1"
    live = running(deployed)
    new = cib_plan.plan(live, resources.desired(site)).xml
    with pytest.raises(Refused, match="p_drbd_mysql might be active on 2 nodes"):
        cib_live.verify(tools.run, new)
    calm = cib_stop.at_rest(live)
    assert words(calm) == words(live)
    cib_live.verify(tools.run, cib_plan.plan(calm, resources.desired(site)).xml)


def test_all_of_it_is_stopped_with_drbd_where_that_is_part_of_it(deployed, site):
    stopped = cib_stop.all_stopped(deployed)
    assert cib_stop.stopped_ones(stopped) == ("g_mysql", "ms_drbd_mysql")
    assert cib_stop.all_stopped(stopped) == stopped
    assert words(cib_stop.started(stopped)) == words(deployed)
    site["storage"]["backend"] = "shared"
    without = cib_plan.plan(deployed, resources.desired(site)).xml
    assert cib_stop.stopped_ones(cib_stop.all_stopped(without)) == ("g_mysql",)
