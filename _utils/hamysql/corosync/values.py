"""The leaves of the pillar that become options of corosync.conf: what corosync's own reader accepts, and nothing else.

Source: ``parse_section`` and ``main_config_parser_cb`` in coroparse.c, and logconfig.c, of corosync 3.1. A line is cut at its first
``{`` or ``:``, blanks at the ends are dropped, and the byte A0, a part of letters in UTF-8, counts as a blank. Nothing is quoted.

corosync takes any name, and any number up to 4294967295, and says nothing of what it does not know. So these are lists of what is
allowed: names and ranges of corosync.conf(5) and votequorum(5), without what takes the cluster apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from hamysql.schema import values as v
from hamysql.schema.language import Names, Value

NAME = Value("an option's name", v.matching(re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")))


def switch(on: str, off: str, *others: str) -> Value:
    """Two words, which YAML may have read as a boolean, and other ones."""
    words = (on, off, *others)

    def parse(value: Any) -> str:
        found = {True: on, False: off}[value] if isinstance(value, bool) else value
        if found not in words:
            raise ValueError
        return str(found)

    return v.required(Value(" or ".join(map(repr, words)), parse))


def whole(low: int = 0, high: int = 2**32 - 1, what: str = "a whole number") -> Value:
    """A number, in the form that corosync.conf has."""
    number = v.integer(low, high)
    return v.required(Value(f"{what}, {low} to {high}", lambda value: str(number(value))))


def zero(reason: str) -> Value:
    """Only off, for what YAML may have read as a boolean."""

    def parse(value: Any) -> str:
        if value not in (0, "0"):
            raise ValueError
        return "0"

    return v.required(Value(f"'0': {reason}", parse))


def _words(*words: str) -> Value:
    return v.required(v.one_of(*words))


def _each(make: Callable[[], Value], names: str) -> dict[str, Value]:
    return {name: make() for name in names.split()}


def _priority(value: Any) -> str:
    if value in ("max", "min"):
        return str(value)
    found = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    if not re.fullmatch(r"-?[0-9]{1,10}", found) or not -(2**31) <= int(found) < 2**31:
        raise ValueError
    return found


def _mtu(value: Any) -> str:
    return str(v.integer(576 if value not in (0, "0") else 0, 65535)(value))


def _dscp(value: Any) -> str:
    if isinstance(value, str) and re.fullmatch(r"cs[0-7]|af[1-4][1-3]|ef", value):
        return value
    return str(v.integer(0, 63)(value))


_MILLISECONDS = 10 * 60 * 1000
_LEAST = 30  # milliseconds; MINIMUM_TIMEOUT in totemconfig.c


def _times(names: str, low: int = _LEAST) -> dict[str, Value]:
    return _each(lambda: whole(low, _MILLISECONDS, "milliseconds"), names)


# Totem's own rules between them are in rules.check_corosync.
TOTEM = {
    **_times("token_retransmit join consensus merge downcheck max_network_delay"),
    **_times("hold", 14),
    **_times("token_coefficient send_join", 0),
    **_each(lambda: whole(0, 1_000_000), "fail_recv_const seqno_unchanged_const miss_count_const"),
    "heartbeat_failures_allowed": whole(0, 1000),
    "threads": whole(0, 64),
    "token_warning": whole(0, 100, "percent of the token"),
    "token_retransmits_before_loss_const": whole(1, 1000),
    **_each(lambda: whole(1, 1024), "window_size max_messages"),
    "netmtu": whole(576, 65535, "bytes"),
    "knet_mtu": v.required(Value("0, which lets knet find it, or bytes, 576 to 65535", _mtu)),
    "knet_pmtud_interval": whole(0, 24 * 60 * 60, "seconds"),
    "knet_compression_model": _words("zlib", "lz4", "lz4hc", "lzo2", "lzma", "bzip2", "zstd"),
    "knet_compression_threshold": whole(0, 65536, "bytes"),
    "knet_compression_level": whole(0, 22),
    "config_version": whole(0, 2**63 - 1),
    "ip_dscp": v.required(Value("0 to 63, or a name such as 'cs6', 'af41' or 'ef'", _dscp)),
    "ip_version": _words("ipv4", "ipv6", "ipv4-6", "ipv6-4"),
    "crypto_model": _words("nss", "openssl"),
    "link_mode": _words("active", "passive", "rr"),
    **_each(lambda: switch("yes", "no"), "block_unlisted_ips cancel_token_hold_on_retransmit clear_node_high_bit"),
}
# What counts the votes. The third vote is the quorum device's; without it two_node, whose survivor of two goes on.
_TWO = "with it corosync switches two_node off, and the wrong half of two stops"
QUORUM = {
    **_times("last_man_standing_window leaving_timeout", 0),
    "auto_tie_breaker": zero(_TWO + "; beside a quorum device corosync does not start"),
    "last_man_standing": zero("it is for three nodes and more; beside a quorum device corosync does not start"),
    "allow_downscale": zero("votequorum(5) calls it incomplete and unsupported"),
    "expected_votes_tracking": zero("a vote that has left, such as a quorum device's, would still be needed"),
}
_PRIORITIES = ("alert", "crit", "debug", "emerg", "err", "info", "notice", "warning")
_FACILITIES = ("daemon", *(f"local{number}" for number in range(8)))
LOGGING = {
    **_each(lambda: switch("on", "off"), "fileline function_name blackbox"),
    "debug": switch("on", "off", "trace"),
    "timestamp": switch("on", "off", "hires"),
    **_each(lambda: switch("yes", "no"), "to_stderr to_syslog"),
    "syslog_facility": _words(*_FACILITIES),
    **_each(lambda: _words(*_PRIORITIES), "syslog_priority logfile_priority syslog_level"),
}
SYSTEM = {
    "qb_ipc_type": _words("native", "shm", "socket"),
    **_each(lambda: switch("yes", "no"), "sched_rr allow_knet_handle_fallback"),
    "move_to_root_cgroup": switch("yes", "no", "auto"),
    "priority": v.required(Value("'max', 'min' or -2147483648 to 2147483647", _priority)),
    # corosync does not start where it is missing, and notes there what it was a member of.
    "state_dir": _words("/var/lib/corosync", "/var/lib/corosync/"),
}
INTERFACE = {
    "knet_link_priority": whole(0, 255),
    "knet_transport": v.required(v.one_of("udp", note=": hamysql's firewall opens the port for it, and not for SCTP")),
    **_times("knet_ping_interval knet_ping_timeout", 1),
    "knet_ping_precision": whole(1, 1_000_000),
    "knet_pong_count": whole(1, 255),
}


def _for(reason: str, names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), reason)


_LINKS, _NODES = "hamysql writes it for each link", "hamysql counts two nodes, or two and a quorum device"
REFUSED = {
    "totem": {
        **{
            name: f"hamysql:corosync:{name} is for that"
            for name in ("transport", "token", "crypto_cipher", "crypto_hash")
        },
        "version": "corosync knows no other one than 2",
        "cluster_name": "hamysql:cluster:name is for that",
        "nodeid": "hamysql numbers the nodes",
        "secauth": "hamysql:corosync:crypto_cipher and crypto_hash are for that",
        **_for("hamysql:corosync:authkey is for that", "key keyfile"),
        "interface": "hamysql:corosync:options:interface is for that",
        **_for(
            "corosync 3 has no redundant rings: each address of a node is a link", "rrp_mode rrp_problem_count_timeout"
        ),
    },
    "quorum": {
        **_for(_NODES, "provider two_node wait_for_all expected_votes votes"),
        "auto_tie_breaker_node": _TWO,
        "device": "hamysql:quorum:device is for that",
    },
    "logging": {
        **_for("hamysql:corosync:logfile is for that", "logfile to_logfile to_file"),
        "logger_subsys": "all parts of corosync log alike",
    },
    "system": {},
    "interface": {
        **_for(_LINKS, "linknumber ringnumber bindnetaddr broadcast member"),
        "mcastaddr": "hamysql:corosync:mcastaddr is for that",
        "mcastport": "hamysql:corosync:port is for that",
        "ttl": "hamysql:corosync:ttl is for that",
    },
}
OPTIONS = {"totem": TOTEM, "quorum": QUORUM, "logging": LOGGING, "system": SYSTEM, "interface": INTERFACE}


def options() -> dict[str, Names]:
    """What ``hamysql:corosync:options`` may hold, by section."""
    what = "a mapping of option names to values"
    return {name: Names(NAME, NAME, what, known, only=True, refused=REFUSED[name]) for name, known in OPTIONS.items()}
