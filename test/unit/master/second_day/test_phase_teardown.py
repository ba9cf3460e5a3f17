"""The operation "teardown": it has to be confirmed, the standby stops first, what is left is an error, and the data is named."""

from __future__ import annotations

import pytest
from answering import Cluster

from hamysql.errors import HamysqlError, Refused
from hamysql.master.second_day import teardown

PATHS = ["/etc/corosync/corosync.conf", "/usr/lib/hamysql"]


class Site(Cluster):
    """A cluster at work; db2 serves."""

    def __init__(self):
        super().__init__()
        self.there = {"db1": list(PATHS), "db2": list(PATHS)}
        self.stays = []
        for seen in self.surveys.values():
            seen["settings"]["firewall"]["backend"] = "nftables"
        self.answers |= {
            "hamysql_tracer.stop": True,
            "hamysql_tracer.forget": lambda _: {},
            "hamysql_cluster.stop": self.stop,
            "hamysql_teardown.left": lambda minion: {
                "paths": self.there[minion],
                "units": [],
                "data": f"`mount {minion}`",
            },
            "hamysql_teardown.remove": self.remove,
        }

    def stop(self, minion, timeout):
        ran = self.surveys[minion]["cluster"]["running"]
        self.surveys[minion]["cluster"] |= {"running": False}
        self.surveys[minion]["database"] = False
        return ran

    def remove(self, minion):
        gone, self.there[minion] = self.there[minion], list(self.stays)
        return gone


@pytest.mark.parametrize("name", [None, "another"])
def test_the_cluster_has_to_be_named(deploy, name):
    with pytest.raises(Refused, match=r"db2 serves.*\n.*hamysql_confirm.*galaxy-db"):
        teardown.check(deploy(Site()), name)


def test_the_standby_stops_first_and_what_was_laid_down_goes(deploy):
    cluster = Site()
    deployment = deploy(cluster)
    teardown.check(deployment, "galaxy-db")
    changes, _ = teardown.stop(deployment, 900)
    assert changes == {"stopped": ["db1", "db2"]}
    changes, said = teardown.remove(deployment)
    assert changes["db1"]["hamysql-teardown"] == PATHS
    assert "db1: `mount db1`; db2: `mount db2`" in said
    order = [(function, on) for function, on, _ in cluster.asked if function in ("hamysql_cluster.stop", "state.apply")]
    assert order == [
        ("hamysql_cluster.stop", ("db1",)),
        ("hamysql_cluster.stop", ("db2",)),
        ("state.apply", ("db1", "db2")),
    ]
    assert cluster.events[-1]["state"] == "finished"


def test_run_again_there_is_nothing_to_do(deploy):
    cluster = Site()
    for _ in range(2):
        deployment = deploy(cluster)
        teardown.check(deployment, "galaxy-db")
        stopped, _ = teardown.stop(deployment, 900)
        changes, said = teardown.remove(deployment)
    assert (stopped, changes) == ({}, {})
    assert "are given back" in said


def test_what_is_left_is_an_error(deploy):
    cluster = Site()
    cluster.stays = ["/etc/hamysql"]
    deployment = deploy(cluster)
    teardown.stop(deployment, 900)
    with pytest.raises(HamysqlError, match="db1: /etc/hamysql"):
        teardown.remove(deployment)


def test_it_is_shown_before_and_needs_no_name_for_that(deploy):
    cluster = Site()
    deployment = deploy(cluster, test=True)
    teardown.check(deployment, None)
    stopped, _ = teardown.stop(deployment, 900)
    removed, said = teardown.remove(deployment)
    assert stopped == {"stopped": ["~ the cluster stops on db1", "~ the cluster stops on db2"]}
    assert removed["db2"] == [f"- {path}" for path in PATHS]
    assert "The data is kept" in said
    assert cluster.functions == ["hamysql_teardown.left"]
