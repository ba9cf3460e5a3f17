"""What the data itself dictates: settings that cannot change while it stays where it is. Pure.

The evidence is on the nodes: the cluster's configuration, which pacemaker keeps in a file while it is stopped, and the latches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hamysql.cib import model as cib_model
from hamysql.pending import DATA, KEEP, MIDDLE, MOVE, REFUSED, Pending
from hamysql.resolved import Resolved
from hamysql.storage import backends
from hamysql.storage.latch import Latch, Stage

BACKEND = "hamysql:storage:backend"


def pending(
    config: Resolved, cib: str | None, latches: Iterable[Latch], device_uuid: str = "", moving: str = ""
) -> Iterator[Pending]:
    """What the pillar wants otherwise than the data is.

    config
        The resolved configuration.
    cib
        The cluster's configuration as XML; ``None`` where there is none yet.
    latches
        All latches of this node.
    device_uuid
        Of what is on the disk that the pillar names, which may be the latch's under another name; "" where none is.
    moving
        The kind of storage to which a move has begun here and not ended; "" without one.
    """
    kind, latches, values = backends.used(config), list(latches), parameters(cib)
    backend = kind.name
    ours = [
        latch.backend
        for latch in latches
        if (latch.cluster, latch.stage) == (config["cluster"]["name"], Stage.INITIALISED)
    ]
    there = backends.recognised(values) or next(iter(ours), backend)
    if there != backend:  # everything else differs as well, and says nothing more
        yield Pending(REFUSED, DATA, BACKEND, there, backend, MIDDLE if moving else MOVE)
        return
    if moving:
        yield Pending(REFUSED, DATA, BACKEND, f"{there}, with a move to {moving} under way,", backend, MIDDLE)
    known = {latch.resource: latch for latch in latches if latch.backend == backend}
    # The storage's plan refuses these as well, and names no key of the pillar.
    found = kind.by_latches(config, known, device_uuid)
    for parameter, (where, wanted) in kind.identity(config, values).items():
        if parameter in values:
            found[where] = (values[parameter], wanted)
    for where, (old, new) in found.items():
        if old != new:
            yield Pending(REFUSED, DATA, f"hamysql:{where}", old, new, KEEP)


def parameters(cib: str | None) -> dict[tuple[str, str], str]:
    """All parameters of the cluster's resources: ``{(resource, name): value}``."""
    if not cib:
        return {}
    return {
        (element.get("id", ""), pair.get("name", "")): pair.get("value", "")
        for element in cib_model.parse(cib).iterfind("configuration/resources//primitive")
        for pair in element.findall("instance_attributes/nvpair")
    }
