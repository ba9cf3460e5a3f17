"""MariaDB's hashes of passwords, by plugin. Pure but for :func:`random_password`."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import string
from collections.abc import Callable, Mapping

from hamysql.mysql.flavours.face import Hash

HASHES: Mapping[str, Hash] = {
    "mysql_native_password": Hash(re.compile(r"\*[0-9A-F]{40}"), "'*' and 40 hexadecimal digits in capitals"),
    "ed25519": Hash(re.compile(r"[A-Za-z0-9+/]{43}"), "43 characters of base64"),
}


def random_password() -> str:
    """A password that nobody knows, with so many letters, digits and signs that a policy takes it."""
    kinds = (string.ascii_uppercase, string.ascii_lowercase, string.digits, "!#%&()*+,-.:=?@^_")
    return "".join(secrets.choice(kind) for _ in range(16) for kind in kinds)


def _native(password: str) -> str:
    """``*`` and SHA1(SHA1(password)) in capitals."""
    inner = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return "*" + hashlib.sha1(inner, usedforsecurity=False).hexdigest().upper()


# The curve of Ed25519 (RFC 8032, 5.1). A point is (x, y, z, t), where x = x/z, y = y/z and t = xy/z.
_P = 2**255 - 19
_D = -121665 * pow(121666, _P - 2, _P) % _P
_BASE_X = 15112221349535400772501151409588531511454012693041857206046113283949847762202
_BASE_Y = 4 * pow(5, _P - 2, _P) % _P
_Point = tuple[int, int, int, int]


def _add(one: _Point, other: _Point) -> _Point:
    a, b = (one[1] - one[0]) * (other[1] - other[0]), (one[1] + one[0]) * (other[1] + other[0])
    c, d = 2 * one[3] * other[3] * _D, 2 * one[2] * other[2]
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _ed25519(password: str) -> str:
    """The public key whose secret is the password itself, of any length, in base64 without its end."""
    scalar = int.from_bytes(hashlib.sha512(password.encode()).digest()[:32], "little")
    scalar = scalar & ~7 & ((1 << 254) - 1) | 1 << 254
    found, power = (0, 1, 1, 0), (_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % _P)
    while scalar:
        if scalar & 1:
            found = _add(found, power)
        power, scalar = _add(power, power), scalar >> 1
    inverse = pow(found[2], _P - 2, _P)
    x, y = found[0] * inverse % _P, found[1] * inverse % _P
    return base64.b64encode((y | (x & 1) << 255).to_bytes(32, "little")).decode().rstrip("=")


DIGESTS: Mapping[str, Callable[[str], str]] = {"mysql_native_password": _native, "ed25519": _ed25519}
