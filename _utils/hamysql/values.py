"""The leaves of the pillar: each function takes what YAML gave and returns its normal form or raises ``ValueError``."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable
from typing import Any

from hamysql.schema import Hint, Value

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_OPTION = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,14}")
_PATH = re.compile(r"/[A-Za-z0-9_.+:@%=,/-]{1,254}")
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "hr": 3600}
_TIME = re.compile(rf"[0-9]{{1,9}}({'|'.join(_SECONDS)})?")
_RATE = re.compile(r"([1-9][0-9]{0,8})([kKmMgG]?)")
_MOST_RATE = 4 * 1024 * 1024  # KiB; DRBD_RESYNC_RATE_MAX in drbd_limits.h
_ACCOUNT = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,31}")
_SQL_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_$.-]{0,31}")
_SQL_HOST = re.compile(r"[A-Za-z0-9_%:][A-Za-z0-9_.%:/-]{0,59}")
_SQL_DATABASE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_$-]{0,63}")
_SQL_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_SQL_TARGET = re.compile(r"(\*\.\*|[A-Za-z0-9_%][A-Za-z0-9_$%-]{0,63}\.(\*|[A-Za-z0-9_][A-Za-z0-9_$-]{0,63}))")
_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._:-]{0,99}")
_FENCE_AGENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}(/[A-Za-z0-9_.-]{1,63})?")
_UNIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9@_.-]{0,99}\.(service|socket|timer|target)")


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


def drbd_device(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"/dev/drbd(0|[1-9][0-9]{0,4})", value):
        raise ValueError
    return value


def mount_options(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_=,.:-]{1,200}", value):
        raise ValueError
    return value


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


def rate(value: Any) -> str:
    """A rate of DRBD's, in the form that drbd.conf has: there, a number without a letter is in KiB."""
    found = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    match = _RATE.fullmatch(found)
    if found != "auto" and (not match or int(match[1]) * 1024 ** "kmg".index(match[2].lower() or "k") > _MOST_RATE):
        raise ValueError
    return found


def number(value: int | float) -> str:
    if not math.isfinite(value):
        raise ValueError
    return str(value)


def property_value(value: Any) -> str:
    """A value of a cluster property or default; booleans become true and false, as pacemaker writes them."""
    if isinstance(value, bool):
        return str(value).lower()
    return number(value) if isinstance(value, (int, float)) else text(1, 512)(value)


def mysql_value(value: Any) -> str | list[str]:
    """A value in an option file: text, number, boolean (ON, OFF), or a list for an option that is given several times."""
    if isinstance(value, (list, tuple)):
        return [mysql_scalar(item) for item in value]
    return mysql_scalar(value)


def mysql_scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "ON" if value else "OFF"
    if isinstance(value, (int, float)):
        return number(value)
    return text(0, 1024)(value)


def privilege(value: Any) -> str:
    """A privilege in capitals, perhaps with columns: ``SELECT``, ``CREATE TEMPORARY TABLES``, ``UPDATE (a, b)``."""
    if not isinstance(value, str) or len(value) > 1000:
        raise ValueError
    match = re.fullmatch(r"([A-Za-z_]+(?: [A-Za-z_]+)*)\s*(?:\(([^()]*)\))?", value)
    if not match:
        raise ValueError
    word = match[1].upper()
    if word == "ALL PRIVILEGES":
        word = "ALL"
    if word not in PRIVILEGES and not re.fullmatch(r"[A-Z]+(_[A-Z]+)+", word):
        close = [known for known in PRIVILEGES if known.replace(" ", "") == word.replace(" ", "")]
        raise Hint(f"a privilege: {close[0]!r}?" if close else "a privilege that the database knows, such as SELECT")
    if match[2] is None:
        return word
    columns = [column.strip() for column in match[2].split(",")]
    if word not in ("SELECT", "INSERT", "UPDATE", "REFERENCES") or not all(map(_SQL_WORD.fullmatch, columns)):
        raise Hint("columns only after SELECT, INSERT, UPDATE or REFERENCES, and plain names: SELECT (id, name)")
    return f"{word} ({', '.join(columns)})"


def account(value: Any) -> str:
    """A database account as ``name@host``; host names are in small letters, as the server keeps them."""
    name, _, host = value.rpartition("@") if isinstance(value, str) else ("", "", "")
    if not _SQL_NAME.fullmatch(name) or not _SQL_HOST.fullmatch(host):
        raise ValueError
    return f"{name}@{host.lower()}"


# MariaDB: "GRANT", sections on global, database, table and column privileges; MySQL 8.0: "Static Privileges".
# MySQL's dynamic privileges are all of the form WORD_WORD.
PRIVILEGES = frozenset(
    "ALL|ALTER|ALTER ROUTINE|BINLOG ADMIN|BINLOG MONITOR|BINLOG REPLAY|CONNECTION ADMIN|CREATE|CREATE ROLE|"
    "CREATE ROUTINE|CREATE TABLESPACE|CREATE TEMPORARY TABLES|CREATE USER|CREATE VIEW|DELETE|DELETE HISTORY|DROP|"
    "DROP ROLE|EVENT|EXECUTE|FEDERATED ADMIN|FILE|INDEX|INSERT|LOCK TABLES|PROCESS|PROXY|READ ONLY ADMIN|READ_ONLY ADMIN|"
    "REFERENCES|RELOAD|REPLICATION CLIENT|REPLICATION MASTER ADMIN|REPLICATION REPLICA|REPLICATION REPLICA ADMIN|"
    "REPLICATION SLAVE|REPLICATION SLAVE ADMIN|SELECT|SET USER|SHOW CREATE ROUTINE|SHOW DATABASES|SHOW VIEW|SHUTDOWN|"
    "SLAVE MONITOR|REPLICA MONITOR|SUPER|TRIGGER|UPDATE|USAGE".split("|")
)

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
TIME = Value("a time such as '20s' or '5min'", matching(_TIME))
RATE = Value("'auto' or a rate such as '10M': K, M or G of bytes in a second, up to 4G; without a letter it is K", rate)
ACCOUNT = Value("a system account's name", matching(_ACCOUNT))
PACKAGE = Value("a package's name", matching(_PACKAGE))
VERSION = Value("a package's version", matching(re.compile(r"[A-Za-z0-9][A-Za-z0-9.+:~^*_-]{0,99}")))
UNIT = Value("a systemd unit's full name, such as 'mariadb.service'", matching(_UNIT))
FENCE_AGENT = Value("a fence agent's name, such as 'fence_ipmilan'", matching(_FENCE_AGENT))
PROPERTY_VALUE = Value("a number, a boolean, or a text of at most 512 bytes without control characters", property_value)
MYSQL_VALUE = Value("a text, number, boolean or a list of these, on one line", mysql_value)
SQL_USER = Value("an account name of 1 to 32 letters, digits, '_', '$', '.' and '-'", matching(_SQL_NAME))
SQL_HOST = Value("a host, address or pattern, such as '%', '10.0.0.%' or 'app.example.org'", matching(_SQL_HOST))
SQL_ACCOUNT = Value("an account, such as 'keystone@%'", account)
SQL_DATABASE = Value("a database name of 1 to 64 letters, digits, '_', '$' and '-'", matching(_SQL_DATABASE))
SQL_WORD = Value("a plain word, such as 'utf8mb4'", matching(_SQL_WORD))
SQL_TARGET = Value("'*.*', 'database.*' or 'database.table' without quotes", matching(_SQL_TARGET))
PRIVILEGE = Value("a privilege such as 'SELECT' or 'ALL'", privilege)


def count(low: int, high: int, what: str = "a whole number") -> Value:
    return Value(f"{what}, {low} to {high}", integer(low, high))


def one_of(*words: str, note: str = "") -> Value:
    expected = " or ".join(filter(None, [", ".join(map(repr, words[:-1])), repr(words[-1])]))
    return Value(expected + note, choice(*words))


def required(value: Value, how: str = "") -> Value:
    """The same leaf, as one that the pillar has to set."""
    return Value(value.expected, value.parse, value.secret, how)
