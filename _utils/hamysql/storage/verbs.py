"""What the verbs of a LUN and of an export have in common: the end of the first data, and whose data it is."""

from __future__ import annotations

from dataclasses import replace

from hamysql.errors import Refused
from hamysql.storage.latch import RESOURCE, Latches, Stage


def seal(latches: Latches, backend: str) -> bool:
    """Record that the storage holds the data of an initialised cluster; ``False`` where that was recorded before."""
    known = latches.read(RESOURCE, backend)
    if known is None or known.stage < Stage.DATADIR:
        raise Refused(f"the first data is not complete here: {known.stage.name if known else 'nothing was made'}")
    if known.stage == Stage.INITIALISED:
        return False
    latches.write(replace(known, stage=Stage.INITIALISED))
    return True


def adopted(latches: Latches, backend: str, uuid: str) -> bool:
    """Whether this node's latch is about the data ``uuid``, complete; raises ``Refused`` where it is about other data."""
    known = latches.read(RESOURCE, backend)
    if known and (known.stage == Stage.INITIALISED or known.backend != backend):
        if (known.backend, known.device_uuid) == (backend, uuid):
            return True
        raise Refused(f"this node's latch is about {known.device_uuid} on {known.disk} already ({known.stage.name})")
    return False
