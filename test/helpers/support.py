"""What tests of several kinds share: the formula's parameters and the pillars of ``test/pillar``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from hamysql.config import systems

ROOT = Path(__file__).parents[2]
PARAMETERS = ROOT / "hamysql" / "parameters"
PILLARS = sorted(path.stem for path in (ROOT / "test" / "pillar").glob("*.sls"))


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def load_pillar(name: str) -> Any:
    """The pillar ``hamysql`` of a file in test/pillar."""
    return load(ROOT / "test" / "pillar" / f"{name}.sls")["hamysql"]


def parameters(family: str = "Debian", name: str = "", release: int | str = "") -> list[Any]:
    """The formula's own data for an operating system family, general first; with its name and release, for these as well."""
    grains = {"os_family": family, "os": name or family, "osmajorrelease": release}
    needed = systems.required(grains)
    return [load(PARAMETERS / file) for file in systems.files(grains) if file in needed or (PARAMETERS / file).exists()]


def secrets_of(value: Any) -> Iterator[str]:
    """The secret texts of a pillar, found by the names of their keys."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key in {"authkey", "shared_secret", "password"} and isinstance(item, str):
                yield item
            else:
                yield from secrets_of(item)
    elif isinstance(value, list):
        for item in value:
            yield from secrets_of(item)
