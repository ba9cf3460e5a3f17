"""Fence devices as CIB elements, judged by pacemaker's own tools."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from hamysql.cib import live as cib_live
from hamysql.cib import plan as cib_plan
from hamysql.config import resolution, resources
from hamysql.errors import Refused
from hamysql.system.command import Result
from support import load_pillar, parameters


@pytest.fixture
def fenced():
    """A site with three devices for db1, in two levels, and one for db2."""
    merged = resolution.layered(parameters(), load_pillar("fenced"))
    return resolution.resolve(merged, minion_id="db1", nodename="db1")


@pytest.fixture
def wanted(fenced):
    return resources.desired(fenced)


def by_id(root, name):
    return next(element for element in root.iter() if element.get("id") == name)


def params(root, name):
    return {pair.get("name"): pair.get("value") for pair in by_id(root, name).findall("instance_attributes/nvpair")}


def test_pacemaker_accepts_them(tools, make_cib, wanted):
    tools.write(make_cib())
    outcome = cib_live.apply(tools.run, lambda _: wanted)
    assert {"p_fence_db1", "l_fence_db1", "fl_db1_1", "fl_db1_2"} <= {change.id for change in outcome.plan.changes}
    assert not cib_live.apply(tools.run, lambda _: wanted).plan.changes, "a second time, nothing is changed"


def test_the_alert_that_switches_on_comes_and_goes_with_the_devices_that_only_switch_off(tools, make_cib, wanted):
    (alert,) = wanted.iter("alert")
    assert alert.get("path") == "/usr/lib/hamysql/power-on"
    assert [child.tag for child in alert.find("select")] == ["select_fencing"]
    assert params(wanted, "a_power_on") == {"hamysql_nodes": "db1 db2", "hamysql_timeout": str(60 + 30 + 30)}
    tools.write(make_cib())
    cib_live.apply(tools.run, lambda _: wanted)
    given = load_pillar("fenced")
    for node in ("db1", "db2"):
        given["fencing"]["devices"][node][0]["options"]["pcmk_reboot_action"] = "reboot"
    without = resolution.resolve(resolution.layered(parameters(), given), minion_id="db1", nodename="db1")
    outcome = cib_live.apply(tools.run, lambda _: resources.desired(without))
    assert [change.id for change in outcome.plan.changes if change.kind == "removed"] == ["a_power_on"]


def test_a_node_never_runs_its_own_device(wanted):
    away = {
        (item.get("rsc"), item.get("node"), item.get("score"))
        for item in wanted.iter("rsc_location")
        if item.get("node")
    }
    assert away == {
        ("p_fence_db1", "db1", "-INFINITY"),
        ("p_fence_db1_2", "db1", "-INFINITY"),
        ("p_fence_db1_3", "db1", "-INFINITY"),
        ("p_fence_db2", "db2", "-INFINITY"),
    }


def test_a_topology_is_there_where_a_node_has_several_devices(wanted):
    levels = [(item.get("target"), item.get("index"), item.get("devices")) for item in wanted.iter("fencing-level")]
    assert levels == [("db1", "1", "p_fence_db1"), ("db1", "2", "p_fence_db1_2,p_fence_db1_3")]


def test_no_secret_is_in_the_cib_in_changes_or_in_words(wanted, make_cib):
    planned = cib_plan.plan(make_cib(), wanted)
    shown = ET.tostring(wanted, "unicode") + planned.xml + json.dumps([change.__dict__ for change in planned.changes])
    assert "canary" not in shown
    assert params(wanted, "p_fence_db1")["password"] == "lrm://"
    assert "lrm://" not in json.dumps([change.__dict__ for change in planned.changes]), "a secret looks like one"


@pytest.mark.parametrize(
    ("favoured", "lost", "delay"),
    [
        ("active", "db1", "2"),
        ("active", "db2", "0"),
        ("standby", "db1", "0"),
        ("standby", "db2", "2"),
        (None, "db2", "2"),
    ],
)
def test_pacemaker_shoots_the_favoured_role_later(tools, tmp_path, favoured, lost, delay):
    """By its own scheduler, and with the database on db1."""
    given = load_pillar("nfs")
    given["fencing"]["favoured"] = favoured
    resolved = resolution.resolve(resolution.layered(parameters(), given), minion_id="db1", nodename="db1")
    cib_live.apply(tools.run, lambda _: resources.desired(resolved))
    graph, simulate = tmp_path / "graph.xml", ["crm_simulate", "--simulate", f"--xml-file={tools.path}"]
    for node in ("db1", "db2"):
        tools.run([*simulate, "--quorum=true", f"--node-up={node}", f"--save-output={tools.path}"])
        tools.run([*simulate, f"--save-output={tools.path}"])
    tools.run([*simulate, f"--node-fail={lost}", f"--save-graph={graph}"])
    shots = [
        (event.get("on_node"), event.find("attributes").get("CRM_meta_priority_fencing_delay"))
        for event in ET.parse(graph).iterfind("synapse/action_set/crm_event[@operation='stonith']")
    ]
    assert shots == [(lost, delay)]


def test_a_node_by_its_name_is_favoured_by_its_device_alone(fenced):
    assert fenced["fencing"]["favoured"] == "db2"
    assert "priority" not in ET.tostring(resources.desired(fenced), "unicode")


def test_a_pacemaker_without_secret_files_is_refused(fenced):
    def run(argv, **_):
        assert argv == ["pacemakerd", "--features"]
        return Result(0, "Pacemaker 2.1.2\n Supporting v3.13.0: generated-manpages monotonic ncurses systemd\n")

    with pytest.raises(Refused, match="password_script"):
        cib_live.need_secrets(run)


def test_debians_pacemaker_has_them():
    def run(argv, **_):
        return Result(0, Path(__file__).parent.joinpath("fixtures/pacemakerd-features-2.1.5.txt").read_text())

    cib_live.need_secrets(run)
