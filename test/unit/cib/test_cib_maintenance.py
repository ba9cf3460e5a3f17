"""A node in maintenance: a standby with a mark, put there and taken away as one, with pacemaker's real tools on a file."""

from __future__ import annotations

import pytest

from hamysql.cib import drift as cib_drift
from hamysql.cib import maintenance as cib_maintenance
from hamysql.cib import model
from hamysql.errors import NotReady, Refused

WHEN = "2026-01-31 10:00:00Z"


@pytest.fixture
def live(fixture):
    return fixture("cib-2.1.5-running.xml")


def test_it_comes_as_one_and_goes_as_one(live):
    text = cib_maintenance.begun(live, "db2", WHEN)
    assert cib_maintenance.since(text) == {"db2": WHEN}
    node = model.parse(text).find("configuration/nodes/node[@uname='db2']")
    assert {pair.get("name"): pair.get("value") for pair in node.iter("nvpair")}["standby"] == "on"
    assert cib_maintenance.begun(text, "db2", "later") is text
    back = cib_maintenance.ended(text, "db2")
    assert cib_maintenance.since(back) == {}
    assert "standby" not in back.partition("<resources>")[0]
    assert cib_maintenance.ended(back, "db2") is back


def test_other_attributes_of_the_node_stay(live):
    node = (
        '<node id="2" uname="db2"><instance_attributes id="nodes-2"><nvpair id="nodes-2-site" name="site" value="a"/>'
    )
    text = live.replace('<node id="2" uname="db2"/>', node + "</instance_attributes></node>")
    assert 'name="site"' in text, "the fixture has another form"
    back = cib_maintenance.ended(cib_maintenance.begun(text, "db2", WHEN), "db2")
    assert 'name="site"' in back


def test_a_standby_of_somebody_else_is_refused_and_stays(live):
    node = '<node id="2" uname="db2"><instance_attributes id="nodes-2"><nvpair id="nodes-2-standby" name="standby" value="on"/>'
    text = live.replace('<node id="2" uname="db2"/>', node + "</instance_attributes></node>")
    with pytest.raises(Refused, match="by somebody else: `crm_standby --node db2 --delete`"):
        cib_maintenance.begun(text, "db2", WHEN)
    assert cib_maintenance.ended(text, "db2") is text


def test_a_standby_that_was_ended_by_hand_is_begun_again(live):
    text = cib_maintenance.begun(live, "db2", WHEN).replace('name="standby" value="on"', 'name="standby" value="off"')
    assert cib_maintenance.since(text) == {}
    assert cib_drift.interventions(text, "crm") == ()
    again = cib_maintenance.begun(text, "db2", "later")
    assert cib_maintenance.since(again) == {"db2": "later"}
    assert "hamysql-maintenance" not in cib_maintenance.ended(text, "db2")


def test_a_node_that_is_no_member_is_refused(live):
    with pytest.raises(Refused, match="no node db3"):
        cib_maintenance.begun(live, "db3", WHEN)


def test_an_operator_is_told_how_it_ends(live):
    (told,) = cib_drift.interventions(cib_maintenance.begun(live, "db2", WHEN), "crm")
    assert told.startswith(f"node db2 is in maintenance since {WHEN};")
    assert "hamysql_return" in told


@pytest.fixture
def module(load_module, tools, site, monkeypatch):
    """The execution module; ``module.resources`` is what pacemaker runs."""
    salt = {"hamysql_cluster.status": lambda: {"resources": module.resources}}
    module = load_module("_modules", "hamysql_maintenance", __salt__=salt)
    module.resources = []
    monkeypatch.setattr(module, "run", tools.run)
    return module


@pytest.fixture
def known(tools):
    """The cluster's nodes, in the file that stands for the CIB."""
    text = tools.read()
    nodes = '<nodes><node id="1" uname="db1"/><node id="2" uname="db2"/></nodes>'
    assert "<nodes/>" in text
    tools.write(text.replace("<nodes/>", nodes))


def test_the_verbs_with_pacemakers_own_tools(module, known):
    since = module.begin("db2")
    assert module.state() == {"since": {"db2": since}, "others": []}
    assert module.begin("db2") == since
    assert module.end("db2") is True
    assert module.end("db2") is False
    assert module.state() == {"since": {}, "others": []}


def test_a_node_that_serves_is_not_taken_out(module, known):
    module.resources = [{"id": "p_mysql", "node": "db2", "role": "Started"}]
    with pytest.raises(Refused, match="runs the service"):
        module.begin("db2")
    assert module.state()["since"] == {}


def test_what_does_not_stop_is_told(module, known):
    module.resources = [{"id": "p_drbd_mysql", "node": "db2", "role": "Unpromoted"}]
    with pytest.raises(NotReady, match="p_drbd_mysql"):
        module.begin("db2", timeout=0)


BANS = (
    '<rsc_location id="cli-ban-p_mysql-on-db2" rsc="p_mysql" node="db2" score="-INFINITY"/>'
    '<rsc_location id="cli-prefer-p_mysql" rsc="p_mysql"><rule id="r" score="INFINITY">'
    '<expression id="e" attribute="#uname" operation="eq" value="db2"/></rule></rsc_location>'
    '<rsc_location id="site" rsc="p_mysql" node="db2" score="5"/>'
    '<rsc_location id="cli-ban-p_mysql-on-db1" rsc="p_mysql" node="db1" score="-INFINITY"/>'
    '<rsc_location id="drbd-fence-by-handler-mysql-ms_drbd_mysql" rsc="ms_drbd_mysql"><rule id="d" role="Master"'
    ' score="-INFINITY"><expression id="f" attribute="#uname" operation="ne" value="db1"/></rule></rsc_location>'
)


@pytest.mark.parametrize("gone", [False, True])
def test_what_people_have_said_about_a_dead_node_goes_and_nothing_else(live, gone):
    """DRBD's constraint names the node that has the data: it keeps the new one from being promoted before it has all."""
    text = live.replace("</constraints>", f"{BANS}</constraints>")
    before = {item.get("id") for item in model.parse(text).iterfind("configuration/constraints/*")}
    left = cib_maintenance.without(text, "db2", gone)
    after = {item.get("id") for item in model.parse(left).iterfind("configuration/constraints/*")}
    lost = {"cli-ban-p_mysql-on-db2", "cli-prefer-p_mysql", *(["site"] if gone else [])}
    assert before - after == lost
    assert cib_maintenance.without(left, "db2", gone) is left


def test_hamysql_s_own_constraints_about_a_dead_node_are_the_pillar_s_to_change(live):
    text = live.replace(
        "</constraints>", '<rsc_location id="ours" rsc="p_mysql" node="db2" score="5"/></constraints>'
    ).replace('<tag id="hamysql">', '<tag id="hamysql"><obj_ref id="ours"/>')
    assert 'ref id="ours"' in text, "the fixture has another form"
    assert cib_maintenance.without(text, "db2", True) is text


def test_a_dead_node_s_entry_goes_with_its_state(live):
    text = cib_maintenance.begun(live, "db2", WHEN)
    assert set(cib_maintenance.known(text)) == {"db1", "db2"}
    left = cib_maintenance.unregistered(text, "db2")
    assert cib_maintenance.known(left) == ["db1"]
    assert not any("db2" in line for line in cib_drift.interventions(left, "crm"))
    assert cib_maintenance.unregistered(left, "db2") is left


def test_the_controller_s_list_of_nodes_is_read():
    """As pacemaker 2.1.5 prints it."""
    assert cib_maintenance.listed("1 db1 member\n2 db2 lost\n\n") == ["db1", "db2"]
