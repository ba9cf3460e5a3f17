"""Where this node's files are: below ``/``, and in a test below a folder that stands for a machine.

Names stay those of the node, in messages, in latches and for the programs that are run. Only whoever opens a file asks here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_ROOT: ContextVar[Path] = ContextVar("hamysql.system.root", default=Path("/"))


def at(path: str | os.PathLike[str]) -> Path:
    """The path by which a file of this node, with an absolute name, is opened."""
    return _ROOT.get() / os.fspath(path).lstrip("/")


@contextmanager
def below(folder: Path) -> Iterator[None]:
    """The node's files are below a folder, inside of the ``with`` block."""
    token = _ROOT.set(folder)
    try:
        yield
    finally:
        _ROOT.reset(token)
