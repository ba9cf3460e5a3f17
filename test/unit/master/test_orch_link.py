"""The orchestration's first phase has members replicate over the same link before anything else, and says so with test=True."""

from __future__ import annotations

import importlib.util

import pytest
from orchestration import READING, Site, survey, working

from hamysql.master.members import Answer
from support import ROOT


class Cluster(Site):
    """db1 serves over link 0 as it always has; db2 was installed again, and takes the default."""

    def __init__(self, test=False, stuck=False):
        super().__init__(working)
        self.module.__opts__["test"], self.fails = test, set()
        if not stuck:
            self.surveys["db2"] = survey("db2")
            self.surveys["db2"]["storage"] |= {"signatures": [], "status": {}, "latch": {}}
        self.surveys["db1"]["database"], self.surveys["db2"]["database"] = True, False
        self.link("db1", 0, "known")
        self.link("db2", 1, "known" if stuck else "last")

    def link(self, name, link, source):
        settings = self.surveys[name]["settings"]
        settings["storage"]["drbd"] |= {"link": link, "link_from": source}
        for node in settings["cluster"]["nodes"].values():
            node["replication"] = node["addresses"][link]

    def call(self, minions, function, kwargs, timeout):
        if function == "hamysql_drbd.keep_link":
            self.asked.append((function, list(minions), kwargs))
            for name in minions:
                self.link(name, kwargs["link"], "known")
            return {name: Answer(True) for name in minions}
        if function in self.fails:
            self.asked.append((function, list(minions), kwargs))
            return {name: Answer(error="and no further") for name in minions}
        return super().call(minions, function, kwargs, timeout)

    def questions(self):
        return [asked[0] for asked in self.asked]


def test_a_node_that_was_installed_again_takes_the_link_of_the_cluster():
    cluster = Cluster()
    ret = cluster.module.members_checked("members")
    assert ret["result"] is True, ret["comment"]
    assert cluster.asked[1] == ("hamysql_drbd.keep_link", ["db2"], {"link": 0})
    assert cluster.questions() == ["hamysql_node.survey", "hamysql_drbd.keep_link", "hamysql_node.survey"]
    assert ret["changes"] == {"db2": {"hamysql:storage:drbd:link": {"old": "link 1", "new": "link 0, as on db1"}}}
    assert "as on db1: hamysql.orch" not in ret["comment"], "it is so already"
    assert any("db2 takes link 0 for replication, as db1 has it" in event["text"] for event in cluster.events)
    assert cluster.module.members_checked("members")["changes"] == {}


def test_the_plan_says_it_and_does_nothing():
    cluster = Cluster(test=True)
    ret = cluster.module.members_checked("members")
    assert ret["result"] is None
    assert ret["changes"] == {"db2": ["~ hamysql:storage:drbd:link: link 1 -> link 0, as on db1"]}
    assert "WARNING: db2: found link 1 for replication, expected link 0, as on db1" in ret["comment"]
    assert set(cluster.questions()) <= READING


def test_before_data_is_moved_to_drbd_as_well():
    """What a node has left of an earlier DRBD must not make it another link's than its peer's."""
    cluster = Cluster()
    spec = importlib.util.spec_from_file_location("hamysql_migration", ROOT / "_states" / "hamysql_migration.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.__opts__, module.__context__ = cluster.module.__opts__, {}
    cluster.fails = {"hamysql_migration.survey"}
    assert "and no further" in module.checked("checked")["comment"]
    assert cluster.questions() == [
        "hamysql_node.survey", "hamysql_drbd.keep_link", "hamysql_migration.survey",
    ]  # fmt: skip
    assert cluster.asked[1] == ("hamysql_drbd.keep_link", ["db2"], {"link": 0})


@pytest.mark.parametrize("test", [False, True])
def test_two_drbds_that_are_up_are_left_to_a_human(test):
    cluster = Cluster(test=test, stuck=True)
    ret = cluster.module.members_checked("members")
    assert ret["result"] is False
    assert "db2: found link 1 for replication, expected link 0, as on db1: name one in the pillar" in ret["comment"]
    assert "hamysql_drbd.keep_link" not in cluster.questions()


def test_members_that_agree_are_asked_nothing():
    cluster = Cluster()
    cluster.link("db2", 0, "known")
    assert cluster.module.members_checked("members")["changes"] == {}
    assert cluster.questions() == ["hamysql_node.survey"]


def test_the_clients_cable_is_told_at_each_run():
    site = Site(working)
    for seen in site.surveys.values():
        settings = seen["settings"]
        settings["storage"]["drbd"] |= {"link": 0, "link_from": "known"}
        for node in settings["cluster"]["nodes"].values():
            node["replication"] = node["addresses"][0]
    ret = site.module.members_checked("members")
    assert ret["result"] is True
    assert (
        ret["comment"].count("expected a link of its own: set hamysql:storage:drbd:link: 1; then stop the cluster") == 2
    )
