"""Copying a datadir while its server runs, and once more when it has stopped, without missing a change.

Each pass notes of every file what the file system says of it before anything is read: inode, size, mtime and ctime in nanoseconds.
In the next pass a file is copied again, whatever rsync would think of it, unless all four are the same. That is more than rsync's
quick check, which knows size and mtime in whole seconds only: a page that is written in the second after its file was read would be
missing for ever. The ctime is set by the kernel at each write and cannot be set by a program.

What remains is a write in the same tick of the kernel's clock (4 ms, or whatever the file system keeps) as the note, which leaves
the ctime as it is. So a file also counts as changed when its ctime was young when it was noted: within ``MARGIN`` of the note by
this node's clock, or of the youngest ctime of all files, which is by the same clock as the ctimes even over NFS, where the
server's may be another one. A note counts for one boot of the node (a power cut may take back what had been copied already), and
for one copy; without one everything is read again.

The last pass is made with the server stopped. A file that it leaves out had, then, the same ctime as when it was noted, and not a
young one: nobody has written to it since, and the pass that followed the note has copied what was in it.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hamysql.errors import Refused
from hamysql.storage import latch
from hamysql.system import root
from hamysql.system.command import Run

# Where the new storage is mounted for the copy: in a folder of root's alone (``storage.lock``). The files are those of the
# database's account, which could replace folders by links while root writes to them.
PLACE = "/run/hamysql/migration"
PROC = Path("/proc")
MARGIN = 5 * 10**9  # nanoseconds: more than any file system's granularity of times
NOT_OURS = "lost+found"  # in the root of a file system
VANISHED = 24  # rsync(1): some files vanished before they could be transferred
WEEK = 7 * 86400  # seconds; a copy takes as long as it takes

Entry = tuple[int, int, int, int]


@dataclass(frozen=True)
class Note:
    """What was seen of a folder: each regular file's (inode, size, mtime, ctime), when that began and how long it took, in
    nanoseconds; ``boot`` and ``target`` are the boot and the copy that it is about.
    """

    files: Mapping[str, Entry]
    began: int
    took: int
    boot: str = ""
    target: str = ""

    def is_of(self, other: Note) -> bool:
        """Whether both are about the same copy, made in the same boot: only then does one say anything about the other."""
        return (self.boot, self.target) == (other.boot, other.target)


def look(folder: Path, boot: str = "", target: str = "") -> Note:
    """Note what is in a folder, which may change meanwhile."""
    began, clock = time.time_ns(), time.monotonic_ns()
    files: dict[str, Entry] = {}
    _walk(folder, "", files)
    return Note(files, began, time.monotonic_ns() - clock, boot, target)


def _walk(folder: Path, below: str, files: dict[str, Entry]) -> None:
    try:
        entries = list(os.scandir(folder / below))
    except FileNotFoundError:
        return
    for entry in entries:
        name = f"{below}{entry.name}"
        try:
            if entry.is_dir(follow_symlinks=False):
                if name != NOT_OURS:
                    _walk(folder, f"{name}/", files)
            elif entry.is_file(follow_symlinks=False):
                # Not the entry's own stat: over NFS that may come from the listing, and be older.
                seen = os.lstat(entry.path)
                files[name] = (seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
        except FileNotFoundError:
            continue


def changed(now: Note, before: Note | None) -> list[str]:
    """The files that have to be read again: see above."""
    if before is None or not before.is_of(now):
        return sorted(now.files)
    youngest = max((entry[3] for entry in before.files.values()), default=0)
    old = min(youngest - before.took, before.began) - MARGIN
    return sorted(name for name, entry in now.files.items() if before.files.get(name) != entry or entry[3] >= old)


def size(folder: Path) -> tuple[int, int]:
    """What the files of a folder take on the disk, and what the largest takes, in bytes."""
    sizes = [0]
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                sizes.append(os.lstat(os.path.join(where, name)).st_blocks * 512)
            except FileNotFoundError:
                continue
    return sum(sizes), max(sizes)


def check_space(source: Path, target: Path) -> None:
    """Raise ``Refused`` where the copy would not fit; rsync makes a file anew beside the old one."""
    (need, largest), (have, _) = size(source), size(target)
    seen = os.statvfs(target)
    free = seen.f_bavail * seen.f_frsize
    if free + have < need + need // 20 + largest:
        raise Refused(
            f"the new storage is too small: {source} has {need // 2**20} MiB, the largest file {largest // 2**20} MiB of it, and "
            f"{(free + have) // 2**20} MiB can be had there"
        )


def transfer(
    run: Run, source: Path, target: Path, files: Sequence[str] | None, *, live: bool, attributes: bool
) -> None:
    """Make ``target`` the same as ``source``.

    files
        Those to be read whatever size and mtime say; ``None``: all of them.
    live
        The server runs: files may vanish. When it does not, that is an error.
    attributes
        With ACLs and extended attributes; an NFS server may not take them.
    """
    base = ["rsync", "--archive", "--hard-links", "--sparse", "--numeric-ids", "--whole-file"]
    base += ["--acls", "--xattrs"] if attributes else []
    ends = [f"{source}/", f"{target}/"]
    accept = (0, VANISHED) if live else (0,)
    if files:
        with tempfile.NamedTemporaryFile(prefix="hamysql-copy-") as listed:
            listed.write(b"".join(os.fsencode(name) + b"\0" for name in files))
            listed.flush()
            # Else one that has gone since would be an error (23), and not one that vanished.
            gone = ["--ignore-missing-args"] if live else []
            argv = [*base, "--ignore-times", *gone, "--from0", f"--files-from={listed.name}", *ends]
            run(argv, timeout=WEEK, accept=accept)
    everything = ["--ignore-times"] if files is None else []
    run([*base, *everything, "--delete", f"--exclude=/{NOT_OURS}", *ends], timeout=WEEK, accept=accept)


def users(folder: Path) -> list[str]:
    """The processes that have something open below a folder, or work there: "mysqld (12345)"."""
    below = f"{folder}/"
    found = []
    for process in root.at(PROC).iterdir():
        if not process.name.isdigit():
            continue
        try:
            links = [*(process / "fd").iterdir(), process / "cwd"]
            name = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            continue  # it has ended
        if any(f"{_link(link)}/".startswith(below) for link in links):
            found.append(f"{name} ({process.name})")
    return found


def _link(path: Path) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def keep(note: Note, path: Path) -> None:
    """Write a note down for the next pass."""
    latch.write_file(path, json.dumps(note.__dict__))


def kept(path: Path) -> Note | None:
    """The note of the pass before; ``None`` without a readable one."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        files = {name: tuple(entry) for name, entry in found.pop("files").items()}
        return Note(files=files, **found)
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None
