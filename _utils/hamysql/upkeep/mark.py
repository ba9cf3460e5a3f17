"""The mark of an update that has begun on a node: it outlives the boot, so that a run that was cut off goes on where it was."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TypedDict

from hamysql.storage import latch
from hamysql.system import files, kernels

FILE = Path("/var/lib/hamysql/update/begun")


class Mark(TypedDict):
    """Since when the node is being updated, as text, and the kernel's id of the boot in which that began."""

    since: str
    boot: str


def read(file: Path = FILE) -> Mark | None:
    """The mark; ``None`` where no update has begun here. What is damaged counts as one of an unknown time."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return {"since": str(found["since"]), "boot": str(found["boot"])}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return {"since": "an unknown time", "boot": ""}


def write(file: Path = FILE) -> Mark:
    """Make the mark, unless it is there; returns it."""
    if found := read(file):
        return found
    now = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
    mark: Mark = {"since": now, "boot": kernels.boot_id()}
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    latch.write_file(file, json.dumps(mark) + "\n")
    return mark


def remove(file: Path = FILE) -> bool:
    """Take the mark away; returns whether it was there."""
    if not file.exists():
        return False
    file.unlink()
    files.synchronise(file.parent)
    return True
