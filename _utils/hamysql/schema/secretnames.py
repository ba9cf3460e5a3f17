"""Which options hold a secret, by their names: the one list for what is refused in plain sight, and for what is not shown.

An agent's metadata does not say it. The names are those of fencing.py (fence-agents) and of the OCF agents.
"""

from __future__ import annotations

import re

HIDDEN = "**********"

_NAME = r"(?:[\w-]*(?:passw|passphrase|secret|community|credential|api[_-]?key|private[_-]key)[\w-]*|[\w-]*token|(?:\w+[_-])?pass)"
_VALUE = r"""(?:"[^"]*"|'[^']*'|\S+)"""
_SECRET = re.compile(_NAME, re.IGNORECASE)
_PLACE = re.compile(r"[_-](script|file|path)$", re.IGNORECASE)  # where one is: password_script
_IN_TEXT = (
    re.compile(rf"(\b{_NAME}=){_VALUE}", re.IGNORECASE),  # as crm writes it
    re.compile(rf'(\bname="{_NAME}"\s+value=){_VALUE}', re.IGNORECASE),  # as XML does
    re.compile(rf'(\bvalue=){_VALUE}(?=\s+name="{_NAME}")', re.IGNORECASE),
)

# As files and logs do: `shared-secret "x"`, `report-password = x`, `password: x`. A number is a time, such as corosync's token.
_IN_FILE = re.compile(rf'(\b{_NAME}"?(?:\s*[=:]\s*|\s+(?=")))(?!\d+\b){_VALUE}', re.IGNORECASE)

_DATABASE = re.compile(r"(?:^|_)(?:password|passphrase|secret|token|sst_auth|filekey)$", re.IGNORECASE)
_HARMLESS = ("disconnect_on_expired_password",)


def is_secret(name: str) -> bool:
    """Whether an option of an agent, for a fence device or another resource, is a secret."""
    return bool(_SECRET.fullmatch(name)) and not _PLACE.search(name)


def is_databases_secret(name: str) -> bool:
    """Whether an option of a database's option file is a secret: ``report-password``, ``wsrep_sst_auth``."""
    plain = name.replace("-", "_").lower()
    return bool(_DATABASE.search(plain)) and plain not in _HARMLESS


def hide_in_file(text: str) -> str:
    """A text of whatever program, such as a log or a configuration file, with what looks like the value of a secret hidden."""
    return _IN_FILE.sub(rf"\1{HIDDEN}", hide(text))


def hide(text: str) -> str:
    """A text of crm's with the values of secrets hidden."""
    for pattern in _IN_TEXT:
        text = pattern.sub(rf"\1{HIDDEN}", text)
    return text
