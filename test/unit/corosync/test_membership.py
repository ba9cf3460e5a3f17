"""What corosync 3.1.7 prints about a membership of two with knet, as values."""

from __future__ import annotations

from pathlib import Path

import pytest

from hamysql.corosync import membership
from hamysql.corosync.membership import Link
from hamysql.errors import ParseError

FIXTURES = Path(__file__).parent / "fixtures"


def test_a_quorum_of_two():
    text = (FIXTURES / "corosync-quorumtool-3.1.7.txt").read_text(encoding="utf-8")
    assert membership.parse_quorum(text) == membership.Quorum(
        quorate=True,
        node_id=1,
        members=(1, 2),
        expected_votes=2,
        total_votes=2,
        needed_votes=1,
        flags=("2Node", "Quorate", "WaitForAll"),
    )


def test_waiting_for_the_other_node_is_not_quorate():
    text = (FIXTURES / "corosync-quorumtool-3.1.7-waiting.txt").read_text(encoding="utf-8")
    found = membership.parse_quorum(text)
    assert (found.quorate, found.members, found.total_votes, found.flags) == (False, (1,), 1, ("2Node", "WaitForAll"))
    assert found.needed_votes == 1, "it has the votes, and waits"


# in the form of corosync 3.1.7 (display_nodes_data of corosync-quorumtool.c)
ALONE_WITH_DEVICE = """\
Quorum information
------------------
Date:             Mon Nov 23 17:24:40 2026
Quorum provider:  corosync_votequorum
Nodes:            1
Node ID:          1
Ring ID:          1.5
Quorate:          No

Votequorum information
----------------------
Expected votes:   3
Highest expected: 3
Total votes:      1
Quorum:           2 Activity blocked
Flags:            Qdevice

Membership information
----------------------
    Nodeid      Votes    Qdevice Name
         1          1   NA,NV,NMW 10.99.1.1 (local)
         0          0            Qdevice (votes 1)
"""


def test_a_quorum_device_is_no_member():
    found = membership.parse_quorum(ALONE_WITH_DEVICE)
    assert (found.members, found.total_votes, found.needed_votes) == ((1,), 1, 2)


def test_a_link_that_is_down():
    text = (FIXTURES / "corosync-cmapctl-3.1.7-link-down.txt").read_text(encoding="utf-8")
    assert membership.parse_links(text) == (Link(1, 0, True), Link(2, 0, True), Link(2, 1, False))


def test_another_transport_has_no_links():
    assert membership.parse_links("stats.srp.time_since_token_last_received (u64) = 106\n") == ()


@pytest.mark.parametrize("text", ["", "Cannot initialize QUORUM service\n", "Quorate: Yes\nNode ID: db1\n"])
def test_something_else_is_a_parse_error(text):
    with pytest.raises(ParseError, match="corosync-quorumtool"):
        membership.parse_quorum(text)
