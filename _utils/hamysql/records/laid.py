"""What hamysql has laid down on a node, for a machine that is given back. The data and what describes it are not in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hamysql.resolved import Resolved
from hamysql.storage import backends
from hamysql.system import root

# Folders that are ours alone.
FOLDERS = ("/usr/lib/hamysql", "/usr/lib/ocf/resource.d/hamysql", "/usr/lib/ocf/lib/hamysql", "/etc/hamysql")
FILES = (
    "/etc/corosync/corosync.conf",
    "/etc/corosync/authkey",
    "/etc/corosync/authkey.hamysql-new",
    "/etc/corosync/authkey.hamysql-old",
    "/etc/modules-load.d/hamysql-drbd.conf",
    "/etc/systemd/system-preset/95-hamysql.preset",
    "/etc/systemd/system/pacemaker.service.d/hamysql.conf",
    "/etc/systemd/system/resource-agents-deps.target.d/hamysql-storage.conf",
)
UNITS = Path("/etc/systemd/system")
CIB = Path("/var/lib/pacemaker/cib")
# What is written into it says whose the volume with the data is; without it no node activates the volume.
OF_THE_DATA = frozenset({"/etc/lvm/lvmlocal.conf"})


def files(site: Resolved) -> Iterator[Path]:
    """Files that are there, in the order in which they go: what starts something goes first."""
    units = sorted(root.at(UNITS).glob("hamysql-*"))
    named = [
        *FILES,
        *(path for path in backends.used(site).files(site) if path not in OF_THE_DATA),
        site["mysql"]["config_fragment"],
        *(file["path"] + suffix for file in site["fencing"]["secret_files"] for suffix in ("", ".sign")),
    ]
    found = [*units, *map(root.at, named), *sorted(root.at(CIB).glob("cib*"))]
    yield from (path for path in found if path.is_file())
    for unit in site["package"]["masked_units"]:
        link = root.at(UNITS / unit)
        if link.is_symlink() and str(link.readlink()) == "/dev/null":
            yield link


def folders() -> list[Path]:
    """Those of the folders that are there."""
    return [root.at(folder) for folder in FOLDERS if root.at(folder).is_dir()]
