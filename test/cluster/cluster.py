"""A deployed cluster in the lab, as the tests of this folder see it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from hamysql.cib import status as cib_status
from lab import api

HEAL_TIMEOUT = 300  # seconds until a cluster that a test has left behind broken must be healthy again


def boots(lab: api.Lab) -> dict[str, str]:
    """The boot id of each data node that can be reached: another one after it was switched off and on."""
    found = {}
    for node in lab.topology.data_nodes:
        try:
            found[node.name] = api.ssh(lab, node.name, "cat /proc/sys/kernel/random/boot_id", timeout=10).strip()
        except api.LabError:
            continue
    return found


def restarted(lab: api.Lab, before: dict[str, str]) -> list[str]:
    """The nodes that have booted anew since ``before``, which is what ``boots`` returned."""
    return [name for name, boot in boots(lab).items() if boot != before[name]]


def refresh_pillar(lab: api.Lab) -> None:
    """All minions know the pillar that the master serves now."""
    taken = api.salt_json(lab, "*", "saltutil.refresh_pillar", "wait=True", "timeout=90")
    assert set(taken.values()) == {True}, taken


@dataclass(frozen=True)
class Cluster:
    """A deployed lab, and what the deployment from bare nodes returned."""

    lab: api.Lab
    progress: api.Progress
    result: api.Deployment

    @property
    def active(self) -> str:
        """The node that runs the database."""
        name = api.status(self.lab)["active"]
        assert name, "no node is active"
        return str(name)

    @property
    def standby(self) -> str:
        """The other one."""
        (name,) = {node.name for node in self.lab.topology.data_nodes} - {self.active}
        return name

    def shot(self, witness: str) -> set[str]:
        """The nodes that a witness' pacemaker has fenced with success."""
        seen = cib_status.parse(api.ssh(self.lab, witness, "crm_mon --one-shot --output-as=xml"))
        assert seen, f"pacemaker on {witness} shows no cluster"
        return {event.target for event in seen.fencing if event.status == "success"}

    def probed(self, work: Callable[[], object], settle: float = 5) -> api.Outcome:
        """What a client has seen while ``work`` was done, and for ``settle`` seconds before and after; it has lost nothing."""
        probe = api.start_probe(self.lab, 3600)  # it is stopped before
        try:
            time.sleep(settle)
            work()
            time.sleep(settle)
        finally:
            probe.stop()
        outcome = probe.finish()
        assert outcome.acknowledged > 0
        assert outcome.lost == 0
        return outcome

    def power_cut(self) -> api.Outcome:
        """What a client has seen of a power cut of the active node, until the standby serves; the fenced node stays as it is."""
        active, standby = self.active, self.standby

        def cut() -> None:
            api.power(self.lab, active, "off")
            time.sleep(5)
            api.wait_until(self.lab, f"{standby} to serve", lambda report: report["active"] == standby, timeout=180)

        outcome = self.probed(cut)
        assert active in self.shot(standby)
        return outcome

    def highstate(self, target: str) -> dict[str, dict[str, object]]:
        """Apply it to these minions; for each of them the changes of its states, none of which may have failed."""
        changes = {}
        for minion, states in api.salt_json(self.lab, target, "state.apply", "hamysql").items():
            assert isinstance(states, dict), states
            assert all(state["result"] is True for state in states.values()), states
            changes[minion] = {name: state["changes"] for name, state in states.items() if state["changes"]}
        return changes

    def wait_healthy(self, timeout: float = HEAL_TIMEOUT) -> dict[str, object]:
        """Wait until all nodes are members, both replicas are UpToDate and the database answers."""
        return api.wait_until(self.lab, "the cluster to be healthy", api.healthy, timeout=timeout)

    def repair(self) -> None:
        """Undo what a test did to nodes, cables and daemons, and wait until the cluster has got over it."""
        names = [node.name for node in self.lab.topology.data_nodes]
        api.part(self.lab, heal=True)
        for name in self.lab.topology.names:
            api.net(self.lab, name, "heal")
            if api.power(self.lab, name, "status") == "frozen":
                api.power(self.lab, name, "off")
            api.power(self.lab, name, "on")
        api.wait_until(
            self.lab,
            "the nodes to be reachable",
            lambda report: all(report["nodes"][name]["reachable"] for name in names),
            timeout=HEAL_TIMEOUT,
        )
        api.storage(self.lab, "heal")
        for name in names:
            api.ssh(self.lab, name, "systemctl start corosync pacemaker salt-minion", timeout=120)
        self.wait_healthy()
        api.wait_for_minions(self.lab, self.progress)
