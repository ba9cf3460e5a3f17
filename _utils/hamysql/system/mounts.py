"""What is mounted where."""

from __future__ import annotations

import os

from hamysql.system import root
from hamysql.system.command import Run


def source(run: Run, directory: str | os.PathLike[str]) -> str:
    """What is mounted on this very folder, as the kernel calls it; "" where nothing is."""
    argv = ["findmnt", "--noheadings", "--output", "SOURCE", "--mountpoint", os.fspath(directory)]
    return run(argv, accept=(0, 1)).stdout.strip()


def same(one: str, other: str) -> bool:
    """Whether two names are of the same device: findmnt has the kernel's, and the pillar's may be a link to it."""
    return bool(one and other) and (one == other or root.at(one).resolve() == root.at(other).resolve())
