"""The leaves of the pillar that become options of corosync.conf: what corosync's own reader accepts, and nothing else.

Source: ``parse_section`` and ``main_config_parser_cb`` in coroparse.c, and logconfig.c, of corosync 3.1. A line is cut at its first
``{`` or ``:``, blanks at the ends are dropped, and the byte A0, a part of letters in UTF-8, counts as a blank. Nothing is quoted.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from hamysql import values as v
from hamysql.schema import Names, Value

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_TEXT = re.compile(r"[!-z|}~]([ -z|}~]{0,398}[!-z|}~])?")


def plain(value: Any) -> str:
    """A value as corosync.conf can hold it; a number as it is written, a boolean as yes or no."""
    found = v.number(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value
    found = {True: "yes", False: "no"}[found] if isinstance(found, bool) else found
    if not isinstance(found, str) or not _TEXT.fullmatch(found):
        raise ValueError
    return found


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


def flag() -> Value:
    """0 or 1, for what YAML may have read as a boolean."""
    return v.required(Value("0 or 1", _flag))


def _flag(value: Any) -> str:
    found = str(int(value)) if isinstance(value, int) else value
    if found not in ("0", "1"):
        raise ValueError
    return str(found)


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


def _dscp(value: Any) -> str:
    if isinstance(value, str) and re.fullmatch(r"cs[0-7]|af[1-4][1-3]|ef", value):
        return value
    return str(v.integer(0, 63)(value))


TEXT = Value(
    "a number, a boolean, or a text of at most 400 ASCII characters without control characters, { and blanks at its ends",
    plain,
)
NAME = Value("an option's name of letters, digits, '_' and '-'", v.matching(_NAME))
_MILLISECONDS = 10 * 60 * 1000
_LEAST = 30  # milliseconds; MINIMUM_TIMEOUT in totemconfig.c

# Totem's own rules between them are in rules.check_corosync.
TOTEM = {
    **_each(whole, "token_coefficient heartbeat_failures_allowed fail_recv_const seqno_unchanged_const threads nodeid"),
    **_each(whole, "miss_count_const knet_pmtud_interval knet_compression_threshold send_join"),
    **{
        name: whole(_LEAST, _MILLISECONDS, "milliseconds")
        for name in ("token_retransmit", "join", "consensus", "merge")
    },
    **{name: whole(_LEAST, _MILLISECONDS, "milliseconds") for name in ("downcheck", "max_network_delay")},
    "hold": whole(14, _MILLISECONDS, "milliseconds"),
    "token_warning": whole(0, 100, "percent of the token"),
    "token_retransmits_before_loss_const": whole(1, 1000),
    "window_size": whole(1, 1024),
    "max_messages": whole(1, 1024),
    "netmtu": whole(576, 65535, "bytes"),
    "knet_mtu": whole(0, 65535, "bytes"),
    "knet_compression_level": whole(0, 22),
    "config_version": whole(0, 2**63 - 1),
    "ip_dscp": v.required(Value("0 to 63, or a name such as 'cs6', 'af41' or 'ef'", _dscp)),
    "ip_version": _words("ipv4", "ipv6", "ipv4-6", "ipv6-4"),
    "crypto_model": _words("nss", "openssl"),
    "link_mode": _words("active", "passive", "rr"),
    **_each(lambda: switch("yes", "no"), "block_unlisted_ips cancel_token_hold_on_retransmit clear_node_high_bit"),
}
QUORUM = {
    **_each(flag, "expected_votes_tracking allow_downscale auto_tie_breaker last_man_standing"),
    **_each(whole, "last_man_standing_window leaving_timeout votes"),
}
_PRIORITIES = ("alert", "crit", "debug", "emerg", "err", "info", "notice", "warning")
_FACILITIES = ("daemon", *(f"local{number}" for number in range(8)))
LOGGING = {
    **_each(lambda: switch("on", "off"), "fileline function_name blackbox"),
    "debug": switch("on", "off", "trace"),
    "timestamp": switch("on", "off", "hires"),
    **_each(lambda: switch("yes", "no"), "to_stderr to_syslog"),
    "syslog_facility": _words(*_FACILITIES),
    "syslog_priority": _words(*_PRIORITIES),
    "logfile_priority": _words(*_PRIORITIES),
    "syslog_level": _words(*_PRIORITIES),
}
SYSTEM = {
    "qb_ipc_type": _words("native", "shm", "socket"),
    **_each(lambda: switch("yes", "no"), "sched_rr allow_knet_handle_fallback"),
    "move_to_root_cgroup": switch("yes", "no", "auto"),
    "priority": v.required(Value("'max', 'min' or -2147483648 to 2147483647", _priority)),
    "state_dir": v.required(v.PATH),
}
INTERFACE = {
    "knet_link_priority": whole(0, 255),
    "knet_transport": _words("udp", "sctp"),
    **{name: whole(1, _MILLISECONDS, "milliseconds") for name in ("knet_ping_interval", "knet_ping_timeout")},
    "knet_ping_precision": whole(1),
    "knet_pong_count": whole(1, 255),
}


def options(known: dict[str, Value]) -> Names:
    """The options of one section: what corosync knows of each, and others as texts."""
    return Names(NAME, v.required(TEXT), "a mapping of option names to values", known)
