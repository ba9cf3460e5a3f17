"""PEM texts (RFC 7468): the blocks of certificates and keys, read without any library. Pure.

A text may hold a private key where a certificate was meant. So no word of an error is taken from the text.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

CERTIFICATE = "CERTIFICATE"
KEYS = ("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY")
ENCRYPTED = "ENCRYPTED PRIVATE KEY"
PARAMETERS = ("EC PARAMETERS", "DH PARAMETERS")  # `openssl ecparam -genkey` writes some before the key

LIMIT = 2**16  # characters
_OTHER_WORDS = "REQUEST NEW TRUSTED X509 CRL PUBLIC PKCS7 DSA OPENSSH CMS"
_WORDS = frozenset(" ".join((CERTIFICATE, ENCRYPTED, *KEYS, *PARAMETERS, _OTHER_WORDS)).split())


class Defect(ValueError):
    """The text is no PEM; the message says how, and nothing of the text."""


@dataclass(frozen=True)
class Block:
    """One block: what it is called, and its content; ``encrypted`` keys need a passphrase."""

    label: str
    der: bytes = field(repr=False)
    encrypted: bool = False

    @property
    def name(self) -> str:
        """In words."""
        if self.label == CERTIFICATE:
            return "a certificate"
        if self.label in (*KEYS, ENCRYPTED):
            return "an encrypted private key" if self.encrypted else "a private key"
        # A label that nobody knows may be anything.
        return f"PEM of another kind ({self.label})" if set(self.label.split()) <= _WORDS else "PEM of another kind"

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the content, in small letters."""
        return hashlib.sha256(self.der).hexdigest()


def parse(text: str) -> list[Block]:
    """The blocks of a text; what is between them is left out. Raises ``Defect``."""
    if len(text) > LIMIT:
        raise Defect(f"a text of more than {LIMIT} characters")
    if not text.isascii():
        raise Defect(f"a text of {len(text)} characters, some of which are not ASCII")
    blocks: list[Block] = []
    label: str | None = None
    lines: list[str] = []
    for line in map(str.strip, text.splitlines()):
        begin, end = _label(line, "BEGIN"), _label(line, "END")
        if label is None:
            label, lines = begin, []
        elif end == label:
            blocks.append(_block(label, lines))
            label = None
        elif begin is not None or end is not None:
            raise Defect("a PEM block that does not end before another one does")
        else:
            lines.append(line)
    if label is not None:
        raise Defect("a PEM block without its end")
    if not blocks:
        joined = "-----BEGIN " in text
        raise Defect("PEM whose lines are run together" if joined else f"a text of {len(text)} characters without PEM")
    return blocks


def _label(line: str, word: str) -> str | None:
    start = f"-----{word} "
    label = line[len(start) : -5]
    return label if line == f"{start}{label}-----" and label and "-----" not in label else None


def _block(label: str, lines: Sequence[str]) -> Block:
    headers = [line for line in lines if ":" in line]
    encrypted = label == ENCRYPTED or any("ENCRYPTED" in line for line in headers)
    body = "".join(line for line in lines if ":" not in line)
    try:
        der = base64.b64decode(body, validate=True)
    except binascii.Error:
        raise Defect("a damaged PEM block: it is no base64") from None
    known = label in (CERTIFICATE, ENCRYPTED) or (label in KEYS and not encrypted)
    if known and not _is_whole(der):
        raise Defect("a damaged PEM block: its content is cut off, or no ASN.1")
    return Block(label, der, encrypted)


def _is_whole(der: bytes) -> bool:
    """Whether the content is one ASN.1 sequence, as certificates and keys are (X.690, 8.1.3)."""
    if len(der) < 2 or der[0] != 0x30:
        return False
    length, start = der[1], 2
    if length >= 0x80:
        start += length - 0x80
        length = int.from_bytes(der[2:start], "big")
    return len(der) == start + length


def export(blocks: Sequence[Block]) -> str:
    """Blocks that are not encrypted as text, in the form that OpenSSL writes."""
    lines = []
    for block in blocks:
        body = base64.b64encode(block.der).decode()
        lines += [
            f"-----BEGIN {block.label}-----",
            *(body[at : at + 64] for at in range(0, len(body), 64)),
            f"-----END {block.label}-----",
        ]
    return "\n".join([*lines, ""])
