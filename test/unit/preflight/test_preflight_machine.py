"""Facts of a machine from what iproute2 and the kernel's files say."""

from __future__ import annotations

import pytest

from hamysql.errors import ParseError
from hamysql.preflight import machine
from hamysql.storage.drbd import replica as drbd_replica
from hamysql.system import root
from support import ROOT

# iproute2 6.1.0 on Debian 12; without unset flags and lifetimes
IP = """[{"ifindex":1,"ifname":"lo","flags":["LOOPBACK","UP"],"mtu":65536,"operstate":"UNKNOWN","link_type":"loopback",
"address":"00:00:00:00:00:00","addr_info":[{"family":"inet","local":"127.0.0.1","prefixlen":8,"scope":"host","label":"lo"}]},
{"ifindex":2,"ifname":"eth0","flags":["BROADCAST","UP"],"mtu":1500,"operstate":"UP","link_type":"ether",
"address":"0a:1b:2c:3d:4e:5f","addr_info":[
{"family":"inet","local":"192.0.2.11","prefixlen":24,"scope":"global","label":"eth0"},
{"family":"inet","local":"192.0.2.100","prefixlen":24,"scope":"global","secondary":true,"label":"eth0"},
{"family":"inet6","local":"2001:db8::11","prefixlen":64,"scope":"global"}]},
{"ifindex":3,"ifname":"tun0","flags":["POINTOPOINT"],"mtu":1420,"operstate":"DOWN","link_type":"none","addr_info":[]},{}]"""


def test_interfaces_with_their_addresses():
    assert machine.parse_interfaces(IP) == {
        "lo": {"mac": "00:00:00:00:00:00", "addresses": ["127.0.0.1/8"]},
        "eth0": {"mac": "0a:1b:2c:3d:4e:5f", "addresses": ["192.0.2.11/24", "192.0.2.100/24", "2001:db8::11/64"]},
        "tun0": {"mac": "", "addresses": []},
    }


@pytest.mark.parametrize(
    ("own", "target", "interface"),
    [
        ("192.0.2.11", "192.0.2.12", "eth0"),
        ("2001:db8::11", "2001:db8::12", "eth0"),
        ("192.0.2.11", "198.51.100.12", ""),
        ("192.0.2.12", "192.0.2.11", ""),
        ("192.0.2.11", "2001:db8::12", ""),
    ],
)
def test_the_interface_that_leads_to_a_neighbour(own, target, interface):
    assert machine.interface_to(target, own, machine.parse_interfaces(IP)) == interface


@pytest.mark.parametrize("text", ["Object is unknown", '[{"name": "eth0"}]', '["eth0"]', "{"])
def test_another_answer_is_an_error(text):
    with pytest.raises(ParseError, match="ip -json address"):
        machine.parse_interfaces(text)


def tree(folder, **files):
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


PROC = (ROOT / "test/unit/storage/drbd/fixtures/proc-drbd-8.4.11-loaded.txt").read_text()


@pytest.mark.parametrize(
    ("files", "version", "loadable"),
    [
        ({"proc__drbd": PROC}, "8.4.11", True),
        ({"proc__drbd": "something else"}, "", False),
        ({"lib__modules__6_dot_1__modules_dot_dep": "kernel/drivers/block/drbd/drbd.ko: kernel/lib/lru_cache.ko\n"}, "", True),
        ({"lib__modules__6_dot_1__modules_dot_dep": "updates/dkms/drbd.ko.xz: kernel/lib/libcrc32c.ko.xz\n"}, "", True),
        ({"lib__modules__6_dot_1__modules_dot_builtin": "kernel/drivers/block/drbd/drbd.ko\n"}, "", True),
        ({"lib__modules__6_dot_1__modules_dot_dep": "kernel/drivers/block/drbd_transport_tcp.ko: kernel/x.ko\n"}, "", False),
        ({"lib__modules__5_dot_1__modules_dot_dep": "kernel/drivers/block/drbd/drbd.ko:\n"}, "", False),
        ({}, "", False),
    ],
    ids=["loaded", "unreadable", "in tree", "compressed", "built in", "another module", "another kernel's", "none"],
)  # fmt: skip
def test_drbd_is_loaded_loadable_or_missing(tmp_path, files, version, loadable):
    with root.below(tree(tmp_path, **files)):
        assert drbd_replica.module("6.1") == {"version": version, "loadable": loadable}
