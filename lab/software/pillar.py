"""The pillars that the lab brings: ``pillar.sls``, and for each other kind of storage a file with what is different."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from lab.basics.context import Lab
from lab.basics.errors import LabError

PILLAR = Path(__file__).parent / "pillar.sls"
MADE = "# made by lab/"  # by this module, which an older lab has elsewhere


def compose(storage: str) -> dict[str, Any]:
    """The whole pillar for a kind of storage: ``{"hamysql": ...}``.

    Each section of ``pillar-STORAGE.sls`` takes the place of the one in ``pillar.sls``.
    """
    whole: dict[str, Any] = yaml.safe_load(PILLAR.read_text())
    if storage != "drbd":
        whole["hamysql"].update(yaml.safe_load(_difference(storage).read_text())["hamysql"])
    return whole


def _difference(storage: str) -> Path:
    return PILLAR.with_name(f"pillar-{storage}.sls")


def serve(lab: Lab, given: Path | None, storage: str) -> None:
    """Have the master serve a pillar.

    given
        The file; by default the one served before, unless that was one of the lab's own, or for another kind of storage.
    storage
        What the lab is about to have; ``lab.storage`` is still what it had.
    """
    served = lab.salt / "pillar/lab.sls"
    if given is not None:
        if not given.resolve().is_file():
            raise LabError(f"there is no pillar file {given.resolve()}")
        _replace(served)
        served.symlink_to(given.resolve())
    elif storage != lab.storage or not served.exists() or served.read_text().startswith(MADE):
        _replace(served)
        if storage == "drbd":
            served.symlink_to(PILLAR)
        else:
            text = yaml.safe_dump(compose(storage), sort_keys=False)
            served.write_text(
                f"{MADE}software/pillar.py at each `up` from pillar.sls and {_difference(storage).name}\n{text}"
            )


def _replace(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
