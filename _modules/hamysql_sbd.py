"""
sbd: fencing by poison pills on a disk that both nodes share.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from hamysql.errors import Refused
from hamysql.fencing import sbd
from hamysql.system import disk
from hamysql.system.command import run

if TYPE_CHECKING:
    from injected import __salt__

__virtualname__ = "hamysql_sbd"


def __virtual__() -> str:
    return __virtualname__


def check() -> str:
    """
    Look whether this node has what ``hamysql:fencing:sbd`` names: the disk and the watchdog.

    Returns the disk's identity as far as the node knows it (its serial number or WWN, "" without one). Raises ``Refused``.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_sbd.check
    """
    options = __salt__["hamysql.config"]()["fencing"]["sbd"]
    for name, path, kind in (
        ("device", options["device"], stat.S_ISBLK),
        ("watchdog", options["watchdog"], stat.S_ISCHR),
    ):
        try:
            good = kind(os.stat(path).st_mode)
        except OSError:
            good = False
        if not good:
            what = (
                "block device"
                if name == "device"
                else "watchdog (a machine without one: load the module softdog at boot)"
            )
            raise Refused(f"hamysql:fencing:sbd:{name}: there is no {what} {path} here")
    found = run(["lsblk", "--noheadings", "--nodeps", "--output", "WWN,SERIAL", options["device"]])
    return " ".join(found.stdout.split())


def prepare() -> bool:
    """
    Write sbd's header to the disk, if that is blank.

    Returns True if it was written, False if it was there. Raises ``Refused`` for a disk that holds anything else.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_sbd.prepare
    """
    options = __salt__["hamysql.config"]()["fencing"]["sbd"]
    device = options["device"]
    dump = run(["sbd", "-d", device, "dump"], accept=range(256))
    header = dump.stdout if dump.returncode == 0 else None
    found = []
    if header is None:
        found = [*map(str, disk.signatures(run, device)), *disk.occupants(run, device, "").uses]
    if not sbd.to_prepare(options, header, found):
        return False
    times = ["-1", str(options["watchdog_timeout"]), "-4", str(options["msgwait"])]
    run(["sbd", "-d", device, *times, "create"], timeout=120)
    return True
