"""What a site's text adds is judged in the configuration that comes of it."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from hamysql.cib import judge as cib_judge
from hamysql.cib import live as cib_live
from hamysql.cib import plan as cib_plan
from hamysql.errors import Refused
from hamysql.mysql.flavours import registry


@pytest.fixture
def deployed(make_cib, desired):
    return cib_plan.plan(make_cib(), desired).xml


@pytest.fixture
def judged(deployed):
    """The reasons against what is added in a section; none where it is taken."""

    def judge(section, text):
        added = ET.fromstring(f"<configuration><{section}>{text}</{section}></configuration>")
        try:
            cib_judge.judge(deployed, added, registry.services())
        except Refused as exc:
            return str(exc)
        return ""

    return judge


def pairs(tag, name, value, rule=""):
    return f'<{tag} id="x">{rule}<nvpair id="x-1" name="{name}" value="{value}"/></{tag}>'


RULE = '<rule id="r" score="INFINITY"><expression id="e" attribute="#uname" operation="eq" value="db1"/></rule>'


@pytest.mark.parametrize("rule", ["", RULE])
@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("crm_config", "symmetric-cluster", "false"),
        ("crm_config", "symmetric-cluster", "No"),
        ("crm_config", "startup-fencing", "false"),
        ("crm_config", "maintenance-mode", "true"),
        ("crm_config", "stonith-enabled", "off"),
        ("crm_config", "fencing-enabled", "off"),
        ("crm_config", "stop-all-resources", "1"),
        ("crm_config", "no-quorum-policy", "ignore"),
        ("crm_config", "shutdown-lock", "true"),
        ("rsc_defaults", "is-managed", "false"),
        ("rsc_defaults", "target-role", "Stopped"),
        ("rsc_defaults", "requires", "nothing"),
        ("rsc_defaults", "resource-stickiness", "-5"),
        ("op_defaults", "on-fail", "ignore"),
        ("op_defaults", "enabled", "false"),
        ("op_defaults", "role", "Stopped"),
    ],
)
def test_a_setting_that_stops_or_blinds_the_cluster_is_refused(judged, section, name, value, rule):
    tag = "cluster_property_set" if section == "crm_config" else "meta_attributes"
    assert f"{name}={value}" in judged(section, pairs(tag, name, value, rule))


def location(attributes, inside=""):
    return f'<rsc_location id="l_site" {attributes}>{inside}</rsc_location>'


def rule(score, attribute, operation="eq", value="db2"):
    inner = f'<expression id="e" attribute="{attribute}" operation="{operation}" value="{value}"/>'
    return f'<rule id="r" score="{score}">{inner}</rule>'


@pytest.mark.parametrize(
    "text",
    [
        location('rsc="g_mysql" node="db2" score="-INFINITY"'),
        location('rsc="p_mysql" node="db2" score="-1000000"'),
        location('rsc="ms_drbd_mysql" node="db2" score="-infinity" role="Promoted"'),
        location('rsc-pattern=".*mysql" node="db2" score="-INFINITY"'),
        location('rsc-pattern="!^p_site" node="db2" score="-INFINITY"'),
        location('rsc="g_mysql"', rule("-INFINITY", "#uname")),
        location('rsc="p_ip_mysql" node="db2" score="100" resource-discovery="never"'),
        location('node="db2" score="-INFINITY"', '<resource_set id="s"><resource_ref id="g_mysql"/></resource_set>'),
        '<rsc_colocation id="l_site" rsc="g_mysql" with-rsc="ms_drbd_mysql" score="-INFINITY"/>',
        '<rsc_colocation id="l_site" rsc="p_mysql" with-rsc="p_ip_mysql" score="INFINITY"/>',
        '<rsc_order id="l_site" first="g_mysql" then="ms_drbd_mysql"/>',
        '<rsc_order id="l_site"><resource_set id="s"><resource_ref id="p_mysql"/><resource_ref id="p_ip_mysql"/></resource_set></rsc_order>',
    ],
)
def test_a_constraint_that_takes_the_failover_away_is_refused(judged, text):
    assert "l_site" in judged("constraints", text)


@pytest.mark.parametrize(
    "text",
    [
        location('rsc="g_mysql" node="db1" score="50"'),
        location('rsc="p_site" node="db2" score="-INFINITY"'),
        location('rsc="g_mysql"', rule("-INFINITY", "pingd", "lt", "1")),
        '<rsc_colocation id="c" rsc="p_site" with-rsc="g_mysql" score="INFINITY"/>',
        '<rsc_order id="o" first="g_mysql" then="p_site"/>',
        '<rsc_ticket id="t" rsc="g_mysql" ticket="a" loss-policy="stop"/>',
    ],
)
def test_constraints_that_a_site_needs_are_taken(judged, text):
    assert judged("constraints", text) == ""


def primitive(kind, params="", tag="primitive"):
    cls, _, agent = kind.rpartition(":")
    said = "".join(f'<nvpair id="{n}" name="{n}" value="{v}"/>' for n, v in (p.split("=") for p in params.split()))
    cls, _, provider = cls.partition(":")
    more = f' provider="{provider}"' if provider else ""
    attributes = f'<instance_attributes id="i">{said}</instance_attributes>' if said else ""
    return f'<{tag} id="p_site" class="{cls}"{more} type="{agent}">{attributes}</{tag}>'


@pytest.mark.parametrize(
    "text",
    [
        primitive("stonith:fence_dummy"),
        primitive("stonith:fence_ipmilan", "pcmk_off_action=status"),
        primitive("stonith:fence_ipmilan", tag="template"),
        primitive("ocf:heartbeat:IPaddr2", "ip=10.77.1.100"),
        primitive("ocf:heartbeat:Filesystem", "device=/dev/drbd0 directory=/mnt"),
        primitive("ocf:heartbeat:Filesystem", "device=/dev/sdz directory=/var/lib/mysql/"),
        primitive("ocf:linbit:drbd", "drbd_resource=mysql"),
        primitive("ocf:heartbeat:mysql", "datadir=/var/lib/mysql"),
        primitive("systemd:mariadb"),
        primitive("systemd:drbd@mysql.service"),
        f'<group id="g_site">{primitive("lsb:mysql")}</group>',
    ],
)
def test_a_second_resource_for_the_same_and_a_fence_device_are_refused(judged, text):
    assert "p_site" in judged("resources", text)


@pytest.mark.parametrize(
    "text",
    [
        primitive("ocf:heartbeat:IPaddr2", "ip=10.77.1.101"),
        primitive("ocf:heartbeat:Filesystem", "device=/var/lib/mysql directory=/export"),
        primitive("systemd:nginx"),
        primitive("ocf:linbit:drbd", "drbd_resource=other"),
    ],
)
def test_resources_of_the_site_are_taken(judged, text):
    assert judged("resources", text) == ""


def test_the_levels_of_fencing_are_the_pillars(judged):
    assert "levels" in judged("fencing-topology", '<fencing-level id="f" target="db1" index="1" devices="x"/>')


def test_a_text_of_crm_is_judged_before_it_is_loaded(tools, desired):
    cib_live.apply(tools.run, lambda live: desired)
    before = tools.read()
    text = "property symmetric-cluster=false\nlocation l_site g_mysql -inf: db2\n"
    with pytest.raises(Refused, match="symmetric-cluster=false") as caught:
        cib_live.apply(tools.run, cib_live.from_text(tools.run, text, registry.services()), tag=cib_plan.TEXT_TAG)
    assert "l_site" in str(caught.value)
    assert tools.read() == before


BUILD = (
    '<rsc_defaults><meta_attributes id="build-resource-defaults">'
    '<nvpair id="build-resource-stickiness" name="resource-stickiness" value="1"/></meta_attributes></rsc_defaults>'
)


def test_a_default_of_the_distributions_is_taken_over_on_a_new_cluster(make_cib, desired):
    plan = cib_plan.plan(make_cib(rest=BUILD), desired)
    found = ET.fromstring(plan.xml).findall("configuration/rsc_defaults//nvpair[@name='resource-stickiness']")
    assert [pair.get("value") for pair in found] == ["100"]
    assert ("rsc_defaults resource-stickiness=1", "rsc_defaults resource-stickiness=100") in [
        (change.old, change.new) for change in plan.changes
    ]
    assert cib_plan.plan(plan.xml, desired).changes == ()


def test_in_a_cluster_that_serves_already_it_is_somebodys_decision(make_cib, desired):
    live = make_cib('<primitive id="p_theirs" class="ocf" provider="heartbeat" type="Dummy"/>', rest=BUILD)
    with pytest.raises(Refused, match="build-resource-stickiness"):
        cib_plan.plan(live, desired)


@pytest.mark.parametrize("value", ["\u00e9&lt;", "b\u00fcro &amp; co", "\u65e5&quot;"])
def test_what_pacemaker_could_not_print_again_is_refused(judged, value):
    seen = judged(
        "resources",
        f'<primitive id="d"><meta_attributes id="m">{pairs("x", "note", value)}</meta_attributes></primitive>',
    )
    assert "could not print its configuration" in seen


@pytest.mark.parametrize("value", ["&lt;\u00e9", "b\u00fcro", "a &amp; &lt;b&gt;", "\u00e9&gt;'"])
def test_what_pacemaker_prints_as_it_is_is_taken(judged, value):
    seen = judged(
        "resources",
        f'<primitive id="d"><meta_attributes id="m">{pairs("x", "note", value)}</meta_attributes></primitive>',
    )
    assert "could not print" not in seen
