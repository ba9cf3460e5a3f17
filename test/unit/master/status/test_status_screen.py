"""Whole screens of ``hamysql.status``, word for word: what an administrator reads in each state of a cluster."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
import status_world
from status_world import NOW, WORLDS

from hamysql.master.status import screen, verdict
from hamysql.master.status.shape import STATES, Node, Replica, Status
from support import ROOT

FIXTURES = Path(__file__).parent / "fixtures"
CODES = {"whole": 0, "lun": 0, "both_down": 2, "writes_held": 2}  # of the others: 1


def of(world) -> Status:
    return verdict.status("galaxy-db", world.seen())


@pytest.mark.parametrize("name", WORLDS)
def test_the_screen_of_each_state(name):
    """``WRITE_SCREENS=1`` writes the texts anew; read the difference."""
    found = of(WORLDS[name]())
    text = screen.text(found, NOW) + "\n"
    file = FIXTURES / f"status-{name}.txt"
    if os.environ.get("WRITE_SCREENS"):
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")
    assert found["retcode"] == CODES.get(name, 1)
    assert found["state"] == STATES[found["retcode"]]


@pytest.mark.parametrize("name", WORLDS)
def test_what_is_returned_is_of_the_promised_shape_and_can_be_sent(name):
    found = of(WORLDS[name]())
    assert set(found) == set(Status.__annotations__)
    assert json.loads(json.dumps(found)) == found
    assert list(found["nodes"]) == ["db1", "db2"]


def test_the_page_has_a_real_screen_and_each_key():
    page = (ROOT / "docs" / "status.md").read_text(encoding="utf-8")
    assert (FIXTURES / "status-node_off.txt").read_text(encoding="utf-8") in page
    data = page.partition("\n## The data\n")[2]
    parts = re.split("\n(?:A node|A replica) has these keys:", data)
    first, second, third = (re.findall(r"^\| `(\w+)`", part, re.MULTILINE) for part in parts)
    assert set(first) == set(Status.__annotations__)
    assert set(second) == set(Node.__annotations__)
    assert {*third, "applies"} == set(Replica.__annotations__)  # it shares a row with another one


def test_a_standby_with_an_older_database_cannot_take_over():
    world = WORLDS["whole"]()  # db2 serves

    def has(db1, db2):
        for name, version in (("db1", db1), ("db2", db2)):
            world.nodes[name].packages = {"mariadb-server": version}
        return of(world)

    found = has("1:10.11.6-0+deb12u1", "1:11.8.3-0+deb13u1")
    assert found["state"] == "degraded"
    assert found["verdict"].startswith(
        "db2 serves; db1 cannot take over: it has mariadb-server 10.11, and db2 serves with 11.8"
    )
    assert has("1:11.8.3-0+deb13u1", "1:10.11.6-0+deb12u1")["state"] == "whole"


def test_a_whole_cluster_has_no_reasons_and_each_other_one_has():
    for name, make in WORLDS.items():
        found = of(make())
        assert bool(found["reasons"]) == (found["retcode"] != 0), name


def test_a_database_on_both_nodes_is_down_and_says_both():
    world = status_world.whole()
    world.nodes["db1"].database = True
    found = of(world)
    assert (found["state"], found["service"]["node"]) == ("down", None)
    assert found["verdict"].startswith("the database answers on db1 and db2")
    assert "service   on db1 and db2" in screen.text(found, NOW)


def test_nobody_answers():
    world = status_world.whole()
    world.unknown = dict.fromkeys(("db1", "db2"), "no answer")
    found = of(world)
    assert found["retcode"] == 2
    assert "VIP       unknown" in screen.text(found, NOW)
    assert {node["role"] for node in found["nodes"].values()} == {"unknown"}


def test_a_node_whose_minion_is_silent_is_shown_as_the_other_one_sees_it():
    world = status_world.whole()
    world.unknown = {"db1": "db1 keeps an older version"}
    found = of(world)
    assert found["nodes"]["db1"]["role"] == "stands by"
    assert found["retcode"] == 1
    assert found["reasons"] == ["db1 keeps an older version"]
    assert found["nodes"]["db1"]["fencing"][0]["proven"] == status_world.PROVEN


def test_the_virtual_ip_of_an_unknown_node_is_told_by_pacemaker():
    world = status_world.whole()
    world.unknown = {"db2": "silent"}
    found = of(world)
    assert found["vip"]["nodes"] == ["db2"]
    assert (found["state"], found["service"]["node"]) == ("degraded", "db2")
    assert found["nodes"]["db2"]["role"] == "serves"


@pytest.mark.parametrize("where", [None, "db1"])
def test_a_virtual_ip_that_is_not_where_the_database_is_keeps_clients_away(where):
    world = status_world.whole()
    world.nodes["db2"].addresses["eth0"].pop()
    if where:
        world.nodes[where].addresses["eth0"].append("10.77.1.100/24")
    found = of(world)
    assert found["retcode"] == 2
    assert found["verdict"] == f"the virtual IP 10.77.1.100 is on {where or 'no node'}, and the database on db2"


def test_a_replica_whose_score_pacemaker_has_lost_is_told():
    world = status_world.whole()
    del world.attributes["db1"]["master-p_drbd_mysql"]
    (reason,) = of(world)["reasons"]
    assert reason.startswith("pacemaker has lost the promotion score of db1")


@pytest.mark.parametrize(
    ("attribute", "words"), [("hamysql-carrier", "has lost the carrier"), ("hamysql-reach", "does not reach")]
)
def test_a_node_without_its_clients_is_told(attribute, words):
    world = status_world.whole()
    world.attributes["db1"][attribute] = "-20000"
    found = of(world)
    assert found["retcode"] == 1
    assert words in found["reasons"][0]
    assert found["service"]["why"].startswith("db1 handed it over in good order")


@pytest.mark.parametrize(("free", "told"), [(2**30, False), (2**30 - 1, True), (0, True)])
def test_a_file_system_that_is_nearly_full_is_told(free, told):
    world = status_world.whole()
    world.room["db1"] = free
    found = of(world)
    assert any(reason.startswith("db1: / is nearly full: ") for reason in found["reasons"]) is told
    assert found["state"] == ("degraded" if told else "whole")


def test_a_small_file_system_is_nearly_full_by_its_share():
    world = status_world.whole()
    details = world.details
    world.details = lambda name: {**details(name), "room": [{"folder": "/run", "size": 100 * 2**20, "free": 6 * 2**20}]}
    assert of(world)["state"] == "whole"


def test_a_blocked_resource_is_told():
    world = status_world.whole()
    blocked = status_world.resource("p_mysql", "db2", blocked=True, failed=True)
    world.cluster = status_world.replace(world.cluster, resources=(*world.cluster.resources, blocked))
    assert of(world)["reasons"] == [
        "p_mysql is blocked on db2: pacemaker does nothing about it until its failure is cleaned up"
    ]


def test_a_link_that_is_down_is_told_only_while_both_nodes_are_there():
    world = status_world.whole()
    world.links[("db1", 0)] = False
    assert of(world)["reasons"] == ["link 0 (10.77.1.11 - 10.77.1.12) is down"]
    off = of(status_world.node_off())
    assert not any(reason.startswith("link") for reason in off["reasons"])
    assert [link["connected"] for link in off["links"]] == [False, False]


def test_who_is_asked_first_has_no_say():
    """The first node's pacemaker does not run: the other one's is asked."""
    world = status_world.whole()
    world.stopped = {"db1"}
    found = of(world)
    assert found["nodes"]["db1"]["role"] == "stopped"
    assert found["service"]["since"] == "2026-11-23T17:10:27Z"
    assert [node["fencing"][0]["running"] for node in found["nodes"].values()] == [True, True]


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "0 s"), (61, "1 min 1 s"), (3 * 86400 + 7200 + 59, "3 d 2 h"), (-5, "0 s")]
)
def test_time_spans(seconds, words):
    assert screen.span(seconds) == words


@pytest.mark.parametrize(("number", "words"), [(700 * 1024, "700 KiB"), (5 * 2**20, "5.0 MiB"), (3 * 2**30, "3.0 GiB")])
def test_sizes(number, words):
    assert screen.size(number) == words
