"""Fencing a node with the devices of one level, as a test: the devices of all other levels are out of use meanwhile."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence

from hamysql.cib import live as cib_live
from hamysql.errors import CommandFailed, NotReady
from hamysql.fencing import devices
from hamysql.resolved.cluster import Fencing
from hamysql.system.command import Run


def prove(run: Run, fencing: Fencing, node: str, level: int) -> float:
    """Fence the node, and return the seconds that the level's devices took; see ``hamysql_fencing.prove``."""
    levels = fencing["levels"][node]
    others = [name for other in levels if other["level"] != level for name in other["devices"]]
    used = next(other["devices"] for other in levels if other["level"] == level)
    head_start = sum(device["delay"] for device in fencing["devices"] if device["id"] in used)
    stops = devices.to_stop(ET.fromstring(cib_live.query(run)), others)
    others = [name for name, _ in stops]
    failure = None
    seconds = 0.0
    try:
        for name, started in stops:
            if started:
                run([*_meta(name), "--delete-parameter", "target-role"])
            # The id says whose decision that is: a run that is killed here leaves it, and the next one takes it away.
            run([*_meta(name), "--set-parameter", "target-role", "--parameter-value", "Stopped", *_mark(name)])
        if others:
            cib_live.settle(run)
        timeout = fencing["stonith_timeout"]
        began = time.monotonic()
        run(["stonith_admin", "--reboot", node, "--timeout", str(timeout)], timeout=2 * timeout)
        seconds = time.monotonic() - began - head_start
    except CommandFailed as exc:
        failure = exc
    finally:
        left = back_into_use(run, others)
    if left:
        outcome = str(failure) if failure else f"{node} was fenced"
        raise NotReady("\n".join([f"{outcome}; and fence devices are left out of use:", *left]))
    if failure:
        raise failure
    return round(max(0.0, seconds), 1)


def mend(run: Run) -> list[str]:
    """Put back into use what a test that was killed has left out of use; returns the devices' names."""
    left = devices.left_stopped(ET.fromstring(cib_live.query(run)))
    problems = back_into_use(run, left)
    if problems:
        raise NotReady("\n".join(["fence devices are left out of use:", *problems]))
    return left


def reread(run: Run, names: Sequence[str]) -> list[str]:
    """Have pacemaker read the secrets of its devices anew, and return the device that was touched for that.

    pacemaker-fenced puts a secret in the place of its mention once, and keeps it. Any change of the resources has it register all
    devices again, with the mentions (``update_cib_stonith_devices`` in ``fenced_cib.c``). So a role is set that the device has.
    """
    cib = ET.fromstring(cib_live.query(run))
    for name, started in devices.to_stop(cib, names):
        if not started:
            run([*_meta(name), "--set-parameter", "target-role", "--parameter-value", "Started", *_mark(name)])
            if left := back_into_use(run, [name]):
                raise NotReady("\n".join(["a role of a fence device is left:", *left]))
            return [name]
    return []


def _meta(name: str) -> list[str]:
    return ["crm_resource", "--resource", name, "--meta"]


def _mark(name: str) -> list[str]:
    return ["--nvpair", f"{devices.PROVING}{name}"]


def back_into_use(run: Run, names: Sequence[str]) -> list[str]:
    """All devices, whatever becomes of one of them; returns sentences about those that are left out of use."""
    left = []
    for name in names:
        delete = [*_meta(name), "--delete-parameter", "target-role", *_mark(name)]
        try:
            run(delete)
        except CommandFailed as exc:
            left.append(f"  - {name}, until `{' '.join(delete)}` succeeds; it said: {exc}")
    try:
        if names:
            cib_live.settle(run)
    except CommandFailed:
        pass  # they are on their way; whether they have arrived is looked at before the next fencing
    return left
