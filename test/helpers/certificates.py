"""Certificates for tests, made by openssl when they are needed: an authority, and pairs that it has signed."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
Pair = dict[str, str]  # "cert" and "key", and "ca" where an authority has signed


def openssl(*words: str, stdin: str = "") -> str:
    return subprocess.run(["openssl", *words], input=stdin, capture_output=True, text=True, check=True).stdout


@cache
def authority(name: str = "ca") -> tuple[str, str]:
    """Certificate and key of an authority."""
    with TemporaryDirectory() as folder:
        openssl(
            "req",
            "-x509",
            *CURVE,
            "-keyout",
            f"{folder}/key",
            "-out",
            f"{folder}/cert",
            "-days",
            "400",
            "-subj",
            f"/CN={name}",
        )
        return tuple((Path(folder) / file).read_text() for file in ("cert", "key"))  # type: ignore[return-value]


@cache
def _pair(name: str, days: int, by: str, kind: tuple[str, ...], extensions: str) -> tuple[str, str]:
    cert, key = authority(by)
    with TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "ca").write_text(cert)
        (place / "ca.key").write_text(key)
        (place / "extensions").write_text(extensions)
        openssl("req", *kind, "-keyout", f"{folder}/key", "-out", f"{folder}/csr", "-subj", f"/CN={name}")
        signed = ["-CA", f"{folder}/ca", "-CAkey", f"{folder}/ca.key", "-CAcreateserial", "-days", str(days)]
        openssl(
            "x509",
            "-req",
            "-in",
            f"{folder}/csr",
            *signed,
            "-extfile",
            f"{folder}/extensions",
            "-out",
            f"{folder}/cert",
        )
        return (place / "cert").read_text(), (place / "key").read_text()


def pair(
    name: str = "db", *, days: int = 200, by: str = "ca", kind: tuple[str, ...] = (), extensions: str = ""
) -> Pair:
    """A certificate that an authority has signed, its key, and the authority.

    days
        Until it expires; below zero it has. kind: arguments of `openssl req` for another key than EC P-256.
    """
    cert, key = _pair(name, days, by, tuple(kind) or tuple(CURVE), extensions)
    return {"cert": cert, "key": key, "ca": authority(by)[0]}


@cache
def intermediate() -> tuple[str, str]:
    """A chain of two, the server's own first, and its key; the authority ``ca`` is its root."""
    with TemporaryDirectory() as folder:
        place = Path(folder)
        middle = pair("middle", extensions="basicConstraints=critical,CA:true\n")
        for name, text in (("ca", middle["cert"]), ("ca.key", middle["key"])):
            (place / name).write_text(text)
        openssl("req", *CURVE, "-keyout", f"{folder}/key", "-out", f"{folder}/csr", "-subj", "/CN=below")
        signed = ["-CA", f"{folder}/ca", "-CAkey", f"{folder}/ca.key", "-CAcreateserial", "-days", "200"]
        openssl("x509", "-req", "-in", f"{folder}/csr", *signed, "-out", f"{folder}/cert")
        return (place / "cert").read_text() + middle["cert"], (place / "key").read_text()


def encrypted(key: str, old: bool = False) -> str:
    """A key behind a passphrase, in PKCS #8 or in the older form of EC and RSA keys."""
    words = ["-traditional"] if old else []
    return openssl("pkey", "-aes256", "-passout", "pass:canary-passphrase", *words, stdin=key)
