"""When a node may serve alone."""

from __future__ import annotations

import pytest

from hamysql.fencing import take_over
from hamysql.storage import backends
from hamysql.storage.drbd import status as drbd_status

# in the form of `drbdadm get-gi`: a primary that went on alone
PRIMARY = "AB7F8AB0F4D3F5F5:E1F8AB0F4D3F5F57:5D0A2F6A0C7B2D14:5D092F6A0C7B2D15:1:1:1:0:0:1:0\n"


def test_a_node_alone_with_good_data_has_only_its_operator_to_ask(evidence):
    for votes in ({"total": 1, "needed": 1}, {"total": 2, "needed": 2}, {}):  # two_node; a quorum device; not running
        assert backends.alone({**evidence, "votes": votes}) == []
    assert take_over.unseen(evidence, None) == []
    text = backends.KINDS["drbd"].consider(evidence)
    assert "db1 is off, says p_fence_db1" in text
    assert "If db1 went on alone, it does not know it." in text


def test_metadata_that_knows_the_peer_to_be_older_says_so(evidence):
    evidence["flags"] = dict(drbd_status.parse_flags(PRIMARY).__dict__)
    assert "db1 was out of date when db2 last wrote" in backends.KINDS["drbd"].consider(evidence)


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
    assert reason in "\n".join(backends.alone({**evidence, **change}))


@pytest.mark.parametrize(
    ("flag", "value", "reason"),
    [("consistent", False, "Inconsistent"), ("full_sync", True, "Inconsistent"), ("up_to_date", False, "Outdated")],
)
def test_a_replica_that_is_known_to_be_old_never_serves(evidence, flag, value, reason):
    evidence["flags"][flag] = value
    (found,) = backends.alone(evidence)
    assert reason in found


def test_a_peer_that_no_device_can_see_has_to_be_vouched_for(evidence):
    evidence["power"] = {"p_fence_db1": "unknown"}
    (reason,) = take_over.unseen(evidence, None)
    assert "peer_is_off=db1" in reason
    assert take_over.unseen(evidence, "db2") != []
    assert take_over.unseen(evidence, "db1") == []
