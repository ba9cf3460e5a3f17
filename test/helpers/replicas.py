"""Members in every condition that a node and its disk can be in, and what the plan says to them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hamysql.errors import Refused
from hamysql.storage.drbd import plan as drbd_plan
from hamysql.storage.drbd.plan import Latch, Member, Stage, Wanted
from hamysql.storage.drbd.status import JUST_CREATED, Generation, Status
from hamysql.system.disk import Signature

SIZE = 512 * 2**20
UUID = {"db1": "e7c4c235a46d231d", "db2": "a9ed857efa422c00"}
NEW = Generation(JUST_CREATED, 0, (0, 0))
USED = Generation(0x949CA4647D747838, 0, (0x32C4AE688FE0A052, JUST_CREATED))
XFS = Signature("xfs", 0, "627a22bb-ecf0-48ff-814b-c8b47add52c8")
NAME = "/dev/disk/by-id/ata-GALAXY_{}"  # of each node's disk
FULL = Wanted("galaxy-db", "mysql")


def blank(name: str, **fields) -> Member:
    """A node on which nothing was ever done."""
    return Member(name, "/dev/sdb", **{"size": SIZE, "names": (NAME.format(name),), **fields})


def ours(name: str, stage: Stage, generation: Generation | None = None, *further: Signature, **fields) -> Member:
    """A node whose disk and latch hamysql has brought to ``stage``."""
    uuid = "" if stage == Stage.CLAIMED else UUID[name]
    latch = Latch("galaxy-db", "mysql", "/dev/sdb", stage, uuid)
    drbd = Signature("drbd", SIZE - 4036, UUID[name])
    generation = generation or (NEW if stage <= Stage.METADATA else USED)
    return blank(name, **{"signatures": (drbd, *further), "generation": generation, "latch": latch, **fields})


def without_metadata(member: Member, **fields) -> Member:
    """The same node with a new, blank disk in the place of the old one."""
    return replace(member, signatures=(), generation=None, status=None, **fields)


def connected(role: str = "Secondary", disk: str = "Inconsistent") -> Status:
    return Status("Connected", role, "Secondary", disk, "Inconsistent")


ALONE = Status("WFConnection", "Secondary", "Unknown", "Inconsistent", "DUnknown")


def todo(*members: Member, wanted: Wanted = FULL) -> list[tuple[str, tuple[str, ...]]]:
    return [(step.action, step.nodes) for step in drbd_plan.storage(members, wanted)]


def refusal(*members: Member, wanted: Wanted = FULL) -> list[str]:
    """The evidence of a refusal, sentence by sentence."""
    with pytest.raises(Refused) as refused:
        drbd_plan.storage(members, wanted)
    head, *reasons = str(refused.value).splitlines()
    assert head == "the storage is left alone:"
    return [reason.removeprefix("  - ") for reason in reasons]
