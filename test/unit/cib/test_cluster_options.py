"""Fence devices, properties and defaults that would let two nodes write, or nobody serve: refused with the reason."""

from __future__ import annotations

from typing import Any

import pytest

from hamysql.config import resources
from hamysql.errors import ConfigError, Refused

DEVICE = "hamysql:fencing:devices:db1:0:options"
PACEMAKER = "hamysql:pacemaker"


def refused(resolve: Any, pillar: Any) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        resolve(pillar)
    return {problem.path: problem.expected for problem in caught.value.problems}


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("pcmk_off_action", "status", "'off' or 'reboot'"),
        ("pcmk_off_action", "monitor", "'off' or 'reboot'"),
        ("pcmk_off_action", "on", "'off' or 'reboot'"),
        ("pcmk_reboot_action", "metadata", "'reboot' or 'off'"),
        ("pcmk_reboot_action", "status", "'reboot' or 'off'"),
        ("pcmk_reboot_action", "OFF", "'reboot' or 'off'"),
        ("pcmk-reboot-action", "status", "pcmk_reboot_action"),
        ("PCMK_OFF_ACTION", "off", "pcmk_off_action"),
        ("pcmk_on_action", "off", "'on'"),
        ("pcmk_status_action", "metadata", "'status'"),
        ("pcmk_monitor_action", "off", "'monitor'"),
        ("pcmk_monitor_action", "metadata", "'monitor'"),
        ("pcmk_list_action", "off", "'list'"),
        ("pcmk_host_argument", "ip", "'port'"),
        ("pcmk_host_list", "db2", "under the node"),
        ("pcmk_host_check", "none", "not to be set"),
        ("pcmk_host_map", "db1:2", "plug"),
        ("pcmk-host-map", "db1:2", "plug"),
        ("pcmk_delay_base", "30s", "hamysql:fencing:delay"),
        ("pcmk_reboot_retries", 0, "from 1 on"),
        ("pcmk_action_limit", 0, "from 1 on"),
        ("pcmk_monitor_timeout", "0", "a time"),
        ("pcmk_anything_else", "x", "that hamysql knows"),
        ("action", "status", "pacemaker says"),
        ("Action", "reboot", "pacemaker says"),
        ("option", "metadata", "pacemaker says"),
        ("method", "cycle", "'onoff'"),
        ("method", "onof", "'onoff'"),
        ("missing_as_off", True, "slip of the pen"),
        ("missing-as-off", "1", "slip of the pen"),
        ("lanplus", "maybe", "a switch"),
        ("lanplus", 2, "a switch"),
        ("ssh", "/usr/bin/ssh", "a switch"),
        ("ssl-insecure", "y", "a switch"),
    ],
)
def test_a_device_that_would_report_what_it_has_not_done_is_refused(resolve, pillar, name, value, why):
    given = pillar("fenced")
    given["fencing"]["devices"]["db1"][0]["options"][name] = value
    assert why in refused(resolve, given)[f"{DEVICE}:{name}"]


def test_a_secret_is_no_way_around_it(resolve, pillar):
    given = pillar("fenced")
    given["fencing"]["devices"]["db1"][0]["secrets"] |= {"action": "status", "PCMK_off_action": "status"}
    found = refused(resolve, given)
    assert {path.rpartition(":")[2] for path in found} == {"action", "PCMK_off_action"}


@pytest.mark.parametrize(
    ("options", "secrets", "name"),
    [
        ({"power-wait": 1, "power_wait": 2}, {}, "options:power_wait"),
        ({"ip": "192.0.2.21", "ipaddr": "192.0.2.22"}, {}, "options:ipaddr"),
        ({"login": "a", "username": "b"}, {}, "options:username"),
        ({"plug": 1, "port": 2}, {}, "options:port"),
        ({}, {"password": "canary", "passwd": "canary"}, "secrets:passwd"),
        ({"snmp-priv-prot": "AES"}, {"snmp_priv_prot": "canary"}, "secrets:snmp_priv_prot"),
    ],
)
def test_an_option_under_two_names_is_refused(resolve, pillar, options, secrets, name):
    given = pillar("fenced")
    given["fencing"]["devices"]["db1"][0] |= {"options": options, "secrets": secrets}
    found = refused(resolve, given)
    assert list(found) == [f"hamysql:fencing:devices:db1:0:{name}"]
    assert "canary" not in str(found)


@pytest.mark.parametrize("agent", ["fence_dummy", "null", "external/ssh", "meatware"])
def test_an_agent_that_cuts_off_nobody_is_refused(resolve, pillar, agent):
    given = pillar("fenced")
    given["fencing"]["devices"]["db1"][0]["agent"] = agent
    assert "does not answer" in refused(resolve, given)["hamysql:fencing:devices:db1:0:agent"]


@pytest.mark.parametrize(
    "options",
    [
        {"pcmk_reboot_action": "off", "pcmk_off_action": "off", "pcmk_on_action": "on"},
        {"pcmk_monitor_action": "status", "pcmk_monitor_timeout": "30s", "pcmk_reboot_retries": 4, "pcmk_action_limit": -1},
        {"pcmk_host_argument": "plug", "plug": 3, "method": "onoff"},
        {"lanplus": True, "ssl_insecure": "off", "missing_as_off": False, "verbose": 0, "quiet": "no"},
    ],
)  # fmt: skip
def test_a_device_that_does_its_work_is_taken(resolve, pillar, options):
    given = pillar("fenced")
    given["fencing"]["devices"]["db1"][0]["options"] |= options
    assert resolve(given)["fencing"]["enabled"]


def renamed(pillar: Any, one: str, two: str) -> Any:
    given = pillar("fenced")
    names = {"db1": one, "db2": two}
    given["cluster"]["nodes"] = {names[name]: node for name, node in given["cluster"]["nodes"].items()}
    given["fencing"]["devices"] = {names[name]: found for name, found in given["fencing"]["devices"].items()}
    given["fencing"]["favoured"] = "standby"
    return given


@pytest.mark.parametrize("other", ["db_2", "db_3"])
def test_two_devices_of_one_name_are_refused_with_both_places(resolve, pillar, other):
    given = renamed(pillar, "db", other)  # db has three devices
    with pytest.raises(ConfigError) as caught:
        resolve(given, minion_id="db", nodename="db")
    (problem,) = caught.value.problems
    assert problem.path == f"hamysql:fencing:devices:{other}:0"
    assert f"hamysql:fencing:devices:db:{int(other[-1]) - 1}" in problem.expected


def test_the_pill_on_a_disk_is_a_device_as_well(resolve, pillar):
    given = renamed(pillar, "db", "db_4")
    given["fencing"]["sbd"] = {"device": "/dev/disk/by-id/x"}
    with pytest.raises(ConfigError) as caught:
        resolve(given, minion_id="db", nodename="db")
    assert [problem.path for problem in caught.value.problems] == ["hamysql:fencing:devices:db_4:0"]


@pytest.mark.parametrize("other", ["db_4", "db2", "db-2"])
def test_names_that_do_not_meet_are_taken(resolve, pillar, other):
    found = resolve(renamed(pillar, "db", other), minion_id="db", nodename="db")
    ids = [element.get("id") for element in resources.desired(found).iter() if element.get("id")]
    assert len(ids) == len(set(ids))


def test_no_id_is_there_twice_whatever_makes_it(resolve, pillar):
    """The set of parameters of one node's device has the id that another node's device would have."""
    given = renamed(pillar, "db", "db-instance_attributes")
    found = resolve(given, minion_id="db", nodename="db")
    with pytest.raises(Refused, match="p_fence_db-instance_attributes"):
        resources.desired(found)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("symmetric-cluster", False, "true"),
        ("symmetric_cluster", "no", "true"),
        ("startup-fencing", False, "without fencing"),
        ("startup-fencing", "OFF", "without fencing"),
        ("fencing-enabled", False, "true"),
        ("stonith_enabled", "n", "without fencing"),
        ("maintenance-mode", True, "watches and moves nothing"),
        ("Maintenance-Mode", "true", "watches and moves nothing"),
        ("stop-all-resources", "yes", "false"),
        ("enable-startup-probes", "false", "has to be seen"),
        ("shutdown-lock", True, "for itself"),
        ("stop-orphan-resources", False, "run on"),
        ("no-quorum-policy", "ignore", "without fencing"),
        ("no-quorum-policy", "Ignore ", "without fencing"),
        ("stonith-action", "poweroff", "reboot or off"),
        ("is-managed-default", False, "true"),
        ("symetric-cluster", "true", "'symmetric-cluster'"),
        ("xyzzy", "1", "that pacemaker knows"),
    ],
)
def test_a_property_that_saws_off_the_branch_is_refused(resolve, pillar, name, value, why):
    given = pillar("fenced")
    given["pacemaker"] = {"properties": {name: value}}
    with pytest.raises(ConfigError) as caught:
        resolve(given)
    assert any(why in p.expected for p in caught.value.problems if p.path == f"{PACEMAKER}:properties:{name}")


@pytest.mark.parametrize(
    ("name", "value"),
    [("is-managed", False), ("target-role", "Stopped"), ("maintenance", True), ("requires", "nothing"), ("resource-stickiness", -1),
     ("resource-stickiness", "-INFINITY"), ("multiple-active", "block")],
)  # fmt: skip
def test_a_default_that_also_decides_about_the_database_is_refused(resolve, pillar, name, value):
    given = pillar("fenced")
    given["pacemaker"] = {"rsc_defaults": {name: value}}
    assert refused(resolve, given)[f"{PACEMAKER}:rsc_defaults:{name}"]


def test_what_leaves_all_working_is_taken(resolve, pillar):
    given = pillar("fenced")
    given["pacemaker"] = {
        "properties": {
            "symmetric-cluster": True,
            "startup-fencing": "yes",
            "no-quorum-policy": "freeze",
            "batch-limit": 30,
        },
        "rsc_defaults": {"resource-stickiness": "INFINITY", "migration-threshold": 3, "failure-timeout": "10min"},
    }
    assert resolve(given)["pacemaker"]["properties"]["no-quorum-policy"] == "freeze"
