"""A copy of a replica's disk, before its changes are given up: a sparse file with all of it, DRBD's metadata as well.

The disk below DRBD is read, since a secondary's device cannot be. Nobody writes to it meanwhile: the replica is alone, and no
primary.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from hamysql.errors import HamysqlError, NotReady, Refused
from hamysql.storage import latch
from hamysql.storage.copies import FOLDER, Image
from hamysql.storage.drbd import status as drbd_status
from hamysql.system import disk
from hamysql.system.command import QUIETLY, Run

LIMIT = 7 * 86400.0  # seconds for a copy


class Data(NamedTuple):
    """Which data a disk holds: DRBD's identifier, and what :func:`hamysql.storage.drbd.care.split.writes` says."""

    generation: str
    writes: str


def keep(
    run: Run,
    device: str,
    name: str,
    data: Callable[[], Data],
    folder: str = FOLDER,
    now: Callable[[], float] = time.time,
) -> Image:
    """Copy a disk into a file of a folder; one that was made of the same data before is taken as it is.

    name
        What the file is called, before the identifier of its data.
    data
        Which data the disk holds now.

    Raises ``Refused`` where there is no room, and ``HamysqlError`` where the copy is not what the disk is.
    """
    size = disk.size(run, device)
    if size is None:
        raise NotReady(f"there is no disk {device} to be copied")
    before = data()
    place = Path(folder)
    if not place.is_absolute():
        raise Refused(f"{folder} is no absolute path: name a folder with hamysql_keep, such as {FOLDER}")
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = place / f"{name}-{before.generation}.img"
    known = read(path)
    if known is not None and (known["generation"], known["writes"]) == before:
        return known
    making = path.with_suffix(".making")
    making.unlink(missing_ok=True)
    free = shutil.disk_usage(place).free
    if free < size:
        raise Refused(
            f"{place} has {free / 1e6:.0f} MB left, expected {size / 1e6:.0f} MB for a copy of {device}: name a folder with more "
            "room, with hamysql_keep"
        )
    os.close(
        os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    )  # nobody else may read it meanwhile
    run(
        [*QUIETLY, "dd", f"if={device}", f"of={making}", "bs=1M", "iflag=direct", "conv=sparse,fsync", "status=none"],
        timeout=LIMIT,
    )
    os.truncate(making, size)  # a hole at its end
    if data() != before or identity(str(making), size) != before.generation:
        raise HamysqlError(
            f"the copy of {device} in {making} is not of its data: something has written to the disk meanwhile"
        )
    made: Image = {
        "path": str(path),
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now())),
        "size": size,
        "sha256": run([*QUIETLY, "sha256sum", str(making)], timeout=LIMIT).stdout.split()[0],
        **before._asdict(),  # type: ignore[typeddict-item]
    }
    making.replace(path)
    latch.write_file(_beside(path), json.dumps(made, indent=2, sort_keys=True) + "\n")
    return made


def read(path: Path) -> Image | None:
    """What is known of a copy; ``None`` where it is not complete."""
    try:
        found: Image = json.loads(_beside(path).read_text(encoding="utf-8"))
        return found if path.stat().st_size == found["size"] else None
    except (OSError, ValueError, KeyError):
        return None


def identity(path: str, size: int) -> str:
    """The identifier of the data in a copy. Raises ``HamysqlError`` where it has no metadata of DRBD."""
    found = drbd_status.read_generation(path, size)
    if found is None:
        raise HamysqlError(f"{path} has no metadata of DRBD at its end: it is no replica")
    return found.identity


def _beside(path: Path) -> Path:
    return path.with_suffix(".json")
