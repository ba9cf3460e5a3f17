"""The seam between the storage in use and whoever works with any of them: one place that knows all backends. Pure.

``drbd`` is planned in :mod:`hamysql.storage.drbd.plan`, ``shared`` in :mod:`hamysql.storage.lun.plan`, ``nfs`` in
:mod:`hamysql.storage.nfs.plan`; what the pillar says of each becomes values in :mod:`hamysql.storage.derived`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hamysql.storage.drbd import plan as drbd_plan
from hamysql.storage.lun import plan as lun_plan
from hamysql.storage.nfs import plan as nfs_plan
from hamysql.storage.steps import Step
from hamysql.survey import Survey, Surveys

_OF_DRBD = frozenset(("create_metadata", "up", "wait_connected", "skip_initial_sync", "seed", "release", "rejoin"))
_MODULES = {"shared": "hamysql_shared", "nfs": "hamysql_nfs"}


def backend(surveys: Surveys) -> str:
    """The storage that the pillar names."""
    return str(next(iter(surveys.values()))["settings"]["storage"]["backend"])


def steps(surveys: Surveys, run: str = "") -> tuple[Step, ...]:
    """The steps that are left until the storage can be handed to pacemaker; raises ``Refused`` with all evidence.

    surveys
        What ``hamysql_node.survey`` returned on every member, in the pillar's order.
    run
        The orchestration's job.
    """
    kind = backend(surveys)
    if kind == "shared":
        return lun_plan.steps(*lun_plan.from_surveys(surveys))
    if kind == "nfs":
        return nfs_plan.steps(*nfs_plan.from_surveys(surveys))
    return drbd_plan.storage(*drbd_plan.from_surveys(surveys, run))


def warnings(surveys: Surveys, run: str = "") -> list[str]:
    """What an operator has to know of the storage, though nothing is refused."""
    kind = backend(surveys)
    if kind == "shared":
        return lun_plan.warnings(*lun_plan.from_surveys(surveys))
    return [] if kind == "nfs" else drbd_plan.warnings(*drbd_plan.from_surveys(surveys, run))


def function(step: Step, kind: str) -> str:
    """The execution module's function that performs a step."""
    module = _MODULES.get(kind) or ("hamysql_drbd" if step.action in _OF_DRBD else "hamysql_storage")
    return f"{module}.{step.action}"


def state(survey: Survey) -> str:
    """One node's storage in words, for people."""
    seen = survey["storage"]
    kind = seen.get("backend", "drbd")
    if kind == "shared":
        place = f"LUN {seen['disk']}"
        if seen["size"] is None:
            return f"{place} is not there"
        return f"{place} {'mounted' if seen['mounted'] else 'seen'}{'' if seen['session'] is not False else ', not logged in'}"
    if kind == "nfs":
        return f"{seen['disk']} {'mounted' if seen['mounted'] else 'not mounted'}{_unreachable(survey)}"
    replica = seen["status"]
    if not replica:
        return "DRBD not configured"
    done = f", synchronised to {replica['done']} %" if replica["done"] is not None else ""
    return f"DRBD {replica['role']}, {replica['disk']}, {replica['connection']}{done}{_STALE.get(replica['disk'], '')}"


# What a replica's state means for whoever would have this node take over.
_STALE = {
    "Outdated": ": out of date, the other node has gone on without it. It cannot take over before it is synchronised",
    "Consistent": ": it may be out of date, and cannot take over before it has seen the other node's",
    "Inconsistent": ": it cannot take over before it is synchronised",
}


def trouble(survey: Survey) -> str:
    """Why this node could not serve, or the other one could not be lost, as one sentence; "" where all is well."""
    seen = survey["storage"]
    kind = seen.get("backend", "drbd")
    if kind == "shared":
        if seen["size"] is None:
            return f"the LUN {seen['disk']} is not there"
        if seen["error"]:
            return f"the LUN {seen['disk']} cannot be read: {seen['error']}"
        return "the node is not logged in to the iSCSI target" if seen["session"] is False else ""
    if kind == "nfs":
        return _unreachable(survey).strip(", ")
    return replication(seen["status"])


def replication(replica: Mapping[str, Any] | None) -> str:
    """Why DRBD's replica (``hamysql_drbd.status``) does not stand for both sides; "" where it does."""
    if replica and replica["up_to_date"]:
        return ""
    found = f"{replica['disk']}/{replica['peer_disk']}, {replica['connection']}" if replica else "not configured"
    return f"DRBD is {found}, not UpToDate/UpToDate"


def _unreachable(survey: Survey) -> str:
    away = [where for where, answers in survey["facts"]["storage"]["reached"].items() if not answers]
    return f", {', '.join(away)} cannot be reached" if away else ""
