"""
A client that writes through the virtual IP while an operation is at work: how long nobody could write is what it tells.

An operation such as ``hamysql.orch.switchover`` starts one on each node and ends it. The password of its account is made on the
node and does not leave it. All of it is gone afterwards; where an operation was killed, the writer ends itself and takes its table
and accounts away.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from hamysql.errors import CommandFailed
from hamysql.mysql.flavours import registry
from hamysql.mysql.sql import without_statements
from hamysql.mysql.tracer import process, tables
from hamysql.system.command import run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from injected import __salt__

    from hamysql.mysql.tracer.writer import Seen
    from hamysql.resolved.software import Mysql

__virtualname__ = "hamysql_tracer"


def __virtual__() -> str:
    return __virtualname__


def _nodes() -> list[str]:
    return list(__salt__["hamysql.config"]()["cluster"]["nodes"])


def _execute(config: Mysql, sql: str) -> str:
    try:
        return run(registry.of(config).client(config), stdin=sql).stdout
    except CommandFailed as exc:
        raise CommandFailed(exc.argv, exc.returncode, without_statements(exc.output)) from None


def start(limit: float = 1800) -> str:
    """
    Start a writer on this node, which waits for ``go``. One that an earlier operation has left behind is ended first.

    limit
        Seconds after which it ends itself and takes its table and accounts away, 1800 by default.

    Returns the hash of its account's new password, for ``admit``. Raises ``HamysqlError`` where it does not start.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_tracer.start limit=60
    """
    site = __salt__["hamysql.config"]()
    config, nodes = site["mysql"], _nodes()
    flavour = registry.of(config)
    password = secrets.token_hex(24)
    argv = [
        *flavour.through(config, site["vip"]["address"], 2),
        f"--user={tables.user(site['self'], nodes)}",
        *("--skip-reconnect", "--unbuffered", "--batch", "--skip-column-names"),
    ]
    process.start(
        {
            "argv": argv,
            "password": password,
            "node": site["self"],
            "limit": float(limit),
            "folder": str(process.FOLDER),
            "clean": list(flavour.client(config)),
            "sql": [tables.dropped(flavour, nodes, known=True), tables.emptied(flavour)],
        }
    )
    return flavour.digest(password)


def admit(hashes: Mapping[str, str]) -> bool:
    """
    Make the writers' table and accounts, on the node that serves. What an earlier operation has left behind goes first.

    hashes
        What ``start`` has returned on each node: ``{node: hash}``.

    Returns True. Raises ``CommandFailed`` with the server's words, for example where it takes no hash of a password.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_tracer.admit '{db1: "*81F5E21E35407D884A6CD4A731AEBFB6AF209E1B"}'
    """
    config = __salt__["hamysql.config"]()["mysql"]
    forget()
    _execute(config, tables.made(registry.of(config), hashes, _nodes()))
    return True


def go(timeout: float = 20, again: bool = False) -> Seen:
    """
    Have this node's writer write, and wait until the first write is acknowledged.

    timeout
        Seconds, 20 by default.
    again
        It writes already, to a database that was replaced: wait for the next write (default: False).

    Returns what it has seen, see ``stop``. Raises ``NotReady`` with the last error of the client.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_tracer.go
    """
    return process.go(timeout, again=again)


def stop() -> Seen | None:
    """
    End this node's writer.

    Returns ``{"acknowledged": writes, "number": of the last one, "failed": writes, "gap": seconds, "at": its begin, "began":
    seconds since 1970, "last": the last error}``. The gap is the longest time without an acknowledged write. None where no writer
    was here.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_tracer.stop
    """
    return process.stop()


def forget() -> dict[str, int]:
    """
    Take the writers' table and accounts away, on the node that serves.

    Returns the number of the last write of each node that the table had: ``{node: number}``. Nothing is done where a table of this
    name is not hamysql's.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_tracer.forget
    """
    config = __salt__["hamysql.config"]()["mysql"]
    flavour = registry.of(config)
    known = _execute(config, tables.KNOWN).strip() == "1"
    found = tables.rows(_execute(config, tables.ROWS)) if known else {}
    _execute(config, tables.dropped(flavour, _nodes(), known))
    if known:
        try:
            _execute(config, tables.emptied(flavour))
        except CommandFailed as exc:
            if not flavour.is_answer(exc.output):
                raise
    return found
