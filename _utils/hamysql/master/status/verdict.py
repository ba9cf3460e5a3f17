"""From what is known of the members to the status of their cluster: whole, degraded or down, and all that is shown. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hamysql import pending
from hamysql.backup.manifest import Glance
from hamysql.cib.names import ADDRESS, REPLICA, SERVER
from hamysql.config.placement import CARRIER, REACH
from hamysql.master import health
from hamysql.master.status import cause, replica, screen
from hamysql.master.status.look import Details, Machine, Seen
from hamysql.master.status.shape import DEGRADED, DOWN, STATES, WHOLE, Device, Failure, Link, Node, Status, Vip
from hamysql.resolved import Resolved
from hamysql.storage import backends
from hamysql.survey import Cluster, Resource, Survey, Surveys

# A file system with less than both of them free is nearly full.
SHARE, ROOM = 0.05, 2**30  # of its size; bytes


def status(cluster: str, seen: Mapping[str, Seen], machines: Mapping[str, Machine] | None = None) -> Status:
    """The status of a cluster.

    seen
        Its members in the pillar's order, see :func:`hamysql.master.status.look.members`.
    machines
        Its replicas, see :func:`hamysql.master.status.look.replicas`; none by default.
    """
    replicas = {name: replica.seen(cluster, machine) for name, machine in (machines or {}).items()}
    known = {node: member.survey for node, member in seen.items() if member.survey}
    # Whose pacemaker runs comes first: what is asked of one member is asked of that one.
    known = dict(sorted(known.items(), key=lambda item: not item[1]["cluster"]["running"]))
    viewer = next(iter(known.values()), None)
    pacemaker = viewer["cluster"] if viewer and viewer["cluster"]["running"] else None
    details = next((member.details for member in seen.values() if member.details), None)
    serving = _serving(seen, known, pacemaker)
    history = details["history"] if details else None
    links = _links(viewer["settings"], seen) if viewer else []
    vip = _vip(viewer, known, pacemaker)
    apart = backends.of(known).apart(known) if len(known) == len(seen) else []
    differing = [*health.alike(known), *health.can_take_over(known)] if known else []
    behind = (
        backends.of(known).behind(known) if known and not apart else {}
    )  # no side is ahead of one that has gone its own way
    left = list(dict.fromkeys(line for member in seen.values() if member.details for line in member.details["left"]))
    service_lines = [*_service_lines(serving, vip), *_held_lines(serving, known)]
    reasons = [
        *service_lines,
        *apart,
        *differing,
        *(member.unknown for member in seen.values() if member.unknown),
        *_health_lines(known, pacemaker),
        *_network_lines(links, pacemaker, details),
        *_stuck_lines(pacemaker),
        *_score_lines(known, details),
        *(line for name, machine in (machines or {}).items() for line in replica.trouble(name, cluster, machine)),
        *_room_lines(seen),
        *left,
    ]
    state = DOWN if service_lines else DEGRADED if reasons else WHOLE
    return {
        "cluster": cluster,
        "state": state,
        "retcode": STATES.index(state),
        "verdict": _verdict_text(state, serving, reasons, list(seen)),
        "reasons": reasons,
        "service": cause.service(serving[0] if len(serving) == 1 else None, pacemaker, history),
        "vip": vip,
        "nodes": _nodes(seen, known, serving, behind, pacemaker, details),
        "links": links,
        "backup": _backup(seen),
        "replicas": replicas,
        "failures": [_failure(failure) for failure in (pacemaker["failures"] if pacemaker else ())],
        "left": left,
        "notes": _notes(viewer, seen),
    }


def _failure(seen: Mapping[str, str]) -> Failure:
    why = seen["reason"] or seen["status"]
    return {"node": seen["node"], "action": seen["action"], "reason": why, "when": seen.get("when", "")}


def _serving(seen: Mapping[str, Seen], known: Surveys, pacemaker: Cluster | None) -> list[str]:
    """The nodes whose database answers; of one that cannot be asked, on which pacemaker says that it runs."""
    placed = {item["node"] for item in _started(pacemaker) if item["id"] == SERVER}
    answering = health.serving(known)
    return [node for node in seen if node in answering or (node in placed and node not in known)]


def _started(pacemaker: Cluster | None) -> list[Resource]:
    return [item for item in (pacemaker["resources"] if pacemaker else ()) if item["role"] == "Started"]


def _verdict_text(state: str, serving: list[str], reasons: list[str], names: list[str]) -> str:
    """The one line on top of all."""
    who = " and ".join(serving)
    if state == WHOLE:
        standing_by = " and ".join(name for name in names if name not in serving)
        return f"{who} serves, {standing_by} can take over"
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    return f"{f'{who} serves; ' if state == DEGRADED else ''}{reasons[0].splitlines()[0]}{more}"


def _service_lines(serving: list[str], vip: Vip | None) -> Iterator[str]:
    """Why clients do not get what they need."""
    if not serving:
        yield "the database answers on no node"
    elif len(serving) > 1:
        yield f"the database answers on {' and '.join(serving)}: stop one of them, before clients write to both"
    elif vip and vip["nodes"] != serving:
        where = " and ".join(vip["nodes"]) or "no node"
        yield f"the virtual IP {vip['address']} is on {where}, and the database on {serving[0]}"


def _held_lines(serving: list[str], known: Surveys) -> Iterator[str]:
    """Nodes that answer, and on which nobody can write."""
    for node in serving:
        if node in known and (why := backends.seen(known[node]).held(known[node])):
            yield f"{node}: {why}"


def _health_lines(known: Surveys, pacemaker: Cluster | None) -> list[str]:
    """What a cluster lacks to lose a node now. What the whole cluster agrees on is told once, and what an operator has left is
    told elsewhere."""
    if not known:
        return []
    name, viewer = next(iter(known.items()))
    names = list(viewer["settings"]["cluster"]["nodes"])
    found = health.lacking(known, (health.runs, health.has_quorum, health.storage_is_fit), (health.all_start,))
    if pacemaker is None:
        return found
    return [*found, *health.sees(health.PASSING)(name, viewer, names), *health.devices_run(known)]


def _stuck_lines(pacemaker: Cluster | None) -> Iterator[str]:
    """Resources about which pacemaker does nothing more."""
    for item in pacemaker["resources"] if pacemaker else ():
        if item["blocked"]:
            yield f"{item['id']} is blocked on {item['node']}: pacemaker does nothing about it until its failure is cleaned up"


def _network_lines(links: list[Link], pacemaker: Cluster | None, details: Details | None) -> Iterator[str]:
    """Links that are down though their nodes are up, and nodes that have lost their clients."""
    if pacemaker and all(state.get("online") for state in pacemaker["nodes"].values()):
        for link in links:
            if link["connected"] is False:
                yield f"link {link['link']} ({' - '.join(link['addresses'].values())}) is down"
    for node, attributes in details["history"]["attributes"].items() if details else ():
        if attributes.get(CARRIER, "0").startswith("-"):
            yield f"{node} has lost the carrier of the virtual IP's interface"
        if attributes.get(REACH, "0").startswith("-"):
            yield f"{node} does not reach all addresses of vip:reachable"


def _score_lines(known: Surveys, details: Details | None) -> Iterator[str]:
    """Replicas that are fit, and that pacemaker would not promote: it can lose what a node has said of its replica."""
    attributes = details["history"]["attributes"] if details else {}
    for node, survey in known.items() if details else ():
        runs = any((item["id"], item["node"]) == (REPLICA, node) for item in survey["cluster"]["resources"])
        score = attributes.get(node, {}).get(f"master-{REPLICA}")
        if runs and score is None and not backends.trouble(survey):
            how = f"`attrd_updater --refresh` on {node} writes it again"
            yield f"pacemaker has lost the promotion score of {node}, and would not run the service there: {how}"


def _room_lines(seen: Mapping[str, Seen]) -> Iterator[str]:
    """File systems that are nearly full."""
    for node, member in seen.items():
        for room in member.details["room"] if member.details else ():
            if room["free"] < min(room["size"] * SHARE, ROOM):
                left = f"{screen.size(room['free'])} of {screen.size(room['size'])} are left"
                yield f"{node}: {room['folder']} is nearly full: {left}"


def _links(settings: Resolved, seen: Mapping[str, Seen]) -> list[Link]:
    """Each link of the pillar. One is connected where no node that could be asked says otherwise."""
    nodes = settings["cluster"]["nodes"]
    told: dict[int, list[bool]] = {}
    for member in seen.values():
        for link in member.details["links"] if member.details else ():
            told.setdefault(link["link"], []).append(link["connected"])
    count = min(len(node["addresses"]) for node in nodes.values())
    return [
        {
            "link": number,
            "addresses": {name: node["addresses"][number] for name, node in nodes.items()},
            "connected": all(told[number]) if number in told else None,
        }
        for number in range(count)
    ]


def _vip(viewer: Survey | None, known: Surveys, pacemaker: Cluster | None) -> Vip | None:
    """The virtual IP, by the nodes' own interfaces; pacemaker's word is asked of those that are unknown."""
    if viewer is None:
        return None
    vip = viewer["settings"]["vip"]
    there = {node: _interface(survey, vip["address"]) for node, survey in known.items()}
    nodes = [node for node, interface in there.items() if interface]
    for item in _started(pacemaker):
        if item["id"] == ADDRESS and item["node"] and item["node"] not in known:
            nodes.append(item["node"])
    interface = next(filter(None, there.values()), None)
    return {"address": vip["address"], "prefix": vip["prefix"], "nodes": nodes, "interface": interface}


def _interface(survey: Survey, address: str) -> str | None:
    for name, interface in survey["facts"]["interfaces"].items():
        if any(own.partition("/")[0] == address for own in interface["addresses"]):
            return name
    return None


def _nodes(
    seen: Mapping[str, Seen],
    known: Surveys,
    serving: list[str],
    behind: Mapping[str, int],
    pacemaker: Cluster | None,
    details: Details | None,
) -> dict[str, Node]:
    found: dict[str, Node] = {}
    for node, member in seen.items():
        survey = member.survey
        found[node] = {
            "minion": member.minion,
            "unknown": member.unknown,
            "role": "serves" if node in serving else _role(node, survey, pacemaker),
            "storage": {
                "state": backends.state(survey),
                "trouble": backends.trouble(survey),
                "behind": behind.get(node, 0),
            }
            if survey
            else None,
            "fencing": _devices(node, next(iter(known.values()), None), pacemaker, details),
            "pending": [str(item) for item in pending.from_dicts(survey["pending"])] if survey else [],
            "details": backends.details(survey) if survey else {},
        }
    return found


def _role(node: str, survey: Survey | None, pacemaker: Cluster | None) -> str:
    if survey and not survey["cluster"]["running"]:
        return "stopped"
    state = pacemaker["nodes"].get(node, {}) if pacemaker else {}
    for flag in ("standby", "maintenance"):
        if state.get("online") and state.get(flag):
            return flag
    if pacemaker and not state.get("online"):
        return "offline"
    return "stands by" if survey or state.get("online") else "unknown"


def _devices(node: str, viewer: Survey | None, pacemaker: Cluster | None, details: Details | None) -> list[Device]:
    levels = viewer["settings"]["fencing"]["levels"].get(node, []) if viewer else []
    running = {item["id"] for item in _started(pacemaker) if not item["failed"]}
    proven = {item["level"]: item["proven"] for item in (details["proofs"].get(node, ()) if details else ())}
    return [
        {
            "level": level["level"],
            "devices": list(level["devices"]),
            "running": running.issuperset(level["devices"]) if details else None,
            "proven": proven.get(level["level"]),
        }
        for level in levels
    ]


def _backup(seen: Mapping[str, Seen]) -> Glance | None:
    """The newest backup that any node sees, and the newest proof."""
    found = [item for member in seen.values() if member.details and (item := member.details["backup"])]
    if not found:
        return None
    return {
        "newest": max((item["newest"] for item in found if item["newest"]), default=None),
        "proven": max((item["proven"] for item in found if item["proven"]), default=None),
        "point": max((point for item in found if (point := item.get("point"))), default=None),
    }


def _notes(viewer: Survey | None, seen: Mapping[str, Seen]) -> list[str]:
    """What an administrator should know, though the cluster could lose a node."""
    found: list[str] = list(viewer["settings"].get("warnings", ())) if viewer else []
    found += [line for member in seen.values() if member.details for line in member.details["notes"]]
    return list(dict.fromkeys(found))
