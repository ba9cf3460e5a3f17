"""The nodes' ids in corosync: they stay what they are, in whatever order the pillar lists the nodes.

A new cluster counts its nodes in the order of the pillar. Afterwards the ids are read from each corosync.conf:
corosync, pacemaker and the keys of reservations know a node by its id, and one that changes is another node to them.
Only :func:`known` touches a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from hamysql.corosync import conf as corosync_conf
from hamysql.errors import ParseError
from hamysql.resolved.sections import Section
from hamysql.survey import Surveys
from hamysql.system import root

FILE = Path("/etc/corosync/corosync.conf")
KNOWN, ORDER = "known", "order"  # where ids come from


def known(cluster: str, file: Path | None = None) -> dict[str, int]:
    """The ids of nodes in this node's corosync.conf, if that is of this cluster; none where there is none to read."""
    try:
        sections = corosync_conf.parse(root.at(file or FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, ParseError):
        return {}
    return parse(sections, cluster)


def parse(sections: Sequence[Section], cluster: str) -> dict[str, int]:
    """The same from the file's sections. The distribution's example is of another cluster."""
    names = [dict(part["options"]).get("cluster_name") for part in sections if part["name"] == "totem"]
    if cluster not in names:
        return {}
    found: dict[str, int] = {}
    for part in sections:
        for node in part["sections"] if part["name"] == "nodelist" else ():
            said = dict(node["options"])
            number = str(said.get("nodeid", ""))
            if said.get("name") and number.isdecimal() and 0 < int(number) < 2**31:
                found[said["name"]] = int(number)
    return found if len(set(found.values())) == len(found) else {}


def chosen(names: Sequence[str], found: Mapping[str, int]) -> tuple[dict[str, int], str]:
    """The id of each node, the lowest first, and where they come from.

    names
        The nodes in the pillar's order.
    found
        What :func:`known` returns. A node that it does not have gets the lowest number that is free.
    """
    kept = {name: found[name] for name in names if name in found}
    free = (number for number in range(1, len(names) + len(kept) + 1) if number not in kept.values())
    ids = {name: kept[name] if name in kept else next(free) for name in names}
    return dict(sorted(ids.items(), key=lambda item: item[1])), KNOWN if kept else ORDER


def disagreement(surveys: Surveys) -> Iterator[tuple[str, str, str]]:
    """Members that would give the nodes other ids than the cluster has: each one's name, what was found and what is expected.

    A node that was installed again knows no ids, and takes the pillar's order.
    """
    seen = {name: survey["settings"]["cluster"] for name, survey in surveys.items()}
    ids = {name: {node: said["id"] for node, said in cluster["nodes"].items()} for name, cluster in seen.items()}
    owner = next((name for name, cluster in seen.items() if cluster.get("ids_from") == KNOWN), None)
    for name, found in ids.items():
        if owner is not None and found != ids[owner]:
            yield (
                name,
                f"the ids {_shown(found)} for the nodes",
                f"{_shown(ids[owner])}, as on {owner}: list the nodes in this order",
            )


def _shown(ids: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {number}" for name, number in sorted(ids.items(), key=lambda item: item[1]))
