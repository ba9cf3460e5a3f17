"""A resource of somebody else's becomes hamysql's: its files, its latch, and what must not differ."""

from __future__ import annotations

import pytest
from storage_nodes import Metadata
from storage_world import World

from hamysql.errors import NotReady, Refused
from hamysql.storage.drbd import written
from hamysql.storage.drbd.kind import KIND
from hamysql.storage.latch import Latch, Latches, Stage
from hamysql.system import root

THEIRS = Metadata("e7c4c235a46d231d", 0x1234, 0, "UpToDate")
RESOURCE = 'resource "mysql" {\n  net { shared-secret "canary"; }\n}\n'


@pytest.fixture
def node():
    world = World()
    found = world.nodes["db1"]
    found.disk.metadata = THEIRS
    world._refresh()
    found.world = world
    return found


def put(node, path, text):
    file = node.root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def take(node):
    with root.below(node.root):
        return KIND.take(node.world.site(node), node.world._runner(node), Latches())


def test_a_resource_in_the_main_file_is_left_to_hamysql_s_and_the_disk_is_noted(node):
    main = put(node, "/etc/drbd.conf", f"global {{ usage-count no; }}\n{RESOURCE}")
    assert take(node) == [
        "/etc/drbd.conf leaves mysql to /etc/drbd.d/mysql.res",
        "/dev/sdb is noted as the cluster's replica",
    ]
    assert main.read_text() == 'include "drbd.d/global_common.conf";\ninclude "drbd.d/*.res";\n'
    assert node.latch == Latch("galaxy-db", "mysql", "/dev/sdb", Stage.INITIALISED, THEIRS.uuid)
    assert take(node) == [], "a second time nothing is done"


def test_a_resource_in_a_file_of_another_name_is_left_to_hamysql_s(node):
    main = put(node, "/etc/drbd.conf", written.STANDARD)
    other = put(node, "/etc/drbd.d/r0.res", RESOURCE)
    put(node, "/etc/drbd.d/web.res", RESOURCE.replace("mysql", "web"))
    assert take(node)[0] == "/etc/drbd.d/r0.res leaves mysql to /etc/drbd.d/mysql.res"
    assert not other.exists()
    assert main.read_text() == written.STANDARD
    assert (node.root / "etc/drbd.d/web.res").exists()


def test_before_hamysql_s_file_is_there_nothing_is_touched(node):
    node.configured = False
    node.world._refresh()
    main = put(node, "/etc/drbd.conf", RESOURCE)
    with pytest.raises(NotReady, match=r"/etc/drbd.d/mysql.res is not there yet"):
        take(node)
    assert main.read_text() == RESOURCE


@pytest.mark.parametrize("metadata", [None, Metadata("", 0x1234)])
def test_a_disk_without_metadata_or_without_its_identifier_is_refused(node, metadata):
    node.disk.metadata = metadata
    node.world._refresh()
    with pytest.raises(Refused, match="/dev/sdb has no metadata of DRBD with an identifier"):
        take(node)
    assert node.latch is None


def said(**fields):
    hosts = {
        name: {"volumes": 1, "device": "/dev/drbd0", "minor": "0", "disk": "/dev/sdb", "meta": "internal"}
        | {"address": address, "port": "7788"}
        for name, address in (("db1", "198.51.100.11"), ("db2", "198.51.100.12"))
    }
    whole = {"file": "/etc/drbd.conf", "hosts": hosts, "options": {}, "secret": True, "why": ""}
    return {**whole, "state": "Connected Primary UpToDate/UpToDate", **fields}


def unlike(node, told):
    site = node.world.site(node)
    told["hosts"] = {
        name: {**host, "port": str(site["storage"]["drbd"]["port"])} | host.get("own", {})
        for name, host in told["hosts"].items()
    }
    with root.below(node.root):
        return KIND.unlike(site, told)


def test_the_same_resource_has_nothing_against_it(node):
    assert unlike(node, said()) == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"why": "no such program"}, "DRBD's configuration cannot be read: no such program"),
        ({"state": "Connected Primary UpToDate/Outdated"}, "expected Connected and UpToDate on both sides"),
        ({"hosts": {"db1": said()["hosts"]["db1"]}}, "drbd.conf has the nodes db1, and the pillar has db1 and db2"),
    ],
)
def test_a_resource_that_is_not_whole_or_is_another_is_told(node, fields, words):
    assert words in "\n".join(unlike(node, said(**fields)))


@pytest.mark.parametrize(
    "other", [{"disk": "/dev/sdc"}, {"address": "203.0.113.1"}, {"meta": "/dev/sdd"}, {"device": "/dev/drbd7"}]
)
def test_another_disk_address_or_device_is_told(node, other):
    told = said()
    told["hosts"]["db2"] |= other
    (line,) = unlike(node, told)
    assert line.startswith("drbd.conf has ")
    assert "for db2, and the pillar has /dev/drbd0 /dev/sdb 198.51.100.12" in line


def test_another_resource_in_the_same_file_is_told(node):
    put(node, "/etc/drbd.conf", RESOURCE + RESOURCE.replace("mysql", "web"))
    assert unlike(node, said()) == [
        "/etc/drbd.conf has web beside mysql: give each of them a file of its own in /etc/drbd.d"
    ]
