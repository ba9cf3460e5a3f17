"""What DRBD in the kernel differs in from the pillar: drbdadm's own words about `drbdsetup show` of 8.4."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hamysql import pending as pending_changes
from hamysql.config import resolution
from hamysql.storage.drbd import pending as drbd_pending
from support import ROOT, load, parameters

FIXTURES = Path(__file__).parent / "fixtures"
SHOW = (FIXTURES / "show-8.4.11.txt").read_text(encoding="ascii")
FULL = (FIXTURES / "show-defaults-8.4.11.txt").read_text(encoding="ascii")
DRBDADM = Path("/lib/drbd/drbdadm-84")
real = pytest.mark.skipif(
    os.geteuid() != 0 or not DRBDADM.exists() or not shutil.which("unshare"),
    reason="needs root, unshare and drbdadm-84 (Debian: drbd-utils)",
)
# drbdadm asks the drbdsetup beside it; its answer is what a kernel has said.
INSIDE = """
hostname db1
mount --bind {folder}/drbdsetup /lib/drbd/drbdsetup-84
exec {drbdadm} --config-file {folder}/wanted.conf --dry-run adjust mysql
"""


def site(**drbd):
    """The lab's pillar with DRBD's own pings and the first link, which the recorded kernel ran with."""
    given = load(ROOT / "lab" / "software" / "pillar.sls")["hamysql"]
    net = {"ping-int": 10, "ping-timeout": 5, "timeout": 60, "ko-count": 7, **drbd.pop("options", {}).get("net", {})}
    given["storage"]["drbd"].update({"link": 0, **drbd}, options={"net": net})
    return resolution.resolve(resolution.layered(parameters(), given), minion_id="db1", nodename="db1")


@pytest.fixture
def pending(tmp_path):
    """What is pending for a pillar, as drbdadm sees it, where the kernel has ``show``."""

    def call(wanted, show=SHOW, full=FULL):
        (tmp_path / "show").write_text(show)
        (tmp_path / "wanted.conf").write_text(drbd_pending.config_text(wanted, "8.4"))
        (tmp_path / "drbdsetup").write_text(f'#!/bin/sh\n[ "$1" = show ] && cat {tmp_path}/show\nexit 0\n')
        (tmp_path / "drbdsetup").chmod(0o755)
        script = INSIDE.format(folder=tmp_path, drbdadm=DRBDADM)
        argv = ["unshare", "--mount", "--uts", "sh", "-ec", script]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        (tmp_path / "said").write_text(done.stdout)
        commands = drbd_pending.parse_commands(done.stdout)
        items = drbd_pending.pending(wanted, drbd_pending.parse_show(show), drbd_pending.parse_show(full), commands)
        return [(item.kind, item.path, item.old, item.new) for item in items]

    return call


@real
def test_a_kernel_that_has_the_pillar_s_options_has_nothing_pending(pending):
    assert pending(site()) == []


@real
def test_options_of_the_network_and_the_disk_are_live(pending):
    wanted = site(rate="20M", options={"net": {"max-buffers": "4096"}})
    assert pending(wanted) == [
        ("live", "hamysql:storage:drbd:rate", "10240k", "20M"),
        ("live", "hamysql:storage:drbd:options:net:max-buffers", "2048", "4096"),
    ]


@real
def test_an_option_that_left_the_pillar_goes_back_to_its_default(pending):
    running = SHOW.replace("net {", "net {\n        max-buffers 4096;")
    full = FULL.replace("2048; # default\n        unplug", "4096;\n        unplug")
    assert pending(site(), running, full) == [
        ("live", "hamysql:storage:drbd:options:net:max-buffers", "4096", "the default")
    ]


# What a job or an agent that is killed has left in the kernel: `relax` for the first data or a takeover, DRBD's agent for one promotion.
KILLED = [
    ("fencing         \tresource-and-stonith;", "fencing         \tdont-care;", "hamysql:fencing"),
    ("net {", "net {\n        ping-timeout 2;", "hamysql:storage:drbd:options:net:ping-timeout"),
]


@real
@pytest.mark.parametrize(("was", "left", "path"), KILLED)
def test_what_a_killed_job_has_left_in_the_kernel_is_a_live_change_for_the_next_highstate(pending, was, left, path):
    assert was in SHOW
    full = (
        FULL.replace(was, left)
        if was in FULL and was != "net {"
        else FULL.replace("ping-timeout    \t5;", "ping-timeout    \t2;")
    )
    assert [item[:2] for item in pending(site(), SHOW.replace(was, left, 1), full)] == [("live", path)]


@real
def test_a_changed_secret_is_for_both_nodes_at_once_and_not_shown(pending):
    assert pending(site(shared_secret="a-canary")) == [
        ("both", "hamysql:storage:drbd:shared_secret", "another secret", "the pillar's")
    ]


COMPARED = [
    ({"protocol": "B"}, "protocol"),
    ({"cram_hmac_alg": "sha1"}, "cram_hmac_alg"),
    *(
        ({"options": {"net": {name: value}}}, f"options:net:{name}")
        for name, value in {
            "after-sb-0pri": "discard-zero-changes",
            "data-integrity-alg": "sha1",
            "verify-alg": "sha1",
            "csums-alg": "sha1",
        }.items()
    ),
]


@real
@pytest.mark.parametrize(("drbd", "path"), COMPARED, ids=[path for _, path in COMPARED])
def test_so_is_all_that_both_sides_compare_when_they_connect(pending, drbd, path):
    assert [item[:2] for item in pending(site(**drbd))] == [("both", f"hamysql:storage:drbd:{path}")]


@real
def test_what_is_live_waits_for_it_since_an_adjustment_is_all_or_nothing(pending):
    assert {item[:2] for item in pending(site(rate="20M", shared_secret="a-canary"))} == {
        ("both", "hamysql:storage:drbd:rate"),
        ("both", "hamysql:storage:drbd:shared_secret"),
    }


@real
def test_what_an_operator_has_taken_apart_is_not_put_together_by_a_change(pending):
    show = re.sub(r"    (net|_remote_host) \{.*?\n    \}\n|        address[^\n]*11:7788;\n", "", SHOW, flags=re.DOTALL)
    assert "address" not in show
    assert "net {" not in show
    assert pending(site(), show) == []
    assert [item[:2] for item in pending(site(rate="20M"), show)] == [("restart", "hamysql:storage:drbd:rate")]


@real
def test_to_drbdadm_another_name_is_another_disk_so_the_kernel_s_is_kept(pending):
    """With the pillar's name it would detach the disk from under the database, and attach it again."""
    renamed = site(disk="/dev/disk/by-id/ata-GALAXY")
    assert ("refused", "hamysql:storage:drbd:disk", "/dev/ubdb", "/dev/disk/by-id/ata-GALAXY") in pending(renamed)
    assert pending(drbd_pending.with_disk(renamed, "/dev/ubdb")) == []
    wanted = site(disk="/dev/disk/by-id/ata-GALAXY", rate="20M", on_io_error="pass_on")
    assert {item[:2] for item in pending(drbd_pending.with_disk(wanted, "/dev/ubdb"))} == {
        ("live", "hamysql:storage:drbd:rate"),
        ("live", "hamysql:storage:drbd:on_io_error"),
    }


# The kernel's handlers find their configuration by what drbdadm has noted of a device.
ADJUST = """
hostname db1
ip link set lo up
ip address add 10.77.1.11/32 dev lo
mount -t tmpfs none /var/lib/drbd
mount --bind {folder}/drbdsetup /lib/drbd/drbdsetup-84
{drbdadm} --config-file - adjust mysql
ls /var/lib/drbd
"""


@real
@pytest.mark.skipif(not shutil.which("ip"), reason="needs ip (Debian: iproute2)")
def test_an_adjustment_from_standard_input_is_not_noted_as_the_configuration_of_the_device(tmp_path):
    (tmp_path / "show").write_text(SHOW)
    (tmp_path / "drbdsetup").write_text(
        f'#!/bin/sh\nif [ "$1" = show ]; then cat {tmp_path}/show; else echo "$1"; fi\nexit 0\n'
    )
    (tmp_path / "drbdsetup").chmod(0o755)
    argv = ["unshare", "--mount", "--uts", "--net", "sh", "-ec", ADJUST.format(folder=tmp_path, drbdadm=DRBDADM)]
    text = drbd_pending.config_text(site(rate="20M"), "8.4")
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["disk-options"]), done.stderr


def test_under_the_kernel_s_name_nothing_else_is_different():
    renamed = site(disk="/dev/disk/by-id/ata-GALAXY")
    for kernel in ("8.4", "9"):
        text = drbd_pending.config_text(drbd_pending.with_disk(renamed, "/dev/ubdb"), kernel)
        other = drbd_pending.config_text(renamed, kernel)
        assert [(a, b) for a, b in zip(text.splitlines(), other.splitlines(), strict=True) if a != b] == [
            ("    disk /dev/ubdb;", "    disk /dev/disk/by-id/ata-GALAXY;")
        ]


@pytest.mark.parametrize(
    ("drbd", "expected"),
    [
        ({"port": 7799}, ("hamysql:storage:drbd:port", "ipv4 10.77.1.11:7788 and ipv4 10.77.1.12:7788")),
        ({"link": 1}, ("hamysql:storage:drbd:link", "ipv4 10.77.1.11:7788 and ipv4 10.77.1.12:7788")),
        ({"device": "/dev/drbd1"}, ("hamysql:storage:drbd:device", "/dev/drbd0")),
        ({"disk": "/dev/ubdc"}, ("hamysql:storage:drbd:disk", "/dev/ubdb")),
    ],
)
def test_what_a_resource_is_made_of_is_refused(drbd, expected):
    running = drbd_pending.parse_show(SHOW)
    items = list(drbd_pending.pending(site(**drbd), running, running, ()))
    assert [(item.kind, item.path, item.old) for item in items] == [("refused", *expected)]


def elsewhere(address="10.77.1.13"):
    """The lab's pillar with another address of db2."""
    given = load(ROOT / "lab" / "software" / "pillar.sls")["hamysql"]
    given["cluster"]["nodes"]["db2"]["addresses"][0] = address
    net = {"ping-int": 10, "ping-timeout": 5, "timeout": 60, "ko-count": 7}
    given["storage"]["drbd"].update({"link": 0}, options={"net": net})
    return resolution.resolve(resolution.layered(parameters(), given), minion_id="db1", nodename="db1")


PEER = "hamysql:cluster:nodes:db2:addresses:0"
ENDS = ("ipv4 10.77.1.12:7788", "ipv4 10.77.1.13:7788")


def test_another_address_of_the_other_node_is_for_the_operation_that_replaces_it():
    running = drbd_pending.parse_show(SHOW)
    (item,) = drbd_pending.pending(elsewhere(), running, running, ())
    assert (item.kind, item.path, item.old, item.new) == ("refused", PEER, *ENDS)
    assert item.advice == pending_changes.REPLACE
    (item,) = drbd_pending.pending(elsewhere(), running, running, (), True)
    assert (item.kind, item.path, item.old, item.new) == ("live", PEER, *ENDS)


def test_a_connection_that_a_replacement_has_ended_before_it_was_killed_is_made_by_the_next_run():
    running = drbd_pending.parse_show(
        re.sub(r"(?s)    _remote_host.*?\}\n", "", SHOW).replace("address\t\t\tipv4 10.77.1.11:7788;", "")
    )
    assert running.addresses == ()
    assert list(drbd_pending.pending(elsewhere(), running, running, ())) == []
    (item,) = drbd_pending.pending(elsewhere(), running, running, (), True)
    assert (item.kind, item.path, item.old, item.new) == ("live", PEER, "no connection", ENDS[1])


@real
def test_drbdadm_connects_to_the_new_address_and_leaves_the_disk_alone(pending, tmp_path):
    """What the adjustment consists of: the disk that serves is neither detached nor attached, and the device stays."""
    items = pending(elsewhere())
    assert [item[:2] for item in items if item[1] == PEER] == [("refused", PEER)]
    said = (tmp_path / "said").read_text()
    assert ENDS[1] in said.replace("ipv4:", "ipv4 ")
    verbs = {command.verb for command in drbd_pending.parse_commands(said)}
    assert {"disconnect", "connect"} <= verbs
    assert not verbs & {"detach", "attach", "del-minor", "new-minor", "down", "secondary", "invalidate"}


def test_a_resource_that_is_not_configured_shows_nothing():
    assert drbd_pending.parse_show("\n") is None


def test_drbd_9_shows_its_options_addresses_and_disk_in_other_sections():
    """Its file is after show_resource_list of drbd-utils' user/v9/drbdsetup.c: a path inside of a connection, a disk in a volume."""
    found = drbd_pending.parse_show((FIXTURES / "show-9.txt").read_text(encoding="ascii"))
    assert (found.minor, found.disk) == ("0", "/dev/sdb")
    assert found.addresses == ("ipv4 198.51.100.11:7788", "ipv4 198.51.100.12:7788")
    assert found.options["net"]["fencing"] == "resource-and-stonith"
    assert found.options["disk"] == {"on-io-error": "detach", "resync-rate": "10240k", "c-plan-ahead": "0s"}
