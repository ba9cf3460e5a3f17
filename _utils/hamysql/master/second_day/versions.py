"""What an update would bring to each node, and why it must not be made. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hamysql.mysql.flavours import registry
from hamysql.preflight.judge import major
from hamysql.resolved import Resolved
from hamysql.upkeep.look import Seen, UpdateSeen

# Packages of the cluster whose next major version does not speak with this one, or reads another configuration.
_PARTNERS = ("corosync", "pacemaker", "drbd-utils", "drbd9x-utils", "drbd84-utils")


def against(seen: Mapping[str, Seen], site: Resolved) -> list[str]:
    """Why the update must not be made, as sentences; none where it may.

    seen
        What each node says, ``hamysql_update.look``.
    site
        The settings of any node.
    """
    return [*_kernels(seen), *_majors(seen, site), *_goes(seen, site), *_differ(seen, site)]


def _kernels(seen: Mapping[str, Seen]) -> Iterator[str]:
    for node, found in seen.items():
        yield from (f"{node}: {line}" for line in found["without"])


def _majors(seen: Mapping[str, Seen], site: Resolved) -> Iterator[str]:
    database = site["package"]["database"]
    for node, item in _each(seen):
        parts = 2 if item["name"] in database else 1
        if not item["old"] or not item["new"] or item["name"] not in (*database, *_PARTNERS):
            continue
        old, new = major(item["old"], parts), major(item["new"], parts)
        if old == new:
            continue
        if item["name"] in database:
            yield (
                f"{node}: {item['name']} would go from {old} to {new}, and a database does not go back from another series: hold "
                f"it, and try that with a restored backup first"
            )
        else:
            yield (
                f"{node}: {item['name']} would go from {old} to {new}, and both nodes have to speak with each other meanwhile: "
                f"hold it, and plan an outage for that"
            )


def _goes(seen: Mapping[str, Seen], site: Resolved) -> Iterator[str]:
    for node, item in _each(seen):
        if not item["new"] and item["name"] in site["package"]["names"]:
            yield f"{node}: the package manager would remove {item['name']}, which the cluster needs: look at its repositories"


def _differ(seen: Mapping[str, Seen], site: Resolved) -> Iterator[str]:
    """The nodes would end with different versions of what the cluster owns: of what neither has already."""
    for name in site["package"]["owned"]:
        coming = {node: item["new"] for node, item in _each(seen) if item["name"] == name}
        if len(set(coming.values())) > 1:
            each = ", ".join(f"{node} {version}" for node, version in coming.items())
            yield f"the repositories of the nodes have different versions of {name}: {each}"


def _each(seen: Mapping[str, Seen]) -> Iterator[tuple[str, UpdateSeen]]:
    return ((node, item) for node, found in seen.items() for item in found["updates"])


def lines(node: str, found: Seen, site: Resolved) -> list[str]:
    """What an update would do on a node, as entries of a plan: first what the cluster owns."""
    owned = site["package"]["owned"]
    entries = []
    for item in sorted(found["updates"], key=lambda item: (item["name"] not in owned, item["name"])):
        sign = "~" if item["old"] and item["new"] else "+" if item["new"] else "-"
        versions = " -> ".join(version for version in (item["old"], item["new"]) if version)
        entries.append(f"{sign} {node}: {item['name']} {versions}")
    if boots(found):
        entries.append(f"~ {node} boots: {found['boot'] or 'kernel ' + found['kernels'][-1] + ' comes'}")
    return entries


def boots(found: Seen) -> bool:
    """Whether the node has to boot, as far as can be told before."""
    return bool(found["boot"] or found["kernels"])


def left(found: Seen) -> bool:
    """Whether anything is left to do on a node."""
    return bool(found["updates"] or found["boot"] or found["mark"])


def database(seen: Mapping[str, Seen], site: Resolved) -> list[str]:
    """The packages of the database that would be updated."""
    names: Sequence[str] = site["package"]["database"]
    return list(dict.fromkeys(item["name"] for _, item in _each(seen) if item["name"] in names))


def remarks(seen: Mapping[str, Seen], site: Resolved) -> list[str]:
    """What an operator has to know beside it."""
    found = [
        f"{node} leaves {', '.join(item['left'])} as they are: held, or hamysql:package:versions has them"
        for node, item in seen.items()
        if item["left"]
    ]
    if database(seen, site) and not registry.of(site["mysql"]).goes_back:
        found.append(
            "WARNING: once the updated database has served, the other node's older one does not start on its data: there is no "
            "redundancy until that node is updated as well"
        )
    return found
