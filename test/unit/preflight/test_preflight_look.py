"""What a machine has before there is a pillar, from what its programs print."""

from __future__ import annotations

import json

import pytest

from hamysql.errors import CommandFailed, ParseError
from hamysql.preflight import look, machine
from hamysql.system import root
from hamysql.system.command import Result

# ipmitool 1.8.19
LAN = """Set in Progress         : Set Complete
Auth Type Support       : MD5
IP Address Source       : Static Address
IP Address              : 192.0.2.21
Subnet Mask             : 255.255.255.0
MAC Address             : 00:25:90:00:00:01
SNMP Community String   : public
Default Gateway IP      : 192.0.2.1
802.1q VLAN ID          : Disabled
"""


class Programs:
    """Answers of programs, by the words of their command lines; a program that is not there raises."""

    def __init__(self, **said):
        self.said = said

    def __call__(self, argv, **options):
        for name, said in self.said.items():
            if name in " ".join(argv).replace("-", ""):
                if isinstance(said, Exception):
                    raise said
                return Result(0, said, "")
        raise AssertionError(argv)


def test_the_board_is_the_address_and_not_its_source_or_gateway():
    assert look.parse_board(LAN) == {"address": "192.0.2.21", "why": ""}


@pytest.mark.parametrize("text", ["", LAN.replace("192.0.2.21", "0.0.0.0"), "Channel 1 is not a LAN channel\n"])
def test_a_board_without_an_address_is_none(text):
    assert look.parse_board(text) == {"address": "", "why": "the board has no address"}


def test_a_machine_without_a_board_says_what_the_program_says(tmp_path):
    failed = CommandFailed(["ipmitool"], 1, "Could not open device\nat /dev/ipmi0: No such file or directory\n")
    with root.below(tmp_path):
        assert look.board(Programs()) == {"address": "", "why": "ipmitool is not installed"}
        program = root.at("/usr/bin/ipmitool")
        program.parent.mkdir(parents=True)
        program.touch(0o755)
        assert look.board(Programs(ipmitool=failed))["why"] == "at /dev/ipmi0: No such file or directory"
        assert look.board(Programs(ipmitool=LAN))["address"] == "192.0.2.21"


def test_the_interfaces_of_default_routes_the_preferred_first():
    v4 = json.dumps([{"dst": "default", "dev": "eth1", "metric": 100}, {"dst": "default", "dev": "eth0"}])
    v6 = json.dumps([{"dst": "default", "dev": "eth0", "metric": 1024}, {"dst": "default", "dev": "eth2"}])
    assert look.gateways(Programs(**{"ip 4": v4, "ip 6": v6})) == ["eth0", "eth1", "eth2"]
    assert look.gateways(Programs(ip="")) == []
    with pytest.raises(ParseError):
        look.gateways(Programs(ip="default via 192.0.2.1"))


def row(name, size=2**30, type_="disk", ro=False, rm=False):
    return {"name": name, "type": type_, "size": size, "ro": ro, "rm": rm}


def disks(rows, children=(), signatures="", **said):
    above = {"blockdevices": [{"name": "/dev/sdx", "type": "disk", "mountpoints": [None], "children": list(children)}]}
    programs = {"bytes": json.dumps({"blockdevices": rows}), "lsblk": json.dumps(above), "wipefs": signatures, **said}
    return [(disk["name"], disk["why"]) for disk in look.disks(Programs(**programs))]


def test_only_disks_that_could_hold_data_are_named_the_largest_first():
    rows = [row("/dev/sdx"), row("/dev/sdy", 2**31), row("/dev/zram0"), row("/dev/drbd0"), row("/dev/nbd3")]
    rows += [row("/dev/sr0", type_="rom"), row("/dev/md0", type_="raid1"), row("/dev/sdz", 0)]
    assert disks(rows) == [("/dev/sdy", ""), ("/dev/sdx", "")]


def test_a_disk_that_is_not_blank_says_why():
    assert disks([row("/dev/sdx", ro=True)]) == [("/dev/sdx", "it is read-only")]
    assert disks([row("/dev/sdx", rm=True)]) == [("/dev/sdx", "it is removable")]
    used = [{"name": "/dev/sdx1", "type": "part", "mountpoints": ["/"]}]
    assert disks([row("/dev/sdx")], used) == [("/dev/sdx", "/dev/sdx1 is mounted on /; it has the partition /dev/sdx1")]
    found = json.dumps({"signatures": [{"type": "xfs", "offset": "0x0", "uuid": "u"}]})
    assert disks([row("/dev/sdx")], signatures=found) == [("/dev/sdx", "xfs at byte 0 (UUID u)")]
    away = CommandFailed(["wipefs"], 1, "no medium")
    assert disks([row("/dev/sdx")], wipefs=away)[0][1].startswith("it cannot be read: ")


def test_systems_that_are_built_alike_have_one_name():
    rocky = {"os": "Rocky", "os_family": "RedHat", "osrelease": 9.6}
    assert machine.system(rocky) == {"name": "Enterprise Linux", "release": "9.6"}
    assert machine.system({"os": "Fedora", "os_family": "RedHat", "osrelease": "42"})["name"] == "Fedora"
    assert machine.system({"os": "Debian", "os_family": "Debian", "osrelease": "12"})["name"] == "Debian"


def test_versions_are_those_installed_or_offered():
    salt = {
        "pkg.list_pkgs": lambda: {"a": "1"},
        "pkg.latest_version": lambda *names, refresh: "2" if len(names) == 1 else dict.fromkeys(names, "3"),
    }
    assert machine.versions(["a", "b"], salt, candidates=True) == {"a": "1", "b": "2"}
    assert machine.versions(["a", "b", "c"], salt, candidates=True) == {"a": "1", "b": "3", "c": "3"}
    assert machine.versions(["a", "b"], salt, candidates=False) == {"a": "1", "b": ""}
