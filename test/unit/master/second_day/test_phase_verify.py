"""The operation "verify": when it may begin, how far it tells to be, what it has found, and when the standby is made equal."""

from __future__ import annotations

import pytest
from answering import fails
from test_phase_switchover import Whole

from hamysql.errors import HamysqlError, Refused
from hamysql.master import operations, progress, rolling
from hamysql.master.second_day import maintenance, switchover, verify

EQUAL = {"node": "db2", "began": "2026-01-31T01:00:00Z", "seconds": 90, "out_of_sync": 0, "late": 0}


class Compared(Whole):
    """A cluster whose DRBD has a digest; db2 serves. ``found`` is what the comparison finds, in KiB."""

    def __init__(self, found=0):
        super().__init__()
        for seen in self.surveys.values():
            seen["settings"]["storage"]["drbd"]["verify"] = {
                "alg": "sha256",
                "every": None,
                "at": "01:00",
                "rate": None,
            }
        self.looks = iter((5.0, 30.0, 33.0, 90.0))
        self.answers |= {
            "hamysql_verify.reconnect": False,
            "hamysql_verify.begin": True,
            "hamysql_verify.look": self.look,
            "hamysql_verify.finish": lambda _: self.finish(found),
            "hamysql_verify.resynchronised": lambda _: self.finish(0) and found,
        }

    def look(self, minion, timeout):
        done = next(self.looks, None)
        return {"running": done is not None, "done": done, "out_of_sync": 0}

    def finish(self, found):
        for seen in self.surveys.values():
            seen["storage"]["status"]["out_of_sync"] = found
        return {**EQUAL, "out_of_sync": found}


def test_the_node_that_serves_compares_and_how_far_it_is_is_told(deploy):
    cluster = Compared()
    deployment = deploy(cluster)
    verify.check(deployment)
    changes, said = verify.verify(deployment, resynchronise=False)
    assert changes == {"verify": ["compared from db2: 0 KiB differ"]}
    assert "both replicas were compared in 90 s, from db2: they are equal; longest write gap" in said
    assert ("hamysql_verify.begin", ("db2",), {}) in cluster.asked
    assert [text for text in cluster.said if "%" in text] == [
        "30 % are compared, 0 KiB differ so far",
        "90 % are compared, 0 KiB differ so far",
    ]
    assert cluster.events[-1]["state"] == "finished"


def test_differences_are_told_with_their_cure_and_forbid_other_operations(deploy):
    cluster = Compared(found=64)
    deployment = deploy(cluster)
    _, said = verify.verify(deployment, resynchronise=False)
    assert "64 KiB differ" in said
    assert "hamysql_resynchronise" in said
    assert "hamysql_verify.resynchronised" not in cluster.functions
    assert any("db1 and db2 differ by 64 KiB" in reason for reason in operations.unhealthy(cluster.surveys))
    assert operations.unsound(cluster.surveys) == []
    assert any("differ by 64 KiB" in reason for reason in rolling.obstacles(cluster.surveys))


def test_a_standby_that_differs_can_be_drained_and_nothing_moves_to_it(deploy):
    """Its disk may be the one to be replaced."""
    cluster = Compared(found=64)
    cluster.finish(64)
    cluster.answers["hamysql_maintenance.state"] = {"since": {}, "others": []}
    maintenance.check_drain(deploy(cluster), "db1")
    for check in (maintenance.check_drain, switchover.check):
        with pytest.raises(Refused, match="differ by 64 KiB"):
            check(deploy(cluster), "db2" if check is maintenance.check_drain else "db1")


def test_the_standby_gets_what_differs_and_known_differences_need_no_comparison(deploy):
    cluster = Compared(found=64)
    cluster.finish(64)
    deployment = deploy(cluster)
    verify.check(deployment)
    changes, said = verify.verify(deployment, resynchronise=True)
    assert changes == {}
    assert "known already" in said
    changes, said = verify.resynchronise(deployment, 60)
    assert changes == {"resynchronised": ["64 KiB on db1, from db2"]}
    assert "db1 got 64 KiB that differed from db2; longest write gap" in said
    assert ("hamysql_verify.resynchronised", ("db1",), {}) in cluster.asked


def test_where_nothing_differs_nothing_is_resynchronised(deploy):
    cluster = Compared()
    assert verify.resynchronise(deploy(cluster), 60)[0] == {}
    assert "hamysql_verify.resynchronised" not in cluster.functions


def test_differences_that_stay_are_an_error(deploy):
    cluster = Compared(found=64)
    cluster.finish(64)
    cluster.answers["hamysql_verify.resynchronised"] = 64
    with pytest.raises(HamysqlError, match="the resynchronisation has ended"):
        verify.resynchronise(deploy(cluster), 60)


def test_what_forbids_it_is_told(deploy):
    with pytest.raises(Refused, match="no digest"):
        verify.check(deploy(Whole()))
    cluster = Compared()
    cluster.surveys["db1"]["storage"]["status"] |= {
        "connection": "WFConnection",
        "up_to_date": False,
        "connected": False,
    }
    with pytest.raises(Refused, match=r"nothing is verified while this is so:\n  - db1: DRBD is"):
        verify.check(deploy(cluster))


def test_a_replica_that_an_earlier_run_left_alone_is_connected_first(deploy):
    cluster = Compared()
    status = cluster.surveys["db1"]["storage"]["status"]
    status |= {"connection": "StandAlone", "up_to_date": False, "connected": False}

    def reconnected(minion):
        status.update(connection="Connected", up_to_date=True, connected=True)
        return minion == "db1"

    cluster.answers["hamysql_verify.reconnect"] = reconnected
    verify.check(deploy(cluster))
    assert cluster.functions == ["hamysql_verify.reconnect", "hamysql_rolling.wait_whole"]


def test_it_is_shown_before(deploy):
    cluster = Compared()
    deployment = deploy(cluster, test=True)
    verify.check(deployment)
    changes, _ = verify.verify(deployment, resynchronise=False)
    assert changes == {"verify": ["~ db2 compares all blocks of both replicas, while the database serves"]}
    cluster.finish(64)
    deployment = deploy(cluster, test=True)
    assert verify.resynchronise(deployment, 60)[0] == {"resynchronised": ["~ db1 gets what differs from db2"]}
    assert cluster.functions == []


def test_the_writers_go_where_it_is_cut_off(deploy):
    cluster = Compared()
    cluster.answers["hamysql_verify.finish"] = fails("was cut off")
    with pytest.raises(HamysqlError, match="was cut off"):
        verify.verify(deploy(cluster), resynchronise=False)
    assert cluster.functions[-2:] == ["hamysql_tracer.stop", "hamysql_tracer.forget"]


def test_each_phase_has_its_words():
    assert list(progress.ORDERS["verify"]) == ["checked", "verified", "resynchronised"]
