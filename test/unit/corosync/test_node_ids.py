"""A node keeps its id in corosync, in whatever order the pillar lists the nodes."""

from __future__ import annotations

import pytest
from minion import load

from hamysql.config import resolution
from hamysql.corosync import conf as corosync_conf
from hamysql.corosync import node_ids
from support import parameters


def swapped(given):
    given["cluster"]["nodes"] = dict(reversed(given["cluster"]["nodes"].items()))
    return given


def resolved(given, ids=None):
    merged = resolution.layered(parameters("Debian"), given)
    return resolution.resolve(merged, minion_id="db1", nodename="db1", known_ids=ids)


@pytest.fixture
def deployed(resolve, pillar, tmp_path):
    """The corosync.conf of a running cluster."""
    site = resolve(pillar("fenced"))
    (tmp_path / "corosync.conf").write_text(site["corosync"]["text"])
    return site, tmp_path / "corosync.conf"


def test_a_new_cluster_counts_in_the_pillars_order(pillar):
    nodes = resolved(swapped(pillar("fenced")))["cluster"]["nodes"]
    assert {name: node["id"] for name, node in nodes.items()} == {"db2": 1, "db1": 2}


def test_nodes_that_are_swapped_in_the_pillar_keep_their_ids_and_their_file(pillar, deployed):
    site, file = deployed
    ids = node_ids.known(site["cluster"]["name"], file)
    assert ids == {"db1": 1, "db2": 2}
    found = resolved(swapped(pillar("fenced")), ids)
    assert found["corosync"]["text"] == site["corosync"]["text"]
    assert found["storage"]["drbd"]["resource_texts"] == site["storage"]["drbd"]["resource_texts"]
    assert found["cluster"]["ids_from"] == "known"


@pytest.mark.parametrize(
    ("names", "found", "ids"),
    [
        (["db1", "db2"], {}, {"db1": 1, "db2": 2}),
        (["db2", "db1"], {"db1": 1, "db2": 2}, {"db1": 1, "db2": 2}),
        (["db3", "db2"], {"db1": 1, "db2": 2}, {"db3": 1, "db2": 2}),
        (["db3", "db1"], {"db1": 1, "db2": 2}, {"db1": 1, "db3": 2}),
        (["db1", "db2"], {"db1": 7, "db2": 3}, {"db2": 3, "db1": 7}),
        (["a", "b"], {"db1": 1, "db2": 2}, {"a": 1, "b": 2}),
    ],
)
def test_a_node_with_a_new_name_gets_what_is_free(names, found, ids):
    assert list(node_ids.chosen(names, found)[0].items()) == list(ids.items())


NODE = "node {{\n name: {}\n nodeid: {}\n}}\n"


@pytest.mark.parametrize(
    "text",
    [
        "totem {\n cluster_name: debian\n}\nnodelist {\n" + NODE.format("db1", 2) + "}\n",
        "totem {\n cluster_name: galaxy-db\n}\nnodelist {\n" + NODE.format("db1", 2) + NODE.format("db2", 2) + "}\n",
        "totem {\n cluster_name: galaxy-db\n}\nnodelist {\n" + NODE.format("db1", "x") + NODE.format("db2", 0) + "}\n",
        "totem {\n cluster_name: galaxy-db\n",
        "\x00\udcff",
        "",
    ],
)
def test_a_file_of_another_cluster_or_none_says_nothing(tmp_path, text):
    (tmp_path / "corosync.conf").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert node_ids.known("galaxy-db", tmp_path / "corosync.conf") == {}
    assert node_ids.known("galaxy-db", tmp_path / "missing") == {}


def test_a_minion_takes_the_ids_from_its_file(pillar, deployed, monkeypatch):
    _, file = deployed
    monkeypatch.setattr(node_ids, "FILE", file)
    module = load("_modules/hamysql.py", "hamysql_module_ids")
    module.__context__, module.__pillar__ = {}, {"hamysql": swapped(pillar("fenced"))}
    module.__opts__, module.__grains__ = {"id": "db1", "saltenv": None}, {"os_family": "Debian", "nodename": "db1"}
    module._parameters = lambda saltenv: parameters("Debian")
    for _ in range(2):
        assert {name: node["id"] for name, node in module.settings()["cluster"]["nodes"].items()} == {
            "db1": 1,
            "db2": 2,
        }
    file.unlink()
    assert {name: node["id"] for name, node in module.settings()["cluster"]["nodes"].items()} == {"db2": 1, "db1": 2}


def test_a_member_that_was_installed_again_is_told_the_order(pillar, deployed):
    site, file = deployed
    ids = node_ids.known(site["cluster"]["name"], file)
    surveys = {
        "db2": {"settings": resolved(swapped(pillar("fenced")))},
        "db1": {"settings": resolved(swapped(pillar("fenced")), ids)},
    }
    ((name, found, expected),) = node_ids.disagreement(surveys)
    assert (name, found) == ("db2", "the ids db2: 1, db1: 2 for the nodes")
    assert expected == "db1: 1, db2: 2, as on db1: list the nodes in this order"
    both = {name: {"settings": resolved(pillar("fenced"), ids)} for name in ("db1", "db2")}
    assert list(node_ids.disagreement(both)) == []


def test_the_reading_is_the_writing(deployed):
    site, _ = deployed
    sections = corosync_conf.parse(site["corosync"]["text"])
    assert node_ids.parse(sections, site["cluster"]["name"]) == {"db1": 1, "db2": 2}
