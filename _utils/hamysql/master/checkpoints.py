"""The checkpoints of a cluster, as the master sees them: which node has which, and one as text."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from hamysql.errors import Refused
from hamysql.master.members import Members
from hamysql.records.checkpoints import PRESENT, Manifest, order


def by_node(lists: Mapping[str, Iterable[Manifest]]) -> dict[str, dict[str, Manifest]]:
    """What each node has: ``{node: {name: manifest}}``."""
    return {node: {item["name"]: item for item in items} for node, items in lists.items()}


def newest(kept: Mapping[str, Mapping[str, Manifest]]) -> list[str]:
    """The names of all of them, the newest first."""
    return sorted({name for items in kept.values() for name in items}, key=order, reverse=True)


def lines(members: Members) -> list[str]:
    """Each checkpoint in one line, the newest first; then a line for each node that does not say what it has."""
    answers = members.answers("hamysql_checkpoint.list")
    kept = by_node(answers.values)
    found = []
    for name in newest(kept):
        there = [node for node, items in kept.items() if name in items]
        said = kept[there[0]][name]
        when = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(said["when"]))
        job = f", job {said['job']}" if said["job"] else ""
        found.append(f"{name}: {when}, before {said['before']}{job}, on {' and '.join(there)}")
    return [*found, *answers.silent.values(), *answers.failed.values()]


def export(members: Members, name: str, node: str | None) -> str:
    """A checkpoint of a node, or what there is at present, as one text without secrets.

    name
        The checkpoint; "now" for what there is at present.
    node
        The node; by default the first one that has it.

    Raises ``Refused`` where no node has it, or there is no such node.
    """
    names = list(members.minions)
    if node is not None and node not in names:
        raise Refused(f"{node} is no node of {members.cluster}; the nodes are {' and '.join(names)}")
    where = node
    if where is None and name != PRESENT:
        kept = by_node(members.answers("hamysql_checkpoint.list").values)
        where = next((other for other in names if name in kept.get(other, ())), None)
        if where is None:
            raise Refused(
                f"no node that answers has the checkpoint {name}: `salt-run hamysql.checkpoints` lists those that there are"
            )
    where = where or names[0]
    texts: dict[str, str] = members.ask("hamysql_checkpoint.show", [where], name=name)[where]
    return "\n".join(f"# {path} of {where}, {name}\n{text.rstrip()}\n" for path, text in texts.items())
