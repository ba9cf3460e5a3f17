"""What would become of a running cluster that somebody else has built, with a pillar: nothing of it is carried out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from hamysql import pending as pending_changes
from hamysql.adoption import turn
from hamysql.cib import live as cib_live
from hamysql.config import resources
from hamysql.corosync import pending as corosync_pending
from hamysql.errors import CommandFailed, HamysqlError
from hamysql.resolved import Resolved
from hamysql.storage import backends
from hamysql.system.command import Run, exists

_STAND_IN = "another secret"  # how a kind of storage tells of a secret that differs: here each one is a stand-in


class Outcome(TypedDict):
    """What changes in the cluster's configuration and what pacemaker would do about it, in words; and what waits, in sentences.

    ``unclear`` says why that could not be found out, "" where it could.
    """

    renamed: list[str]
    changes: list[str]
    actions: list[str]
    waits: list[str]
    unclear: list[str]


def seen(run: Run, site: Resolved) -> Outcome:
    """All of it, on a node whose pacemaker runs."""
    found: Outcome = {"renamed": [], "changes": [], "actions": [], "waits": [], "unclear": []}
    try:
        wanted = resources.desired(site)
        outcome = turn.foreseen(run, lambda _: wanted, cib_live.query(run))
        found["renamed"] = outcome["renamed"]
        found["changes"] = [
            f"{change['kind']} {change['id']}: {' -> '.join(filter(None, (change['old'], change['new'])))}"
            for change in outcome["changes"]
        ]
        found["actions"] = outcome["actions"]
    except HamysqlError as exc:
        found["unclear"].append(str(exc))
    try:
        waiting = [*_corosync(run, site), *backends.used(site).pending(site, run)]
        found["waits"] = [str(item) for item in pending_changes.distinct(waiting) if item.old != _STAND_IN]
    except HamysqlError as exc:
        found["unclear"].append(str(exc))
    return found


def _corosync(run: Run, site: Resolved) -> Sequence[pending_changes.Pending]:
    if not exists("corosync-cmapctl"):
        return []
    try:
        said = run(["corosync-cmapctl"]).stdout
    except CommandFailed:  # it does not run
        return []
    return list(corosync_pending.pending(site, corosync_pending.parse_map(said), key_differs=False))
