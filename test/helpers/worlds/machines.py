"""Machines that are folders: files of a node below it, and what its processes change there, as it happens."""

from __future__ import annotations

import functools
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

Seen = Callable[[str, Sequence[Any]], None]
_watchers: list[Seen | None] = []
EVENTS = ("open", "os.rename", "os.link", "os.listdir")
FAST = "/dev/shm" if Path("/dev/shm").is_dir() else None  # thousands of latches are synchronised to the disk


@functools.cache
def folder() -> Path:
    """Where this process has its machines; the unit tests remove it at their end."""
    return Path(mkdtemp(prefix="hamysql-worlds-", dir=FAST))


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _watchers and event in EVENTS and (seen := _watchers[-1]):
        with watching(None):
            seen(event, arguments)


sys.addaudithook(_audit)  # Python keeps it to the end of the process


@contextmanager
def watching(seen: Seen | None) -> Iterator[None]:
    """Tell of files that are opened, renamed, linked or listed inside of the ``with`` block, right before it is done; ``None``: nobody is told.

    What ``seen`` raises, the one at work gets from the call.
    """
    _watchers.append(seen)
    try:
        yield
    finally:
        _watchers.pop()


def put(path: Path, text: str | None) -> None:
    """Have a file with this text, or none."""
    if text is None:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def program(root: Path, name: str) -> None:
    """A program that is installed on a machine."""
    put(root / "usr/sbin" / name, "")
    (root / "usr/sbin" / name).chmod(0o755)


def link(path: Path, target: Path) -> None:
    """Have a symbolic link."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def is_mounted(path: Path) -> bool:
    """A mount is a link in the place of the folder."""
    return path.is_symlink()


def mount(path: Path, folder: Path) -> None:
    """Show a folder below a name, in the place of the empty folder there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        path.rmdir()
    path.symlink_to(folder)


def umount(path: Path) -> None:
    """Have the empty folder there again."""
    path.unlink()
    path.mkdir()


def only(folder: Path, names: Sequence[str]) -> None:
    """Have exactly these empty files in a folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch()


def disk(path: Path, size: int, block: bytes = b"") -> None:
    """A blank disk of so many bytes, with this in its last block."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        file.truncate(size)
        if block:
            file.seek(size // 4096 * 4096 - 4096, os.SEEK_SET)
            file.write(block)
