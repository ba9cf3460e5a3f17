"""What people and programs have put over the configuration for the moment: reported, never removed."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator

from hamysql.cib import agents as cib_agents
from hamysql.cib import maintenance, model
from hamysql.cib.names import ADOPTION, MOVE
from hamysql.cib.plan import BEGUN, TAG, TEXT_TAG, listed
from hamysql.system import shells


def drift(live_xml: str, shell: str) -> tuple[str, ...]:
    """One sentence for each deviation that somebody chose, with what ends it; none where the cluster is left alone.

    live_xml
        What `cibadmin --query` prints.
    shell
        In whose words to say what ends it, see :func:`hamysql.system.shells.installed`.

    That is: constraints of a move or a ban by hand and of DRBD's fence handler, nodes in standby or maintenance,
    the whole cluster in maintenance, resources of ours stopped or unmanaged, and foreign members of our groups.
    """
    have = model.index(model.configuration(model.parse(live_xml)))
    return (*interventions(live_xml, shell), *_members(have, _ours(have)))


def interventions(live_xml: str, shell: str) -> tuple[str, ...]:
    """Those deviations of :func:`drift` that decide where and whether something runs: nothing is moved while there is one."""
    root = model.parse(live_xml)
    have = model.index(model.configuration(root))
    ours = _ours(have)
    return (
        *_constraints(have, shell),
        *_nodes(root, shell),
        *_settings(have, ours),
        *_resources(have, ours, shell),
    )


def moving(live_xml: str) -> tuple[str, ...]:
    """Whether a move of hamysql's own is under way, or was cut off, as a sentence; none otherwise."""
    there = MOVE in model.index(model.configuration(model.parse(live_xml)))
    said = f"{MOVE}: `hamysql_cib.move` is moving the service, or was killed; then the next orchestration takes it away"
    return (said,) if there else ()


def _ours(have: dict[str, model.Item]) -> set[str]:
    return listed(have, TAG) | listed(have, TEXT_TAG)


def _constraints(have: dict[str, model.Item], shell: str) -> Iterator[str]:
    for name, item in have.items():
        if item.section == "constraints" and name.startswith("cli-"):
            end = shells.command(shell, "clear", item.element.get("rsc", "RESOURCE"))
            yield f"{name}: `{model.words(item)}`, from a move or a ban by hand; `{end}` ends it"
        elif item.section == "constraints" and name.startswith("drbd-fence-by-handler-"):
            yield f"{name}: DRBD keeps a node with outdated data from being promoted, and lifts that itself after the resync"


def _nodes(root: ET.Element, shell: str) -> Iterator[str]:
    names = {node.get("id"): node.get("uname", "") for node in root.findall("configuration/nodes/node")}
    standing = [(node, node.findall("instance_attributes/nvpair")) for node in root.findall("configuration/nodes/node")]
    passing = [(node, node.findall("transient_attributes/*/nvpair")) for node in root.findall("status/node_state")]
    marked = maintenance.since(ET.tostring(root, "unicode"))
    for node, pairs in standing + passing:
        for pair in pairs:
            if pair.get("name") in {"standby", "maintenance"} and model.is_true(pair):
                name = names.get(node.get("id"), node.get("uname", ""))
                if pair.get("name") == "standby" and name in marked:
                    yield maintenance.sentence(name, marked[name])
                    continue
                end = shells.command(shell, "online" if pair.get("name") == "standby" else "ready", name)
                yield f"node {name} is in {pair.get('name')}; `{end}` ends it"


def _settings(have: dict[str, model.Item], ours: set[str]) -> Iterator[str]:
    for name, item in have.items():
        setting = item.element.get("name") if item.section == "crm_config" else None
        if name == cib_agents.ID:
            yield (
                f"the whole cluster has {setting}=true, because a run that changed an agent was interrupted; "
                "the next `salt-run state.orchestrate hamysql.orch` finishes it"
            )
        if name == ADOPTION:
            yield f"the whole cluster has {setting}=true, because {BEGUN}"
        if setting in {"maintenance-mode", "stop-all-resources"} and name not in ours and model.is_true(item.element):
            yield f"the whole cluster has {setting}=true; `crm_attribute --delete --name {setting}` ends it"


def _resources(have: dict[str, model.Item], ours: set[str], shell: str) -> Iterator[str]:
    for name in sorted(ours & set(have)):
        item = have[name]
        for pair in item.element.findall("meta_attributes/nvpair"):
            if model.is_proving(pair):
                continue  # it is nobody's decision, and goes with the next run
            stopped = pair.get("name") == "target-role" and pair.get("value", "").lower() != "started"
            unmanaged = pair.get("name") == "is-managed" and not model.is_true(pair)
            if stopped or unmanaged or (pair.get("name") == "maintenance" and model.is_true(pair)):
                verb = {"target-role": "start", "is-managed": "manage"}.get(pair.get("name", ""), "maintained")
                end = shells.command(shell, verb, name)
                yield f"{name} has {pair.get('name')}={pair.get('value')}; `{end}` ends it"


def _members(have: dict[str, model.Item], ours: set[str]) -> Iterator[str]:
    for name in sorted(ours & set(have)):
        for member in have[name].members:
            if member not in ours:
                yield f"{member} is in {name}, but was not made by hamysql"
