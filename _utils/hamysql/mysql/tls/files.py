"""The certificate, the key and the authorities of the database clients' TLS: the files on a node, and what a server serves.

A server does not start with files that do not belong together. So they are one set, in a folder of its own that was judged before
(:mod:`hamysql.mysql.tls.certificate`). A link (``current``) goes from the old set to the new one at one moment. A server that
starts meanwhile reads one of the two.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hamysql.errors import CommandFailed
from hamysql.mysql.tls import pem
from hamysql.resolved.software import Mysql
from hamysql.system import files
from hamysql.system.command import Run

FOLDER = "/etc/hamysql/tls"  # below /etc, which every confined server may read; root's, as all that is above it
CURRENT = "current"
FILES = ("cert", "key", "ca")
MODES = {"cert": 0o644, "key": 0o640, "ca": 0o644}
SECURE = "require_secure_transport"
PATH = "hamysql:mysql:tls"
OPENSSL = "openssl"

Texts = Mapping[str, str | None]  # of FILES


def options(names: Sequence[str], required: bool) -> dict[str, str]:
    """The server's options for the files of these names."""
    found = {f"ssl_{name}": f"{FOLDER}/{CURRENT}/{name}.pem" for name in names}
    return {**found, **({SECURE: "ON"} if required else {})}


def texts(config: Mysql) -> dict[str, str | None]:
    """The files that the resolved configuration's ``mysql`` wants."""
    tls = config["tls"]
    return {"cert": tls["cert"], "key": tls["key"], "ca": tls["ca"]}


def digest(wanted: Texts) -> str:
    """Of what is public in a set: a key belongs to its certificate."""
    return hashlib.sha256(f"{wanted['cert']}\n{wanted['ca']}".encode()).hexdigest()


# --- the files


@dataclass(frozen=True)
class There:
    """A set on a node: its texts; ``astray`` are paths whose owner or mode differs, ``left`` what a killed run has left."""

    texts: dict[str, str | None] = field(repr=False)
    astray: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


def _modes(seen: Mapping[str, str | None]) -> Iterator[tuple[str, int, bool]]:
    """Each path of a set below the folder, its mode, and whether it is the database's group that owns it."""
    yield "", 0o755, False
    yield CURRENT, 0o755, False
    yield from ((f"{CURRENT}/{name}.pem", MODES[name], name == "key") for name in FILES if seen[name] is not None)


def there(folder: Path, gid: int | None) -> There:
    """What is in the folder.

    gid
        The number of the database's group; ``None`` where it is not there yet, and nothing is compared with it.
    """
    current = folder / CURRENT
    found = {name: files.text_if_any(current / f"{name}.pem") for name in FILES}
    astray = []
    for path, mode, database in _modes(found) if current.is_dir() else ():
        seen = (folder / path).stat()
        group = seen.st_gid if database and gid is None else gid if database else 0
        if (seen.st_uid, seen.st_gid, stat.S_IMODE(seen.st_mode)) != (0, group, mode):
            astray.append(path)
    in_use = os.readlink(current) if current.is_symlink() else ""
    names = sorted(os.listdir(folder)) if folder.is_dir() else []
    return There(found, tuple(astray), tuple(name for name in names if name not in (CURRENT, in_use)))


_WORDS = {
    "cert": ("another certificate", "the pillar's certificate"),
    "key": ("another key", "the pillar's key"),
    "ca": ("other authorities", "the pillar's authorities"),
}


def differences(seen: There, wanted: Texts) -> dict[str, dict[str, str]]:
    """What is to be done so that a set is the wanted one: ``{path: {"old", "new"}}``, without anything of the texts."""
    found = {}
    for name in FILES:
        if seen.texts[name] != wanted[name]:
            old, new = (
                _WORDS[name][0] if seen.texts[name] is not None else "",
                _WORDS[name][1] if wanted[name] is not None else "absent",
            )
            found[f"{FOLDER}/{CURRENT}/{name}.pem"] = {"old": old, "new": new}
    if not found:  # else all of it is made anew
        words = {"old": "another owner or mode", "new": "the right ones"}
        found |= {f"{FOLDER}/{path}".rstrip("/"): words for path in seen.astray}
    return found | {
        f"{FOLDER}/{name}": {"old": "left by a run that was cut off", "new": "absent"} for name in seen.left
    }


def prepare(folder: Path, wanted: Texts, gid: int) -> Path:
    """Write a set into a folder of its own, which nothing leads to yet."""
    folder.mkdir(parents=True, exist_ok=True)
    os.chown(folder, 0, 0)
    folder.chmod(0o755)
    place = Path(tempfile.mkdtemp(prefix="set-", dir=folder))
    for name in FILES:
        if (text := wanted[name]) is not None:
            path = place / f"{name}.pem"
            files.create(path, text, 0o600)
            os.chown(path, 0, gid if name == "key" else 0)
            path.chmod(MODES[name])
    place.chmod(0o755)
    files.synchronise(place)
    return place


def switch(folder: Path, place: Path) -> None:
    """Have a set that was prepared be the one in use, at one moment, and remove all others."""
    link = folder / f"{place.name}.link"
    link.symlink_to(place.name)
    link.replace(folder / CURRENT)
    files.synchronise(folder)
    clear(folder)


def clear(folder: Path) -> None:
    """Remove what is not in use."""
    for name in there(folder, None).left:
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def repair(folder: Path, seen: There, gid: int) -> None:
    """Put owners and modes right."""
    for path, mode, database in _modes(seen.texts):
        if path in seen.astray:
            os.chown(folder / path, 0, gid if database else 0)
            (folder / path).chmod(mode)


# --- the running server


def presented(run: Run, socket: str) -> str | None:
    """The server's own certificate (PEM), as its socket presents it; "" where it has no TLS, ``None`` where it does not answer."""
    argv = [OPENSSL, "s_client", "-starttls", "mysql", "-nameopt", "RFC2253", "-unix", socket]
    try:
        done = run(argv, timeout=10, accept=range(256))
    except CommandFailed:
        return None
    try:
        first = next(block for block in pem.parse(done.stdout) if block.label == pem.CERTIFICATE)
    except (pem.Defect, StopIteration):
        return "" if "does not support SSL" in done.stdout + done.stderr else None
    return pem.export([first])
