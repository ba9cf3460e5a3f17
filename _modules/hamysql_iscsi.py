"""
This node's iSCSI session with the target that holds the data (``hamysql:storage:shared:iscsi``).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from hamysql.errors import NotReady
from hamysql.storage import lock as storage_lock
from hamysql.storage.lun import iscsi
from hamysql.system import files, root, wait
from hamysql.system.command import run

if TYPE_CHECKING:
    from typing import Any

    from injected import __salt__

    from hamysql.resolved.storage import Iscsi, Lun

__virtualname__ = "hamysql_iscsi"

BY_PATH = "/dev/disk/by-path"  # udev's names by the slot that a disk is in
WAIT = 30  # seconds for the kernel to find the LUN after the login


def __virtual__() -> str:
    return __virtualname__


def _site() -> Lun:
    return __salt__["hamysql.config"](misnamed=True)["storage"]["shared"]


def session() -> dict[str, Any]:
    """
    This node's session as the kernel has it.

    Returns ``{"target": name, "logged_in": bool, "initiator": this machine's initiator name or ""}``. A session whose path is lost
    still is one, and comes back by itself.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_iscsi.session
    """
    options = _site()["iscsi"]
    target = options.get("target") or ""
    return {"target": target, "logged_in": iscsi.has_session(target), "initiator": iscsi.initiator_name()}


def pending() -> dict[str, dict[str, Any]]:
    """
    What the pillar wants of record and session and is not so: ``{name: {"old", "new"}}``, no secrets.

    A changed value of the record counts from the next login on; ``replacement_timeout`` counts at once.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_iscsi.pending
    """
    options = _site()["iscsi"]
    if not options:
        return {}
    file = iscsi.record_file(options)
    record = iscsi.parse_record(files.text(file)) if file else {}
    found: dict[str, dict[str, Any]] = (
        {} if file else {"record": {"old": None, "new": f"{options['target']} at {options['portal']}"}}
    )
    found |= iscsi.differences(record, iscsi.wanted(options)) if file else {}
    if not iscsi.has_session(options["target"]):
        found["session"] = {"old": None, "new": f"logged in to {options['target']}"}
    return found


@storage_lock.held("login")
def apply() -> dict[str, dict[str, Any]]:
    """
    Have the record as the pillar wants it, and log in where there is no session. A session that is there is never ended.

    Returns what was changed, in the form of ``pending``. Raises ``CommandFailed`` with iscsiadm's own words, and ``NotReady`` where
    the LUN does not appear after the login.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_iscsi.apply
    """
    site = _site()
    options, changes = site["iscsi"], pending()
    if not changes:
        return {}
    which = ["iscsiadm", "--mode", "node", "--targetname", options["target"], "--portal", options["portal"]]
    if "record" in changes:
        run([*which, "--op", "new"])
    file = iscsi.record_file(options)
    if file is None:
        raise NotReady(
            f"iscsiadm has made no record of {options['target']} below {' or '.join(map(str, iscsi.FOLDERS))}"
        )
    _write(file, iscsi.merged(files.text(file), iscsi.wanted(options)))
    if "session" in changes:
        run([*which, "--login"], timeout=180)
        wait.until(
            lambda: root.at(str(site["device"])).exists(),
            bool,
            f"the LUN {site['device']} is there",
            timeout=WAIT,
            describe=lambda _: f"logged in, and there is {_disks(options['target'])}",
        )
    elif "node.session.timeo.replacement_timeout" in changes:
        _set_timeout(options)
    return changes


def _disks(target: str) -> str:
    """The names of the disks that the target has brought, for whoever has named another one."""
    found = sorted(f"{BY_PATH}/{link.name}" for link in root.at(BY_PATH).glob(f"*{target}*"))
    return ", ".join(found) or "no disk of this target"


def _set_timeout(options: Iscsi) -> None:
    """The kernel takes this one over in a session that is there."""
    for place in root.at(iscsi.SESSIONS).glob("session*"):
        if (place / "targetname").read_text(encoding="ascii").strip() == options["target"]:
            (place / "recovery_tmo").write_text(str(options["replacement_timeout"]), encoding="ascii")


def _write(file: Path, text: str) -> None:
    """Replace a record; it holds a password, and nobody but root may ever read it."""
    new = file.with_name(f".{file.name}.hamysql")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(handle, "w", encoding="utf-8") as out:
        os.fchmod(handle, 0o600)
        out.write(text)
        out.flush()
        os.fsync(handle)
    os.replace(new, file)
