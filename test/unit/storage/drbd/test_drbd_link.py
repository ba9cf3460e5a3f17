"""Which link replication uses where the pillar does not say: what a node knows, and how members come to agree."""

from __future__ import annotations

import importlib.util
import itertools
from types import SimpleNamespace

import pytest

from hamysql.config import resolution
from hamysql.errors import Refused
from hamysql.storage import latch
from hamysql.storage.drbd import link as drbd_link
from hamysql.storage.drbd import pending as drbd_pending
from hamysql.storage.drbd import replica
from hamysql.storage.drbd.link import KNOWN, LAST, PILLAR, Agreement, Known, Side
from hamysql.system import root
from support import ROOT, load_pillar, parameters

ADDRESSES = {"db1": ["192.0.2.11", "198.51.100.11"], "db2": ["192.0.2.12", "198.51.100.12"]}


@pytest.fixture
def node(tmp_path):
    """A node's own files, and ``hamysql.config`` on it; its pillar names no link."""
    with root.below(tmp_path):
        yield on(root.at(drbd_link.REMEMBERED), root.at(drbd_link.RESOURCES))


def on(remembered, resources):
    resources.mkdir(parents=True)
    spec = importlib.util.spec_from_file_location("hamysql_module", ROOT / "_modules" / "hamysql.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.__opts__, module.__grains__, module.__context__ = {"id": "db1"}, {"nodename": "db1"}, {}
    module.__pillar__ = {"hamysql": load_pillar("fenced")}
    module._parameters = lambda saltenv: parameters()

    def resource(link):
        """The resource's file as the states write it for a link."""
        given = load_pillar("fenced")
        given["storage"]["drbd"]["link"] = link
        site = resolution.resolve(resolution.layered(parameters(), given), minion_id="db1", nodename="db1")
        (resources / "mysql.res").write_text(drbd_pending.config_text(site, "9"), encoding="utf-8")

    def drbd(link=None):
        module.__pillar__["hamysql"]["storage"]["drbd"]["link"] = link
        return module.config_()["storage"]["drbd"]

    remembered.parent.mkdir(parents=True)
    return SimpleNamespace(remembered=remembered, resources=resources, resource=resource, drbd=drbd, module=module)


@pytest.mark.parametrize("pillar", [None, 0, 1])
@pytest.mark.parametrize("note", [None, "0\n", "1"])
@pytest.mark.parametrize("resource", [None, 0, 1])
def test_the_order_of_precedence(node, pillar, note, resource):
    """Pillar, note, the resource's file, the last."""
    if note is not None:
        node.remembered.write_text(note, encoding="utf-8")
    if resource is not None:
        node.resource(resource)
    found = node.drbd(pillar)
    order = [pillar, None if note is None else int(note), resource, 1]
    source = PILLAR if pillar is not None else LAST if note is None and resource is None else KNOWN
    expected = next(link for link in order if link is not None)
    assert (found["link"], found["link_from"], found["link_problem"]) == (expected, source, "")
    nodes = node.module.config_()["cluster"]["nodes"]
    assert {name: one["replication"] for name, one in nodes.items()} == {
        name: addresses[expected] for name, addresses in ADDRESSES.items()
    }
    assert f"{ADDRESSES['db1'][expected]}:7788" in drbd_pending.config_text(node.module.config_(), "8.4")


@pytest.mark.parametrize(
    "note", ["", "abc", "2", "-1", "true", "null", "1.0", '{"link": 0}', "[" * 100000, "9" * 5000, "0 0", "\0", "é"]
)
@pytest.mark.parametrize("resource", [None, 0])
def test_a_note_that_is_no_good_is_told_and_ignored(node, note, resource):
    node.remembered.write_text(note, encoding="latin-1")
    if resource is not None:
        node.resource(resource)
    found = node.drbd()
    assert found["link"] == (1 if resource is None else resource)
    assert found["link_problem"].endswith(f" in {drbd_link.REMEMBERED}")
    assert len(found["link_problem"]) < 300
    assert not node.drbd(0)["link_problem"], "who names the link in the pillar needs no note"


def test_files_that_cannot_be_read_are_told_and_ignored(node):
    node.remembered.mkdir()
    (node.resources / "mysql.res").mkdir()
    found = node.drbd()
    assert (found["link"], found["link_from"]) == (1, LAST)
    assert found["link_problem"] == f"{drbd_link.REMEMBERED}, which cannot be read (Is a directory)"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "resource mysql {\n",
        "}\n}\n",
        "on db1 {\n  address ipv4 999.0.2.11:7788;\n}\n",
        "on db1 {\n  address ipv4 203.0.113.11:7788;\n}\n",
        "on db3 {\n  address ipv4 192.0.2.11:7788;\n}\n",
        "address ipv4 192.0.2.11:7788;\n",
        "on db1 {\n  address ipv4 192.0.2.11:7788;\n}\non db2 {\n  address ipv4 198.51.100.12:7788;\n}\n",
    ],
)
def test_a_resource_of_other_addresses_says_nothing(node, text):
    (node.resources / "mysql.res").write_text(text, encoding="utf-8")
    assert (node.drbd()["link"], node.drbd()["link_from"]) == (1, LAST)


def test_one_node_with_a_new_address_is_still_on_its_link(node):
    text = "resource r0 {\n  on db1 {\n    address 192.0.2.11:7788;\n  }\n  on db2 {\n    address 192.0.2.99:7788;\n  }\n}\n"
    (node.resources / "mysql.res").write_text(text, encoding="utf-8")
    assert (node.drbd()["link"], node.drbd()["link_from"]) == (0, KNOWN)


def test_addresses_of_ipv6_are_the_same_however_they_are_written():
    text = (
        'on "db1" {\n  address ipv6 [2001:DB8:0::11]:7799;\n}\non db2 {\n  address ipv6 [2001:db8::12]:7799; # x\n}\n'
    )
    found = drbd_link.parse_resource(text)
    assert found == {"db1": "2001:db8::11", "db2": "2001:db8::12"}
    assert (
        drbd_link.matching(found, {"db1": ["192.0.2.11", "2001:db8::11"], "db2": ["192.0.2.12", "2001:db8::12"]}) == 1
    )


def test_nothing_changes_while_the_states_write_the_files(node):
    """Neither of a new cluster nor of one that is older than the note: each file may be there or not."""
    for before in (None, 0, 1):
        for path in (node.remembered, node.resources / "mysql.res"):
            path.unlink(missing_ok=True)
        if before is not None:
            node.resource(before)
        first = node.module.config_()
        text, link = drbd_pending.config_text(first, "9"), first["storage"]["drbd"]["link"]
        (node.resources / "mysql.res").write_text(text, encoding="utf-8")
        assert drbd_pending.config_text(node.module.config_(), "9") == text
        drbd_link.note(link)
        assert drbd_pending.config_text(node.module.config_(), "9") == text


def test_a_link_that_is_noted_during_a_process_counts_at_once(node):
    assert node.drbd()["link"] == 1
    drbd_link.note(0)
    assert node.drbd()["link"] == 0
    assert node.remembered.read_text() == "0\n"


def test_other_storage_looks_for_no_link(node, monkeypatch):
    monkeypatch.setattr(drbd_link, "known", lambda config: pytest.fail("it has looked"))
    node.module.__pillar__ = {"hamysql": load_pillar("iscsi")}
    assert node.module.config_()["storage"]["drbd"]["link_from"] == LAST


def test_a_note_of_more_links_than_there_are_is_not_used(resolve, pillar):
    found = resolve(pillar("minimal"))
    assert found["storage"]["drbd"]["link"] == 0
    merged = resolution.layered(parameters(), pillar("minimal"))
    again = resolution.resolve(merged, minion_id="db1", nodename="db1", noted=Known(1, "x"))
    assert again["storage"]["drbd"]["link"] == 0
    assert again["storage"]["drbd"]["link_problem"] == "x"


# --- keep_link


@pytest.fixture
def keep(node):
    """``hamysql_drbd.keep_link`` on the node; ``up`` are the addresses that its kernel has."""
    spec = importlib.util.spec_from_file_location("hamysql_drbd", ROOT / "_modules" / "hamysql_drbd.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.__salt__ = {"hamysql.config": lambda **_: node.module.config_()}
    node.up = None

    def run(argv):
        if argv == ["drbdsetup", "status", "--json"]:
            return SimpleNamespace(stdout='[{"name": "mysql"}]' if node.up else "[]")
        assert argv == ["drbdsetup", "show", "mysql"]
        hosts = [f"    {host} {{\n        address ipv4 {address}:7788;\n    }}\n" for host, address in node.up.items()]
        return SimpleNamespace(stdout="resource mysql {\n" + "".join(hosts) + "}\n")

    module.run = run
    proc = root.at(replica.PROC)
    proc.parent.mkdir()
    proc.write_text("version: 9.2.8 (api:2/proto:86-121)\n")
    return module.keep_link


def test_the_other_members_link_is_noted_once(node, keep):
    assert (keep(0), node.drbd()["link"]) == (True, 0)
    assert (keep(0), node.remembered.read_text()) == (False, "0\n")
    assert (keep(1), node.drbd()["link"]) == (True, 1)


@pytest.mark.parametrize("link", [2, -1, "0", None, True, 1.0])
def test_no_link_that_there_is_not_is_noted(node, keep, link):
    with pytest.raises(Refused, match="the nodes have the links 0 to 1"):
        keep(link)
    assert not node.remembered.exists()


def test_the_pillar_is_not_overruled(node, keep):
    node.drbd(1)
    with pytest.raises(Refused, match="hamysql:storage:drbd:link is 1 in this node's pillar: link 0 is not noted"):
        keep(0)
    assert not node.remembered.exists()


def test_drbd_that_is_up_is_not_led_astray(node, keep):
    node.up = {"_this_host": ADDRESSES["db1"][1], "_remote_host": ADDRESSES["db2"][1]}
    with pytest.raises(
        Refused, match=r"DRBD is up with .*198.51.100.11:7788.*, not with link 0 .*hamysql_cluster.stop"
    ):
        keep(0)
    assert not node.remembered.exists()
    assert keep(1) is True, "with these addresses it is up"


# --- the members


def side(name, link, source=KNOWN, running=False, initialised=False):
    return Side(name, link, source, running, initialised)


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        # the same, whatever else
        (side("db1", 1), side("db2", 1, LAST, running=True, initialised=True), None),
        # db2 was installed again
        (side("db1", 0, running=True, initialised=True), side("db2", 1, LAST), Agreement(0, "db1", ("db2",))),
        (side("db1", 1, LAST), side("db2", 0, running=True, initialised=True), Agreement(0, "db2", ("db1",))),
        # and a highstate has noted the default there, before the orchestration
        (side("db1", 0, running=True, initialised=True), side("db2", 1), Agreement(0, "db1", ("db2",))),
        (side("db1", 0, initialised=True), side("db2", 1), Agreement(0, "db1", ("db2",))),
        # or its DRBD was started as well: it has to be stopped by hand
        (side("db1", 0, running=True, initialised=True), side("db2", 1, running=True), Agreement(0, "db1", (), ("db2",))),
        (side("db1", 0, initialised=True), side("db2", 1, running=True), Agreement(0, "db1", (), ("db2",))),
        # both are initialised, the cluster is stopped on one of them or on both
        (side("db1", 1, initialised=True), side("db2", 0, running=True, initialised=True), Agreement(0, "db2", ("db1",))),
        (side("db1", 1, LAST, initialised=True), side("db2", 0, initialised=True), Agreement(0, "db2", ("db1",))),
        # one has lost its files while its DRBD is up
        (side("db1", 1, LAST, running=True, initialised=True), side("db2", 0, running=True, initialised=True),
         Agreement(0, "db2", ("db1",))),
        # nobody is initialised: what a deployment that was cut off has left
        (side("db1", 1, LAST), side("db2", 0), Agreement(0, "db2", ("db1",))),
        (side("db1", 1), side("db2", 0), Agreement(1, "db1", ("db2",))),
        # two pillars
        (side("db1", 1, PILLAR), side("db2", 0, PILLAR), Agreement(1, "db1", (), ("db2",))),
    ],
)  # fmt: skip
def test_whose_link_all_members_take(one, two, expected):
    assert drbd_link.agree([one, two]) == expected


def test_nobody_is_left_out_and_nobody_leaves_what_it_uses():
    """Of every pair of members: both have the link in the end, or who cannot take it is named."""
    kinds = [
        side("x", link, source, running, initialised)
        for link in (0, 1)
        for source in (PILLAR, KNOWN, LAST)
        for running in (False, True)
        for initialised in (False, True)
    ]
    for one, two in itertools.product(kinds, kinds):
        pair = [Side("db1", *list(vars(one).values())[1:]), Side("db2", *list(vars(two).values())[1:])]
        agreed = drbd_link.agree(pair)
        if one.link == two.link:
            assert agreed is None
            continue
        (owner,) = (one for one in pair if one.name == agreed.owner)
        (other,) = (one for one in pair if one.name != agreed.owner)
        assert agreed.link == owner.link
        assert {*agreed.takers, *agreed.stuck} == {other.name}
        assert not (agreed.takers and other.running and other.source != LAST)
        assert owner.initialised or not other.initialised


def test_the_members_are_read_from_their_surveys():
    settings = {"storage": {"backend": "drbd", "drbd": {"link": 0, "link_from": KNOWN}}}
    surveys = {
        "db1": {"settings": settings, "storage": {"status": {"role": "Primary"}, "latch": {"stage": "INITIALISED"}}},
        "db2": {"settings": settings, "storage": {"status": {}, "latch": {"stage": "METADATA"}}},
        "db3": {"settings": settings, "storage": {"latch": None}},
    }
    assert drbd_link.sides(surveys) == [
        side("db1", 0, running=True, initialised=True), side("db2", 0), side("db3", 0),
    ]  # fmt: skip
    settings["storage"]["backend"] = "nfs"
    assert drbd_link.sides(surveys) == []


def test_the_note_is_no_latch(tmp_path):
    with root.below(tmp_path):
        drbd_link.note(1)
        folder = latch.Latches().folder
    assert latch.in_use(folder) == []
    assert [path.name for path in folder.iterdir()] == ["drbd-link"]
