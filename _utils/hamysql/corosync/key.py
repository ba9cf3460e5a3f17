"""corosync's key on this node: a new one is laid beside the old one, put in its place, and taken over by a reload.

``corosync-cfgtool -R`` makes all nodes read their files again. Since 3.1, with knet, the key is among them: each node accepts both
keys until all have the new one (``message_handler_req_exec_cfg_crypto_reconfig`` in ``exec/cfg.c``). A node whose file has the old
key still is cut off by such a reload. So nothing is reloaded before both files have the new one: that is the caller's to see. While
the new key lies beside its file, nobody else of hamysql's has corosync read its files either.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from hamysql.errors import HamysqlError, NotReady, Refused
from hamysql.resolved.cluster import Corosync
from hamysql.system import files
from hamysql.system.command import Run

FIRST = (3, 1)  # the first release that takes over a key while it runs


class Seen(TypedDict):
    """The fingerprints of keys, "" where there is none: the pillar's, the file's, and that which is laid beside it."""

    pillar: str
    file: str
    beside: str
    before: str
    unable: list[str]  # why the key cannot be changed in service, as sentences


@dataclass(frozen=True)
class Places:
    """The files of the key; all of them are root's alone."""

    folder: Path = Path("/etc/corosync")

    @property
    def key(self) -> Path:
        """What corosync reads."""
        return self.folder / "authkey"

    @property
    def beside(self) -> Path:
        """The new one. It stays until it is proven to be in use."""
        return self.folder / "authkey.hamysql-new"

    @property
    def before(self) -> Path:
        """The old one, for as long."""
        return self.folder / "authkey.hamysql-old"


def fingerprint(key: str | None) -> str:
    """``key-`` and twelve hexadecimal digits of its hash: what nodes compare. A key has 128 characters at least."""
    return f"key-{hashlib.sha256(key.strip().encode()).hexdigest()[:12]}" if key else ""


def seen(run: Run, settings: Corosync, places: Places) -> Seen:
    """Which keys there are on this node."""
    return {
        "pillar": fingerprint(settings["authkey"]) if settings["encrypted"] else "",
        "file": fingerprint(_text(places.key)),
        "beside": fingerprint(_text(places.beside)),
        "before": fingerprint(_text(places.before)),
        "unable": _unable(run, settings),
    }


def _unable(run: Run, settings: Corosync) -> list[str]:
    if settings["transport"] != "knet":
        return [f"corosync's transport is {settings['transport']}, expected knet"]
    said = run(["corosync", "-v"]).stdout.strip()
    found = re.search(r"version '(\d+)\.(\d+)", said)
    if not found or (int(found[1]), int(found[2])) < FIRST:
        return [f"corosync is of the version {said.partition(chr(10))[0]}, expected 3.1 or later"]
    return []


def stage(settings: Corosync, places: Places) -> bool:
    """Lay the pillar's key beside the one in service; whether it was not there."""
    wanted = f"{settings['authkey']}\n"
    if _text(places.beside) == wanted:
        return False
    if _text(places.before) is not None:
        raise Refused(
            f"{places.before} is kept by a rotation that was cut off, and the pillar has yet another key now: "
            "put the key of that rotation back into the pillar, and run it again"
        )
    _write(places.beside, wanted)
    return True


def replace(expected: str, places: Places) -> bool:
    """Put the new key in the old one's place, which is kept; whether it was not there.

    expected
        The fingerprint that the new key has on all nodes.
    """
    new = _text(places.beside)
    if new is None or fingerprint(new) != expected:
        raise Refused(f"{places.beside} is not the key {expected} that the other node has: nothing is replaced")
    old = _text(places.key)
    if old is not None and fingerprint(old) == expected:
        return False
    if old is not None and _text(places.before) is None:
        _write(places.before, old)
    _write(places.key, new)
    return True


def reload(
    run: Run, expected: str, places: Places, members: Callable[[], Sequence[int]], pause: Callable[[], object]
) -> None:
    """Have corosync on all nodes read its files, and see that nobody is lost.

    expected
        The fingerprint that the key has in the files of all nodes, as they have just said.
    members
        The ids of corosync's members.
    pause
        Waits for as long as corosync takes to lose a node that has another key.
    """
    if (there := fingerprint(_text(places.key))) != expected or fingerprint(_text(places.beside)) != expected:
        raise Refused(f"{places.key} has the key {there}, and all nodes need {expected}: nothing is reloaded")
    before = sorted(members())
    run(["corosync-cfgtool", "-R"])
    pause()
    after = sorted(members())
    if set(before) - set(after):  # one that comes back has waited for that
        raise NotReady(
            f"corosync had the members {before} and has {after} since it has read its key: look at `corosync-cfgtool -s` on both "
            f"nodes. Where {places.key} differs between them, run the rotation again"
        )


def finish(expected: str, places: Places) -> bool:
    """The new key is in use: the old one and what was laid beside go. Whether there was anything."""
    if fingerprint(_text(places.key)) != expected:
        raise Refused(f"{places.key} is not the key {expected}: the old one is kept")
    there = [path for path in (places.before, places.beside) if path.exists()]
    for path in there:  # the new one last: as long as it is there, the rotation is not over
        path.unlink()
    files.synchronise(places.folder)
    return bool(there)


def _text(path: Path) -> str | None:
    return files.text_if_any(path, links=True)


def _write(path: Path, text: str) -> None:
    """Whole or not at all, and root's alone."""
    made = path.with_name(f"{path.name}.tmp")
    try:
        files.create(made, text, 0o400)
        made.replace(path)
        files.synchronise(path.parent)
    except OSError as exc:
        raise HamysqlError(f"{path} cannot be written: {exc.strerror}") from None
