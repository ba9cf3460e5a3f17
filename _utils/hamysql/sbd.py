"""The disk through which nodes send each other poison pills: what is on it, and whether it may be prepared. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from hamysql.errors import Refused


def parse_times(text: str) -> dict[str, int]:
    """The times in the header, from ``sbd -d DEVICE dump``: ``{"watchdog": seconds, "msgwait": seconds}``."""
    return {name: int(value) for name, value in re.findall(r"^Timeout \((\w+)\)\s*:\s*(\d+)", text, re.MULTILINE)}


def to_prepare(sbd: Mapping[str, Any], header: str | None, found: Sequence[str]) -> bool:
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
