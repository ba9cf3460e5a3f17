"""The longest time in which nobody could write during an operation, as writers on the members have seen it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from hamysql.errors import HamysqlError, SaltError
from hamysql.master import health
from hamysql.master.deployment import Deployment
from hamysql.mysql.tracer.writer import Seen


@dataclass
class Measured:
    """What the writers have seen, by node; ``why`` says why there is nothing, "" while they write.

    ``on`` are the nodes on which they are, all where it is empty. ``hashes`` are those of their passwords; ``replaced`` says that
    the database they wrote to was replaced by another one.
    """

    seen: dict[str, Seen] = field(default_factory=dict)
    why: str = ""
    hashes: dict[str, str] = field(default_factory=dict)
    replaced: bool = False
    on: Sequence[str] = ()

    def __str__(self) -> str:
        if not self.seen:
            return f"the write gap was not measured: {self.why}"
        each = ", ".join(f"{item['gap']:.1f} s from {node}" for node, item in self.seen.items())
        if self.replaced:
            return f"longest write gap {self.gap:.1f} s ({each})"
        count = sum(item["acknowledged"] for item in self.seen.values())
        return f"longest write gap {self.gap:.1f} s ({each}); {count} writes were acknowledged, none of them is lost"

    @property
    def gap(self) -> float:
        """Seconds."""
        return max(item["gap"] for item in self.seen.values())


@contextmanager
def measured(deployment: Deployment, phase: str, limit: float, on: Sequence[str] = ()) -> Iterator[Measured]:
    """Have a client on each member write through the virtual IP inside of the ``with`` block.

    limit
        Seconds after which a writer ends itself and cleans up, where nobody ends it.
    on
        Some of the members: another one may have no client yet. All by default.

    An operation goes on where this does not succeed, and says so. Raises ``HamysqlError`` where an acknowledged write is lost.
    """
    found = Measured(on=tuple(on))
    _start(deployment, phase, limit, found)
    try:
        yield found
    except BaseException:
        with suppress(SaltError):
            _end(deployment, found)
        raise
    _end(deployment, found)


def tidy(deployment: Deployment) -> None:
    """Take away what an operation that was cut off has left behind."""
    deployment.members.ask("hamysql_tracer.stop")
    if serving := health.active(deployment.survey()):
        deployment.members.ask("hamysql_tracer.forget", [serving])


def admit_again(deployment: Deployment, found: Measured) -> None:
    """The writers' table and accounts, in a database that has replaced the one they wrote to; or none of them, without writers."""
    found.replaced = True
    try:
        serving = health.active(deployment.survey())
        if found.why or serving is None:
            found.why = found.why or "no database answers"
            tidy(deployment)  # a run that was cut off may have left some
            return
        deployment.members.ask("hamysql_tracer.admit", [serving], hashes=found.hashes)
        deployment.members.ask("hamysql_tracer.go", found.on, again=True, timeout=60)
    except HamysqlError as exc:
        found.why = str(exc)
        with suppress(HamysqlError):
            tidy(deployment)


def _start(deployment: Deployment, phase: str, limit: float, found: Measured) -> None:
    serving = health.active(deployment.survey())
    if serving is None:
        found.why = "no database answered when it began"
        return
    try:
        found.hashes = deployment.members.ask("hamysql_tracer.start", found.on, limit=limit)
        deployment.members.ask("hamysql_tracer.admit", [serving], hashes=found.hashes)
        deployment.members.ask("hamysql_tracer.go", found.on)
        deployment.say("step", phase, f"a client on {' and '.join(found.hashes)} writes through the virtual IP")
    except HamysqlError as exc:
        found.why = str(exc)
        deployment.say("step", phase, f"WARNING: the write gap is not measured: {exc}")
        with suppress(HamysqlError):
            tidy(deployment)


def _end(deployment: Deployment, found: Measured) -> None:
    if found.why:
        return
    found.why = "its writers have ended"
    try:
        ended = deployment.members.ask("hamysql_tracer.stop", found.on)
        deployment.look_again()
        serving = health.active(deployment.survey())
        kept = deployment.members.ask("hamysql_tracer.forget", [serving])[serving] if serving else {}
    except HamysqlError as exc:
        found.why = str(exc)
        return
    seen = {node: item for node, item in ended.items() if item and item["acknowledged"]}
    lost = [node for node, item in seen.items() if serving and kept.get(node, 0) < item["number"]]
    if lost:
        raise HamysqlError(
            f"writes are lost that the database had acknowledged to the client on {' and '.join(lost)}: the table hamysql.tracer "
            f"has {[kept.get(node, 0) for node in lost]}, expected {[seen[node]['number'] for node in lost]}. Stop what "
            "writes, and look at which data the node that serves now has (`salt-run hamysql.status`)"
        )
    found.seen = seen
