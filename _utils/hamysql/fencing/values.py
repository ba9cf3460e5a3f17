"""The leaves of the pillar that a fence agent reads: one line ``name=value`` for each on its standard input.

Source: ``process_input`` in fencing.py of fence-agents: a line loses the blanks at its ends, and a value the quotes around
it. pacemaker's ``pcmk__substitute_secrets`` drops blanks at the end of a secret's file, too. Where it has more than 254
bytes, it fails, and the device never starts (seen with 2.1.5). Everything else arrives as it is, in UTF-8: backslashes
(``CORP\\svc``), quotes inside, ``#`` and ``=``.
"""

from __future__ import annotations

import re
from typing import Any

from hamysql.cib.model import UNREADABLE, UNREADABLE_IN_WORDS
from hamysql.schema import values as v
from hamysql.schema.language import Names, Value

_MOST, _MOST_SECRET = 512, 254  # bytes
_AGENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}(/[A-Za-z0-9_.-]{1,63})?")


def line(value: Any, most: int = _MOST) -> str:
    found = v.text(1, most)(value)
    if found != found.strip() or (len(found) > 1 and found[0] == found[-1] == '"'):
        raise ValueError
    return found


def secret(value: Any) -> str:
    return line(value, _MOST_SECRET)


def option(value: Any) -> str:
    """Booleans become true and false, as pacemaker writes them."""
    if isinstance(value, bool):
        return str(value).lower()
    found = v.number(value) if isinstance(value, (int, float)) else line(value)
    if UNREADABLE.search(found):
        raise ValueError
    return found


FENCE_AGENT = Value("a fence agent's name, such as 'fence_ipmilan'", v.matching(_AGENT))
_LINE = 'on one line, without blanks or a pair of " at its ends'
OPTIONS = Names(
    v.OPTION_NAME,
    v.required(
        Value(f"a number, a boolean, or a text of 1 to {_MOST} bytes {_LINE}, and with {UNREADABLE_IN_WORDS}", option)
    ),
    "a mapping of option names to values",
)
SECRETS = Names(
    v.OPTION_NAME,
    Value(
        f"a text of 1 to {_MOST_SECRET} bytes, which is as much as pacemaker reads, {_LINE}",
        secret,
        secret=True,
        missing="",
    ),
    "a mapping of option names to secrets",
)
