"""One event in the life of a deployed cluster, and what a client, the kernel and pacemaker have seen of it."""

from __future__ import annotations

from cluster import boots, restarted

from lab import api
from lab.basics.topology import DEFAULT

SERVER = "cat /run/mysqld/mysqld.pid"
MOVED = 180  # seconds for a node to take over, or to come back


class Day:
    """One event in the life of a deployed cluster, with what a client has seen of it."""

    def __init__(self, cluster, figures):
        self.cluster, self.lab, self.figures = cluster, cluster.lab, figures
        self.active, self.standby = cluster.active, cluster.standby
        self.before = boots(self.lab)
        self.began = {node.name: self.ssh(node.name, "date +%s").strip() for node in DEFAULT.data_nodes}

    def ssh(self, node, command, **options):
        return api.ssh(self.lab, node, command, **options)

    def server(self, node):
        return self.ssh(node, SERVER).strip()

    def serves(self, node):
        api.wait_until(self.lab, f"{node} to serve", lambda report: report["active"] == node, timeout=MOVED)

    def seen(self, name, work):
        """What the client has seen of ``work``; nothing is lost, and the gap is a figure."""
        outcome = self.cluster.probed(work)
        self.figures.append(
            f"{name}: {outcome.acknowledged} acknowledged, {outcome.lost} lost, gap {outcome.longest_gap_seconds:.1f} s"
        )
        return outcome

    def restarted(self):
        return restarted(self.lab, self.before)

    def shot(self):
        """Who was fenced, by what pacemaker remembers on each node."""
        return {name for node in DEFAULT.data_nodes for name in self.cluster.shot(node.name)}

    def back(self, node):
        """Wait until a node has come back by itself, and the cluster is whole."""
        self.cluster.wait_healthy(timeout=240)
        assert node in self.restarted(), f"{node} did not boot anew"


def leave(day, node, command):
    day.ssh(node, command, check=False, timeout=MOVED)
