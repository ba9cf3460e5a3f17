"""The leaves of the pillar that the database server reads: names, privileges and options."""

from __future__ import annotations

import re
from typing import Any

from hamysql.mysql.flavours import registry
from hamysql.schema.language import Hint, Value
from hamysql.schema.values import matching, number, text

_SQL_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_$.-]{0,31}")
_SQL_HOST = re.compile(r"[A-Za-z0-9_%:][A-Za-z0-9_.%:/-]{0,59}")
_SQL_DATABASE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_$-]{0,63}")
_SQL_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_SQL_TARGET = re.compile(
    r"\*\.\*"
    r"|(?:[A-Za-z0-9_%]|\\[_%])(?:[A-Za-z0-9_$%-]|\\[_%]){0,63}\.(?:\*|[A-Za-z0-9_][A-Za-z0-9_$-]{0,63})"
    r"|(?:FUNCTION|PROCEDURE) [A-Za-z0-9_][A-Za-z0-9_$-]{0,63}\.[A-Za-z0-9_][A-Za-z0-9_$-]{0,63}",
)
_SQL_ROLE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_$.-]{0,31}")
# What a certificate says, and names of ciphers.
_IN_CERTIFICATE = re.compile(r"[ -~]{1,300}")


# Of all flavours. Dynamic privileges, as MySQL 8.0 has them, are all of the form WORD_WORD.
PRIVILEGES = frozenset().union(*(flavour.privileges.known for flavour in registry.FLAVOURS.values()))


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


def decimals(value: Any) -> float:
    """A number of seconds of at most a year, to the microsecond."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 31536000:
        raise ValueError
    return round(float(value), 6)


def account(value: Any) -> str:
    """A database account as ``name@host``; host names are in small letters, as the server keeps them."""
    name, _, host = value.rpartition("@") if isinstance(value, str) else ("", "", "")
    if not _SQL_NAME.fullmatch(name) or not _SQL_HOST.fullmatch(host):
        raise ValueError
    return f"{name}@{host.lower()}"


MYSQL_VALUE = Value("a text, number, boolean or a list of these, on one line", mysql_value)


SQL_USER = Value("an account name of 1 to 32 letters, digits, '_', '$', '.' and '-'", matching(_SQL_NAME))


SQL_HOST = Value("a host, address or pattern, such as '%', '10.0.0.%' or 'app.example.org'", matching(_SQL_HOST))


SQL_ACCOUNT = Value("an account, such as 'keystone@%'", account)


SQL_DATABASE = Value("a database name of 1 to 64 letters, digits, '_', '$' and '-'", matching(_SQL_DATABASE))


SQL_WORD = Value("a plain word, such as 'utf8mb4'", matching(_SQL_WORD))


SQL_TARGET = Value(
    "'*.*', 'database.*', 'database.table', 'FUNCTION database.name' or 'PROCEDURE database.name' without quotes",
    matching(_SQL_TARGET),
)


SQL_ROLE = Value("a role's name of 1 to 32 letters, digits, '_', '$', '.' and '-', or NONE", matching(_SQL_ROLE))


IN_CERTIFICATE = Value("a text of 1 to 300 ASCII characters, as the certificate has it", matching(_IN_CERTIFICATE))


SECONDS = Value("seconds, 0 to 31536000, with decimals", decimals)


# The words of `auth` for a password: the plugins of all flavours.
PASSWORD_PLUGINS = tuple(dict.fromkeys(plugin for flavour in registry.FLAVOURS.values() for plugin in flavour.hashes))


PRIVILEGE = Value("a privilege such as 'SELECT' or 'ALL'", privilege)
