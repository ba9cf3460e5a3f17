"""Changes of the pillar while the cluster is in service, each test upon the one before.

The last tests of a session: the pillar that they leave behind is not the lab's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml
from cluster import refresh_pillar

from lab import api

pytestmark = [pytest.mark.cluster, pytest.mark.long]

NODES = ("db1", "db2")


@pytest.fixture(autouse=True)
def _in_order(request):
    failed = getattr(request.session, "changes_failed", None)
    if failed:
        pytest.fail(f"not run: {failed} failed before, and this test builds on it")
    yield
    if getattr(request.node, "failed", False):
        request.session.changes_failed = request.node.name


def serve(lab: api.Lab, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the pillar that the lab's master serves, and let the minions know."""
    served = lab.salt / "pillar" / "lab.sls"
    pillar = yaml.safe_load(served.read_text())
    change(pillar["hamysql"])
    served.unlink()  # it may be a link to the project's own
    served.write_text(yaml.safe_dump(pillar, sort_keys=False))
    refresh_pillar(lab)


def on_both(lab: api.Lab, command: str) -> dict[str, str]:
    return {node: api.ssh(lab, node, command).strip() for node in NODES}


def daemons(lab: api.Lab) -> dict[str, str]:
    """The processes that nobody may restart, and the controller."""
    return on_both(lab, "pgrep -x 'corosync|pacemakerd|mariadbd' | tr '\\n' ' '; crmadmin -D 2>/dev/null")


def files(lab: api.Lab) -> dict[str, str]:
    """What a refused change must not have written."""
    return on_both(lab, "cat /etc/corosync/corosync.conf /etc/firewall.rules /etc/hamysql/* 2>/dev/null | md5sum")


def apply(lab: api.Lab) -> tuple[dict[str, Any], str]:
    """A highstate's states on both nodes, as ordinary as it gets: their changes, and what they say is pending."""
    returned = api.salt_json(lab, "*", "state.apply", "hamysql")
    changes, pending = {}, ""
    for node, states in returned.items():
        for state in states.values():
            assert state["result"] is True, state
            changes |= {f"{node} {state['__id__']}": state["changes"]} if state["changes"] else {}
            if state["__id__"] == "hamysql-change-applied":
                pending += f"{node}: {state['comment']}\n"
    return changes, pending


def variable(lab: api.Lab, name: str) -> str:
    node = api.status(lab)["active"]
    return api.ssh(lab, node, f"mariadb --batch --skip-column-names -e 'SELECT @@GLOBAL.{name}'").strip()


def test_what_is_live_is_applied_by_a_highstate_without_a_gap(deployed, figures):
    lab = deployed.lab
    deployed.wait_healthy()

    def change(config):
        config["corosync"]["token"] = 4500
        config["mysql"]["config"]["mysqld"]["max_connections"] = 60
        config["storage"]["drbd"]["options"] = {"net": {"max-buffers": "4096"}}

    before = daemons(lab)
    serve(lab, change)
    probe = api.start_probe(lab, 120)
    changes, pending = apply(lab)
    probe.stop()
    outcome = probe.finish()
    figures.append(f"live changes: longest gap {outcome.longest_gap_seconds:.1f} s, {outcome.errors} errors")
    assert {name.split()[1] for name in changes} >= {
        "hamysql-corosync-config-file-managed",
        "hamysql-drbd-resource-config-file-managed",
        "hamysql-mysql-config-file-managed",
        "hamysql-change-applied",
    }
    assert "Pending" not in pending
    assert daemons(lab) == before
    assert outcome.errors == outcome.lost == 0
    tokens = on_both(lab, "corosync-cmapctl -g runtime.config.totem.token")
    assert all(text.endswith("= 4500") for text in tokens.values()), tokens
    buffers = on_both(lab, "drbdsetup show mysql | grep max-buffers")
    assert all("4096" in text for text in buffers.values()), buffers
    assert variable(lab, "max_connections") == "60"
    assert apply(lab)[0] == {}


def test_what_both_sides_compare_is_taken_over_by_both_at_once_and_only_by_the_orchestration(deployed, progress):
    lab = deployed.lab
    secret = "another-lab-only-secret"
    kernel = f"drbdsetup show mysql | grep -c {secret}; true"
    before = daemons(lab)
    serve(lab, lambda config: config["storage"]["drbd"].update(shared_secret=secret))
    changes, pending = apply(lab)
    assert not any(name.endswith("hamysql-change-applied") for name in changes)
    assert pending.count("hamysql:storage:drbd:shared_secret: another secret -> the pillar's, when both nodes") == 2
    assert on_both(lab, kernel) == {"db1": "0", "db2": "0"}
    api.deploy(lab, progress)
    assert on_both(lab, kernel) == {"db1": "1", "db2": "1"}
    assert daemons(lab) == before
    # A node that comes back connects with it.
    api.salt_json(lab, deployed.standby, "hamysql_rolling.restart")
    deployed.wait_healthy()
    again, pending = apply(lab)
    assert again == {}
    assert "Pending" not in pending


AGENTS = {
    "p_drbd_mysql": "ocf:linbit:drbd",
    "p_fs_mysql": "ocf:heartbeat:Filesystem",
    "p_ip_mysql": "ocf:heartbeat:IPaddr2",
}


def test_other_agents_take_over_what_runs_and_nothing_stops(deployed, progress, figures):
    """pacemaker by itself would demote the DRBD that is mounted, for as long as a demotion may take."""
    lab = deployed.lab
    before, place = daemons(lab), api.status(lab)["active"]

    def change(config):
        config["storage"]["drbd"]["agent"] = AGENTS["p_drbd_mysql"]
        config["storage"]["filesystem"]["agent"] = AGENTS["p_fs_mysql"]
        config["vip"]["agent"] = AGENTS["p_ip_mysql"]

    serve(lab, change)
    probe = api.start_probe(lab, 300)
    api.deploy(lab, progress)
    api.ssh(lab, place, "crm_resource --wait --timeout=120", timeout=150)
    probe.stop()
    outcome = probe.finish()
    figures.append(f"other agents: longest gap {outcome.longest_gap_seconds:.1f} s, {outcome.errors} errors")
    found = api.salt_json(lab, place, "hamysql_cluster.status")[place]
    assert {item["id"]: item["agent"] for item in found["resources"] if item["id"] in AGENTS} == AGENTS
    assert found["maintenance"] is False
    assert found["failures"] == []
    assert daemons(lab) == before
    assert api.status(lab)["active"] == place
    assert outcome.errors == outcome.lost == 0

    def back(config):
        del config["storage"]["drbd"]["agent"], config["storage"]["filesystem"]["agent"], config["vip"]["agent"]

    serve(lab, back)
    api.deploy(lab, progress)
    assert daemons(lab) == before
    deployed.wait_healthy()


def test_what_cannot_be_changed_in_place_is_refused_and_touches_nothing(deployed, progress, pillar):
    lab = deployed.lab

    def change(config):
        config["corosync"]["port"] = 5505
        config["storage"]["filesystem"]["type"] = "ext4"

    before = files(lab)
    pillar(change)
    result = api.orchestrate(lab, progress)
    reason = result.failures["hamysql-members-checked"]
    assert "db1, db2: hamysql:corosync:port: 5405 is in service, the pillar says 5505: both nodes have to" in reason
    assert "hamysql:storage:filesystem:type: xfs is in service, the pillar says ext4" in reason
    assert not result.changes
    states = api.salt_json(lab, "db1", "state.apply", "hamysql")["db1"]
    assert {state["__id__"]: state["result"] for state in states.values()}["hamysql-change-possible"] is False
    assert not any(state["changes"] for state in states.values())
    assert files(lab) == before


def test_what_needs_a_restart_is_pending_for_a_highstate(deployed):
    lab = deployed.lab

    def change(config):
        config["corosync"]["options"] = {"system": {"move_to_root_cgroup": "no"}}
        config["mysql"]["config"]["mysqld"]["table_open_cache_instances"] = 4

    before = daemons(lab)
    serve(lab, change)
    active = api.status(lab)["active"]
    changes, pending = apply(lab)
    assert not any(name.endswith("hamysql-change-applied") for name in changes)
    assert pending.count("hamysql:corosync:options:system:move_to_root_cgroup: the default -> no") == 2
    assert pending.count("table_open_cache_instances: the default -> 4, when the database starts again") == 1
    again, still = apply(lab)
    assert again == {}
    assert still == pending
    assert daemons(lab) == before
    status = api.salt_run(lab, "hamysql.status", "--out=yaml").stdout
    assert "table_open_cache_instances" in str(yaml.safe_load(status)["nodes"][active]["pending"])


def test_nothing_is_restarted_while_an_operator_has_a_node_in_standby(deployed, progress):
    lab = deployed.lab
    standby = deployed.standby
    before = daemons(lab)
    api.ssh(lab, standby, f"crm_standby -N {standby} -v on")
    try:
        reason = api.orchestrate(lab, progress).failures["hamysql-changes-rolled"]
        assert f"node {standby} is in standby; `crm_standby --node {standby} --delete` ends it" in reason
        assert "hamysql:corosync:options:system:move_to_root_cgroup" in reason
        assert daemons(lab) == before
        assert "on" in api.ssh(lab, standby, f"crm_standby -N {standby} -G -q")
    finally:
        api.ssh(lab, standby, f"crm_standby -N {standby} -D")
    deployed.wait_healthy()


def test_the_orchestration_restarts_the_standby_first_also_when_it_is_killed_half_way(deployed, progress, figures):
    lab = deployed.lab
    active, standby = deployed.active, deployed.standby
    restarted, killed = [], []

    def kill(line):
        restarted.extend(name for name in NODES if f"- restart the cluster services of {name}" in line)
        if "- switch the service over" in line and not killed:
            killed.append(api.kill_orchestration(lab))

    probe = api.start_probe(lab, 900)
    with pytest.raises(api.LabError):
        api.orchestrate(lab, progress, watch=kill)
    assert restarted == [standby]
    assert sum(killed) > 0
    result = api.deploy(lab, progress)
    probe.stop()
    outcome = probe.finish()
    figures.append(
        f"both nodes restarted one after the other: {outcome.lost} lost, longest gap {outcome.longest_gap_seconds:.1f} s"
    )
    steps = [step.split(":")[0] for step in result.changes["hamysql-changes-rolled"]["changes"]]
    assert f"restart the cluster services of {standby}" not in steps
    assert steps[-1] == f"restart the cluster services of {active}"
    assert outcome.lost == 0
    assert outcome.acknowledged > 0
    assert deployed.wait_healthy()["active"] == standby


def test_afterwards_nothing_is_pending_and_nothing_was_left_behind(deployed, progress):
    lab = deployed.lab
    active = deployed.active
    assert variable(lab, "table_open_cache_instances") == "4"
    cib = api.ssh(lab, active, "cibadmin --query")
    assert "hamysql-move" not in cib
    assert "cli-" not in cib
    status = yaml.safe_load(api.salt_run(lab, "hamysql.status", "--out=yaml").stdout)
    assert {node: found["pending"] for node, found in status.items()} == {"db1": [], "db2": []}
    assert api.deploy(lab, progress).changes == {}
    assert deployed.active == active


def test_what_left_the_pillar_leaves_the_cluster_and_what_others_made_stays(deployed):
    lab = deployed.lab
    node = deployed.active

    def resources() -> dict[str, Any]:
        states = api.salt_json(lab, node, "state.apply", "hamysql.pacemaker.resources")[node].values()
        assert all(state["result"] is True for state in states), states
        return {name: change for state in states for name, change in state["changes"].items()}

    api.ssh(lab, node, "crm configure primitive p_foreign ocf:pacemaker:Dummy op monitor interval=30s timeout=20s")
    text = "primitive p_extra ocf:pacemaker:Dummy \\\n  op monitor interval=30s timeout=20s\n"
    try:
        serve(lab, lambda config: config.setdefault("pacemaker", {}).update(configure=text))
        assert set(resources()) == {"p_extra", "hamysql-configure"}
        assert resources() == {}
        serve(lab, lambda config: config["pacemaker"].update(configure=""))
        removed = resources()
        assert removed["p_extra"]["new"] == ""
        shown = api.ssh(lab, node, "cibadmin --query --scope resources")
        assert "p_extra" not in shown
        assert "p_foreign" in shown
    finally:
        api.ssh(lab, node, "crm_resource --resource p_foreign --meta -p target-role -v Stopped; crm_resource --wait")
        api.ssh(lab, node, "cibadmin --delete --xml-text '<primitive id=\"p_foreign\"/>'")
