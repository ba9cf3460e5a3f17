"""What tests of several kinds share: the formula's parameters and the pillars of ``test/pillar``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
PARAMETERS = ROOT / "hamysql" / "parameters"
PILLARS = sorted(path.stem for path in (ROOT / "test" / "pillar").glob("*.sls"))


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def load_pillar(name: str) -> Any:
    """The pillar ``hamysql`` of a file in test/pillar."""
    return load(ROOT / "test" / "pillar" / f"{name}.sls")["hamysql"]


def parameters(family: str = "Debian") -> list[Any]:
    """The formula's own data for an operating system family, general first."""
    return [load(PARAMETERS / "defaults.yaml"), load(PARAMETERS / "os_family" / f"{family}.yaml")]
