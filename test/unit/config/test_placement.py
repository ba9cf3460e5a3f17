"""What draws the service away from a node, as pacemaker's own scheduler understands it."""

from __future__ import annotations

import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from hamysql.cib import names as cib_names
from hamysql.config import placement, resources
from hamysql.errors import ConfigError


def constraints(config):
    return {element.get("id"): element for element in placement.constraints(config)}


def test_each_attribute_has_a_constraint_of_its_own(resolve, pillar):
    """pacemaker 3 knows no location with several rules."""
    found = constraints(resolve(pillar("minimal")))
    assert list(found) == ["l_mysql_anywhere", "l_mysql_leaving", "l_mysql_carrier", "l_mysql_reach"]
    assert {element.get("rsc") for element in found.values()} == {"g_mysql"}
    assert all(len(element) == 1 for element in found.values())


@pytest.mark.parametrize(("given", "left"), [
    ({"vip": {"watch": False}}, ["l_mysql_anywhere", "l_mysql_leaving"]),
    ({"pacemaker": {"hand_over": False}}, ["l_mysql_anywhere", "l_mysql_carrier", "l_mysql_reach"]),
    ({"vip": {"watch": False}, "pacemaker": {"hand_over": False}}, []),
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


LIVE = Path(__file__).parent / "fixtures" / "cib-2.1.5-lab.xml"  # of a cluster in the lab, active on db1
SCORE = "master-p_drbd_mysql"  # the DRBD agent's: 10000 up to date, 10 where the peer is not known, none: never promote
NO_CARRIER, NO_TARGET = ("hamysql-carrier", "-20000"), ("hamysql-reach", "-10000")
LEAVING = ("hamysql-leaving", "1")
ALL = [NO_CARRIER, NO_TARGET, LEAVING]


def simulated(config, attributes, tmp_path, shared):
    """Where the server ends, by pacemaker's own scheduler, and whether that needs any action."""
    root = ET.fromstring(LIVE.read_text())
    placed = root.find("configuration/constraints")
    for element in list(placed):
        if element.get("id", "").startswith("l_mysql_"):
            placed.remove(element)
    placed.extend(placement.constraints(config))
    if shared:  # no DRBD, as with a LUN or NFS
        for parent in list(root.iter()):
            for child in list(parent):
                if "drbd" in " ".join(child.attrib.values()) and child.tag != "nvpair":
                    parent.remove(child)
    for node, values in attributes.items():
        (there,) = (state for state in root.iter("node_state") if state.get("uname") == node)
        said = there.find("transient_attributes/instance_attributes")
        for name, value in values:
            for pair in said.findall(f"nvpair[@name='{name}']"):
                said.remove(pair)
            if value is not None:
                ET.SubElement(said, "nvpair", id=f"status-{node}-{name}", name=name, value=value)
    path = tmp_path / "cib.xml"
    path.write_text(ET.tostring(root, "unicode"))
    command = ["crm_simulate", "--xml-file", str(path), "--simulate", "--output-as=xml"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    root = ET.fromstring(done.stdout)
    ended = root.find("revised_cluster_status")
    assert ended is not None, done.stdout
    on = [node.get("name") for node in ended.findall(".//resource[@id='p_mysql']/node")]
    return (on[0] if on else None), bool(root.findall("actions/rsc_action"))


@pytest.mark.parametrize("shared", [False, True], ids=["drbd", "shared"])
@pytest.mark.parametrize(("db1", "db2", "ends"), [
    ([], [], "db1"),
    ([NO_CARRIER], [], "db2"),
    ([NO_TARGET], [], "db2"),
    ([LEAVING], [], "db2"),
    ([], ALL, "db1"),
    # Neither is better: the service stays, and it is not stopped.
    ([NO_CARRIER], [NO_CARRIER], "db1"),
    ([NO_TARGET], [NO_TARGET], "db1"),
    (ALL, ALL, "db1"),
    ([LEAVING], [LEAVING], "db1"),
    # A node that stops is left even for one that clients may not reach.
    ([LEAVING], [NO_CARRIER], "db2"),
])  # fmt: skip
def test_the_better_node_has_the_service_and_where_none_is_better_nothing_happens(
    resolve, pillar, tmp_path, shared, db1, db2, ends
):
    config = resolve(pillar("minimal"))
    assert simulated(config, {"db1": db1, "db2": db2}, tmp_path, shared) == (ends, ends != "db1")


@pytest.mark.parametrize(("db1", "score", "ends"), [
    ([NO_CARRIER], None, "db1"),
    (ALL, None, "db1"),
    ([NO_CARRIER], "10", "db2"),
    ([LEAVING], "10", "db2"),
    ([], "10", "db1"),
])  # fmt: skip
def test_a_replica_that_may_not_be_promoted_is_no_better_whatever_is_said_of_the_other_node(
    resolve, pillar, tmp_path, db1, score, ends
):
    found = simulated(resolve(pillar("minimal")), {"db1": db1, "db2": [(SCORE, score)]}, tmp_path, shared=False)
    assert found == (ends, ends != "db1")
