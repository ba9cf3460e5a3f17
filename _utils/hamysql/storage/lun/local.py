"""The LUN of one node: its name, and what the node says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from hamysql.resolved import Resolved
from hamysql.storage.lun import NAME
from hamysql.system.disk import SignatureSeen


class Seen(TypedDict):
    """What ``hamysql_lun.survey`` says of a node; the latch is as in its file."""

    disk: str
    size: int | None
    identity: str
    signatures: list[SignatureSeen]
    claim: Mapping[str, str]
    uses: list[str]
    partitions: list[str]
    names: list[str]
    mounted: bool
    session: bool | None
    latch: Mapping[str, str]
    error: str


def disk(site: Resolved) -> str:
    """The LUN, as the pillar names it."""
    return str(site["storage"][NAME]["device"])
