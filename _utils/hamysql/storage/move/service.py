"""Stopping the service for a move of its data, through the cluster, and starting it again.

run
    Starts a program, see :func:`hamysql.system.command.run`.
resources
    What pacemaker says of its resources now.
timeout
    Seconds for it to stop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from hamysql.cib import live as cib_live
from hamysql.cib import names as cib_names
from hamysql.cib import stop as cib_stop
from hamysql.mysql.flushing import Flushed
from hamysql.survey import Resource
from hamysql.system import wait
from hamysql.system.command import Run

ALL = (cib_names.SERVER, cib_names.FILE_SYSTEM, cib_names.VOLUME, cib_names.REPLICA)

Resources = Callable[[], Sequence[Resource]]


def stop_server(
    run: Run,
    resources: Resources,
    flush: Callable[[], Flushed],
    unflush: Callable[[Mapping[str, float]], object],
    timeout: float,
) -> bool:
    """Stop the database server, after it has written its dirty pages.

    flush, unflush
        Have the server write its dirty pages, and take the ``settings`` back that this returns.
    """
    settings: Mapping[str, float] = {}
    try:
        settings = flush()["settings"]
        cib_live.edit(run, lambda live: cib_stop.stopped(live, cib_names.SERVER))
        _wait_stopped(resources, (cib_names.SERVER,), timeout)
    except BaseException:
        unflush(settings)
        raise
    return True


def stop_service(run: Run, resources: Resources, timeout: float) -> bool:
    """Stop the whole service: the file system, and DRBD where the data is on it, as well."""
    cib_live.edit(run, cib_stop.all_stopped)
    _wait_stopped(resources, ALL, timeout)
    return True


def _wait_stopped(resources: Resources, names: Sequence[str], timeout: float) -> None:
    def look() -> list[str]:
        return [
            f"{item['id']} {item['role']} on {item['node']}"
            for item in resources()
            if item["id"] in names and item["role"] != "Stopped"
        ]

    what = f"pacemaker has stopped {' and '.join(names)}"
    wait.until(look, lambda seen: not seen, what, timeout=timeout, interval=1, describe=", ".join)


def start(run: Run) -> bool:
    """Let pacemaker start what was stopped; whether anything was."""
    if not cib_stop.stopped_ones(cib_live.query(run)):
        return False
    cib_live.edit(run, cib_stop.started)
    return True
