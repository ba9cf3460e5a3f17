"""When a node may be fenced for a test, when one may serve alone, and what is proven."""

from __future__ import annotations

import pytest

from hamysql.errors import ParseError, Refused
from hamysql.fencing import proof, take_over
from hamysql.master import operations
from hamysql.storage.drbd import status as drbd_status


def test_a_healthy_cluster_has_no_reasons(surveys):
    assert operations.unhealthy(surveys) == []


def spoil(surveys, *path, value):
    place = surveys
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value


SICK = [
    (("db2", "cluster", "running"), False, "db2: pacemaker does not run"),
    (("db1", "cluster", "quorum"), False, "db1: the cluster has no quorum"),
    (("db1", "cluster", "maintenance"), True, "db1: the cluster is in maintenance mode"),
    (("db2", "cluster", "nodes", "db1", "online"), False, "db2 sees db1 offline"),
    (("db1", "cluster", "nodes", "db2", "standby"), True, "db1 sees db2 in state standby"),
    (("db1", "cluster", "nodes", "db2", "unclean"), True, "db1 sees db2 in state unclean"),
    (("db1", "storage", "status", "up_to_date"), False, "db1: DRBD is"),
    (("db2", "storage", "status"), {}, "db2: DRBD is not configured, not UpToDate"),
    (("db1", "database"), False, "the database answers on no node"),
    (("db2", "database"), True, "the database answers on db1 and db2"),
    (
        ("db1", "cluster", "failures"),
        [{"action": "p_fs_mysql_start_0", "node": "db2", "status": "error", "reason": "no path"}],
        "db2 is not given p_fs_mysql, whose start has failed there (no path)",
    ),
    (("db1", "cluster", "resources"), [], "fence device p_fence_db1 does not run"),
]


@pytest.mark.parametrize(("path", "value", "reason"), SICK)
def test_what_is_not_healthy_is_said(surveys, path, value, reason):
    spoil(surveys, *path, value=value)
    assert any(reason in found for found in operations.unhealthy(surveys))


def test_a_failed_device_does_not_count_as_running(surveys):
    surveys["db1"]["cluster"]["resources"][1]["failed"] = True
    (reason,) = operations.unhealthy(surveys)
    assert "p_fence_db2" in reason


def test_the_standby_is_shot_first_and_each_level_alone(surveys):
    for name in surveys:
        surveys[name]["settings"]["fencing"]["levels"]["db1"].append({"level": 2, "devices": ["a", "b"]})
    assert operations.shots(surveys) == [
        operations.Shot("db2", 1, ("p_fence_db2",)),
        operations.Shot("db1", 1, ("p_fence_db1",)),
        operations.Shot("db1", 2, ("a", "b")),
    ]
    assert operations.shots(surveys, "db2") == [operations.Shot("db2", 1, ("p_fence_db2",))]


def test_without_devices_or_with_an_unknown_node_there_is_nothing_to_shoot(surveys):
    with pytest.raises(Refused, match="no node 'db3'"):
        operations.shots(surveys, "db3")
    surveys["db1"]["settings"]["fencing"]["levels"] = {}
    with pytest.raises(Refused, match="no fence devices"):
        operations.shots(surveys)


@pytest.mark.parametrize("given", [None, "", "galaxy", "yes", "GALAXY-DB"])
def test_only_the_clusters_own_name_confirms(given):
    with pytest.raises(Refused, match="confirm=galaxy-db"):
        operations.confirmed("galaxy-db", given, "It will hurt.")


def test_the_clusters_name_confirms():
    operations.confirmed("galaxy-db", "galaxy-db", "It will hurt.")


# in the form of `drbdadm get-gi`: a standby that was connected to the last, and a primary that went on alone
STANDBY = "E1F8AB0F4D3F5F56:0000000000000000:5D0A2F6A0C7B2D14:5D092F6A0C7B2D15:1:1:0:1:0:0:0\n"
PRIMARY = "AB7F8AB0F4D3F5F5:E1F8AB0F4D3F5F57:5D0A2F6A0C7B2D14:5D092F6A0C7B2D15:1:1:1:0:0:1:0\n"


def test_the_flags_of_the_metadata():
    flags = drbd_status.parse_flags(PRIMARY)
    assert (flags.primary, flags.connected, flags.peer_outdated, flags.crashed_primary) == (True, False, True, False)
    assert drbd_status.parse_flags(STANDBY).connected is True


@pytest.mark.parametrize("text", ["", "1:2:3:4", "1:2:3:4:1:1:0:1:0:0:x", "No valid meta data found"])
def test_anything_else_is_no_flags(text):
    with pytest.raises(ParseError, match="get-gi"):
        drbd_status.parse_flags(text)


def test_a_node_alone_with_good_data_has_only_its_operator_to_ask(evidence):
    for votes in ({"total": 1, "needed": 1}, {"total": 2, "needed": 2}, {}):  # two_node; a quorum device; not running
        assert take_over.alone({**evidence, "votes": votes}) == []
    assert take_over.unseen(evidence, None) == []
    text = take_over.consider(evidence)
    assert "db1 is off, says p_fence_db1" in text
    assert "If db1 went on alone, it does not know it." in text


def test_metadata_that_knows_the_peer_to_be_older_says_so(evidence):
    evidence["flags"] = dict(drbd_status.parse_flags(PRIMARY).__dict__)
    assert "db1 was out of date when db2 last wrote" in take_over.consider(evidence)


ALONE = [
    ({"database": True}, "nothing is to be taken over"),
    ({"members": 2}, "db1 is a member"),
    ({"votes": {"total": 1, "needed": 2}}, "this node has 1 of the 2 votes that are needed"),
    ({"power": {"p_fence_db1": "unknown", "p_fence_db1_2": "on"}}, "db1 is switched on, says p_fence_db1_2"),
    ({"initialised": False}, "never held the database"),
    ({"flags": {}}, "no DRBD metadata"),
]


@pytest.mark.parametrize(("change", "reason"), ALONE)
def test_what_forbids_to_serve_alone(evidence, change, reason):
    assert reason in "\n".join(take_over.alone({**evidence, **change}))


@pytest.mark.parametrize(
    ("flag", "value", "reason"),
    [("consistent", False, "Inconsistent"), ("full_sync", True, "Inconsistent"), ("up_to_date", False, "Outdated")],
)
def test_a_replica_that_is_known_to_be_old_never_serves(evidence, flag, value, reason):
    evidence["flags"][flag] = value
    (found,) = take_over.alone(evidence)
    assert reason in found


def test_a_peer_that_no_device_can_see_has_to_be_vouched_for(evidence):
    evidence["power"] = {"p_fence_db1": "unknown"}
    (reason,) = take_over.unseen(evidence, None)
    assert "peer_is_off=db1" in reason
    assert take_over.unseen(evidence, "db2") != []
    assert take_over.unseen(evidence, "db1") == []


def test_a_proof_holds_for_the_devices_as_they_were(resolve, pillar):
    fencing = resolve(pillar("fenced"))["fencing"]
    digest = proof.digest(fencing, ["p_fence_db2"])
    record = {"node": "db2", "level": "1", "when": "2026-01-02T03:04:05Z", "digest": digest}
    found = proof.proofs([record], fencing)
    assert found["db2"] == [{"level": 1, "devices": ["p_fence_db2"], "proven": "2026-01-02T03:04:05Z"}]
    assert [level["proven"] for level in found["db1"]] == [None, None]
    given = pillar("fenced")
    given["fencing"]["devices"]["db2"][0]["options"]["ip"] = "192.0.2.99"
    assert proof.proofs([record], resolve(given)["fencing"])["db2"][0]["proven"] is None


def test_a_digest_is_the_same_on_the_master_and_tells_nothing_of_a_secret(resolve, pillar):
    given = pillar("fenced")
    before = proof.digest(resolve(given)["fencing"], ["p_fence_db2"])
    given["fencing"]["devices"]["db2"][0]["secrets"]["password"] = "another"
    assert proof.digest(resolve(given)["fencing"], ["p_fence_db2"]) == before
