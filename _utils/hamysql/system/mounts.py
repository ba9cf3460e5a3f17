"""What is mounted where."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypedDict

from hamysql.errors import CommandFailed
from hamysql.system import root
from hamysql.system.command import Run

ANSWER = 5  # seconds for all file systems to answer: one from a network may not


class Room(TypedDict):
    """A file system's size, and what is left of it for others than root, in bytes."""

    folder: str
    size: int
    free: int


def source(run: Run, directory: str | os.PathLike[str]) -> str:
    """What is mounted on this very folder, as the kernel calls it; "" where nothing is."""
    argv = ["findmnt", "--noheadings", "--output", "SOURCE", "--mountpoint", os.fspath(directory)]
    return run(argv, accept=(0, 1)).stdout.strip()


def same(one: str, other: str) -> bool:
    """Whether two names are of the same device: findmnt has the kernel's, and the pillar's may be a link to it."""
    return bool(one and other) and (one == other or root.at(one).resolve() == root.at(other).resolve())


def room(run: Run, folders: Sequence[str]) -> list[Room]:
    """The file systems in which these folders are, each once, by where it is mounted. None where one of them does not answer."""
    argv = ["df", "--block-size=1", "--output=target,size,avail", *folders]
    try:
        said = run(argv, timeout=ANSWER, accept=(0, 1)).stdout  # 1: a folder is not there
    except CommandFailed:
        return []
    rows = dict.fromkeys(line for line in said.splitlines()[1:])
    parts = (row.rsplit(maxsplit=2) for row in rows)
    return [Room(folder=folder, size=int(size), free=int(free)) for folder, size, free in parts if size.isdecimal()]
