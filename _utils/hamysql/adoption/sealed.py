"""Secrets on their way from a node to the master: nobody but the run that asked can read them.

That run makes a key pair for itself, and gives its certificate to the nodes, which encrypt for it (openssl-cms(1)).
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from hamysql.errors import CommandFailed, HamysqlError
from hamysql.system import files
from hamysql.system.command import Run

_CIPHER = "-aes-256-cbc"


def seal(run: Run, certificate: str, values: Mapping[str, object]) -> str:
    """Encrypt values, on a node. They go to openssl on its standard input.

    certificate
        In PEM.
    """
    with _folder() as folder:
        files.create(folder / "certificate", certificate, 0o600)
        argv = ["openssl", "cms", "-encrypt", "-binary", _CIPHER, "-outform", "PEM", str(folder / "certificate")]
        return run(argv, stdin=json.dumps(values)).stdout


class Key:
    """The key pair of one run, on the master; it goes when the run ends."""

    def __init__(self, run: Run, folder: Path) -> None:
        self._run, self._key, certificate = run, folder / "key", folder / "certificate"
        argv = ["openssl", "req", "-x509", "-newkey", "rsa:3072", "-nodes", "-days", "2", "-subj", "/CN=hamysql.adopt"]
        run([*argv, "-keyout", str(self._key), "-out", str(certificate)])
        self.certificate = files.text(certificate)

    def opened(self, sealed: str) -> dict[str, object]:
        """What a node has sealed. Raises ``HamysqlError`` without a word of it."""
        try:
            argv = ["openssl", "cms", "-decrypt", "-inform", "PEM", "-inkey", str(self._key)]
            found: dict[str, object] = json.loads(self._run(argv, stdin=sealed).stdout)
            return found
        except (CommandFailed, ValueError):
            pass
        raise HamysqlError("what a node has sealed cannot be opened: run hamysql.adopt again")


@contextmanager
def key(run: Run) -> Iterator[Key]:
    """A key pair, inside of the ``with`` block."""
    with _folder() as folder:
        yield Key(run, folder)


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder that only this user can enter, gone afterwards."""
    before = os.umask(0o077)
    try:
        with tempfile.TemporaryDirectory(prefix="hamysql-") as folder:
            yield Path(folder)
    finally:
        os.umask(before)
