"""The plan: only what is ours changes, what differs is said, and carrying it out leaves nothing to do."""

from __future__ import annotations

import copy
import random
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hamysql.cib import model as cib_model
from hamysql.cib import plan as cib_plan
from hamysql.errors import ParseError, Refused

FOREIGN_PRIMITIVE = '<primitive id="{0}" class="ocf" provider="heartbeat" type="Dummy"/>'


def ids(plan, kind=None):
    return [change.id for change in plan.changes if kind in (None, change.kind)]


def find(xml, name):
    """The element with an id, not a reference to it."""
    root = ET.fromstring(xml) if isinstance(xml, str) else xml
    return next((el for el in root.iter() if el.get("id") == name and el.tag not in ("obj_ref", "resource_ref")), None)


def members(xml, name):
    return [child.get("id") for child in find(xml, name) if child.tag in cib_model.RESOURCES]


@pytest.fixture
def deployed(make_cib, desired):
    """A CIB with all that hamysql wants, as a tree to edit; `again` plans against what became of it."""
    return ET.fromstring(cib_plan.plan(make_cib(), desired).xml)


@pytest.fixture
def again(desired):
    def plan(root, wanted=None, **options):
        text = root if isinstance(root, str) else ET.tostring(root, "unicode")
        return cib_plan.plan(text, desired if wanted is None else wanted, **options)

    return plan


def test_nodes_and_status_are_pacemakers_and_no_items(fixture):
    root = ET.fromstring(fixture("cib-2.1.5-running.xml"))
    sections = {item.section for item in cib_model.index(cib_model.configuration(root)).values()}
    assert sections == {"crm_config", "resources", "constraints", "rsc_defaults", "tags"}


def test_an_empty_cluster_gets_everything_and_a_list_of_it(make_cib, desired):
    plan = cib_plan.plan(make_cib(), desired)
    assert ids(plan) == ids(plan, "added")
    assert ids(plan)[:10] == [
        "p_ip_mysql",
        "g_mysql",
        "p_fs_mysql",
        "p_mysql",
        "ms_drbd_mysql",
        "p_drbd_mysql",
        "c_ip_with_mysql",
        "o_ip_before_mysql",
        "c_mysql_on_drbd",
        "o_drbd_before_mysql",
    ]
    listed = [ref.get("id") for ref in find(plan.xml, "hamysql")]
    assert listed == [name for name in ids(plan) if name != "hamysql"]
    assert {"cib-bootstrap-options-stonith-enabled", "rsc-options-resource-stickiness"} <= set(listed)


def test_the_change_is_said_in_crms_words(make_cib, desired):
    said = {change.id: change.new for change in cib_plan.plan(make_cib(), desired).changes}
    assert said["p_ip_mysql"] == (
        "primitive p_ip_mysql ocf:hamysql:address params ip=10.77.1.100 cidr_netmask=24 nic=eth0 "
        "op start interval=0s timeout=20s op stop interval=0s timeout=20s op monitor interval=30s timeout=20s"
    )
    assert said["c_mysql_on_drbd"] == "colocation c_mysql_on_drbd inf: g_mysql ms_drbd_mysql:Promoted"
    assert said["o_drbd_before_mysql"] == "order o_drbd_before_mysql Mandatory: ms_drbd_mysql:promote g_mysql:start"
    assert said["c_ip_with_mysql"] == "colocation c_ip_with_mysql inf: p_ip_mysql g_mysql"
    assert said["o_ip_before_mysql"] == "order o_ip_before_mysql Mandatory: p_ip_mysql:start p_mysql:start"
    assert said["g_mysql"] == "group g_mysql p_fs_mysql p_mysql"
    assert said["cib-bootstrap-options-stonith-enabled"] == "property stonith-enabled=false"


def test_the_second_plan_is_empty_and_gives_back_the_same_text(deployed, again):
    text = ET.tostring(deployed, "unicode")
    assert again(text) == cib_plan.Plan(text, ())


def test_the_new_version_is_the_next_epoch(make_cib, desired):
    root = ET.fromstring(cib_plan.plan(make_cib(), desired).xml)
    assert (root.get("admin_epoch"), root.get("epoch"), root.get("num_updates")) == ("0", "8", "0")


def test_order_and_inner_ids_do_not_matter(deployed, again):
    for parent in list(deployed.iter()):
        if parent.tag in ("operations", "instance_attributes", "meta_attributes", "cluster_property_set", "tag"):
            parent[:] = reversed(list(parent))
        if parent.tag in ("op", "instance_attributes"):
            parent.set("id", f"other-{parent.get('id')}")
        for name, value in reversed(list(parent.attrib.items())):
            del parent.attrib[name]
            parent.set(name, value)
    assert again(deployed).changes == ()


def test_a_change_leaves_the_rest_written_as_it_is(deployed, again, changed):
    find(deployed, "p_fs_mysql-monitor-60s").set("id", "an-operators-own-id")
    find(deployed, "c_mysql_on_drbd").append(ET.Comment("asked for by the accounting team"))
    plan = again(deployed, changed(lambda site: site["vip"].update(address="10.77.1.101")))
    assert ids(plan) == ["p_ip_mysql"]
    assert find(plan.xml, "an-operators-own-id") is not None
    assert "<!--asked for by the accounting team-->" in plan.xml


def test_the_order_of_a_group_matters(deployed, again):
    group = find(deployed, "g_mysql")
    group[:] = [group[1], group[0]]
    plan = again(deployed)
    assert plan.changes == (
        cib_plan.Change("changed", "g_mysql", "group p_mysql p_fs_mysql", "group p_fs_mysql p_mysql"),
    )
    assert members(plan.xml, "g_mysql") == ["p_fs_mysql", "p_mysql"]


def test_a_changed_value_is_said_alone_and_set_back(deployed, again):
    find(deployed, "p_mysql-monitor-20s").set("timeout", "99s")
    plan = again(deployed)
    assert plan.changes == (
        cib_plan.Change(
            "changed", "p_mysql", "op monitor interval=20s timeout=99s", "op monitor interval=20s timeout=10s"
        ),
    )
    assert find(plan.xml, "p_mysql-monitor-20s").get("timeout") == "10s"
    assert again(plan.xml).changes == ()


def test_what_is_missing_comes_back(deployed, again):
    group = find(deployed, "g_mysql")
    group.remove(find(deployed, "p_fs_mysql"))
    deployed.find("configuration/constraints").clear()
    plan = again(deployed)
    assert ids(plan, "added") == [
        *("p_fs_mysql", "c_ip_with_mysql", "o_ip_before_mysql"),
        *("c_mysql_on_drbd", "o_drbd_before_mysql"),
    ]  # fmt: skip
    assert ids(plan, "changed") == ["g_mysql"]
    assert again(plan.xml).changes == ()


def test_what_left_the_pillar_is_removed_if_it_was_ours(deployed, again, changed):
    wanted = changed(lambda site: site["storage"].update(backend="shared"))
    plan = again(deployed, wanted)
    removed = ["ms_drbd_mysql", "p_drbd_mysql", "c_mysql_on_drbd", "o_drbd_before_mysql"]
    assert ids(plan, "removed") == removed
    assert [name for name in removed if name in plan.xml] == []
    assert again(plan.xml, wanted).changes == ()


def test_a_setting_that_left_the_pillar_is_removed_and_pacemakers_own_stay(deployed, again, changed):
    options = find(deployed, "cib-bootstrap-options")
    for name in ("dc-version", "cluster-infrastructure", "have-watchdog", "cluster-name", "last-lrm-refresh"):
        ET.SubElement(options, "nvpair", id=f"cib-bootstrap-options-{name}", name=name, value="x")
    assert again(deployed).changes == ()
    plan = again(deployed, changed(lambda site: site["pacemaker"].update(properties={}, rsc_defaults={})))
    kept = [pair.get("name") for pair in find(plan.xml, "cib-bootstrap-options")]
    assert kept == ["dc-version", "cluster-infrastructure", "have-watchdog", "cluster-name", "last-lrm-refresh"]
    assert find(plan.xml, "rsc-options") is None


def test_foreign_elements_stay_as_they_are(make_cib, desired):
    foreign = (
        "<!-- kept: the accounting team asks -->"
        '<primitive id="p_foreign" class="ocf" provider="heartbeat" type="Dummy"><operations>'
        '<op id="odd id" name="monitor" interval="5"/></operations></primitive>'
    )
    constraint = '<rsc_location id="l_foreign" rsc="p_foreign" score="10" node="db1"/>'
    plan = cib_plan.plan(make_cib(foreign, constraint), desired)
    assert plan.xml.count("<!-- kept: the accounting team asks -->") == 1
    for name, text in (("p_foreign", foreign), ("l_foreign", constraint)):
        expected = ET.canonicalize(text[text.index("<primitive") :] if "<primitive" in text else text)
        assert ET.canonicalize(ET.tostring(find(plan.xml, name), "unicode")) == expected
    assert not {"p_foreign", "l_foreign"} & set(ids(plan))


@pytest.mark.parametrize("name", ["drbd-fence-by-handler-mysql-ms_drbd_mysql", "cli-ban-g_mysql-on-db1"])
def test_constraints_of_the_moment_survive_a_change(deployed, again, changed, name):
    constraints = deployed.find("configuration/constraints")
    ET.SubElement(constraints, "rsc_location", id=name, rsc="ms_drbd_mysql", node="db1", score="-INFINITY")
    plan = again(deployed, changed(lambda site: site["vip"].update(address="10.77.1.101")))
    assert ids(plan) == ["p_ip_mysql"]
    assert find(plan.xml, name) is not None


def test_what_operators_decide_for_the_moment_survives_a_change(deployed, again, changed):
    for name in ("p_ip_mysql", "ms_drbd_mysql"):
        target = find(deployed, name)
        meta = target.find("meta_attributes")
        if meta is None:
            meta = ET.SubElement(target, "meta_attributes", id=f"{name}-meta_attributes")
        ET.SubElement(meta, "nvpair", id=f"{name}-meta_attributes-target-role", name="target-role", value="Stopped")
    assert again(deployed).changes == ()
    plan = again(deployed, changed(lambda site: site["vip"].update(address="10.77.1.101")))
    assert ids(plan) == ["p_ip_mysql"]
    assert find(plan.xml, "p_ip_mysql-meta_attributes-target-role").get("value") == "Stopped"
    assert find(plan.xml, "ms_drbd_mysql-meta_attributes-target-role").get("value") == "Stopped"


def test_a_foreign_member_of_our_group_keeps_its_place(deployed, again):
    group = find(deployed, "g_mysql")
    group.insert(1, ET.fromstring(FOREIGN_PRIMITIVE.format("p_extra")))
    assert again(deployed).changes == ()
    group[:] = [group[2], group[0], group[1]]  # p_mysql p_fs p_extra
    plan = again(deployed)
    assert ids(plan) == ["g_mysql"]
    assert members(plan.xml, "g_mysql") == ["p_fs_mysql", "p_extra", "p_mysql"]


def test_a_member_that_was_taken_out_goes_back(deployed, again):
    mysql = find(deployed, "p_mysql")
    find(deployed, "g_mysql").remove(mysql)
    deployed.find("configuration/resources").append(mysql)
    plan = again(deployed)
    assert ids(plan) == ["g_mysql", "p_mysql"]
    assert members(plan.xml, "g_mysql") == ["p_fs_mysql", "p_mysql"]
    assert [child.get("id") for child in ET.fromstring(plan.xml).find("configuration/resources")] == [
        "p_ip_mysql",
        "g_mysql",
        "ms_drbd_mysql",
    ]


def test_the_same_element_without_a_tag_is_adopted(deployed, again):
    deployed.find("configuration").remove(deployed.find("configuration/tags"))
    plan = again(deployed)
    assert ids(plan) == ["hamysql"]
    assert again(plan.xml).changes == ()


def test_everything_in_the_way_is_named_at_once(make_cib, desired):
    mine = '<primitive id="p_mysql" class="systemd" type="mariadb"/>'
    option = (
        '<crm_config><cluster_property_set id="cib-bootstrap-options">'
        '<nvpair id="x-1" name="stonith-enabled" value="true"/></cluster_property_set></crm_config>'
    )
    with pytest.raises(Refused) as caught:
        cib_plan.plan(make_cib(mine, rest=option), desired)
    text = str(caught.value)
    assert "p_mysql exists and was not made by hamysql: `primitive p_mysql systemd:mariadb`" in text
    assert "x-1 exists and was not made by hamysql: `property stonith-enabled=true`" in text
    assert "hamysql_cib.apply adopt=" in text


def test_adopting_makes_it_ours(make_cib, desired):
    mine = '<primitive id="p_mysql" class="systemd" type="mariadb"/>'
    plan = cib_plan.plan(make_cib(mine), desired, adopt=["p_mysql"])
    assert ids(plan, "changed") == ["p_mysql"]
    assert members(plan.xml, "g_mysql") == ["p_fs_mysql", "p_mysql"]
    assert cib_plan.plan(plan.xml, desired).changes == ()


def test_adopting_what_is_not_wanted_removes_nothing(make_cib, desired):
    plan = cib_plan.plan(make_cib(FOREIGN_PRIMITIVE.format("p_foreign")), desired, adopt=["p_foreign"])
    assert find(plan.xml, "p_foreign") is not None


def test_a_setting_of_the_same_name_and_value_is_adopted_under_its_own_id(make_cib, desired):
    option = (
        '<crm_config><cluster_property_set id="other-set">'
        '<nvpair id="x-1" name="stonith-enabled" value="false"/></cluster_property_set></crm_config>'
    )
    plan = cib_plan.plan(make_cib(rest=option), desired)
    root = ET.fromstring(plan.xml)
    assert [pair.get("id") for pair in root.iter("nvpair") if pair.get("name") == "stonith-enabled"] == ["x-1"]
    assert "x-1" in [ref.get("id") for ref in find(root, "hamysql")]
    assert cib_plan.plan(plan.xml, desired).changes == ()


def test_a_foreign_reference_to_what_leaves_is_refused(deployed, again, changed):
    constraints = deployed.find("configuration/constraints")
    location = ET.SubElement(constraints, "rsc_location", id="l_foreign", score="5", node="db1")
    location.append(ET.fromstring('<resource_set id="s"><resource_ref id="ms_drbd_mysql"/></resource_set>'))
    with pytest.raises(
        Refused, match="ms_drbd_mysql is to be removed, but l_foreign, not made by hamysql, refers to it"
    ):
        again(deployed, changed(lambda site: site["storage"].update(backend="shared")))


def test_a_group_that_leaves_with_something_foreign_inside_is_refused(deployed, again):
    find(deployed, "g_mysql").append(ET.fromstring(FOREIGN_PRIMITIVE.format("p_extra")))
    with pytest.raises(Refused, match="g_mysql contains p_extra, not made by hamysql"):
        again(deployed, ET.Element("configuration"))


def test_what_was_moved_into_something_foreign_is_refused(deployed, again):
    mysql = find(deployed, "p_mysql")
    find(deployed, "g_mysql").remove(mysql)
    foreign = ET.SubElement(deployed.find("configuration/resources"), "group", id="g_foreign")
    foreign.append(mysql)
    with pytest.raises(Refused, match="p_mysql was moved into g_foreign"):
        again(deployed)


def test_wanting_nothing_leaves_nothing_of_ours(deployed, again):
    root = ET.fromstring(again(deployed, ET.Element("configuration")).xml)
    assert [element.get("id") for element in root.iter() if "mysql" in (element.get("id") or "")] == []


def test_the_two_tags_do_not_see_each_other(deployed, again):
    text = ET.fromstring(f"<configuration><resources>{FOREIGN_PRIMITIVE.format('p_site')}</resources></configuration>")
    both = again(deployed, text, tag=cib_plan.TEXT_TAG).xml
    assert set(cib_plan.owned(both)["hamysql-configure"]) == {"p_site"}
    assert again(both).changes == ()
    without = again(both, ET.Element("configuration"), tag=cib_plan.TEXT_TAG)
    assert ids(without) == ["p_site", "hamysql-configure"]
    assert again(without.xml).changes == ()


def test_what_the_settings_say_themselves_is_no_longer_the_texts(make_cib, desired):
    text = ET.fromstring(
        '<configuration><crm_config><cluster_property_set id="cib-bootstrap-options">'
        '<nvpair id="cib-bootstrap-options-stonith-enabled" name="stonith-enabled" value="true"/>'
        '<nvpair id="cib-bootstrap-options-cluster-delay" name="cluster-delay" value="70s"/>'
        "</cluster_property_set></crm_config></configuration>"
    )
    first = cib_plan.plan(make_cib(), text, tag=cib_plan.TEXT_TAG).xml
    second = cib_plan.plan(first, desired).xml
    owned = cib_plan.owned(second)
    assert owned["hamysql"]["cib-bootstrap-options-stonith-enabled"] == "property stonith-enabled=false"
    assert owned["hamysql-configure"] == {"cib-bootstrap-options-cluster-delay": "property cluster-delay=70s"}
    assert cib_plan.plan(second, desired).changes == ()


@pytest.mark.parametrize("name", ["password", "community", "token", "api_key", "snmp_priv_passwd"])
def test_secrets_are_compared_but_never_shown(make_cib, name):
    def wanted(secret):
        return ET.fromstring(
            '<configuration><resources><primitive id="st" class="stonith" type="fence_ipmilan">'
            f'<instance_attributes id="i"><nvpair id="n" name="{name}" value="{secret}"/></instance_attributes>'
            "</primitive></resources></configuration>"
        )

    first = cib_plan.plan(make_cib(), wanted("hunter2"))
    second = cib_plan.plan(first.xml, wanted("hunter3"))
    assert ids(second) == ["st"]
    assert "hunter" not in repr(first.changes + second.changes) + repr(cib_plan.owned(second.xml))
    assert 'value="hunter3"' in second.xml


@pytest.mark.parametrize("text", ["", "<cib", "<status/>", "<cib><status/></cib>"])
def test_what_is_no_cib_is_a_parse_error(desired, text):
    with pytest.raises(ParseError):
        cib_plan.plan(text, desired)


# A random CIB around ours: foreign resources at the top and inside our group, constraints, settings, our own parts edited.
NAMES = st.lists(st.integers(0, 99).map("p_x{}".format), unique=True, max_size=4)


@settings(max_examples=150, deadline=None)
@given(
    top=NAMES, seed=st.integers(0, 2**32), drop=st.integers(0, 6), schema=st.sampled_from(["3.0", "3.6", "3.9", "4.0"])
)
def test_carrying_out_a_plan_leaves_nothing_to_do_and_nothing_foreign_touched(top, seed, drop, schema):
    wanted = HYPOTHESIS["desired"]
    chance = random.Random(seed)
    root = ET.fromstring(cib_plan.plan(HYPOTHESIS["cib"](schema=f"pacemaker-{schema}"), wanted).xml)
    resources, constraints = root.find("configuration/resources"), root.find("configuration/constraints")
    group = find(root, "g_mysql")
    foreign = set()
    for name in top:
        into = chance.choice([resources, group])
        into.insert(chance.randint(0, len(into)), ET.fromstring(FOREIGN_PRIMITIVE.format(name)))
        foreign.add(name)
        ET.SubElement(
            constraints, "rsc_location", id=f"l_{name}", rsc=name, node="db1", score=str(chance.randint(-9, 9))
        )
        foreign.add(f"l_{name}")
    for _ in range(drop):  # an operator removes or edits parts of ours
        owned = [
            (parent, child)
            for parent in root.find("configuration").iter()
            for child in parent
            if child.get("id") not in foreign
            and child.tag in ("primitive", "op", "nvpair", "rsc_order", "obj_ref", "tag")
        ]
        parent, child = chance.choice(owned)
        if chance.random() < 0.5 or child.tag not in ("op", "nvpair"):
            parent.remove(child)
        else:
            child.set(chance.choice(["value", "timeout", "interval"]), "1")
    before = {name: copy.deepcopy(find(root, name)) for name in foreign}
    plan = cib_plan.plan(ET.tostring(root, "unicode"), wanted, adopt=HYPOTHESIS["all"])
    after = ET.fromstring(plan.xml)
    assert cib_plan.plan(plan.xml, wanted).changes == ()
    assert [name for name in members(after, "g_mysql") if name not in foreign] == ["p_fs_mysql", "p_mysql"]
    for name, element in before.items():
        assert ET.tostring(find(after, name)) == ET.tostring(element)
    numbers = [element.get("id") for element in after.iter() if element.get("id") and element.tag != "obj_ref"]
    assert len(numbers) == len(set(numbers)), "an id is there twice"


HYPOTHESIS: dict = {}


@pytest.fixture(autouse=True)
def _for_hypothesis(desired, make_cib):
    """Function-scoped fixtures are not for @given; what it needs is the same for every example."""
    HYPOTHESIS.update(desired=desired, cib=make_cib, all=list(cib_model.index(desired)))


def test_what_a_killed_fence_test_has_left_goes_and_an_operators_decision_stays(deployed, again):
    for name, mark in (
        ("p_ip_mysql", f"{cib_model.PROVING}p_ip_mysql"),
        ("p_mysql", "p_mysql-meta_attributes-target-role"),
    ):
        meta = ET.SubElement(find(deployed, name), "meta_attributes", id=f"{name}-meta_attributes")
        ET.SubElement(meta, "nvpair", id=mark, name="target-role", value="Stopped")
    plan = again(deployed)
    assert [(change.id, change.old, change.new) for change in plan.changes] == [
        ("p_ip_mysql", "meta target-role=Stopped", "")
    ]
    assert find(plan.xml, f"{cib_model.PROVING}p_ip_mysql") is None
    assert find(plan.xml, "p_mysql-meta_attributes-target-role") is not None
