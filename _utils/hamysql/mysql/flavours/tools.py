"""The programs of a flavour that back a server up, and a server in which a backup is tried out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

SCRATCH_LOG = "error.log"  # beside the copy; a name without an ending gets one from the server


@dataclass(frozen=True)
class BackupTool:
    """Command lines; ``info`` and ``binlog`` are files that it leaves in the folder, ``own`` all that no server needs there.

    take
        Copies the running server into a folder that is empty.
    prepare
        Makes a copy in that folder consistent; the folder is changed.
    serve
        A server on a private socket in the folder's parent, without a network, without events, little memory.
    ask, check
        A client of that server, fed with SQL; the program that checks all tables and says nothing of those that are in order.
    """

    take: tuple[str, ...]
    prepare: tuple[str, ...]
    serve: tuple[str, ...]
    ask: tuple[str, ...]
    check: tuple[str, ...]
    info: tuple[str, ...]
    binlog: tuple[str, ...]
    own: tuple[str, ...]


@dataclass(frozen=True)
class LogTool:
    """The programs of the binary logs.

    read
        Prints what is in log files as SQL; arguments follow.
    write, serve
        Of a server in which a backup is tried out: a client that takes that from standard input; the server with its accounts.
    idle
        The types of events that a log has though nobody has written.
    begins
        The number of the event that a transaction begins with, and where its flags are, in bytes after the header.
    """

    read: tuple[str, ...]
    write: Callable[[BackupTool], tuple[str, ...]]
    serve: Callable[[BackupTool], tuple[str, ...]]
    idle: frozenset[str]
    begins: tuple[int, int]
