"""The leaves of the pillar that are about a LUN and iSCSI; see :mod:`hamysql.schema.values`."""

from __future__ import annotations

import re
from typing import Any

from hamysql.schema.language import Value
from hamysql.schema.values import address, device, fullmatch, integer
from hamysql.storage.lun import NAME

_STABLE = re.compile(r"/dev/(disk/by-id|disk/by-path|mapper)/[A-Za-z0-9_.+:@%=-]{1,200}")
# RFC 3720, 3.2.6.3: a date and a reversed domain, or an identifier of a naming authority
_IQN = re.compile(
    r"iqn\.[0-9]{4}-[0-9]{2}\.[a-z0-9.-]{1,100}(:[A-Za-z0-9._:-]{1,100})?|eui\.[0-9A-F]{16}|naa\.[0-9a-f]{16,32}"
)
_PORTAL = re.compile(r"\[([^][]+)\](?::([0-9]{1,5}))?|([^:]+)(?::([0-9]{1,5}))?")
_LVM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")
_SIZE = re.compile(r"[1-9][0-9]{0,8}[MGT]")
PATH = f"hamysql:storage:{NAME}"
PORT = "3260"  # IANA's for iSCSI


def stable_device(value: Any) -> str:
    """A name that stays with a disk. /dev/sdb is whatever disk the kernel found second, on another node another one."""
    found = device(value)
    if not _STABLE.fullmatch(found) or found == "/dev/mapper/control":
        raise ValueError
    return found


def portal(value: Any) -> str:
    """Address and port of an iSCSI portal as ``iscsiadm`` writes them."""
    found = _PORTAL.fullmatch(value) if isinstance(value, str) else None
    parts = (found[1] or found[3], found[2] or found[4] or PORT) if found else (value, PORT)
    where, port = address(parts[0]), integer(1, 65535)(parts[1])
    return f"[{where}]:{port}" if ":" in where else f"{where}:{port}"


def split_portal(text: str) -> tuple[str, int]:
    """Address and port of a checked ``PORTAL``."""
    where, _, port = text.rpartition(":")
    return where.strip("[]"), int(port)


def chap_name(value: Any) -> str:
    """A word as open-iscsi's files can hold it: without blanks, quotes, ``#`` and backslashes."""
    if not isinstance(value, str) or not re.fullmatch("[!-~]{1,255}", value) or set(value) & set("#\\\"'"):
        raise ValueError
    return value


def chap_password(value: Any) -> str:
    """RFC 3720, 8.2.1: a CHAP secret has 96 bits at least."""
    if len(chap_name(value)) < 12:
        raise ValueError
    return str(value)


STABLE_DEVICE = Value(
    "a name below /dev/disk/by-id, /dev/disk/by-path or /dev/mapper: kernel names such as /dev/sdb can "
    "mean another disk on the other node, or after a boot",
    stable_device,
)
IQN = Value("an iSCSI name, such as 'iqn.2026-01.org.example:galaxy-db'", lambda value: fullmatch(_IQN, value))
PORTAL = Value("the address of an iSCSI portal, perhaps with a port, such as '192.0.2.40:3260'", portal)
CHAP_NAME = Value("1 to 255 printable ASCII characters without blanks, quotes, # and \\", chap_name)
CHAP_PASSWORD = Value(
    "12 to 255 printable ASCII characters without blanks, quotes, # and \\", chap_password, secret=True
)
LVM_NAME = Value("a name of at most 63 letters, digits, '_', '.' and '-'", lambda value: fullmatch(_LVM, value))
SIZE = Value("a size such as '100G' (with M, G or T)", lambda value: fullmatch(_SIZE, value))
