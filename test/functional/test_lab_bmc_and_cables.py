"""The lab's BMCs, as fence agents see them: through ipmitool. And its cables."""

from __future__ import annotations

import os
import shutil

import pytest

from lab import lifecycle
from lab.basics.context import Lab
from lab.basics.host import run, which
from lab.basics.progress import Progress
from lab.devices import bmc
from lab.wires import cables, network
from support import ROOT

FILES = ROOT / "hamysql" / "fencing" / "files"

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(not shutil.which("ipmitool"), reason="ipmitool is not installed on this machine"),
    pytest.mark.skipif(not which("ip"), reason="iproute2 is not installed on this machine"),
]


@pytest.fixture
def lab(tmp_path):
    """A network with BMCs, and no nodes."""
    lab = Lab(dir=tmp_path / "lab")
    for folder in (lab.dir, lab.run_dir):
        folder.mkdir(parents=True)
    network.up(lab)
    try:
        yield lab
    finally:
        lifecycle.down(lab, Progress())


def chassis(lab, name, password=bmc.PASSWORD, ipmitool="ipmitool"):
    address = lab.topology.bmc_address(lab.node(name))
    login = ["-I", "lanplus", "-H", address, "-U", bmc.USER, "-P", password]
    return run(lab.in_namespace(ipmitool, *login, "-N", "1", "-R", "1", "chassis", "power", "status"), check=False)


def test_each_node_has_one_that_knows_its_power_and_wants_its_password(lab):
    bmc.start(lab)
    assert sorted(bmc.processes(lab)) == ["db1", "db2"]
    for name in ("db1", "db2"):
        assert chassis(lab, name).stdout == "Chassis Power is off\n"
    assert chassis(lab, "db1", "wrong").returncode != 0


def test_it_answers_our_ipmitool_which_reads_a_list_of_vendors_of_its_own(lab, tmp_path):
    text = (FILES / "ipmitool.sh").read_text()
    assert "HOME=/usr/lib/hamysql/ipmi " in text
    ipmitool, folder = tmp_path / "ipmitool", tmp_path / ".local" / "usr" / "share" / "misc"
    ipmitool.write_text(text.replace("/usr/lib/hamysql/ipmi ", f"{tmp_path} "))
    ipmitool.chmod(0o755)
    folder.mkdir(parents=True)
    lists = [folder / name for name in ("enterprise-numbers", "enterprise-numbers.txt")]
    for path in lists:
        path.write_text((FILES / "enterprise-numbers").read_text())
    bmc.start(lab)
    assert chassis(lab, "db1", ipmitool=ipmitool).stdout == "Chassis Power is off\n"
    for path in lists:
        path.write_text("")
    assert chassis(lab, "db1", ipmitool=ipmitool).returncode != 0, "an empty list is an error: it is what was read"


@pytest.mark.parametrize("password", [bmc.PASSWORD, "two words", "-P", "", "$(id) 'quoted' \\", "wrong"])
def test_no_password_is_an_argument_of_the_program_that_our_ipmitool_becomes(tmp_path, password):
    """It stands before the program's own address, as an agent has it, and nothing else of the line is changed."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.write_text((FILES / "ipmitool.sh").read_text().replace("/usr/bin/ipmitool", str(theirs)))
    theirs.write_text('#!/bin/sh\nprintf \'%s\\n\' "$#" "$@" "environment: $IPMI_PASSWORD"\n')
    theirs.chmod(0o755)
    words = [
        "-I",
        "lanplus",
        "-H",
        "10.0.0.1",
        "-U",
        "a user",
        "-P",
        password,
        "-L",
        "ADMINISTRATOR",
        "chassis",
        "power",
        "off",
    ]
    seen = run(["sh", str(ours), *words]).stdout.splitlines()
    kept = [*words[:6], "-E", *words[8:]]
    assert seen == [str(len(kept)), *kept, f"environment: {password}"]


def test_our_ipmitool_changes_no_line_without_a_password(tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.write_text((FILES / "ipmitool.sh").read_text().replace("/usr/bin/ipmitool", str(theirs)))
    theirs.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    theirs.chmod(0o755)
    for words in (["-V"], ["-E", "chassis", "power", "status"], ["-P"], []):
        assert run(["sh", str(ours), *words]).stdout.splitlines() == (words or [""])


def test_a_broken_one_is_silent_until_it_is_started_again(lab):
    bmc.start(lab)
    bmc.fail(lab, lab.node("db1"))
    assert chassis(lab, "db1").returncode != 0
    assert chassis(lab, "db2").returncode == 0
    bmc.start(lab)
    assert chassis(lab, "db1").returncode == 0


def test_nothing_of_them_is_left(lab):
    bmc.start(lab)
    lifecycle.down(lab, Progress())
    assert lifecycle.leftovers(lab) == []


def test_a_partition_isolates_the_nodes_ports_and_healing_ends_it(lab):
    def isolated():
        return [
            run(["ip", "-n", lab.namespace, "-details", "link", "show", name]).stdout.count("isolated on")
            for name in ("db1-0", "db1-1", "db2-0", "db2-1")
        ]

    cables.part(lab)
    assert isolated() == [1, 1, 1, 1]
    cables.part(lab, heal=True)
    assert isolated() == [0, 0, 0, 0]


def test_a_cut_cable_is_out_of_its_bridge_while_its_end_stays_up_and_healing_puts_it_back(lab):
    db1 = lab.node("db1")

    def link():
        return run(["ip", "-n", lab.namespace, "link", "show", "db1-1"]).stdout

    cables.cut(lab, db1, [1])
    cables.part(lab)  # both at once
    assert cables.is_cut(lab, db1, 1)
    assert not cables.is_cut(lab, db1, 0)
    assert "UP" in link()
    assert "master" not in link()
    cables.heal(lab, db1, [1])
    assert "master br1" in link()
    cables.part(lab, heal=True)
    assert not cables.is_cut(lab, db1, 1)
