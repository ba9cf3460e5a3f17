"""What a running corosync differs in from the pillar; a real one is in test/functional."""

from __future__ import annotations

from pathlib import Path

import pytest

from hamysql import pending
from hamysql.config import resolution
from hamysql.corosync import pending as corosync_pending
from hamysql.errors import ParseError
from support import ROOT, load, parameters

CMAP = (Path(__file__).parent / "fixtures" / "cmap-3.1.7.txt").read_text(encoding="ascii")


def pillar():
    """The lab's, with the token that the recorded daemon ran with."""
    given = load(ROOT / "lab" / "software" / "pillar.sls")["hamysql"]
    given["corosync"]["token"] = 3000
    return given


def found(given, *, key_differs=False, running=CMAP):
    site = resolution.resolve(resolution.layered(parameters(), given), minion_id="db1", nodename="db1")
    items = corosync_pending.pending(site, corosync_pending.parse_map(running), key_differs)
    return [(item.kind, item.path, item.old, item.new) for item in items]


def test_a_daemon_that_runs_with_the_pillar_has_nothing_pending():
    assert found(pillar()) == []


def test_a_token_is_live_with_all_that_follows_from_it():
    given = pillar()
    given["corosync"]["token"] = 5000
    assert found(given) == [
        ("live", "hamysql:corosync:options:totem:consensus", "600", "1000"),
        ("live", "hamysql:corosync:options:interface:knet_ping_timeout", "3000", "5000"),
        ("live", "hamysql:corosync:token", "3000", "5000"),
    ]


def test_an_option_that_left_the_pillar_goes_back_to_its_default():
    running = CMAP + "totem.join (u32) = 60\n"
    assert found(pillar(), running=running) == [
        ("live", "hamysql:corosync:options:totem:join", "60", "the default"),
    ]


def test_nothing_is_reloaded_while_the_use_of_the_links_waits_for_a_start():
    """As after an upgrade: the recorded daemon may not have it yet, and a token is changed at the same time."""
    given = pillar()
    given["corosync"]["token"] = 5000
    running = CMAP.replace("totem.link_mode (str) = active\n", "")
    assert {item[0] for item in found(given, running=running)} == {"restart"}
    assert ("restart", "hamysql:corosync:options:totem:link_mode", "the default", "active") in found(
        given, running=running
    )


@pytest.mark.parametrize("line", ["quorum.cancel_wait_for_all (u8) = 1", "nodelist.local_node_pos (u32) = 1"])
def test_what_corosync_or_an_operator_wrote_is_no_setting(line):
    assert found(pillar(), running=f"{CMAP}{line}\n") == []


def test_a_system_option_waits_for_a_start():
    given = pillar()
    given["corosync"]["options"] = {"system": {"sched_rr": "no"}}
    assert found(given) == [("restart", "hamysql:corosync:options:system:sched_rr", "the default", "no")]


@pytest.mark.parametrize(
    ("change_it", "path"),
    [
        (lambda given: given["cluster"].update(name="other"), "hamysql:cluster:name"),
        (lambda given: given["corosync"].update(crypto_cipher="aes128"), "hamysql:corosync:crypto_cipher"),
        (lambda given: given["corosync"].update(port=5505), "hamysql:corosync:port"),
        (
            lambda given: given["cluster"]["nodes"]["db2"].update(addresses=["10.77.1.12", "10.77.2.99"]),
            "hamysql:cluster:nodes:db2:addresses:1",
        ),
    ],
)
def test_what_both_nodes_must_agree_about_is_refused_with_its_path(change_it, path):
    given = pillar()
    change_it(given)
    result = found(given)
    assert {item[:2] for item in result} == {("refused", path)}


def test_another_transport_is_refused():
    given = pillar()
    given["corosync"]["transport"] = "udpu"
    for node in given["cluster"]["nodes"].values():
        del node["addresses"][1]
    kinds = {path: kind for kind, path, _, _ in found(given)}
    assert kinds["hamysql:corosync:transport"] == "refused"


DEVICE = """\
quorum.device.model (str) = net
quorum.device.net.algorithm (str) = ffsplit
quorum.device.net.host (str) = 10.77.1.13
quorum.device.net.port (str) = 5403
quorum.device.net.tls (str) = required
quorum.device.sync_timeout (u32) = 15000
quorum.device.timeout (u32) = 5000
quorum.device.votes (u32) = 1
"""
VOTE = (
    "device.model net, device.net.algorithm ffsplit, device.net.host 10.77.1.13, device.net.port 5403, device.net.tls required, "
    "device.sync_timeout 15000, device.timeout 5000, device.votes 1"
)


def with_device(**options):
    given = pillar()
    given["quorum"] = {"device": {"minion_id": "qd1", "address": "10.77.1.13", **options}}
    return given


def without_two_node():
    return "".join(line for line in CMAP.splitlines(keepends=True) if "quorum.two_node" not in line)


def test_a_third_vote_is_one_setting_and_refused():
    assert found(with_device()) == [("refused", "hamysql:quorum:device", "two_node 1", VOTE)]
    running = without_two_node() + DEVICE
    assert found(with_device(), running=running) == []
    assert found(pillar(), running=running) == [("refused", "hamysql:quorum:device", VOTE, "two_node 1")]
    assert found(with_device(algorithm="lms"), running=running) == [
        ("refused", "hamysql:quorum:device", "device.net.algorithm ffsplit", "device.net.algorithm lms")
    ]


def test_another_key_is_refused_and_not_shown():
    (item,) = found(pillar(), key_differs=True)
    assert item == ("refused", "hamysql:corosync:authkey", "another key", "a new one")


def test_the_sentence_of_a_refusal_says_what_to_do():
    item = pending.Pending("refused", "corosync", "hamysql:corosync:transport", "knet", "udpu", pending.TOGETHER)
    assert str(item).startswith(
        "hamysql:corosync:transport: knet is in service, the pillar says udpu: both nodes have to"
    )
    assert "hamysql_cluster.stop" in str(item)


def test_a_map_without_configuration_is_an_error():
    with pytest.raises(ParseError, match="no configuration"):
        corosync_pending.parse_map("Failed to initialize the cmap API\n")
