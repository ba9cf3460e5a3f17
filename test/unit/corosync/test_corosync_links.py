"""How corosync is told to use the links between the nodes."""

from __future__ import annotations

import pytest


@pytest.fixture
def links(resolve, pillar):
    """``links(pillar name, token, totem, interface)``: corosync's totem options, and those of each link about its pings."""

    def made(name, *, token=1000, totem=None, interface=None):
        given = pillar(name)
        given["corosync"] |= {"token": token, "options": {"totem": totem or {}, "interface": interface or {}}}
        (found,) = [part for part in resolve(given)["corosync"]["sections"] if part["name"] == "totem"]
        pings = [
            {key: value for key, value in part["options"] if key.startswith("knet_ping")} for part in found["sections"]
        ]
        return dict(found["options"]), pings

    return made


def test_both_links_carry_everything_and_neither_is_given_up_sooner_than_the_token(links):
    totem, pings = links("fenced", token=2000)
    assert totem["link_mode"] == "active"
    assert pings == [{"knet_ping_interval": "150", "knet_ping_timeout": "2000"}] * 2


def test_a_short_token_leaves_a_link_time_for_five_pings(links):
    _, pings = links("fenced", token=500)
    assert pings == [{"knet_ping_interval": "150", "knet_ping_timeout": "1000"}] * 2


def test_one_link_has_no_mode(links):
    totem, pings = links("minimal")
    assert "link_mode" not in totem
    assert pings == [{"knet_ping_interval": "150", "knet_ping_timeout": "1000"}]


def test_a_site_s_own_mode_is_taken_and_another_link_soon_enough(links):
    """Up to the loss of the token nothing would be sent on the second one."""
    totem, pings = links("fenced", totem={"link_mode": "passive"})
    assert totem["link_mode"] == "passive"
    assert pings == [{}] * 2


def test_a_site_s_own_pings_stay_a_pair(links):
    """corosync.conf(5): where one is given, the other one should be."""
    _, pings = links("fenced", interface={"knet_ping_timeout": "9000"})
    assert pings == [{"knet_ping_timeout": "9000"}] * 2


def test_udp_knows_neither(links):
    totem, pings = links("article")
    assert totem["transport"] == "udp"
    assert "link_mode" not in totem
    assert pings == [{}]
