"""The 2013 procedure's resources as CIB elements, judged by their text and by pacemaker's and crm's own tools."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest

from hamysql.cib import plan as cib_plan
from hamysql.config import resources
from support import ROOT, parameters


def xml(element):
    return ET.tostring(element, "unicode")


def by_id(root, name):
    return next(element for element in root.iter() if element.get("id") == name)


def test_the_address_is_exactly_this(desired):
    assert xml(by_id(desired, "p_ip_mysql")) == (
        '<primitive id="p_ip_mysql" class="ocf" provider="hamysql" type="address">'
        '<instance_attributes id="p_ip_mysql-instance_attributes">'
        '<nvpair id="p_ip_mysql-instance_attributes-ip" name="ip" value="10.77.1.100" />'
        '<nvpair id="p_ip_mysql-instance_attributes-cidr_netmask" name="cidr_netmask" value="24" />'
        '<nvpair id="p_ip_mysql-instance_attributes-nic" name="nic" value="eth0" />'
        "</instance_attributes><operations>"
        '<op id="p_ip_mysql-start-0s" name="start" interval="0s" timeout="20s" />'
        '<op id="p_ip_mysql-stop-0s" name="stop" interval="0s" timeout="20s" />'
        '<op id="p_ip_mysql-monitor-30s" name="monitor" interval="30s" timeout="20s" />'
        "</operations></primitive>"
    )


def test_the_promotable_clone_is_a_clone_with_these_meta_attributes(desired):
    clone = by_id(desired, "ms_drbd_mysql")
    assert clone.tag == "clone"
    assert [child.tag for child in clone] == ["meta_attributes", "primitive"]
    assert {pair.get("name"): pair.get("value") for pair in clone.findall("meta_attributes/nvpair")} == {
        "promotable": "true",
        "notify": "false",
        "clone-max": "2",
        "clone-node-max": "1",
        "promoted-max": "1",
        "promoted-node-max": "1",
        "failure-timeout": "0",
    }
    monitors = [op.attrib for op in clone.iter("op") if op.get("name") == "monitor"]
    assert [(op["role"], op["interval"], op["id"]) for op in monitors] == [
        ("Promoted", "29s", "p_drbd_mysql-monitor-29s"),
        ("Unpromoted", "30s", "p_drbd_mysql-monitor-30s"),
    ]


def test_the_address_waits_for_nothing_and_the_server_for_all(desired):
    members = [child.get("id") for child in by_id(desired, "g_mysql")]
    assert members == ["p_fs_mysql", "p_mysql"]
    orders = [(order.get("first"), order.get("then")) for order in desired.iter("rsc_order")]
    assert orders == [("p_ip_mysql", "p_mysql"), ("ms_drbd_mysql", "g_mysql")]


def test_the_constraints_are_exactly_these(desired):
    assert [xml(constraint) for constraint in desired.find("constraints")] == [
        '<rsc_colocation id="c_ip_with_mysql" score="INFINITY" rsc="p_ip_mysql" with-rsc="g_mysql" />',
        '<rsc_order id="o_ip_before_mysql" kind="Mandatory" first="p_ip_mysql" then="p_mysql" />',
        '<rsc_colocation id="c_mysql_on_drbd" score="INFINITY" rsc="g_mysql" with-rsc="ms_drbd_mysql"'
        ' with-rsc-role="Promoted" />',
        '<rsc_order id="o_drbd_before_mysql" kind="Mandatory" first="ms_drbd_mysql" first-action="promote"'
        ' then="g_mysql" then-action="start" />',
    ]


def test_the_server_is_named_and_never_mysqld_safe(desired):
    params = {pair.get("name"): pair.get("value") for pair in by_id(desired, "p_mysql").iter("nvpair")}
    assert params == {
        "binary": "/usr/sbin/mariadbd",
        "admin_binary": "/usr/bin/mariadb-admin",
        "config": "/etc/mysql/my.cnf",
        "datadir": "/var/lib/mysql",
        "socket": "/run/mysqld/mysqld.sock",
        "pid": "/run/mysqld/mysqld.pid",
        "log": "/var/log/mysql/error.log",
        "user": "mysql",
        "group": "mysql",
        "ping_timeout": "20",
    }
    assert by_id(desired, "p_mysql").get("provider") == "hamysql"


def test_the_stock_agent_gets_the_parameters_that_it_knows(changed):
    server = by_id(changed(lambda site: site["mysql"].update(agent="ocf:heartbeat:mysql")), "p_mysql")
    params = {pair.get("name"): pair.get("value") for pair in server.iter("nvpair")}
    assert (server.get("provider"), params["client_binary"]) == ("heartbeat", "/usr/bin/mariadb")
    assert not {"admin_binary", "ping_timeout"} & set(params)


@pytest.mark.parametrize(("given", "expected"), [(4, []), (0, ["0"]), (9, ["9"])])
def test_a_default_that_the_agent_has_itself_is_no_parameter(changed, given, expected):
    """An update of the formula would have pacemaker restart the server for it."""
    server = by_id(changed(lambda site: site["mysql"].update(frozen_timeout=given)), "p_mysql")
    assert [pair.get("value") for pair in server.iter("nvpair") if pair.get("name") == "frozen_timeout"] == expected


def test_the_agents_default_of_frozen_timeout_is_the_formulas():
    agent = (ROOT / "hamysql" / "mysql" / "files" / "mysql-agent.sh").read_text()
    assert parameters()[0]["mysql"]["frozen_timeout"] == 4
    assert "frozen_timeout=${OCF_RESKEY_frozen_timeout:-4}" in agent


def test_every_operation_has_a_timeout_by_default(lab):
    operations = list(resources.desired(lab).iter("op"))
    assert {op.get("name") for op in operations} == {"start", "stop", "monitor", "promote", "demote", "notify"}
    assert [op.get("id") for op in operations if not op.get("timeout")] == []


def test_an_unknown_operation_option_goes_to_the_agent(changed):
    root = changed(lambda site: site["pacemaker"]["operations"]["p_mysql"]["monitor"].update(OCF_CHECK_LEVEL=10))
    monitor = by_id(root, "p_mysql-monitor-20s")
    assert "OCF_CHECK_LEVEL" not in monitor.attrib
    assert [(pair.get("name"), pair.get("value")) for pair in monitor.iter("nvpair")] == [("OCF_CHECK_LEVEL", "10")]


def test_without_drbd_there_is_nothing_of_drbd(changed):
    root = changed(lambda site: site["storage"].update(backend="shared"))
    assert "drbd_mysql" not in xml(root)
    assert by_id(root, "g_mysql") is not None


def test_no_secret_is_in_it(desired, site):
    text = xml(desired)
    secrets = [site["corosync"]["authkey"], site["storage"]["drbd"]["shared_secret"]]
    secrets += [user["password"] for user in site["mysql"]["users"] if user.get("password")]
    assert len(secrets) >= 3, json.dumps(site)[:200]
    assert [secret for secret in secrets if secret in text] == []


@pytest.mark.parametrize(
    ("schema", "promoted", "unpromoted"),
    [
        ("pacemaker-2.10", "Master", "Slave"),
        ("pacemaker-3.6", "Master", "Slave"),
        ("pacemaker-3.7", "Promoted", "Unpromoted"),
        ("pacemaker-3.10", "Promoted", "Unpromoted"),
        ("pacemaker-4.0", "Promoted", "Unpromoted"),
    ],
)
def test_the_role_names_are_those_of_the_schema(desired, make_cib, schema, promoted, unpromoted):
    root = ET.fromstring(cib_plan.plan(make_cib(schema=schema), desired).xml)
    assert by_id(root, "c_mysql_on_drbd").get("with-rsc-role") == promoted
    assert [op.get("role") for op in root.iter("op") if op.get("role")] == [promoted, unpromoted]


@pytest.mark.parametrize("schema", ["pacemaker-3.6", "pacemaker-3.7", "pacemaker-3.9"])
def test_pacemaker_accepts_it_without_a_word(tools, desired, make_cib, schema):
    new = cib_plan.plan(make_cib(schema=schema), desired).xml
    result = tools.run(["crm_verify", "--verbose", "--xml-pipe"], stdin=new)
    assert (result.returncode, result.stderr) == (0, "")


def test_crm_shows_the_articles_lines(tools, desired):
    tools.write(cib_plan.plan(tools.read(), desired).xml)
    shown = tools.run(["crm", "configure", "show"]).stdout.replace("\\\n\t", "")
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert "group g_mysql p_fs_mysql p_mysql" in lines
    assert "colocation c_mysql_on_drbd inf: g_mysql ms_drbd_mysql:Promoted" in lines
    assert "order o_drbd_before_mysql Mandatory: ms_drbd_mysql:promote g_mysql:start" in lines
    for start in (
        "primitive p_ip_mysql ocf:hamysql:address params ip=10.77.1.100 cidr_netmask=24 nic=eth0 op",
        "primitive p_drbd_mysql ocf:hamysql:drbd params drbd_resource=mysql ignore_missing_notifications=true minor=0 op",
        'primitive p_fs_mysql ocf:hamysql:filesystem params device="/dev/drbd0" directory="/var/lib/mysql" fstype=xfs options=noatime op',
        'primitive p_mysql ocf:hamysql:mysql params binary="/usr/sbin/mariadbd" config=',
        "clone ms_drbd_mysql p_drbd_mysql meta promotable=true notify=false clone-max=2",
        "property cib-bootstrap-options: no-quorum-policy=stop pe-warn-series-max=1000",
        "rsc_defaults rsc-options: resource-stickiness=100",
        "tag hamysql p_ip_mysql g_mysql",
    ):
        assert [line for line in lines if line.startswith(start)], f"{start} is not in:\n{shown}"


def test_a_setting_without_a_value_is_not_set(changed):
    root = changed(lambda site: site["pacemaker"].update(rsc_defaults={}))
    assert root.find("rsc_defaults") is not None
    assert list(root.find("rsc_defaults")) == []


def test_desired_does_not_change_the_configuration(site):
    before = json.dumps(site)
    resources.desired(site)
    assert json.dumps(site) == before
