"""Fence devices from the pillar: what is derived of them, what is refused, what DRBD is told."""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ET

import pytest

from hamysql.errors import ConfigError
from hamysql.fencing import devices as fencing_devices
from hamysql.storage.drbd import conf as drbd_conf


def problems(resolve, given):
    with pytest.raises(ConfigError) as caught:
        resolve(given)
    return {problem.path: (problem.found, problem.expected) for problem in caught.value.problems}


def by_id(config):
    return {device["id"]: device for device in config["fencing"]["devices"]}


def test_a_device_knows_its_node_and_pacemaker_its_time(resolve, pillar):
    devices = by_id(resolve(pillar("fenced")))
    assert list(devices) == ["p_fence_db1", "p_fence_db1_2", "p_fence_db1_3", "p_fence_db2"]
    options = devices["p_fence_db1_2"]["options"]
    assert (options["pcmk_host_list"], options["pcmk_host_check"]) == ("db1", "static-list")
    assert [options[f"pcmk_{action}_timeout"] for action in ("reboot", "off", "on")] == ["30s"] * 3
    assert devices["p_fence_db1"]["options"]["pcmk_reboot_timeout"] == "60s"


def test_only_the_favoured_node_is_shot_later(resolve, pillar):
    devices = by_id(resolve(pillar("fenced")))
    delays = {name: device["options"].get("pcmk_delay_base") for name, device in devices.items()}
    assert delays == {"p_fence_db1": None, "p_fence_db1_2": None, "p_fence_db1_3": None, "p_fence_db2": "7s"}


@pytest.mark.parametrize("favoured", ["active", "standby", None])
def test_a_role_is_favoured_by_pacemaker_itself(resolve, pillar, favoured):
    given = pillar("fenced")
    given["fencing"]["favoured"] = favoured
    found = resolve(given)
    assert found["fencing"]["favoured"] == (favoured or "standby")
    assert found["pacemaker"]["properties"]["priority-fencing-delay"] == "7s"
    assert not any("pcmk_delay_base" in device["options"] for device in found["fencing"]["devices"])


def test_without_a_head_start_nobody_is_favoured(resolve, pillar):
    given = pillar("fenced")
    given["fencing"].update(favoured="standby", delay=0)
    assert "priority-fencing-delay" not in resolve(given)["pacemaker"]["properties"]


# db1 has a board (60 s), and two outlets that are switched off and on again together (30 s each); db2 has a board.
@pytest.mark.parametrize(
    ("favoured", "delay", "seconds"),
    [
        ("db2", 7, 60 + 2 * (30 + 30)),
        ("db2", 200, 60 + 200),
        ("db1", 7, (60 + 7) + 2 * (30 + 7) + 2 * 30),
        ("active", 7, 60 + 2 * (30 + 30) + 7),
        ("standby", 7, 60 + 2 * (30 + 30) + 7),
    ],
)
def test_a_fencing_may_take_each_device_as_often_as_it_acts_with_its_own_delay(
    resolve, pillar, favoured, delay, seconds
):
    given = pillar("fenced")
    given["fencing"].update(favoured=favoured, delay=delay)
    properties = resolve(given)["pacemaker"]["properties"]
    assert properties["stonith-enabled"] == "true"
    assert properties["stonith-timeout"] == f"{seconds + fencing_devices.MARGIN}s"


def test_devices_of_one_level_are_needed_together(resolve, pillar):
    levels = resolve(pillar("fenced"))["fencing"]["levels"]
    assert levels["db1"] == [
        {"level": 1, "devices": ["p_fence_db1"]},
        {"level": 2, "devices": ["p_fence_db1_2", "p_fence_db1_3"]},
    ]


@pytest.mark.parametrize(
    ("given", "levels"),
    [
        ([None, None, 2], [1, 2, 2]),
        ([None, 3, None], [1, 3, 4]),
        ([2, None], [2, 3]),
        ([None, 1, None], [1, 1, 2]),
    ],
)
def test_a_device_shares_a_level_only_where_the_pillar_says_so(resolve, pillar, given, levels):
    site = pillar("fenced")
    site["fencing"]["devices"]["db2"] = [
        {"agent": "fence_apc", **({"level": level} if level else {})} for level in given
    ]
    found = [device["level"] for device in resolve(site)["fencing"]["devices"] if device["node"] == "db2"]
    assert found == levels


@pytest.mark.parametrize(("given", "sbd"), [([9, None], False), ([None] * 10, False), ([9], True)])
def test_there_are_nine_levels(resolve, pillar, given, sbd):
    site = pillar("fenced")
    site["fencing"]["devices"]["db2"] = [
        {"agent": "fence_apc", **({"level": level} if level else {})} for level in given
    ]
    site["fencing"]["sbd"] = {"device": "/dev/disk/by-id/scsi-shared"} if sbd else {}
    found = problems(resolve, site)
    assert list(found) == ["hamysql:fencing:devices:db2"]
    assert "up to 9" in found["hamysql:fencing:devices:db2"][1]


@pytest.mark.parametrize(
    ("favoured", "delay", "seconds"), [("db1", 7, 60 + 7 + 60 + 7), ("db2", 0, 60 + 60), ("standby", 7, 60 + 60 + 7)]
)
def test_reservations_are_counted_as_the_last_level_of_each_node_with_its_own_delay(
    resolve, pillar, favoured, delay, seconds
):
    given = pillar("iscsi")
    given["fencing"].update(favoured=favoured, delay=delay)
    config = resolve(given)
    assert config["pacemaker"]["properties"]["stonith-timeout"] == f"{seconds + fencing_devices.MARGIN}s"
    reserved = config["fencing"]["reservations"]["options"]
    assert [reserved[f"pcmk_{action}_timeout"] for action in ("reboot", "off", "on")] == ["60s"] * 3


@pytest.mark.parametrize(("level", "sbd", "last"), [(None, False, 2), (8, False, 9), (None, True, 3)])
def test_reservations_get_the_next_level_after_all_others(resolve, pillar, level, sbd, last):
    given = pillar("iscsi")
    if level:
        given["fencing"]["devices"]["db1"][0]["level"] = level
    given["fencing"]["sbd"] = {"device": "/dev/disk/by-id/scsi-pills"} if sbd else {}
    found = resolve(given)["fencing"]["levels"]["db1"]
    assert found[-1] == {"level": last, "devices": ["p_fence_scsi"]}
    assert len(found) == (3 if sbd else 2)


@pytest.mark.parametrize(("level", "sbd"), [(9, False), (8, True)])
def test_reservations_need_one_of_the_nine_levels(resolve, pillar, level, sbd):
    given = pillar("iscsi")
    given["fencing"]["devices"]["db1"][0]["level"] = level
    given["fencing"]["sbd"] = {"device": "/dev/disk/by-id/scsi-pills"} if sbd else {}
    assert list(problems(resolve, given)) == ["hamysql:fencing:devices:db1"]


def test_a_node_is_told_the_secrets_of_the_other_ones_devices_only(resolve, pillar):
    files = resolve(pillar("fenced"))["fencing"]["secret_files"]
    (file,) = files
    assert file["path"] == "/var/lib/pacemaker/lrm/secrets/p_fence_db2/password"
    assert file["value"] == "canary-fence-password-2"
    # cibsecret(8) writes `printf %s VALUE | md5sum`, and pacemaker refuses a value with another one
    assert file["sign"] == hashlib.md5(b"canary-fence-password-2").hexdigest()
    names = [
        file["id"] for file in resolve(pillar("fenced"), minion_id="db2", nodename="db2")["fencing"]["secret_files"]
    ]
    assert names == ["db1-password", "db1-2-password", "db1-3-password"]


def test_secrets_of_devices_that_left_are_unused_once_the_cluster_is_without_them(resolve, pillar):
    config = resolve(pillar("fenced"))

    def files(*names):
        return [f"{fencing_devices.SECRETS}/{name}{suffix}" for name in names for suffix in ("", ".sign")]

    kept = files("p_fence_db2/password", "p_fence_db3/password", "p_site/password", "p_fence_site/password")
    left = files("p_fence_db1/password", "p_fence_db2/passwd", "p_fence_db2_2/password")
    assert fencing_devices.unused_secrets(config, [*left, *kept], None) == left
    assert fencing_devices.unused_secrets(config, [*left, *kept], ET.fromstring("<cib/>")) == left
    cib = ET.fromstring(
        '<cib><primitive id="p_fence_db2"><instance_attributes><nvpair name="passwd" value="lrm://"/>'
        "</instance_attributes></primitive></cib>"
    )
    assert fencing_devices.unused_secrets(config, [*left, *kept], cib) == [*left[:2], *left[4:]]


def test_agents_and_what_they_work_through_are_installed(resolve, pillar):
    assert {"fence-agents", "ipmitool"} <= set(resolve(pillar("fenced"))["package"]["names"])
    given = pillar("fenced")
    for devices in given["fencing"]["devices"].values():
        devices[:] = [{"agent": "fence_virsh", "options": {"ip": "192.0.2.40"}}]
    assert "ipmitool" not in resolve(given)["package"]["names"]
    assert "fence-agents" not in resolve(pillar("minimal"))["package"]["names"]


def test_a_node_without_a_device_is_refused_with_the_reason(resolve, pillar):
    given = pillar("fenced")
    del given["fencing"]["devices"]["db2"]
    (path,) = found = problems(resolve, given)
    assert path == "hamysql:fencing:devices:db2"
    assert "both halves of a partition may go on writing" in found[path][1]


def reboots(config):
    return {name: device["options"].get("pcmk_reboot_action") for name, device in by_id(config).items()}


def test_a_board_only_switches_off_and_its_node_is_switched_on_afterwards(resolve, pillar):
    config = resolve(pillar("fenced"))
    assert reboots(config) == {"p_fence_db1": "off", "p_fence_db1_2": None, "p_fence_db1_3": None, "p_fence_db2": "off"}
    assert config["fencing"]["power_on"] == ["db1", "db2"]


@pytest.mark.parametrize("action", ["reboot", "off"])
def test_the_pillars_own_word_on_what_a_reboot_is_stands(resolve, pillar, action):
    given = pillar("fenced")
    given["fencing"]["devices"]["db2"][0]["options"]["pcmk_reboot_action"] = action
    config = resolve(given)
    assert reboots(config)["p_fence_db2"] == action
    assert config["fencing"]["power_on"] == ["db1"]


@pytest.mark.parametrize("kind", ["sbd", "reservations"])
def test_nobody_is_switched_on_where_that_would_lift_another_kind_of_fencing(resolve, pillar, kind):
    given = pillar("iscsi" if kind == "reservations" else "fenced")
    if kind == "sbd":
        given["fencing"]["sbd"] = {"device": "/dev/disk/by-id/scsi-pills"}
    config = resolve(given)
    assert config["fencing"]["power_on"] == []
    assert "fence_ipmilan" in {device["agent"] for device in by_id(config).values()}
    assert set(reboots(config).values()) == {None}


def test_boards_are_asked_through_our_ipmitool_or_the_pillars(resolve, pillar):
    given = pillar("fenced")
    given["fencing"]["devices"]["db2"][0]["options"]["ipmitool_path"] = "/opt/site/ipmitool"
    config = resolve(given)
    paths = {name: device["options"].get("ipmitool_path") for name, device in by_id(config).items()}
    ours = "/usr/lib/hamysql/ipmitool"
    assert paths == {
        "p_fence_db1": ours,
        "p_fence_db1_2": None,
        "p_fence_db1_3": None,
        "p_fence_db2": "/opt/site/ipmitool",
    }
    assert config["fencing"]["ipmitool"]
    given["fencing"]["devices"]["db1"][0]["options"]["ipmitool_path"] = "/opt/site/ipmitool"
    assert not resolve(given)["fencing"]["ipmitool"], "then the nodes need none"


def device(**options):
    return {"agent": "fence_ipmilan", "options": options}


WRONG = [
    (device(password="x"), "hamysql:fencing:devices:db1:0:options:password", "secrets"),
    (device(access_token="x"), "hamysql:fencing:devices:db1:0:options:access_token", "secrets"),
    (device(pcmk_host_list="db2"), "hamysql:fencing:devices:db1:0:options:pcmk_host_list", "under the node"),
    (device(pcmk_on_timeout="3s"), "hamysql:fencing:devices:db1:0:options:pcmk_on_timeout", "the device's timeout"),
    (device(pcmk_delay_base="3s"), "hamysql:fencing:devices:db1:0:options:pcmk_delay_base", "hamysql:fencing:delay"),
    ({"options": {}}, "hamysql:fencing:devices:db1:0:agent", "fence agent"),
    ({"agent": "fence ipmi"}, "hamysql:fencing:devices:db1:0:agent", "fence_ipmilan"),
    ({**device(), "level": 10}, "hamysql:fencing:devices:db1:0:level", "1 to 9"),
    ({**device(), "timeout": "1 minute"}, "hamysql:fencing:devices:db1:0:timeout", "seconds"),
    ({**device(), "secrets": {"password": None}}, "hamysql:fencing:devices:db1:0:secrets:password", "a text"),
    ({**device(), "secrets": {"token": "p" * 255}}, "hamysql:fencing:devices:db1:0:secrets:token", "254 bytes"),
    ({**device(ip="1"), "secrets": {"ip": "1"}}, "hamysql:fencing:devices:db1:0:secrets:ip", "one place"),
]


@pytest.mark.parametrize(("entry", "path", "expected"), WRONG)
def test_a_wrong_device_names_its_path(resolve, pillar, entry, path, expected):
    given = pillar("fenced")
    given["fencing"]["devices"]["db1"] = [entry]
    found = problems(resolve, given)
    assert list(found) == [path]
    assert expected in found[path][1]


def test_a_secret_is_not_in_the_message_about_it(resolve, pillar):
    given = pillar("fenced")
    given["fencing"]["devices"]["db1"][0]["secrets"]["password"] = "canary\nof two lines"
    assert "canary" not in str(problems(resolve, given))


def test_devices_of_a_node_that_there_is_not(resolve, pillar):
    given = pillar("fenced")
    given["fencing"]["devices"]["db3"] = [device(ip="192.0.2.23")]
    assert problems(resolve, given)["hamysql:fencing:devices:db3"][1] == "one of the cluster's nodes: db1, db2"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("stonith-enabled", False),
        ("stonith-enabled", "FALSE"),
        ("stonith-enabled", "n"),
        ("stonith_enabled", "false"),
        ("startup-fencing", "no"),
        ("no-quorum-policy", "ignore"),
        ("no_quorum_policy", "ignore"),
        ("stonith-timeout", "1s"),
        ("stonith-watchdog-timeout", "10s"),
        ("stonith-watchdog-timeout", -1),
        ("stonith_watchdog_timeout", 10),
    ],
)
def test_no_property_gets_around_fencing(resolve, pillar, name, value):
    given = pillar("fenced")
    given["pacemaker"] = {"properties": {name: value}}
    assert f"hamysql:pacemaker:properties:{name}" in problems(resolve, given)


@pytest.mark.parametrize("name", ["minimal", "fenced"])
def test_a_watchdog_alone_is_refused_with_the_reason_and_its_default_is_not(resolve, pillar, name):
    given = pillar(name)
    given["pacemaker"] = {"properties": {"stonith-watchdog-timeout": "10s"}}
    (said,) = problems(resolve, given).values()
    assert "it ends the survivor as well" in said[1]
    for value in (0, "0s"):
        given["pacemaker"] = {"properties": {"stonith-watchdog-timeout": value}}
        resolve(given)


def test_the_opt_out_beside_devices_is_a_contradiction(resolve, pillar):
    given = pillar("fenced")
    given["fencing"]["i_accept_data_loss_without_fencing"] = True
    assert list(problems(resolve, given)) == ["hamysql:fencing:i_accept_data_loss_without_fencing"]


def test_the_handlers_of_fencing_are_not_the_pillars(resolve, pillar):
    given = pillar("fenced")
    given["storage"]["drbd"]["options"] = {"handlers": {"fence-peer": "/bin/true", "split-brain": "/bin/true"}}
    assert list(problems(resolve, given)) == ["hamysql:storage:drbd:options:handlers:fence-peer"]


def options(sections, name):
    (resource,) = sections
    return dict(next((part["options"] for part in resource["sections"] if part["name"] == name), []))


def test_drbd_holds_writes_until_the_peer_is_fenced_in_the_words_of_its_version(resolve, pillar):
    config = resolve(pillar("fenced"))
    assert list(config["storage"]["drbd"]["resource_texts"]) == list(drbd_conf.KERNELS)
    found = {kernel: drbd_conf.build_resource(config, kernel) for kernel in drbd_conf.KERNELS}
    old, new = found["8.4"], found["9"]
    assert options(old, "disk")["fencing"] == options(new, "net")["fencing"] == "resource-and-stonith"
    assert "fencing" not in options(old, "net") | options(new, "disk")
    handlers = {name: value.strip('"').split()[:2] for name, value in options(old, "handlers").items()}
    ours = "/usr/lib/hamysql/fence-peer"
    assert handlers == {"fence-peer": [ours, "fence"], "after-resync-target": [ours, "unfence"]}
    handlers = {
        name: value.strip('"').split()[0].rpartition("/")[2] for name, value in options(new, "handlers").items()
    }
    assert handlers == {"fence-peer": "crm-fence-peer.9.sh", "unfence-peer": "crm-unfence-peer.9.sh"}


def handler_times(config, kernel="8.4"):
    words = options(drbd_conf.build_resource(config, kernel), "handlers")["fence-peer"].strip('"').split()
    return tuple(int(words[words.index(name) + 1]) for name in ("--timeout", "--dc-timeout"))


@pytest.mark.parametrize("kernel", drbd_conf.KERNELS)
def test_drbds_handler_waits_longer_than_pacemaker_fences_and_longest_for_a_controller(resolve, pillar, kernel):
    """When its time is over it lets the writes go on, fenced or not; without a controller it fails."""
    config = resolve(pillar("fenced"))
    timeout, dc_timeout = handler_times(config, kernel)
    assert timeout > config["fencing"]["stonith_timeout"] + 4
    assert dc_timeout > timeout


def test_the_time_to_notice_a_loss_is_the_token_and_the_consensus(resolve, pillar):
    def patience(token, **totem):
        given = pillar("fenced")
        given["corosync"] |= {"token": token, "options": {"totem": totem}}
        return handler_times(resolve(given))[0]

    assert patience(12000) - patience(1000) == 15 - 2
    assert patience(1000, consensus=9000) - patience(1000) == 10 - 2


def test_without_fencing_drbd_is_told_nothing(resolve, pillar):
    config = resolve(pillar("minimal"))
    for sections in (drbd_conf.build_resource(config, kernel) for kernel in drbd_conf.KERNELS):
        assert "fencing" not in options(sections, "disk") | options(sections, "net")
        assert options(sections, "handlers") == {}
