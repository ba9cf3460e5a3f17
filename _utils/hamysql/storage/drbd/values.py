"""The leaves of the pillar that become words of drbd.conf, and how such words are quoted.

Source: drbdadm_scanner.fl of drbd-utils 9.22 and 8.4. A bare word has up to 128 letters, digits and ``/._-``, and is no keyword,
number or address; everything else stands in quotes: up to 255 bytes on one line, with ``\\`` before ``"`` and ``\\``.
"""

from __future__ import annotations

import re
from typing import Any

from hamysql.schema import values as v
from hamysql.schema.language import Hint, Names, Value

_BARE = re.compile(r"[A-Za-z0-9/._-]{1,128}")
_NUMBER = re.compile(r"[0-9]{1,8}[MKGs]?|[0-9]+\.[0-9]+\.[0-9]+|[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}")
_QUOTED = 255  # bytes
_DEVICE = re.compile(r"/dev/drbd(0|[1-9][0-9]{0,4})")
_RATE = re.compile(r"([1-9][0-9]{0,8})([kKmMgG]?)")
_MOST_RATE = 4 * 1024 * 1024  # KiB; DRBD_RESYNC_RATE_MAX in drbd_limits.h
KEYWORDS = frozenset(
    "on stacked-on-top-of floating no net yes ask via skip disk host hosts port proxy minor inside volume cmd-timeout-short"
    " cmd-timeout-medium cmd-timeout-long syncer device global common options outside address startup include handlers connection"
    " outside-address connection-mesh minor-count disable-ip-verification udev-always-use-vnr dialog-refresh resource meta-disk"
    " flexible-meta-disk node-id usage-count template-file path tiebreaker sci ssocks sdp ipv4 ipv6 tdb"
    " require-drbd-module-version-eq require-drbd-module-version-ne require-drbd-module-version-gt"
    " require-drbd-module-version-ge require-drbd-module-version-lt require-drbd-module-version-le".split()
)
# Not as a resource, in quotes either: drbdadm takes the first for every resource that there is, and refuses the others as names.
_NO_RESOURCE = {
    "all": "another name: `drbdadm create-md all` and the like act on every resource of the node",
    "global": "another name: drbd.conf has a section of this one",
    "common": "another name: drbd.conf has a section of this one",
}


def name(word: str) -> str:
    """A resource, node or device as drbd.conf has it: in quotes where the bare word would be read as something else."""
    return quoted(word) if word in KEYWORDS or _NUMBER.fullmatch(word) else value(word)


def value(word: str) -> str:
    """The value of an option; there, drbdadm takes keywords and numbers bare as well."""
    return word if _BARE.fullmatch(word) else quoted(word)


def quoted(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def resource(given: Any) -> str:
    found = v.NAME.parse(given)
    if found in _NO_RESOURCE:
        raise Hint(_NO_RESOURCE[found])
    if re.fullmatch(r"minor-[0-9]+", found):
        raise Hint("another name: drbdadm takes this one for the number of a device")
    return str(found)


def text(given: Any) -> str:
    """An option's value in its written form; booleans become yes and no."""
    if isinstance(given, bool):
        return "yes" if given else "no"
    found = v.number(given) if isinstance(given, (int, float)) else v.text(1, _QUOTED)(given)
    if len(quoted(found).encode()) - 2 > _QUOTED:
        raise ValueError
    return found


def rate(value: Any) -> str:
    """A rate of DRBD's, in the form that drbd.conf has: there, a number without a letter is in KiB."""
    found = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    match = _RATE.fullmatch(found)
    if found != "auto" and (not match or int(match[1]) * 1024 ** "kmg".index(match[2].lower() or "k") > _MOST_RATE):
        raise ValueError
    return found


RESOURCE = Value("a name of letters, digits, '-', '_' and '.'", resource)
DEVICE = Value("a DRBD device, such as '/dev/drbd0'", lambda value: v.fullmatch(_DEVICE, value))
RATE = Value("'auto' or a rate such as '10M': K, M or G of bytes in a second, up to 4G; without a letter it is K", rate)
NAME = Value("an option's name", v.matching(re.compile(r"[a-z][a-z0-9-]{0,63}")))
TEXT = Value("a number, a boolean, or a text of at most 255 bytes on one line, without control characters", text)
# drbdadm of DRBD 9 takes no longer one (SHARED_SECRET_MAX in drbd_limits.h is with the null character).
SECRET = Value('a text of 1 to 63 ASCII characters without " and \\', v.ascii_text(1, 63), secret=True)


def options() -> Names:
    """The options of one section. Which there are depends on drbd-utils and the kernel module: the node asks drbdadm."""
    return Names(NAME, v.required(TEXT), "a mapping of option names to values")
