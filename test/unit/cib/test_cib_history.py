"""What pacemaker remembers of the service, from a real CIB, and the times that crm_mon prints."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from hamysql.cib import history

FIXTURES = Path(__file__).parent / "fixtures"
RUNNING = (FIXTURES / "cib-2.1.5-running.xml").read_text(encoding="utf-8")
BEGUN = 1795453827


def test_what_a_real_cluster_remembers():
    found = history.read(RUNNING)
    started = {item["resource"]: item["when"] for item in found["events"] if item["what"] == "started"}
    assert started == {
        "p_ip_mysql": BEGUN,
        "p_fs_mysql": BEGUN,
        "p_mysql": BEGUN + 20,
        "p_drbd_mysql": BEGUN,
    }
    (failed,) = [item for item in found["events"] if item["what"] == "failed"]
    assert (failed["node"], failed["action"], failed["when"]) == ("db2", "p_mysql_monitor_20000", BEGUN + 20)
    assert "did not complete within 20s" in failed["reason"]
    assert found["attributes"] == {
        "db1": {"master-p_drbd_mysql": "5"},
        "db2": {"master-p_drbd_mysql": "10"},
    }
    assert found["events"] == sorted(found["events"], key=lambda item: item["when"])


def operation(**attributes):
    return ET.Element("lrm_rsc_op", {"id": "p_mysql_last_0", "last-rc-change": "100", **attributes})


def read(*operations, resource="p_mysql"):
    root = ET.fromstring(RUNNING)
    root.find("status").clear()
    state = ET.SubElement(root.find("status"), "node_state", id="1", uname="db1")
    place = ET.SubElement(ET.SubElement(state, "lrm", id="1"), "lrm_resources")
    ET.SubElement(place, "lrm_resource", id=resource).extend(operations)
    return [(item["resource"], item["what"]) for item in history.read(ET.tostring(root, "unicode"))["events"]]


def test_only_what_has_happened_to_the_service_counts():
    assert read(operation(operation="stop", **{"rc-code": "0"})) == [("p_mysql", "stopped")]
    assert read(operation(operation="start", **{"rc-code": "0"}), resource="p_drbd_mysql:0") == [
        ("p_drbd_mysql", "started")
    ]
    assert read(operation(operation="start", **{"rc-code": "0"}), resource="p_other") == []
    assert read(operation(operation="monitor", **{"rc-code": "0"})) == []  # a probe that found it running
    assert read(operation(operation="start", **{"rc-code": "193"})) == []  # not done yet
    assert read(operation(id="p_mysql_last_failure_0", operation="monitor", **{"rc-code": "7"})) == [
        ("p_mysql", "failed")
    ]
    # What pacemaker keeps of a failure may be a success: a probe that was not expected to find it.
    assert read(operation(id="p_mysql_last_failure_0", operation="monitor", **{"rc-code": "0"})) == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-11-23 17:10:27Z", BEGUN),
        ("2026-11-23 17:10:27.123456Z", BEGUN),
        ("2026-11-23 18:10:27 +01:00", BEGUN),
        ("2026-11-23 18:10:27+0100", BEGUN),
        ("Mon Nov 23 17:10:27 2026", None),
        ("", None),
    ],
)
def test_times_are_read_with_their_zone_or_not_at_all(text, seconds):
    assert history.seconds(text) == seconds
