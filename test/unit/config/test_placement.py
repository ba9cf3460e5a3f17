"""What draws the service away from a node, as pacemaker's own scheduler understands it."""

from __future__ import annotations

import subprocess
import xml.etree.ElementTree as ET

import pytest

from hamysql.cib import names as cib_names
from hamysql.config import placement, resources
from hamysql.errors import ConfigError


def constraints(config):
    return {element.get("id"): element for element in placement.constraints(config)}


def test_each_attribute_has_a_constraint_of_its_own(resolve, pillar):
    """pacemaker 3 knows no location with several rules."""
    found = constraints(resolve(pillar("minimal")))
    assert list(found) == ["l_mysql_leaving", "l_mysql_carrier", "l_mysql_reach"]
    assert {element.get("rsc") for element in found.values()} == {"g_mysql"}
    assert all(len(element) == 1 for element in found.values())


@pytest.mark.parametrize(("given", "left"), [
    ({"vip": {"watch": False}}, ["l_mysql_leaving"]),
    ({"pacemaker": {"hand_over": False}}, ["l_mysql_carrier", "l_mysql_reach"]),
])  # fmt: skip
def test_a_site_may_do_without(resolve, pillar, given, left):
    asked = pillar("minimal")
    for section, values in given.items():
        asked.setdefault(section, {}).update(values)
    config = resolve(asked)
    assert list(constraints(config)) == left
    ids = {element.get("id") for element in resources.desired(config).iter()}
    assert (cib_names.WATCHERS in ids) is config["vip"]["watch"]


def test_the_watcher_is_told_the_interface_the_address_and_what_has_to_answer(resolve, pillar):
    asked = pillar("minimal")
    asked["vip"]["reachable"] = ["gateway", "192.0.2.1"]
    config = resolve(asked)
    watcher = placement.watcher(config)
    assert watcher["nic"] == config["vip"]["interface"]
    assert watcher["ip"] == config["vip"]["address"]
    assert watcher["reachable"] == "gateway 192.0.2.1"


def test_a_target_that_is_no_address_is_refused(resolve, pillar):
    asked = pillar("minimal")
    asked["vip"]["reachable"] = ["router.example.org"]
    with pytest.raises(ConfigError, match="hamysql:vip:reachable:0"):
        resolve(asked)


def test_the_schema_takes_it(resolve, pillar, tmp_path):
    config = resources.desired(resolve(pillar("minimal")))
    root = ET.Element("cib", {"validate-with": "pacemaker-3.9", "epoch": "1", "num_updates": "0", "admin_epoch": "0"})
    root.append(config)
    ET.SubElement(config, "nodes")
    ET.SubElement(root, "status")
    (tmp_path / "cib.xml").write_text(ET.tostring(root, "unicode"))
    done = subprocess.run(
        ["crm_verify", "--xml-file", str(tmp_path / "cib.xml"), "-V"], capture_output=True, text=True, check=False
    )
    assert "l_mysql" not in done.stderr, done.stderr
    assert "network" not in done.stderr, done.stderr
