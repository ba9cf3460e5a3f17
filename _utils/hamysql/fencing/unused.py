"""What fence devices that left the pillar have left on a node: files with their secrets, and sbd at boot."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

from hamysql.cib import kept as cib_kept
from hamysql.cib import model as cib_model
from hamysql.errors import CommandFailed
from hamysql.fencing import devices, sbd
from hamysql.resolved import Resolved
from hamysql.system import files
from hamysql.system.command import Run


class Unused(TypedDict):
    """Paths of files, and names of units."""

    files: list[str]
    units: list[str]


def unused(run: Run, site: Resolved) -> Unused:
    """What nobody uses any more, see ``hamysql_fencing.unused``.

    A poison pill for a node without sbd would be reported as successful, although the node runs.
    """
    found = [str(path) for path in Path(devices.SECRETS).glob("*/*")]
    file = site["fencing"]["sbd_file"]
    boots = not site["fencing"]["sbd"] and (files.text_if_any(file, links=True) or "").startswith(sbd.MARK)
    if not boots and not devices.unused_secrets(site, found, None):
        return {"files": [], "units": []}
    try:
        kept = cib_kept.known(run)
    except CommandFailed:
        return {"files": [], "units": []}  # nobody can say now what is in use
    cib = None if kept is None else cib_model.parse(kept)
    pills = cib is not None and any(device.get("type") == "fence_sbd" for device in cib.iter("primitive"))
    return {"files": devices.unused_secrets(site, found, cib), "units": ["sbd"] if boots and not pills else []}
