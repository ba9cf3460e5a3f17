"""What grows, from what all members see of their layers. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hamysql.errors import Refused
from hamysql.storage.growth.layers import DEVICE, DISK, FILESYSTEM, ROOM, Layer, words

Found = Mapping[str, Sequence[Layer]]  # by node


@dataclass(frozen=True)
class Change:
    """A layer that grows: which, on which nodes, its name in words, its bytes before and after."""

    key: str
    nodes: tuple[str, ...]
    name: str
    size: int
    to: int

    def __str__(self) -> str:
        return f"{self.name} on {' and '.join(self.nodes)}: {words(self.size)} -> {words(self.to)}"


def changes(found: Found, shared: bool) -> list[Change]:
    """The layers that grow, from the ground up; raises ``Refused`` where something would have to become smaller.

    shared
        The nodes see the same disk.
    """
    if reasons := smaller(found, shared):
        raise Refused("\n".join(["nothing is enlarged while this is so:", *(f"  - {reason}" for reason in reasons)]))
    disks = [
        Change(DISK, (node,), layer["name"], layer["size"], layer["to"]) for node, layer in _of(found, DISK).items()
    ]
    return [change for change in (*disks, *_above(found)) if change.to - change.size >= ROOM]


def _above(found: Found) -> list[Change]:
    """What all nodes have in common, above their disks."""
    made: list[Change] = []
    most = min((layer["to"] for layer in _of(found, DISK).values()), default=0)
    for key in (DEVICE, FILESYSTEM):
        seen = _of(found, key)
        if not seen:
            continue
        first = next(iter(seen.values()))
        most = most if key == FILESYSTEM else min(layer["to"] for layer in seen.values())
        made.append(Change(key, tuple(seen), first["name"], first["size"], most))
    return made


def smaller(found: Found, shared: bool) -> list[str]:
    """Where a layer is smaller than what lies on it, and where nodes do not see the same of one disk, as sentences."""
    disks = _of(found, DISK)
    sizes = {node: layer["size"] for node, layer in disks.items()}
    reasons = []
    if shared and len(set(sizes.values())) > 1:
        seen = ", ".join(f"{node} {size} bytes" for node, size in sizes.items())
        reasons.append(f"the nodes see different sizes of one disk ({seen}): let the storage finish, and run again")
    for change in _above(found):
        if change.to < change.size:
            below = "its disks have" if change.key == DEVICE else "its device has"
            reasons.append(
                f"{change.name} has {change.size} bytes, and {below} room for {change.to}: nothing is made smaller"
            )
    return reasons


def bound(found: Found) -> str:
    """Whose disk keeps the device from growing further, as a sentence; "" where the disks are alike."""
    sizes = {node: layer["to"] for node, layer in _of(found, DISK).items()}
    if not sizes or max(sizes.values()) - min(sizes.values()) < ROOM:
        return ""
    least = min(sizes, key=lambda node: sizes[node])
    return f"the disk of {least} is the smaller one ({words(sizes[least])}), and bounds the device"


def _of(found: Found, key: str) -> dict[str, Layer]:
    return {node: layer for node, layers in found.items() for layer in layers if layer["key"] == key}
