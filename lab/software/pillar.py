"""The pillars that the lab brings: ``pillar.sls``, and for other storage and databases a file each with what is different."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from lab.basics.context import Lab
from lab.basics.errors import LabError
from lab.basics.setup import Setup

PILLAR = Path(__file__).parent / "pillar.sls"
MADE = "# made by lab/"  # by this module, which an older lab has elsewhere


def compose(setup: Setup) -> dict[str, Any]:
    """The whole pillar for a setup: ``{"hamysql": ...}``.

    Each section of a file with differences takes the place of the one in ``pillar.sls``, but for the repositories, which are
    added. The repositories are those of the setup's release.
    """
    whole: dict[str, Any] = yaml.safe_load(PILLAR.read_text())
    sections = whole["hamysql"]
    for path in _differences(setup):
        different = yaml.safe_load(path.read_text())["hamysql"]
        sections["repo"]["repositories"] |= different.pop("repo", {}).get("repositories", {})
        sections.update(different)
    for repository in sections["repo"]["repositories"].values():
        repository["name"] = repository["name"].replace(Setup().release, setup.release)
    return whole


def _differences(setup: Setup) -> list[Path]:
    """The files with what a setup has different; it has none for what is the first of its kind."""
    first, chosen = asdict(Setup()), asdict(setup)
    return [PILLAR.with_name(f"pillar-{chosen[key]}.sls") for key in first if chosen[key] != first[key]]


def serve(lab: Lab, given: Path | None, setup: Setup) -> None:
    """Have the master serve a pillar.

    given
        The file; by default the one served before, unless that was one of the lab's own, or for another setup.
    setup
        What the lab is about to have; ``lab.setup`` is still what it had.
    """
    served = lab.salt / "pillar/lab.sls"
    if given is not None:
        if not given.resolve().is_file():
            raise LabError(f"there is no pillar file {given.resolve()}")
        _replace(served)
        served.symlink_to(given.resolve())
    elif setup != lab.setup or not served.exists() or served.read_text().startswith(MADE):
        _replace(served)
        if setup == Setup():
            served.symlink_to(PILLAR)
        else:
            text = yaml.safe_dump(compose(setup), sort_keys=False)
            sources = ", ".join(path.name for path in [PILLAR, *_differences(setup)])
            served.write_text(f"{MADE}software/pillar.py at each `up` from {sources}\n{text}")


def _replace(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
