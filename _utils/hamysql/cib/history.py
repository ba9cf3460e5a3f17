"""What pacemaker has done with the service last, as the status section of the CIB has it. Pure.

Of each resource a node keeps its last action and its last failure, with times in seconds (Pacemaker Explained, "Operation
history").
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import datetime
from typing import TypedDict

from hamysql.cib import model
from hamysql.cib.names import ADDRESS, FILE_SYSTEM, REPLICA, SERVER, VOLUME

STARTED, STOPPED, FAILED = "started", "stopped", "failed"

_SERVICE = (ADDRESS, VOLUME, FILE_SYSTEM, SERVER, REPLICA)
_DONE = {"start": STARTED, "stop": STOPPED}
_ATTRIBUTES = (
    "master-",
    "hamysql-",
)  # what the names of promotion scores, and of this formula's own attributes, begin with
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.\d+)? ?(Z|[+-]\d\d:?\d\d)")


class Event(TypedDict):
    """What became of a resource on a node, and when (seconds since 1970). ``action`` and ``reason`` are those of a failure."""

    when: int
    node: str
    what: str  # started, stopped, failed
    resource: str
    action: str
    reason: str


class History(TypedDict):
    """The events, the oldest first, and the attributes of each node that decide where the service runs."""

    events: list[Event]
    attributes: dict[str, dict[str, str]]


def read(cib: str) -> History:
    """What a CIB (``cibadmin --query``) says of the service's past."""
    states = model.parse(cib).findall("status/node_state")
    events = [event for state in states for event in _events(state)]
    pairs = {state.get("uname", ""): state.findall("transient_attributes/*/nvpair") for state in states}
    return {
        "events": sorted(events, key=lambda event: event["when"]),
        "attributes": {
            node: {
                pair.get("name", ""): pair.get("value", "")
                for pair in found
                if pair.get("name", "").startswith(_ATTRIBUTES)
            }
            for node, found in pairs.items()
        },
    }


def _events(state: ET.Element) -> Iterator[Event]:
    node = state.get("uname", "")
    for resource in state.findall("lrm/lrm_resources/lrm_resource"):
        name = resource.get("id", "").partition(":")[0]
        if name not in _SERVICE:
            continue
        for done in resource.findall("lrm_rsc_op"):
            what = FAILED if done.get("id", "").endswith("_last_failure_0") else _DONE.get(done.get("operation", ""))
            ended_well = done.get("rc-code") == "0"
            when = int(done.get("last-rc-change", "0"))
            if what and when and ended_well != (what == FAILED):
                failed = (done.get("operation_key", ""), done.get("exit-reason", "")) if what == FAILED else ("", "")
                yield Event(when=when, node=node, what=what, resource=name, action=failed[0], reason=failed[1])


def seconds(text: str) -> int | None:
    """A time of crm_mon's as seconds since 1970: ``2026-11-23 17:11:03Z``; ``None`` for one without its zone, or something else."""
    found = _TIME.match(text)
    if not found:
        return None
    zone = "+00:00" if found[3] == "Z" else found[3]
    return int(datetime.strptime(f"{found[1]} {found[2]} {zone}", "%Y-%m-%d %H:%M:%S %z").timestamp())
