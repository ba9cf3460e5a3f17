"""
The database service on one node: does it answer, and what databases, users and grants has it.

The server is reached with its own command-line client over the local socket, as root (``unix_socket``); SQL goes to the client's
standard input.
"""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

from hamysql.errors import CommandFailed
from hamysql.mysql import accounts, flushing, grants
from hamysql.mysql.changes import Change, NotApplied
from hamysql.mysql.flavours import registry
from hamysql.mysql.sql import PROLOGUE, without_statements
from hamysql.system import sockets, wait
from hamysql.system.command import run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from injected import __salt__

    from hamysql.resolved.software import Mysql

__virtualname__ = "hamysql_mysql"


def __virtual__() -> str:
    return __virtualname__


def _config(misnamed: bool = False) -> Mysql:
    return __salt__["hamysql.config"](misnamed=misnamed)["mysql"]


def _execute(config: Mysql, sql: str) -> str:
    try:
        return run(registry.of(config).client(config), stdin=sql).stdout
    except CommandFailed as exc:
        raise CommandFailed(exc.argv, exc.returncode, without_statements(exc.output)) from None


def active() -> bool:
    """
    Whether a database server answers on this node's local socket.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_mysql.active
    """
    try:
        return _execute(_config(misnamed=True), "SELECT 1;").strip() == "1"
    except CommandFailed:
        return False


def ping(timeout: float = 3) -> dict[str, Any]:
    """
    Whether a database server answers on the virtual IP, seen from this node over TCP.

    timeout
        Seconds, 3 by default.

    Returns ``{"answers": bool, "seen": sentence}``. A server that turns the client away answers; before the pillar's users
    exist it lets nobody in. The real client is used, because a connection that ends before its handshake counts towards
    ``max_connect_errors``, and would get this node blocked in the end.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_mysql.ping
    """
    site = __salt__["hamysql.config"]()
    address, port = site["vip"]["address"], site["mysql"]["port"]
    if sockets.is_local(address) and not sockets.listens(address, port):
        return {"answers": False, "seen": f"{address} is on this node, and nobody listens on its port {port} yet"}
    flavour = registry.of(site["mysql"])
    argv = flavour.knock(site["mysql"], address, int(timeout))
    try:
        run([*argv, "--user=hamysql-ping", "--execute=DO 1"], timeout=timeout + 10)
        return {"answers": True, "seen": f"{address}:{port} answers"}
    except CommandFailed as exc:
        return {"answers": flavour.is_answer(exc.output), "seen": f"{address}:{port}: {exc.output.strip()}"}


def wait_answering(timeout: float = 300) -> dict[str, Any]:
    """
    Wait until a database server answers on the virtual IP, seen from this node over TCP.

    timeout
        Seconds, 300 by default: a crash recovery may be part of it.

    Returns what was seen, see ``ping``. Raises ``NotReady`` with what was seen last.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_mysql.wait_answering timeout=60
    """
    return wait.until(
        ping,
        lambda seen: seen["answers"],
        "the database answers on the virtual IP",
        timeout=timeout,
        interval=5,  # each look may start a program, on nodes that are busy starting the database
        describe=lambda seen: seen["seen"],
    )


def flush(timeout: float = 60) -> flushing.Flushed:
    """
    Have InnoDB write its dirty pages now, while the server serves, so that its next shutdown has little left to write.

    timeout
        Seconds, 60 by default. A busy server is never without dirty pages; what is left then, its shutdown writes.

    Returns ``{"before": pages, "after": pages, "settings": {variable: the value that was set}}``, zero and nothing where no server
    answers on this node. The server goes on writing at once what gets dirty, until ``unflush``, a start, or somebody sets
    ``innodb_max_dirty_pages_pct``. Where the job is killed, the next one or the next highstate sets the server back.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_mysql.flush timeout=120
    """
    config = _config()
    try:
        asked = ", ".join(f"@@GLOBAL.{name}" for name in flushing.FLUSHING)
        _, before, *given = _execute(config, f"{flushing.DIRTY_PAGES} SELECT {asked};").split()
        settings = dict(zip(flushing.FLUSHING, map(float, given)))
        if settings[flushing.FLUSHING[0]] == 0:  # the pillar's own, or a killed job's
            settings |= flushing.left()
        flushing.begin(settings)
        _execute(config, f"SET GLOBAL {flushing.FLUSHING[0]} = 0;")
    except CommandFailed:
        flushing.end()
        return {"before": 0, "after": 0, "settings": {}}
    end, after = time.monotonic() + timeout, int(before)
    try:
        while after > flushing.FEW_PAGES and time.monotonic() < end:
            time.sleep(0.5)
            after = int(_execute(config, flushing.DIRTY_PAGES).split()[1])
    except CommandFailed:
        if active():
            unflush(settings)
            raise
        flushing.end()  # it has ended meanwhile, and what it was set to with it
        return {"before": int(before), "after": after, "settings": {}}
    except BaseException:  # nobody learns what it was before
        unflush(settings)
        raise
    return {"before": int(before), "after": after, "settings": settings}


def unflush(settings: Mapping[str, float]) -> None:
    """
    End what ``flush`` has begun, where the server still runs.

    settings
        What ``flush`` has returned under this name.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_mysql.unflush '{innodb_max_dirty_pages_pct: 90, innodb_max_dirty_pages_pct_lwm: 0.1}'
    """
    known = {name: float(settings[name]) for name in flushing.FLUSHING if name in settings}
    if known and active():
        try:
            _execute(_config(), "".join(f"SET GLOBAL {name} = {value};" for name, value in known.items()))
        except CommandFailed:
            if active():  # else it has ended in between
                raise
    if known:
        flushing.end()


def _pending(config: Mysql) -> tuple[Change, ...]:
    flavour = registry.of(config)
    observed = flavour.observed(_execute(config, flavour.accounts_query))
    there = [key for key in map(accounts.key, (*config["roles"], *config["users"])) if key in observed.accounts]
    roles = observed.roles if flavour.roles_are_accounts else ()
    shown = _execute(config, grants.query(there)) if there else ""
    found = grants.parse(shown, flavour.privileges, observed.everything, roles)
    return accounts.diff(dataclasses.replace(observed, grants=found), config)


def _readable(changes: Iterable[Change]) -> dict[str, dict[str, Any]]:
    return {change.name: {"old": change.old, "new": change.new} for change in changes}


def pending() -> dict[str, dict[str, Any]]:
    """
    What the pillar's databases, users and grants differ in from the server's: ``{name: {"old", "new"}}``, no secrets.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_mysql.pending
    """
    return _readable(_pending(_config()))


def apply() -> dict[str, dict[str, Any]]:
    """
    Create, alter and drop what ``pending`` lists; run it on the active node only.

    Each is done by itself: one that the server refuses keeps no other one from being done, only the further ones of an account or
    database that could not be created.

    Returns what was done, in the form of ``pending``. Raises ``NotApplied`` with all that the server has refused, and why.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_mysql.apply
    """
    config = _config()
    changes = _pending(config)
    refused, missing = {}, set()
    for change in changes:
        if change.of in missing:
            continue
        if change.refused:
            refused[change.name] = change.refused
            continue
        done = 0
        try:
            for statement in change.statements:
                _execute(config, f"{PROLOGUE}{statement}\n")
                done += 1
        except CommandFailed as exc:
            if not registry.of(config).is_answer(exc.output):  # nobody is there to ask for the others
                raise
            refused[change.name] = exc.output.strip()
            if change.name == change.of:  # it could not be created
                missing.add(change.of)
            if done and change.undo:
                _execute(config, f"{PROLOGUE}{change.undo}\n")
    if refused:
        raise NotApplied(refused)
    return _readable(changes)
