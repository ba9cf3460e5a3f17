"""MySQL's hashes of passwords, by plugin, and whether a password is the one of a hash. Pure but for :func:`digest`'s salt.

``caching_sha2_password`` keeps ``$A$``, thousands of rounds in three hexadecimal digits, ``$``, a salt of 20 characters, and the 43
characters of SHA-256 crypt (MySQL's ``sql/auth/sha2_password.cc``). A salt may have control characters. So a hash is told and asked
for in hexadecimal digits (``0x...``), as ``print_identified_with_as_hex`` has it (MySQL 8.0.17).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping

from hamysql.mysql.flavours.face import Hash

SHA2, NATIVE = "caching_sha2_password", "mysql_native_password"

_HEX = "0x244124[0-9A-Fa-f]{134}"
HASHES: Mapping[str, Hash] = {
    SHA2: Hash(
        re.compile(rf"\$A\$[0-9A-F]{{3}}\$[ -~]{{63}}|{_HEX}"),
        "'$A$005$' and 63 characters, or '0x' and 140 hexadecimal digits, as SHOW CREATE USER has it with "
        "print_identified_with_as_hex",
    ),
    # Off by default in MySQL 8.4, and gone in 9.0.
    NATIVE: Hash(re.compile(r"\*[0-9A-F]{40}"), "'*' and 40 hexadecimal digits in capitals"),
}

_THOUSANDS = 5  # of rounds: caching_sha2_password_digest_rounds is 5000
_SALT = 20
# crypt(3) has letters of its own for base64, and an order of its own for the bytes of a digest.
_LETTERS = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ORDER = [
    (0, 10, 20),
    (21, 1, 11),
    (12, 22, 2),
    (3, 13, 23),
    (24, 4, 14),
    (15, 25, 5),
    (6, 16, 26),
    (27, 7, 17),
    (18, 28, 8),
    (9, 19, 29),
]


def digest(password: str, plugin: str) -> str:
    """The hash of a password in the server's own form for SQL; with a new salt each time, where the plugin has one."""
    if plugin == NATIVE:
        return native(password)
    salt = bytes(secrets.choice(range(0x30, 0x7B)) for _ in range(_SALT))
    return "0x" + _sha2(password, salt, _THOUSANDS).hex().upper()


def matches(password: str, kept: str, plugin: str) -> bool:
    """Whether a kept hash is that of a password: computed with the salt and the rounds of the kept one."""
    if plugin == NATIVE:
        return hmac.compare_digest(native(password), kept)
    raw = plain(kept)
    found = re.fullmatch(r"\$A\$([0-9A-F]{3})\$(.{20})(.{43})", raw.decode("latin-1"), re.DOTALL)
    if not found or not int(found[1], 16):
        return False
    return hmac.compare_digest(_sha2(password, found[2].encode("latin-1"), int(found[1], 16)), raw)


def plain(kept: str) -> bytes:
    """A hash as the server keeps it, from either of its forms."""
    return bytes.fromhex(kept[2:]) if re.fullmatch("0x(?:[0-9A-Fa-f]{2})+", kept) else kept.encode()


def native(password: str) -> str:
    """``*`` and SHA1(SHA1(password)) in capitals."""
    inner = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return "*" + hashlib.sha1(inner, usedforsecurity=False).hexdigest().upper()


def _sha2(password: str, salt: bytes, thousands: int) -> bytes:
    return b"$A$%03X$" % thousands + salt + sha256_crypt(password.encode(), salt, thousands * 1000).encode()


def sha256_crypt(key: bytes, salt: bytes, rounds: int) -> str:
    """The 43 characters of SHA-256 crypt (Ulrich Drepper, "Unix crypt using SHA-256 and SHA-512"), for a salt of any length."""
    both = hashlib.sha256(key + salt + key).digest()
    first = hashlib.sha256(key + salt + _repeated(both, len(key)))
    length = len(key)
    while length:
        first.update(both if length & 1 else key)
        length >>= 1
    last = first.digest()
    keys = _repeated(hashlib.sha256(key * len(key)).digest(), len(key))
    salts = _repeated(hashlib.sha256(salt * (16 + last[0])).digest(), len(salt))
    for number in range(rounds):
        odd = number & 1
        last = hashlib.sha256(
            (keys if odd else last)
            + (salts if number % 3 else b"")
            + (keys if number % 7 else b"")
            + (last if odd else keys)
        ).digest()
    letters = [_letters(last[a] << 16 | last[b] << 8 | last[c], 4) for a, b, c in _ORDER]
    return "".join(letters) + _letters(last[31] << 8 | last[30], 3)


def _repeated(block: bytes, length: int) -> bytes:
    return (block * (length // len(block) + 1))[:length]


def _letters(value: int, number: int) -> str:
    return "".join(_LETTERS[value >> 6 * place & 63] for place in range(number))
