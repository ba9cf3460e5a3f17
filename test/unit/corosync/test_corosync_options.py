"""``hamysql:corosync:options``: what corosync.conf(5) and votequorum(5) know is taken, all else is refused with what to do instead."""

from __future__ import annotations

import pytest
import yaml

from hamysql.corosync import values as corosync_values
from hamysql.errors import ConfigError, Problem


def refused(resolve, given) -> dict[str, Problem]:
    with pytest.raises(ConfigError) as caught:
        resolve(given)
    return {problem.path: problem for problem in caught.value.problems}


def with_options(pillar, name="minimal", **options):
    given = pillar(name)
    given["corosync"]["options"] = options
    return given


# Section, option, what a pillar may say, and the line that corosync reads.
TAKEN = [
    ("totem", "token_retransmits_before_loss_const", 10, "10"),
    ("totem", "join", 60, "60"),
    ("totem", "consensus", "3600", "3600"),
    ("totem", "merge", 200, "200"),
    ("totem", "downcheck", 1000, "1000"),
    ("totem", "max_messages", 20, "20"),
    ("totem", "window_size", 300, "300"),
    ("totem", "netmtu", 8982, "8982"),
    ("totem", "knet_mtu", 0, "0"),
    ("totem", "knet_mtu", 1500, "1500"),
    ("totem", "knet_pmtud_interval", 30, "30"),
    ("totem", "knet_compression_model", "zlib", "zlib"),
    ("totem", "knet_compression_threshold", 100, "100"),
    ("totem", "knet_compression_level", 9, "9"),
    ("totem", "crypto_model", "openssl", "openssl"),
    ("totem", "config_version", 3, "3"),
    ("totem", "ip_version", "ipv4-6", "ipv4-6"),
    ("totem", "ip_dscp", "ef", "ef"),
    ("totem", "link_mode", "rr", "rr"),
    ("totem", "block_unlisted_ips", False, "no"),
    ("totem", "cancel_token_hold_on_retransmit", True, "yes"),
    ("totem", "token_warning", 0, "0"),
    ("totem", "token_coefficient", 650, "650"),
    ("totem", "send_join", 40, "40"),
    ("quorum", "auto_tie_breaker", False, "0"),
    ("quorum", "last_man_standing", "0", "0"),
    ("quorum", "last_man_standing_window", 20000, "20000"),
    ("logging", "debug", "trace", "trace"),
    ("logging", "timestamp", "hires", "hires"),
    ("logging", "syslog_facility", "local6", "local6"),
    ("logging", "logfile_priority", "notice", "notice"),
    ("logging", "blackbox", False, "off"),
    ("system", "qb_ipc_type", "socket", "socket"),
    ("system", "priority", -20, "-20"),
    ("system", "move_to_root_cgroup", "auto", "auto"),
    ("system", "state_dir", "/var/lib/corosync", "/var/lib/corosync"),
    ("interface", "knet_link_priority", 255, "255"),
    ("interface", "knet_pong_count", 5, "5"),
    ("interface", "knet_ping_precision", 2048, "2048"),
]  # fmt: skip


@pytest.mark.parametrize(("section", "name", "value", "word"), TAKEN)
def test_what_corosync_knows_is_taken(resolve, pillar, section, name, value, word):
    text = resolve(with_options(pillar, **{section: {name: value}}))["corosync"]["text"]
    assert f"  {name}: {word}\n" in text


# Section, option, value, and what the refusal says of what is expected.
REFUSED = [
    # of another type, or out of range
    ("totem", "join", "soon", "30 to 600000"),
    ("totem", "join", 29, "30 to 600000"),
    ("totem", "join", "50ms", "30 to 600000"),
    ("totem", "join", None, "30 to 600000"),
    ("totem", "merge", 3_000_000_000, "30 to 600000"),  # corosync reads it as a negative number
    ("totem", "window_size", 99_999_999, "1 to 1024"),
    ("totem", "max_messages", -1, "1 to 1024"),
    ("totem", "netmtu", 100, "576 to 65535"),
    ("totem", "knet_mtu", 100, "576 to 65535"),
    ("totem", "token_coefficient", 4294967295, "0 to 600000"),
    ("totem", "token_warning", 101, "percent of the token"),
    ("totem", "link_mode", "all", "'passive'"),
    ("totem", "knet_compression_model", "none", "'zlib'"),  # corosync refuses it though it is its default
    ("totem", "crypto_model", "gcrypt", "'openssl'"),
    ("totem", "block_unlisted_ips", "maybe", "'yes'"),
    ("logging", "debug", "no", "'trace'"),
    ("logging", "to_syslog", "true", "'yes'"),
    ("logging", "logfile_priority", "loud", "'notice'"),
    ("system", "sched_rr", "maybe", "'no'"),
    ("system", "state_dir", "/root", "'/var/lib/corosync'"),  # corosync does not start where it is missing
    ("interface", "knet_link_priority", 256, "0 to 255"),
    ("interface", "knet_transport", "sctp", "'udp'"),  # the firewall would cut the nodes off
    # hamysql's own
    ("totem", "version", 2, "no other one than 2"),
    ("totem", "cluster_name", "x", "hamysql:cluster:name"),
    ("totem", "transport", "udpu", "hamysql:corosync:transport"),
    ("totem", "token", 10000, "hamysql:corosync:token"),
    ("totem", "crypto_cipher", "none", "hamysql:corosync:crypto_cipher"),
    ("totem", "secauth", "off", "hamysql:corosync:crypto_cipher"),
    ("totem", "key", "canary", "hamysql:corosync:authkey"),
    ("totem", "keyfile", "/tmp/key", "hamysql:corosync:authkey"),
    ("totem", "nodeid", 1, "hamysql numbers the nodes"),
    ("totem", "interface", {"mcastport": 5405}, "options:interface"),
    ("totem", "rrp_mode", "passive", "each address of a node is a link"),
    ("quorum", "provider", "corosync_votequorum", "two nodes"),
    ("quorum", "two_node", 0, "two nodes"),
    ("quorum", "wait_for_all", 0, "two nodes"),
    ("quorum", "expected_votes", 1, "two nodes"),
    ("quorum", "votes", 2, "two nodes"),
    ("quorum", "device", {"model": "net"}, "hamysql:quorum:device"),
    ("logging", "logfile", "/tmp/x", "hamysql:corosync:logfile"),
    ("logging", "to_logfile", "no", "hamysql:corosync:logfile"),
    ("logging", "logger_subsys", {"subsys": "QUORUM"}, "log alike"),
    ("interface", "bindnetaddr", "192.0.2.0", "each link"),
    ("interface", "linknumber", 0, "each link"),
    ("interface", "mcastport", 5405, "hamysql:corosync:port"),
    ("interface", "mcastaddr", "239.1.1.1", "hamysql:corosync:mcastaddr"),
    ("interface", "ttl", 1, "hamysql:corosync:ttl"),
    # what takes the cluster apart, though `corosync -t` accepts it
    ("quorum", "auto_tie_breaker", 1, "switches two_node off"),
    ("quorum", "auto_tie_breaker_node", "lowest", "switches two_node off"),
    ("quorum", "last_man_standing", True, "three nodes"),
    ("quorum", "allow_downscale", 1, "unsupported"),
    ("quorum", "expected_votes_tracking", 1, "would still be needed"),
    # what nobody knows, with what was meant
    ("totem", "tokn_retransmit", 300, "'token_retransmit'"),
    ("totem", "max-messages", 20, "'max_messages'"),
    ("totem", "hello", "x", "one of block_unlisted_ips"),
    ("totem", "debug", "on", "one of block_unlisted_ips"),
    ("quorum", "last_man_standing_windows", 1, "'last_man_standing_window'"),
    ("logging", "time_stamp", "on", "'timestamp'"),
    ("system", "sched-rr", "no", "'sched_rr'"),
    ("interface", "knet_ping_intervall", 100, "'knet_ping_interval'"),
    ("totem", "interface.0.mcastport", "1", "an option's name"),
    ("totem", "a\nb", "1", "an option's name"),
    ("totem", 5, "1", "an option's name"),
]


@pytest.mark.parametrize(("section", "name", "value", "word"), REFUSED)
def test_all_else_is_refused_with_what_is_expected(resolve, pillar, section, name, value, word):
    found = refused(resolve, with_options(pillar, **{section: {name: value}}))
    (path,) = found
    assert path.startswith(f"hamysql:corosync:options:{section}:")
    assert word in found[path].expected
    assert "canary" not in str(found[path])


def test_no_option_is_both_taken_and_refused_nor_offered_where_it_is_refused():
    for section, known in corosync_values.OPTIONS.items():
        assert not known.keys() & corosync_values.REFUSED[section].keys()


@pytest.mark.parametrize(
    ("token", "totem", "path"),
    [
        (100, {}, "token"),
        (125, {}, "token"),
        (1000, {"token_retransmits_before_loss_const": 40}, "token"),
        (1000, {"consensus": 100, "join": 200}, "options:totem:consensus"),
        (1000, {"consensus": 40}, "options:totem:consensus"),
        (1000, {"send_join": 51}, "options:totem:send_join"),
        (1000, {"send_join": 80, "join": 60}, "options:totem:send_join"),
    ],
)
def test_times_that_do_not_go_together_are_refused(resolve, pillar, token, totem, path):
    given = pillar("minimal")
    given["corosync"] |= {"token": token, "options": {"totem": totem}}
    assert f"hamysql:corosync:{path}" in refused(resolve, given)


@pytest.mark.parametrize(
    ("interface", "name"),
    [
        ({"knet_ping_interval": 2000, "knet_ping_timeout": 1000}, "knet_ping_timeout"),
        ({"knet_ping_interval": 700}, "knet_ping_interval"),  # the timeout is half of the token of 1250 ms
        ({"knet_ping_timeout": 300}, "knet_ping_timeout"),  # the interval is a quarter of it
        ({"knet_ping_timeout": 100, "knet_pong_count": 5}, "knet_ping_timeout"),
    ],
)
def test_a_link_that_would_never_be_up_is_refused(resolve, pillar, interface, name):
    found = refused(resolve, with_options(pillar, interface=interface))
    assert list(found) == [f"hamysql:corosync:options:interface:{name}"]


def test_pings_that_go_together_are_taken(resolve, pillar):
    text = resolve(with_options(pillar, interface={"knet_ping_interval": 200, "knet_ping_timeout": 700}))["corosync"][
        "text"
    ]
    assert "knet_ping_interval: 200\n" in text


def test_the_shortest_token_that_corosync_takes_is_taken(resolve, pillar):
    given = pillar("minimal")
    given["corosync"]["token"] = 126
    assert resolve(given)["corosync"]["token"] == 126


@pytest.mark.parametrize(
    ("name", "transport", "version"),
    [
        ("ipv6", "knet", "ipv4"),
        ("ipv6", "knet", "ipv6"),
        ("minimal", "knet", "ipv6"),
        ("minimal", "udpu", "ipv6"),
        ("minimal", "udp", "ipv6"),
    ],
)
def test_a_family_that_a_node_has_no_address_of_is_refused(resolve, pillar, name, transport, version):
    given = with_options(pillar, name, totem={"ip_version": version})
    given["corosync"]["transport"] = transport
    assert "hamysql:corosync:options:totem:ip_version" in refused(resolve, given)


def test_udp_is_told_where_the_addresses_are_ipv6(resolve, pillar):
    given = pillar("minimal")
    for number, node in enumerate(given["cluster"]["nodes"].values(), 1):
        node["addresses"] = [f"2001:db8::{number}"]
    given["corosync"]["transport"] = "udp"
    assert "'ipv6'" in refused(resolve, given)["hamysql:corosync:options:totem:ip_version"].expected
    given["corosync"]["options"] = {"totem": {"ip_version": "ipv6"}}
    assert "ip_version: ipv6\n" in resolve(given)["corosync"]["text"]


def test_a_hundred_unknown_options_are_told_at_once(resolve, pillar):
    given = with_options(pillar, totem={f"tokn{number}": number for number in range(100)})
    assert len(refused(resolve, given)) == 100


def test_yamls_words_are_those_that_corosync_knows(resolve, pillar):
    options = yaml.safe_load(
        "{logging: {debug: off, to_stderr: no}, system: {sched_rr: yes}, quorum: {allow_downscale: no}}"
    )
    text = resolve(with_options(pillar, **options))["corosync"]["text"]
    for line in ("debug: off", "to_stderr: no", "sched_rr: yes", "allow_downscale: 0"):
        assert f"  {line}\n" in text
