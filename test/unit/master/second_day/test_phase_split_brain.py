"""The operation "split_brain": what is told of both sides, whose changes are given up and when not, and what a second run does."""

from __future__ import annotations

import pytest
from answering import fails
from test_phase_verify import Compared

from hamysql.errors import HamysqlError, Refused
from hamysql.master import progress
from hamysql.master.second_day import split_brain

IMAGE = {"path": "/mnt/kept/db1.img", "made": "", "size": 512_000_000, "sha256": "", "generation": "AAAA", "writes": ""}


class Split(Compared):
    """db2 serves and is alone; db1 has gone its own way and is secondary."""

    def __init__(self):
        super().__init__()
        self.note = None
        for name, current in (("db1", "1111"), ("db2", "2222")):
            storage = self.surveys[name]["storage"]
            storage["generation"] |= {"current": current, "bitmap": "AAAA", "history": ["0", "0"]}
            storage["status"] |= {"connection": "StandAlone", "peer_disk": "DUnknown", "peer_role": "Unknown"}
            storage["status"] |= {"connected": False, "up_to_date": False}
        self.answers |= {
            "hamysql_split.look": self.looked,
            "hamysql_split.noted": lambda minion: self.note if minion == "db1" else None,
            "hamysql_split.keep": self.keep,
            "hamysql_split.give_up": self.give_up,
            "hamysql_split.accept": self.accept,
            "hamysql_split.forget": True,
            "hamysql_split.wait_connected": {},
            "hamysql_cluster.start": True,
        }

    def looked(self, minion):
        table = {"size": 98304, "written": 1000 if minion == "db1" else 2000}
        return {"state": f"words of {minion}", "generation": "1:2", "tables": {"shop.orders": table}, "why": ""}

    def keep(self, minion, folder):
        assert minion == "db1"
        self.note = {"image": IMAGE, "given_up": False}
        return IMAGE

    def give_up(self, minion):
        assert minion == "db1"
        assert self.note is not None
        self.note["given_up"] = True
        return True

    def accept(self, minion):
        assert minion == "db2"
        for seen in self.surveys.values():
            status = {"connection": "Connected", "connected": True, "up_to_date": True, "peer_disk": "UpToDate"}
            seen["storage"]["status"] |= status
            seen["storage"]["generation"] |= {"current": "2222"}
        return True


def phases(deployment, victim="db1", folder=None):
    split_brain.look(deployment, victim)
    split_brain.check(deployment, victim)
    kept = split_brain.keep(deployment, victim, folder)
    return kept, split_brain.resolve(deployment, victim, 60)


def test_both_sides_are_told_and_nobody_is_named(deploy):
    cluster = Split()
    changes, said = split_brain.look(deploy(cluster), None)
    assert changes == {}
    assert "db1 and db2 hold different data (split brain)" in said
    assert "words of db1; generation 1:2" in said
    assert "differs: shop.orders, written last on db2" in said
    assert '"hamysql_victim": "db1"}\', or "db2"' in said
    assert cluster.functions == ["hamysql_split.look"]


def test_what_cannot_be_told_of_tables_is_said(deploy):
    cluster = Split()
    known = cluster.looked
    cluster.answers["hamysql_split.look"] = lambda minion: {**known(minion), "why": "no loop device"}
    assert "the tables of db1 cannot be told: no loop device" in split_brain.look(deploy(cluster), None)[1]


def test_the_disk_is_kept_then_the_changes_are_given_up_and_both_are_compared(deploy):
    cluster = Split()
    (kept, _), (changes, said) = phases(deploy(cluster), folder="/mnt/kept")
    assert kept == {"kept": [IMAGE["path"]]}
    assert changes == {"resolved": ["db1 gave its changes up"]}
    assert f"db1 has the data of db2; what it had is in {IMAGE['path']} on db1; both replicas were compared" in said
    order = [
        name
        for name in cluster.functions
        if name != "hamysql_split.wait_connected"
        and name.startswith(("hamysql_split", "hamysql_rolling", "hamysql_verify.begin"))
    ]
    assert order == [
        *(
            "hamysql_split.noted",
            "hamysql_split.look",
            "hamysql_split.noted",
            "hamysql_split.noted",
            "hamysql_split.keep",
        ),
        *("hamysql_split.noted", "hamysql_split.give_up", "hamysql_split.accept", "hamysql_rolling.wait_whole"),
        *("hamysql_verify.begin", "hamysql_split.noted", "hamysql_split.forget"),
    ]
    assert ("hamysql_split.keep", ("db1",), {"folder": "/mnt/kept"}) in cluster.asked
    assert cluster.events[-1]["state"] == "finished"


def test_sides_that_refuse_each_other_once_more_are_told_again(deploy):
    """A replica that was down calls the other side when it comes up, before it has been told to give up."""
    cluster = Split()
    refusing = iter((True, True, False))

    def connected(minion, timeout):
        if next(refusing):
            raise HamysqlError("waited 15 s")
        return {}

    cluster.answers["hamysql_split.wait_connected"] = connected
    phases(deploy(cluster))
    assert cluster.functions.count("hamysql_split.give_up") == cluster.functions.count("hamysql_split.accept") == 3
    cluster = Split()
    cluster.answers["hamysql_split.wait_connected"] = fails("waited 15 s")
    with pytest.raises(HamysqlError, match="waited 15 s"):
        phases(deploy(cluster))


def test_run_again_after_it_was_killed_it_waits_for_the_data_and_gives_nothing_up(deploy):
    cluster = Split()
    cluster.keep("db1", "")
    cluster.give_up("db1")
    cluster.accept("db2")
    _, (_, said) = phases(deploy(cluster))
    assert "db1 has the data of db2" in said
    assert "hamysql_split.give_up" not in cluster.functions
    assert "hamysql_split.keep" not in cluster.functions


def test_without_a_digest_it_says_that_nothing_was_compared(deploy):
    cluster = Split()
    for seen in cluster.surveys.values():
        seen["settings"]["storage"]["drbd"]["verify"]["alg"] = None
    _, (_, said) = phases(deploy(cluster))
    assert "both replicas were not compared: DRBD has no digest" in said


def test_a_node_whose_cluster_is_stopped_is_started(deploy):
    cluster = Split()
    cluster.surveys["db1"]["cluster"] |= {"running": False, "dc": None, "nodes": {}}
    phases(deploy(cluster))
    assert ("hamysql_cluster.start", ("db1",), {}) in cluster.asked


def victim_serves(cluster):
    cluster.surveys["db1"]["storage"]["status"]["role"] = "Primary"


def survivor_is_old(cluster):
    cluster.surveys["db2"]["storage"]["status"]["disk"] = "Outdated"


def victim_in_standby(cluster):
    cluster.surveys["db2"]["cluster"]["nodes"]["db1"]["standby"] = True


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (victim_serves, "db1 serves, or is Primary"),
        (survivor_is_old, "db2 is not UpToDate"),
        (victim_in_standby, "db1 is in standby"),
    ],
)
def test_what_forbids_it_is_told(deploy, change, why):
    cluster = Split()
    change(cluster)
    with pytest.raises(Refused, match=rf"the changes of db1 are not given up while this is so:\n  - {why}"):
        split_brain.check(deploy(cluster), "db1")
    assert "hamysql_split.give_up" not in cluster.functions


def test_without_a_split_brain_it_refuses(deploy):
    with pytest.raises(Refused, match="there is no split brain"):
        split_brain.look(deploy(Compared()), None)


def test_a_victim_has_to_be_a_node(deploy):
    with pytest.raises(Refused, match="hamysql_victim"):
        split_brain.check(deploy(Split()), "db3")


def test_it_is_shown_before(deploy):
    cluster = Split()
    deployment = deploy(cluster, test=True)
    kept, resolved = phases(deployment)
    assert kept[0] == {"kept": ["~ the disk of db1 is copied to /var/lib/hamysql/kept"]}
    assert resolved[0] == {"resolved": ["~ db1 gives its changes up, and gets the data of db2"]}
    assert set(cluster.functions) == {"hamysql_split.noted", "hamysql_split.look"}


def test_each_phase_has_its_words():
    assert list(progress.ORDERS["split_brain"]) == ["looked", "checked", "kept", "resolved"]
