"""Making the first, empty database: file system, mount, datadir. Whoever calls this has proven that no data can be there."""

from __future__ import annotations

import os
from collections.abc import Callable

from hamysql.errors import CommandFailed, Refused
from hamysql.mysql.flavours import registry
from hamysql.resolved.software import Mysql
from hamysql.resolved.storage import Filesystem
from hamysql.system import mounts, root
from hamysql.system.command import Run, acting_as

PROOF = "mysql"  # the folder of the system tables: a datadir without it holds no database


def make_filesystem(run: Run, filesystem: Filesystem, uuid: str = "") -> None:
    """``mkfs``, forced: an earlier attempt may have been cut off in the middle.

    uuid
        The file system's UUID, a new one by default.
    """
    kind = filesystem["type"]
    force = "-f" if kind == "xfs" else "-F"
    named = [] if not uuid else ["-m", f"uuid={uuid}"] if kind == "xfs" else ["-U", uuid]
    run([f"mkfs.{kind}", force, *named, *filesystem["mkfs_options"], filesystem["device"]], timeout=3600)


def fill(run: Run, filesystem: Filesystem, mysql: Mysql, remake: Callable[[], None]) -> None:
    """Mount the new file system, make the empty database in it, and unmount it again.

    remake
        Makes the file system again, where an earlier run did not finish it or its database.

    Raises ``Refused`` where something else is mounted on the folder, and where there is no database on the device in the end.
    """
    directory, device = filesystem["directory"], filesystem["device"]
    folder = root.at(directory)
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    if source := mounts.source(run, directory):
        if not mounts.same(source, device):
            raise Refused(f"{directory} is a mount point in use already, of {source}")
        # Left behind by an earlier run whose minion was killed in the middle.
        run(["umount", directory])
    try:
        mount(run, filesystem)
    except CommandFailed:
        # Cut off in the middle of what follows: there is half a file system, though the latch knows of a whole one.
        remake()
        mount(run, filesystem)
    try:
        if {*os.listdir(folder)} - {"lost+found"}:
            # A database that an earlier run did not finish: start again from an empty file system.
            run(["umount", directory])
            remake()
            mount(run, filesystem)
        install(run, mysql, directory)
        run(["sync", "--file-system", directory], timeout=600)
        # What the latch says from here on is for good, and a folder of this name is on the root file system as well.
        there = mounts.same(mounts.source(run, directory), device)
        if not there or PROOF not in os.listdir(folder):
            raise Refused(f"{mysql['install_db']} has ended, and {device} holds no database: run again")
    finally:
        if mounts.source(run, directory):
            run(["umount", directory])


def mount(run: Run, filesystem: Filesystem) -> None:
    """Mount the file system as the cluster would."""
    where = [filesystem["device"], filesystem["directory"]]
    run(["mount", "-t", filesystem["type"], "-o", filesystem["options"], *where])


def install(run: Run, mysql: Mysql, directory: str) -> None:
    """Make the empty database in an empty folder."""
    # A new file system belongs to root; mysqld runs as another user. What root does to it by name, it does while it is root's.
    run(["chmod", "0750", directory])
    run(["chown", "--no-dereference", f"{mysql['user']}:{mysql['group']}", directory])
    argv = registry.of(mysql).install(mysql, directory)
    # By root, it would write by name into a folder that is the account's by then.
    with acting_as(mysql["user"]):
        run(argv, timeout=600, stdin=registry.of(mysql).install_input())
