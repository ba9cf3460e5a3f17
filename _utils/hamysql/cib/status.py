"""What pacemaker knows about its cluster and would do in it: the XML output of `crm_mon` and `crm_simulate`, read into values."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import cast

from hamysql.cib import model
from hamysql.errors import ParseError
from hamysql.survey import Cluster as SeenCluster
from hamysql.system import shells


@dataclass(frozen=True)
class Node:
    """A member as pacemaker sees it. Only one that is online, and none of the others, runs resources."""

    name: str
    id: str
    online: bool
    standby: bool
    maintenance: bool
    pending: bool  # in corosync's membership, pacemaker not yet (or no more) ready on it
    unclean: bool  # has to be fenced
    shutdown: bool


@dataclass(frozen=True)
class Resource:
    """One instance of a primitive: a clone has one for each copy, `node` is None where it is stopped."""

    id: str
    agent: str
    role: str  # Stopped, Started, Promoted, Unpromoted, Starting, Stopping ...
    node: str | None
    parent: str | None  # the group or clone next above it
    managed: bool
    blocked: bool
    failed: bool


@dataclass(frozen=True)
class Failure:
    """An action that failed and has not been cleaned up."""

    action: str  # RESOURCE_TASK_INTERVAL, as in crm_mon
    node: str
    status: str
    reason: str
    when: str


@dataclass(frozen=True)
class Fencing:
    """One entry of the fence history."""

    target: str
    action: str
    status: str  # success, failed, pending
    client: str
    completed: str
    reason: str


@dataclass(frozen=True)
class Cluster:
    """The state of a whole cluster at one moment."""

    dc: str | None
    quorum: bool
    maintenance: bool
    nodes: Mapping[str, Node]
    resources: tuple[Resource, ...]
    failures: tuple[Failure, ...]
    fencing: tuple[Fencing, ...]

    def as_dict(self, shell: str) -> SeenCluster:
        """For a return over Salt's bus, with the shell of the node that looks (:func:`hamysql.system.shells.installed`)."""
        return cast(SeenCluster, {"running": True, **asdict(self), "shell": shell})


def parse(text: str) -> Cluster | None:
    """Read what `crm_mon --output-as=xml -1` prints (pacemaker 2.1 and 3.0).

    None where it succeeded without a cluster to show: pacemakerd answers, and its daemons are just starting or ending.
    Raises ``ParseError`` where that is no state of a cluster, for example crm_mon's word that there is no connection.
    """
    try:
        root = ET.fromstring(text)
    except ET.ParseError as exc:
        raise ParseError(f"crm_mon did not print XML ({exc}): {text[:200]!r}") from exc
    summary = root.find("summary")
    if root.tag != "pacemaker-result" or summary is None:
        status = root.find("status")
        if root.tag == "pacemaker-result" and status is not None and status.get("code") == "0":
            return None
        said = status.get("message", "") if status is not None else ""
        raise ParseError(f"crm_mon printed <{root.tag}> without a summary of the cluster: {said or text[:200]!r}")
    dc = summary.find("current_dc")
    options = summary.find("cluster_options")
    return Cluster(
        dc=dc.get("name") if dc is not None else None,  # no name where present="false"
        quorum=dc is not None and _true(dc, "with_quorum"),
        maintenance=options is not None and _true(options, "maintenance-mode"),
        nodes={node.get("name", ""): _node(node) for node in root.findall("nodes/node")},
        resources=tuple(found for child in root.findall("resources/*") for found in _resources(child, None)),
        failures=tuple(_failure(failure) for failure in root.findall("failures/failure")),
        fencing=tuple(_fencing(event) for event in root.findall("fence_history/fence_event")),
    )


def given_up(status: SeenCluster, only: str = "") -> list[str]:
    """What pacemaker does not start on a node any more, as sentences.

    A start that fails is not tried again there until it is cleaned up, or ``failure-timeout`` is over (Pacemaker Explained,
    "start-failure-is-fatal"): the node is a member, and looks well, and still cannot take over.

    status
        What ``hamysql_cluster.status`` returns.
    only
        A node's name; all nodes by default.
    """
    found = {}
    for failure in status["failures"]:
        resource, _, rest = failure["action"].rpartition("_start_")
        if resource and rest == "0" and only in ("", failure["node"]):
            why = failure["reason"] or failure["status"]
            end = shells.command(status["shell"], "cleanup", resource, failure["node"])
            found[(resource, failure["node"])] = (
                f"pacemaker does not start {resource} on {failure['node']}, because its start failed there ({why}): "
                f"`{end}` when that is put right"
            )
    return list(found.values())


def is_member(status: SeenCluster) -> bool:
    """Whether the cluster runs on a node and has a controller."""
    return bool(status["running"] and status["dc"])


def absent(status: SeenCluster, names: Iterable[str]) -> list[str]:
    """Those of the nodes that are not online, or on which pacemaker is not ready yet."""
    states = {name: status["nodes"].get(name, {}) for name in names}
    return [name for name, state in states.items() if not state.get("online") or state.get("pending")]


def _true(element: ET.Element, name: str) -> bool:
    return element.get(name) == "true"


def _node(node: ET.Element) -> Node:
    flags = {name: _true(node, name) for name in ("online", "standby", "maintenance", "pending", "unclean", "shutdown")}
    return Node(name=node.get("name", ""), id=node.get("id", ""), **flags)


def _resources(element: ET.Element, parent: str | None) -> Iterator[Resource]:
    if element.tag != "resource":
        for child in element:
            yield from _resources(child, element.get("id") if element.tag in {"group", "clone", "bundle"} else parent)
        return
    for node in [node.get("name") for node in element.findall("node")] or [None]:
        yield Resource(
            id=element.get("id", ""),
            agent=element.get("resource_agent", ""),
            role=element.get("role", ""),
            node=node,
            parent=parent,
            managed=_true(element, "managed"),
            blocked=_true(element, "blocked"),
            failed=_true(element, "failed"),
        )


def _failure(failure: ET.Element) -> Failure:
    status = f"{failure.get('exitstatus', '')} ({failure.get('status', '')})"
    return Failure(
        action=failure.get("op_key", failure.get("id", "")),
        node=failure.get("node", ""),
        status=status,
        reason=failure.get("exitreason", ""),
        when=failure.get("last-rc-change", ""),
    )


def _fencing(event: ET.Element) -> Fencing:
    return Fencing(
        target=event.get("target", ""),
        action=event.get("action", ""),
        status=event.get("status", ""),
        client=event.get("client", ""),
        completed=event.get("completed", ""),
        reason=event.get("exit-reason", ""),
    )


def parse_actions(text: str) -> tuple[str, ...]:
    """What ``crm_simulate --simulate --output-as=xml`` says that pacemaker would do, one line an action."""
    root = model.parse(text)
    if root.tag != "pacemaker-result":
        raise ParseError(f"expected a <pacemaker-result> from crm_simulate, found <{root.tag}>")
    return tuple(_action(element) for element in root.findall("actions/*"))


def _action(element: ET.Element) -> str:
    """One line of what crm_simulate plans (crm_simulate-2.*.rng: rsc_action and node_action)."""
    said = element.attrib
    target = said.get("resource") or said.get("node", "")
    words = [said.get("action") or said.get("task", element.tag), target]
    source, dest = said.get("source") or said.get("node"), said.get("dest")
    if "resource" in said and source:
        words += ["from", source, "to", dest] if dest and dest != source else ["on", source]
    role, next_role = said.get("role"), said.get("next-role")
    if role and next_role and role != next_role:
        words.append(f"({role} -> {next_role})")
    if said.get("blocked") == "true":
        words.append("(blocked)")
    if said.get("reason"):
        words.append(f"because of {said['reason']}")
    return " ".join(words)
