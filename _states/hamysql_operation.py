"""
The phases of what an operator does on the second day, as states of an orchestration; they run on the master.

``salt-run state.orchestrate hamysql.orch.switchover`` applies its own, and so does each other operation
(``hamysql/orch/operation.jinja``). What each does is in :mod:`hamysql.master.second_day`.

Killed at any moment and run again, each gets to its end: it looks at what there is, and does what is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hamysql.master import phases
from hamysql.master.adopting import takeover
from hamysql.master.replicas import seeding as replicas
from hamysql.master.second_day import (
    backups,
    grow,
    maintenance,
    replacement,
    restores,
    rotation,
    split_brain,
    switchover,
    teardown,
    undo,
    updates,
    verify,
)
from hamysql.system.command import run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from injected import __context__, __opts__

    from hamysql.master.deployment import Deployment

__virtualname__ = "hamysql_operation"

# Of each operation its phases, in their order (hamysql.master.progress.ORDERS has what a follower is told of them): the function,
# and the arguments that it gets after the deployment. ``None`` is what an operator did not say. Timeouts are in seconds.
OPERATIONS: dict[str, dict[str, tuple[Callable[..., phases.Outcome], dict[str, Any]]]] = {
    "switchover": {
        "checked": (switchover.check, {"to": None}),
        "moved": (switchover.move, {"to": None, "timeout": 900}),
    },
    "drain": {
        "checked": (maintenance.check_drain, {"node": None}),
        "drained": (maintenance.drain, {"node": None, "timeout": 900}),
    },
    "return": {
        "checked": (maintenance.check_return, {"node": None}),
        "returned": (maintenance.take_back, {"node": None, "timeout": 3600}),
    },
    # It was not said which of both.
    "maintenance": {"checked": (maintenance.refused, {})},
    "backup": {
        "checked": (backups.check_backup, {}),
        "taken": (backups.back_up, {}),
    },
    "restore_test": {
        "checked": (backups.check_restore, {"node": None, "backup": None, "to": None}),
        "restored": (backups.restore, {"node": None, "backup": None, "timeout": 3600, "to": None}),
    },
    "restore": {
        "checked": (restores.check, {"backup": None, "confirm": None, "to": None}),
        "prepared": (restores.prepare, {"backup": None, "timeout": 3600, "to": None}),
        "replaced": (restores.replace, {"backup": None, "timeout": 900, "to": None}),
    },
    "restore_undo": {
        "checked": (restores.check_undo, {"confirm": None}),
        "undone": (restores.undo, {"timeout": 900}),
    },
    "restore_confirm": {
        "checked": (restores.check_confirm, {"confirm": None}),
        "confirmed": (restores.confirm, {}),
    },
    "undo": {
        "checked": (undo.check, {"checkpoint": None}),
        "restored": (undo.restore, {"checkpoint": None, "timeout": 900}),
    },
    "verify": {
        "checked": (verify.check, {}),
        "verified": (verify.verify, {"resynchronise": False}),
        "resynchronised": (verify.resynchronise, {"timeout": 86400}),
    },
    "split_brain": {
        "looked": (split_brain.look, {"victim": None}),
        "checked": (split_brain.check, {"victim": None}),
        "kept": (split_brain.keep, {"victim": None, "folder": None}),
        "resolved": (split_brain.resolve, {"victim": None, "timeout": 86400}),
    },
    "update": {
        "checked": (updates.check, {"confirm": None}),
        "saved": (updates.save, {}),
        "standby": (updates.first, {"timeout": 3600}),
        "other": (updates.second, {"timeout": 3600}),
        "finished": (updates.finish, {}),
    },
    "rotate_secrets": {
        "checked": (rotation.check, {"run": run, "file": None}),
        "made": (rotation.make, {"run": run, "file": None, "gpg_key": None}),
        "rotated": (rotation.rotate, {"timeout": 900}),
        "verified": (rotation.verify, {"file": None}),
    },
    "replace_node": {
        "checked": (replacement.check, {"node": None, "newer": False}),
        "released": (replacement.release, {"node": None}),
        "joined": (replacement.join, {"node": None, "timeout": 180, "newer": False}),
        "synchronised": (replacement.synchronise, {"node": None, "timeout": 86400}),
    },
    "replica": {
        "checked": (replicas.check, {"replica": None, "confirm": None}),
        "configured": (replicas.configure, {"replica": None, "timeout": 900}),
        "prepared": (replicas.prepare, {"replica": None, "backup": None, "timeout": 3600, "confirm": None}),
        "replaced": (replicas.replace, {"replica": None, "timeout": 900, "confirm": None}),
        "follows": (replicas.follow, {"replica": None, "timeout": 86400}),
    },
    "grow": {
        "checked": (grow.check, {"size": None}),
        "disks": (grow.grow_disks, {"size": None}),
        "grown": (grow.grow, {"size": None, "timeout": 86400}),
    },
    "adopt": {
        "checked": (takeover.check, {}),
        "taken": (takeover.take, {"timeout": 900}),
    },
    "teardown": {
        "checked": (teardown.check, {"confirm": None}),
        "stopped": (teardown.stop, {"timeout": 900}),
        "removed": (teardown.remove, {}),
    },
}


def __virtual__() -> str | tuple[bool, str]:
    if __opts__.get("__role") != "master":
        return (
            False,
            "hamysql_operation runs on the master, in an orchestration: salt-run state.orchestrate hamysql.orch.switchover",
        )
    return __virtualname__


def done(
    name: str,
    operation: str,
    phase: str,
    last: bool = False,
    arguments: Mapping[str, Any] | None = None,
    cluster: str | None = None,
) -> dict[str, Any]:
    """
    A phase of an operation is done.

    name
        An id.
    operation
        Such as ``switchover``.
    phase
        Such as ``checked``, which each operation begins with: it changes nothing, and fails with all that forbids the operation.
    last
        Whether the operation ends with it. False by default.
    arguments
        What the operator has said, by name. Each phase takes those that are its own.
    cluster
        The name of the cluster, which may be left out when the master's minions form only one.
    """
    body, defaults = OPERATIONS[operation][phase]
    given = {key: value for key, value in (arguments or {}).items() if key in defaults}

    def of(deployment: Deployment) -> phases.Outcome:
        return body(deployment, *{**defaults, **given}.values())

    return phases.run(__opts__, __context__, name, phase, cluster, of, last=last, kind=operation)
