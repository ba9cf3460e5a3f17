"""The latches of a node while its data is moved to another kind of storage.

``/var/lib/hamysql/next`` has the latches of the storage that is being prepared, and a file that says of which kind it is. So the
verbs that prepare it work as they do on a new cluster, and whoever asks what the data is on finds the old latch only. The switch
puts the new latches into the place of the old ones, which are kept in ``before``. It can be cut off at any moment: the main folder
has the old latch or the new one at all times, and whoever does it again goes on where it was.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from hamysql.errors import Refused
from hamysql.storage import backends, latch
from hamysql.storage.latch import Latch, Stage

BEFORE = "before"
COPIED = "copied"  # in ``next``: what the last pass of the copy has seen, see :mod:`hamysql.storage.move.copying`


def begin(backend: str, seed: bool, folder: Path = latch.FOLDER) -> bool:
    """Begin the move to a kind of storage, or begin its copy anew; returns whether it was begun now.

    Raises ``Refused`` where this node's latch is not about data on another kind, and where a move to a third one was begun.
    """
    there, moving = latch.in_use(folder), latch.moving_to(folder)
    if moving and moving != backend:
        raise Refused(f"a move to {moving} was begun: `salt-call hamysql_migration.abandon` ends it")
    if any(known.backend == backend for known in there):
        raise Refused(f"this node's data is on {backend} already")
    if not any(known.stage == Stage.INITIALISED for known in there):
        raise Refused("this node has no data that could be moved")
    place = folder / latch.NEXT
    if not moving:
        place.mkdir(mode=0o755, parents=True, exist_ok=True)
        for path in place.iterdir():  # of a move that was given up, and cut off at that
            path.unlink()
        latch.synchronise(folder)
        latch.write_file(place / latch.MARK, f"{backend}\n")
        return True
    for path in sorted(place.glob("*.json")):
        known = latch.load(path)
        after = backends.KINDS[backend].reset(known, seed)
        if after is None:
            path.unlink()
            latch.synchronise(place)
        elif after != known:
            latch.write(after, folder)
    return False


def switch(
    backend: str, moment: str, folder: Path = latch.FOLDER, step: Callable[[str], None] = lambda _: None
) -> bool:
    """Put the new latches into the place of the old ones.

    moment
        The time, as a part of the old latches' names in ``before``.
    step
        Called before each change that another one has to follow; a test cuts it off there.

    Returns whether anything was changed. Raises ``Refused`` unless every new latch says that its storage holds all of the data.
    """
    place = folder / latch.NEXT
    new = sorted(place.glob("*.json")) if latch.moving_to(folder) == backend else []
    old = [path for path in sorted(folder.glob("*.json")) if _load(path).backend != backend]
    if not new and not switched(backend, folder):
        raise Refused(f"this node has no latch of the new storage, {backend}: nothing is switched")
    for path in new:
        known = _load(path)
        if (known.backend, known.stage) != (backend, Stage.INITIALISED):
            raise Refused(f"the data is not complete on {backend} here ({known.stage.name}): nothing is switched")
    if not new and not old:
        return False
    before = folder / BEFORE
    before.mkdir(mode=0o755, exist_ok=True)
    kept = {path.read_text(encoding="utf-8") for path in before.iterdir()}
    for path in old:
        if path.read_text(encoding="utf-8") not in kept:
            step(f"keep {path.name}")
            os.link(path, before / f"{path.stem}-{moment}.json")
    latch.synchronise(before)
    latch.synchronise(folder)
    for path in new:
        step(f"take {path.name}")
        path.replace(folder / path.name)  # over an old one of that name: there is one or the other at any moment
        latch.synchronise(folder)
    latch.synchronise(place)
    for path in old:
        if path.exists() and _load(path).backend != backend:
            step(f"forget {path.name}")
            path.unlink()
    latch.synchronise(folder)
    return True


def switched(backend: str, folder: Path = latch.FOLDER) -> bool:
    """Whether the latch in use is one of this kind of storage."""
    return any(known.backend == backend for known in latch.in_use(folder))


def forget(folder: Path = latch.FOLDER) -> bool:
    """Remove the folder ``next``, its mark last; returns whether there was one."""
    place = folder / latch.NEXT
    if not place.exists():
        return False
    for path in sorted(place.iterdir(), key=lambda path: path.name == latch.MARK):
        path.unlink()
    place.rmdir()
    latch.synchronise(folder)
    return True


def _load(path: Path) -> Latch:
    known = latch.load(path)
    assert known is not None, path
    return known
