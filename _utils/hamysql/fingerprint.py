"""What tells two copies of the same thing apart without carrying them over the bus: this formula's code, a pillar."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_CODE = ("modules/hamysql*.py", "states/hamysql*.py", "utils/hamysql/*.py")


def code(extension_modules: str) -> str:
    """A digest of the formula's code that Salt has synchronised into a minion's or a master's ``extension_modules``."""
    folder = Path(extension_modules)
    digest = hashlib.sha256()
    for path in sorted(path for pattern in _CODE for path in folder.glob(pattern)):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def pillar(values: Mapping[str, Any] | None) -> str:
    """A digest of a ``hamysql`` pillar. Its long random keys keep anybody from guessing the rest of it."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()
