"""What tells two copies of the same thing apart without carrying them over the bus: this formula's code, a pillar."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_DEEP = 100  # levels of a pillar; the schema ends long before
_CODE = ("modules/hamysql*.py", "states/hamysql*.py", "utils/hamysql/**/*.py")


def package(folder: Path) -> str:
    """A digest of the files of this package in a folder, and of the packages in it."""
    return _digest(folder, folder.rglob("*.py"))


def code(extension_modules: str) -> str:
    """A digest of the formula's code that Salt has synchronised into a minion's or a master's ``extension_modules``."""
    folder = Path(extension_modules)
    return _digest(folder, (path for pattern in _CODE for path in folder.glob(pattern)))


def _digest(folder: Path, paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


# What this process has in memory. Salt's loader reads modules and states anew after a synchronisation, but nothing makes
# Python read a package again that a process, or the one that it was forked from, has imported.
LOADED = package(Path(__file__).parent)


def stale() -> bool:
    """Whether another version of this package has come to the disk since this process, or its parent, loaded it.

    A job runs in a process that is forked from the minion. The minion imports this package only when it has to look up one
    of our functions itself, for a schedule say; from then on its jobs run the code of that moment until it is restarted.
    """
    return package(Path(__file__).parent) != LOADED


def pillar(values: Any) -> str:
    """A digest of a ``hamysql`` pillar, whatever is in it. Its long random keys keep anybody from guessing the rest of it."""
    return hashlib.sha256(_canonical(values).encode(errors="backslashreplace")).hexdigest()


def _canonical(value: Any, depth: int = 0) -> str:
    """The same text for the same data, whether it has crossed Salt's bus or not: for keys of any type, at any depth."""
    if depth > _DEEP:
        return "..."
    if isinstance(value, Mapping):
        pairs = (f"{_canonical(key, depth + 1)}: {_canonical(item, depth + 1)}" for key, item in value.items())
        return "{" + ", ".join(sorted(pairs)) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_canonical(item, depth + 1) for item in value) + "]"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:#x}"  # the decimal form of a very long number is an error
    return repr(value) if value is None or isinstance(value, (bool, float)) else repr(str(value))
