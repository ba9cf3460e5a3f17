"""The tables of a side of a split brain, as files: what each side has changed, as far as that can be told without a server.

A side that serves has them mounted. The other one's disk is looked at through a read-only loop device, without a replay of the file
system's log. So nothing is written to it, and changes that are in a log only are not seen.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hamysql.errors import HamysqlError
from hamysql.storage.copies import Tables
from hamysql.storage.lock import FOLDER
from hamysql.system.command import Run

PLACE = FOLDER / "split-brain"
MOST = 20_000  # files
_ENDS = (".ibd", ".MYD", ".MAD", ".CSV")
_OPTIONS = {"xfs": "ro,norecovery,nouuid", "ext4": "ro,noload", "ext3": "ro,noload"}


def listed(folder: Path) -> Tables:
    """The tables below a data directory."""
    found: Tables = {}
    for database in sorted(item for item in folder.iterdir() if item.is_dir() and not item.is_symlink()):
        for path in sorted(database.iterdir()):
            if path.suffix in _ENDS and len(found) < MOST:
                seen = path.stat()
                found[f"{database.name}.{path.stem}"] = {"size": seen.st_size, "written": int(seen.st_mtime)}
    return found


@contextmanager
def mounted(run: Run, device: str, kind: str, place: Path = PLACE) -> Iterator[Path]:
    """A file system of a disk that nobody has mounted, read-only, inside of the ``with`` block.

    Raises ``HamysqlError`` where it cannot be looked at without a change to the disk.
    """
    if kind not in _OPTIONS:
        raise HamysqlError(f"a file system of the kind {kind} is not mounted without a replay of its log")
    run(["modprobe", "loop"], accept=range(256))  # it may be built in
    clear(run, device, place)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    # DRBD writes beside the kernel's cache of the disk.
    run(["blockdev", "--flushbufs", device])
    loop = run(["losetup", "--read-only", "--find", "--show", device]).stdout.strip()
    try:
        run(["mount", "-t", kind, "-o", _OPTIONS[kind], loop, str(place)])
        yield place
    finally:
        clear(run, device, place)


def clear(run: Run, device: str, place: Path = PLACE) -> None:
    """End a look, also one that was killed."""
    if os.path.ismount(place):
        run(["umount", str(place)])
    for loop in run(["losetup", "--noheadings", "--output", "NAME", "--associated", device]).stdout.split():
        run(["losetup", "--detach", loop])
