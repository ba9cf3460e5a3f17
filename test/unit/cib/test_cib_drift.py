"""What somebody has put over the configuration for the moment is told; an untouched cluster tells nothing."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from hamysql.cib import drift as cib_drift


def test_a_cluster_that_is_left_alone_has_none(fixture):
    assert cib_drift.drift(fixture("cib-2.1.5-running.xml"), "crm") == ()


def test_each_deviation_is_a_sentence_with_its_end(fixture):
    assert cib_drift.drift(fixture("cib-2.1.5-drifted.xml"), "crm") == (
        "cli-ban-g_mysql-on-db2: `location cli-ban-g_mysql-on-db2 g_mysql -inf: db2 role=Started`, "
        "from a move or a ban by hand; `crm resource clear g_mysql` ends it",
        "drbd-fence-by-handler-mysql-ms_drbd_mysql: DRBD keeps a node with outdated data from being promoted, "
        "and lifts that itself after the resync",
        "node db2 is in standby; `crm_standby --node db2 --delete` ends it",
        "the whole cluster has maintenance-mode=true; `crm_attribute --delete --name maintenance-mode` ends it",
        "p_ip_mysql has is-managed=false; `crm resource manage p_ip_mysql` ends it",
    )


def test_a_standby_until_the_next_reboot_is_one_too(fixture):
    root = ET.fromstring(fixture("cib-2.1.5-running.xml"))
    attributes = root.find("status/node_state[@uname='db1']/transient_attributes/instance_attributes")
    ET.SubElement(attributes, "nvpair", id="status-1-standby", name="standby", value="on")
    assert cib_drift.drift(ET.tostring(root, "unicode"), "crm") == (
        "node db1 is in standby; `crm_standby --node db1 --delete` ends it",
    )


def test_stopped_resources_and_foreign_members(fixture):
    root = ET.fromstring(fixture("cib-2.1.5-running.xml"))
    group = root.find(".//group[@id='g_mysql']")
    meta = ET.SubElement(group, "meta_attributes", id="g_mysql-meta_attributes")
    for name, value in (("target-role", "Stopped"), ("maintenance", "true"), ("priority", "1")):
        ET.SubElement(meta, "nvpair", id=f"m-{name}", name=name, value=value)
    ET.SubElement(group, "primitive", {"id": "p_extra", "class": "ocf", "provider": "heartbeat", "type": "Dummy"})
    assert cib_drift.drift(ET.tostring(root, "unicode"), "crm") == (
        "g_mysql has target-role=Stopped; `crm resource start g_mysql` ends it",
        "g_mysql has maintenance=true; `crm resource maintenance g_mysql off` ends it",
        "p_extra is in g_mysql, but was not made by hamysql",
    )


def test_a_resource_told_to_be_started_is_none(fixture):
    text = fixture("cib-2.1.5-drifted.xml")
    text = text.replace('name="is-managed" value="false"', 'name="target-role" value="Started"')
    assert not [sentence for sentence in cib_drift.drift(text, "crm") if sentence.startswith("p_ip_mysql")]
