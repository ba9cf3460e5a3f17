"""What a takeover keeps of the cluster of before, on each node, for the way back and for people; for root alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from hamysql.adoption import exchange
from hamysql.cib import kept as cib_kept
from hamysql.cib import live as cib_live
from hamysql.corosync import node_ids
from hamysql.errors import Refused
from hamysql.preflight.foreign import BEGUN, FOLDER
from hamysql.system import files, root, wait
from hamysql.system.command import Run

CIB = FOLDER / "cib.xml"


def begin(paths: Iterable[str]) -> list[str]:
    """Note that a takeover begins, and copy files; returns the paths of those that are there. An earlier takeover's go."""
    folder = root.at(FOLDER)
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(mode=0o700, parents=True)
    found = []
    for path in dict.fromkeys([str(node_ids.FILE), *paths]):
        text = files.text_if_any(root.at(Path(path)), links=True)
        if text is not None:
            files.create(folder / path.strip("/").replace("/", "-"), text, 0o600)
            found.append(path)
    files.create(root.at(BEGUN), "", 0o600)
    files.synchronise(folder)
    return found


def keep(run: Run, timeout: float) -> bool:
    """Keep the cluster's configuration with what runs where, once this node's pacemaker is held; ``False`` where it was kept.

    timeout
        Seconds.
    """

    def held() -> bool:
        return exchange.begun(cib_kept.kept() or "<cib><configuration/></cib>")

    wait.until(held, bool, "pacemaker on this node has written down that it is held", timeout=timeout)
    if root.at(CIB).exists():
        return False
    new = root.at(CIB).with_suffix(".new")
    files.create(new, exchange.released(cib_live.query(run)), 0o600)
    new.replace(root.at(CIB))
    files.synchronise(new.parent)
    return True


def cib() -> str | None:
    """The configuration that was kept; ``None`` where none was."""
    return files.text_if_any(root.at(CIB), files.LARGE)


def needed() -> str:
    """The same. Raises ``Refused`` where there is none."""
    found = cib()
    if found is None:
        raise Refused(f"{CIB} is not there: `salt-run state.orchestrate hamysql.orch.adopt` keeps it before it goes on")
    return found


def finish() -> bool:
    """Note that the takeover has ended; returns whether one had been begun."""
    there = root.at(BEGUN).exists()
    root.at(BEGUN).unlink(missing_ok=True)
    return there
