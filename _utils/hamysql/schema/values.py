"""The leaves of the pillar: each function takes what YAML gave and returns its normal form or raises ``ValueError``."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from hamysql.schema.language import Hint, Value

Config = dict[str, Any]  # a configuration, or a part of it
T = TypeVar("T")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# How a sentence about a missing secret ends.
MAKE_KEY = "make one with `openssl rand -hex 128`"
MAKE_PASSWORD = "make one with `openssl rand -hex 16`"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_OPTION = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,14}")
_PATH = re.compile(r"/[A-Za-z0-9_.+:@%=,/-]{1,254}")
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "hr": 3600}
_TIME = re.compile(rf"[0-9]{{1,9}}({'|'.join(_SECONDS)})?")
_TIME_OF_DAY = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")
_MOUNT_OPTIONS = re.compile(r"[A-Za-z0-9_=,.:-]{1,200}")
_ACCOUNT = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,31}")
_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._:-]{0,99}")
_LABEL = re.compile(r"[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]{0,61}[A-Za-z0-9]")  # RFC 1123, 2.1


def matching(pattern: re.Pattern[str]) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise ValueError
        text = str(value)
        if not pattern.fullmatch(text):
            raise ValueError
        return text

    return parse


def seconds(time: str) -> float:
    """The seconds of a checked ``TIME``, such as ``5min``; a bare number is seconds."""
    found = _TIME.fullmatch(time)
    assert found
    unit = found[1] or "s"
    return int(time.removesuffix(unit)) * _SECONDS[unit]


def time_of_day(value: Any) -> str:
    # YAML reads 13:00 without quotes as a number of base 60, and 03:00 as text.
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 24 * 60:
        value = f"{value // 60:02}:{value % 60:02}"
    return fullmatch(_TIME_OF_DAY, value)


def boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def integer(low: int, high: int) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError
        return value

    return parse


def choice(*words: str) -> Callable[[Any], str]:
    """One of ``words``. YAML reads a bare yes/no as a boolean: it is read back where these are words of the list."""

    def parse(value: Any) -> str:
        if isinstance(value, bool):
            value = "yes" if value else "no"
        if value not in words:
            raise ValueError
        return str(value)

    return parse


def address(value: Any) -> str:
    """An IPv4 or IPv6 address of one host, in its normal form."""
    if not isinstance(value, str):
        raise ValueError
    found = ipaddress.ip_address(value)
    if found.is_multicast or found.is_unspecified or found.is_loopback or "%" in value:
        raise ValueError
    return str(found)


def multicast(value: Any) -> str:
    if not isinstance(value, str) or "%" in value or not ipaddress.ip_address(value).is_multicast:
        raise ValueError
    return str(ipaddress.ip_address(value))


def network(value: Any) -> str:
    if not isinstance(value, str) or "%" in value:
        raise ValueError
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        wider = ipaddress.ip_network(value, strict=False)  # raises again where it is no network at all
        raise Hint(f"a network without host bits: {str(wider)!r}?") from None


def path(value: Any) -> str:
    """An absolute path without anything that a shell, an option file or a configuration could trip over."""
    if not isinstance(value, str) or not _PATH.fullmatch(value) or "/../" in f"{value}/" or "//" in value:
        raise ValueError
    return value.rstrip("/") if len(value) > 1 else value


def device(value: Any) -> str:
    found = path(value)
    if not found.startswith("/dev/"):
        raise ValueError
    return found


def mount_options(value: Any) -> str:
    return fullmatch(_MOUNT_OPTIONS, value)


def argument(value: Any) -> str:
    """One command line argument that is no path: options of mkfs must not name a second device."""
    found = str(value) if isinstance(value, int) and not isinstance(value, bool) else text(1, 100)(value)
    if found.startswith("/"):
        raise ValueError
    return found


def lines(value: Any) -> str:
    """Text of several lines."""
    if not isinstance(value, str) or not all(line.isprintable() for line in value.replace("\t", " ").splitlines()):
        raise ValueError
    return value


def any_text(value: Any) -> str:
    """A text that a rule looks at more closely."""
    if not isinstance(value, str):
        raise ValueError
    return value


def text(low: int, high: int) -> Callable[[Any], str]:
    """A text of ``low`` to ``high`` bytes without control characters."""

    def parse(value: Any) -> str:
        if not isinstance(value, str) or not value.isprintable() or not low <= len(value.encode()) <= high:
            raise ValueError
        return value

    return parse


def ascii_text(low: int, high: int) -> Callable[[Any], str]:
    """Like ``text``, but only ASCII, and without the characters that would end a quoted word in a configuration."""
    plain = text(low, high)

    def parse(value: Any) -> str:
        found = plain(value)
        if not found.isascii() or '"' in found or "\\" in found:
            raise ValueError
        return found

    return parse


def number(value: int | float) -> str:
    if not math.isfinite(value):
        raise ValueError
    return str(value)


def property_value(value: Any) -> str:
    """A value of a cluster property or default; booleans become true and false, as pacemaker writes them."""
    if isinstance(value, bool):
        return str(value).lower()
    return number(value) if isinstance(value, (int, float)) else text(1, 512)(value)


def fullmatch(pattern: re.Pattern[str], value: Any) -> str:
    """A text that matches as a whole; unlike :func:`matching`, this takes no number for a text."""
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError
    return value


def host(value: Any) -> str:
    """An address, or a name."""
    try:
        return address(value)
    except ValueError:
        if not isinstance(value, str) or len(value) > 253 or not re.search("[A-Za-z]", value):
            raise
        for label in value.removesuffix(".").split("."):
            fullmatch(_LABEL, label)
        return value.lower()


NAME = Value("a name of letters, digits, '-', '_' and '.'", matching(_NAME))
OPTION_NAME = Value("an option's name", matching(_OPTION))
INTERFACE = Value("a network interface's name of at most 15 characters, such as 'eth0'", matching(_INTERFACE))
ADDRESS = Value("the IPv4 or IPv6 address of one host", address)
REACHABLE = Value(
    "the address of one host, or 'gateway'", lambda value: value if value == "gateway" else address(value)
)
MULTICAST = Value("a multicast address, such as '239.192.10.1'", multicast)
NETWORK = Value("a network, such as '192.0.2.0/24' or '2001:db8::/64'", network)
PORT = Value("a port, 1 to 65535", integer(1, 65535))
BOOLEAN = Value("true or false", boolean)
PATH = Value("an absolute path of letters, digits and -_.+:@%=,", path)
DEVICE = Value("a device's absolute path below /dev, such as '/dev/sdb'", device)
TIME_OF_DAY = Value("a time of the day in UTC, such as '03:00'", time_of_day)
TIME = Value("a time such as '20s' or '5min'", matching(_TIME))
ACCOUNT = Value("a system account's name", matching(_ACCOUNT))
PACKAGE = Value("a package's name", matching(_PACKAGE))
STREAM = Value(
    "a module and its stream, NAME:STREAM",
    matching(re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]{0,99}:[A-Za-z0-9][A-Za-z0-9+._-]{0,99}")),
)
VERSION = Value("a package's version", matching(re.compile(r"[A-Za-z0-9][A-Za-z0-9.+:~^*_-]{0,99}")))
HOST = Value("an address or a host's name", host)
PROPERTY_VALUE = Value("a number, a boolean, or a text of at most 512 bytes without control characters", property_value)


def count(low: int, high: int, what: str = "a whole number") -> Value:
    return Value(f"{what}, {low} to {high}", integer(low, high))


def one_of(*words: str, note: str = "") -> Value:
    expected = " or ".join(filter(None, [", ".join(map(repr, words[:-1])), repr(words[-1])]))
    return Value(expected + note, choice(*words))


def required(value: Value, how: str = "") -> Value:
    """The same leaf, as one that the pillar has to set."""
    return Value(value.expected, value.parse, value.secret, how)


def unit(example: str) -> Value:
    """A systemd unit's full name; ``example`` is one that people know."""
    name = re.compile(r"[A-Za-z0-9][A-Za-z0-9@_.-]{0,99}\.(service|socket|timer|target)")
    return Value(f"a systemd unit's full name, such as '{example}'", matching(name))


def family(address: str) -> int:
    """4 or 6."""
    return ipaddress.ip_address(address).version


def given(options: Mapping[str, T | None]) -> dict[str, T]:
    """The options that have a value."""
    return {name: value for name, value in options.items() if value is not None}
