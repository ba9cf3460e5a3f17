"""What tells two copies of the same thing apart without carrying them over the bus: this formula's code, a pillar."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_CODE = ("modules/hamysql*.py", "states/hamysql*.py", "utils/hamysql/*.py")


def package(folder: Path) -> str:
    """A digest of the files of this package in a folder."""
    return _digest(folder, folder.glob("*.py"))


def code(extension_modules: str) -> str:
    """A digest of the formula's code that Salt has synchronised into a minion's or a master's ``extension_modules``."""
    folder = Path(extension_modules)
    return _digest(folder, (path for pattern in _CODE for path in folder.glob(pattern)))


def _digest(folder: Path, paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def pillar(values: Mapping[str, Any] | None) -> str:
    """A digest of a ``hamysql`` pillar. Its long random keys keep anybody from guessing the rest of it."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()


# What this process has in memory. Salt's loader reads modules and states anew after a synchronisation, but nothing makes
# Python read a package again that a process, or the one that it was forked from, has imported.
LOADED = package(Path(__file__).parent)


def stale() -> bool:
    """Whether another version of this package has come to the disk since this process, or its parent, loaded it.

    A job runs in a process that is forked from the minion. The minion imports this package only when it has to look up one
    of our functions itself, for a schedule say; from then on its jobs run the code of that moment until it is restarted.
    """
    return package(Path(__file__).parent) != LOADED
