"""The disk through which nodes send each other poison pills, and what becomes of a change to sbd. Pure.

Of the disk: what is on it, and whether it may be prepared.

sbd starts and ends with corosync (its unit says so, and refuses to be started by hand), so nothing of it is live. A poison pill
for a node without sbd, or with another disk, is reported as successful, although the node runs. So sbd's beginning, its disk
and its times are refused while the cluster runs, since the nodes would restart one after the other. Its end waits for a
restart: the orchestration takes its devices out of the cluster's configuration first (``hamysql_fencing.forget``).

It reads its options when it starts. Only hamysql writes their file, and not while sbd runs with others, so the file tells them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from hamysql.errors import Refused
from hamysql.pending import COROSYNC, REFUSED, RESTART, TOGETHER, Pending
from hamysql.resolved import Resolved
from hamysql.resolved.cluster import Sbd

MARK = "# Managed by Salt: the options of sbd's unit"  # how the file begins where it is ours
_OPTIONS = {"device": "SBD_DEVICE", "watchdog": "SBD_WATCHDOG_DEV", "watchdog_timeout": "SBD_WATCHDOG_TIMEOUT"}
_LINE = re.compile(r'^(SBD_\w+)="?([^"\n]*)"?$', re.MULTILINE)


def parse_times(text: str) -> dict[str, int]:
    """The times in the header, from ``sbd -d DEVICE dump``: ``{"watchdog": seconds, "msgwait": seconds}``."""
    return {name: int(value) for name, value in re.findall(r"^Timeout \((\w+)\)\s*:\s*(\d+)", text, re.MULTILINE)}


def to_prepare(sbd: Sbd, header: str | None, found: Sequence[str]) -> bool:
    """Whether the disk still has to be prepared. Raises ``Refused`` where it must not be.

    header
        What ``sbd dump`` printed, ``None`` where there is no header.
    found
        Everything else that is on the disk or uses it, as sentences.
    """
    device = sbd["device"]
    if header is None:
        if found:
            raise Refused(f"{device} is not blank, sbd cannot have it: {', '.join(found)}")
        return True
    times = parse_times(header)
    wanted = {"watchdog": sbd["watchdog_timeout"], "msgwait": sbd["msgwait"]}
    if any(times.get(name) != value for name, value in wanted.items()):
        said = ", ".join(f"{name} {times.get(name, 'unknown')} s" for name in wanted)
        raise Refused(
            f"{device} was prepared for sbd with other times ({said}), which running nodes rely on: set "
            f"hamysql:fencing:sbd:watchdog_timeout to {times.get('watchdog', 'that')}, or stop the cluster on both nodes and "
            f"prepare it anew with `sbd -d {device} -1 {wanted['watchdog']} -4 {wanted['msgwait']} create`"
        )
    return False


def parse_file(text: str) -> dict[str, str]:
    """The options in the file that sbd's unit reads: ``{"device", "watchdog", "watchdog_timeout"}``, those that are there."""
    found = dict(_LINE.findall(text))
    return {name: found[option] for name, option in _OPTIONS.items() if option in found}


def pending(config: Resolved, running: Mapping[str, str] | None) -> Iterator[Pending]:
    """What a node whose corosync runs has not taken over of the pillar's sbd.

    config
        The resolved configuration.
    running
        What :func:`parse_file` returns of the file that sbd was started with; ``None`` where it does not run.
    """
    wanted, path = config["fencing"]["sbd"], "hamysql:fencing:sbd"
    if not wanted:
        if running is not None:
            yield Pending(RESTART, COROSYNC, f"{path}:device", running.get("device", "another one"), "no sbd")
        return
    if running is None:
        yield Pending(REFUSED, COROSYNC, f"{path}:device", "no sbd", wanted["device"], TOGETHER)
        return
    asked = {"device": wanted["device"], "watchdog": wanted["watchdog"]}
    for name, new in (asked | {"watchdog_timeout": str(wanted["watchdog_timeout"])}).items():
        old = running.get(name, "nothing")
        if old != new:
            restart = name == "watchdog"  # the node's own matter
            kind, advice = (RESTART, "") if restart else (REFUSED, TOGETHER)
            yield Pending(kind, COROSYNC, f"{path}:{name}", old, new, advice)
