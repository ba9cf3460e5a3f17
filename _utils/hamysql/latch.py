"""The latch: a small file on each node that says how far hamysql has come with the node's replica.

It is what makes "do it once" survive a reinstalled master, and it is one of the three witnesses that
:mod:`hamysql.plan` wants to agree. Only the modules that do a step write it, after the step.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from hamysql.errors import ParseError
from hamysql.replica import Latch

FOLDER = Path("/var/lib/hamysql")


def read(resource: str, folder: Path = FOLDER) -> Latch | None:
    """The latch of ``resource`` on this node, ``None`` when hamysql has done nothing here yet."""
    path = folder / f"{resource}.json"
    try:
        return Latch.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as exc:
        how = "remove it and run again: the disk and the other member decide then whether the replica is taken over"
        raise ParseError(f"{path} is damaged ({exc}); {how}") from exc


def write(latch: Latch, folder: Path = FOLDER) -> None:
    """Replace the latch; it is on the disk, not only in the page cache, when this returns."""
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    path = folder / f"{latch.resource}.json"
    new = path.with_suffix(".new")
    with open(new, "w", encoding="utf-8") as file:
        json.dump(latch.as_dict(), file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
