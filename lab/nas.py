"""The file server: a third, small node whose kernel serves NFS 4.1. The lab sets it up, the formula knows nothing of it.

A node and not a server on the administrator's side, because it can then be lost as a real one is: power, cable, restart with its
grace time; and because the kernel's nfsd is what the nodes' own kernel was tested with.
"""

from __future__ import annotations

from collections.abc import Sequence

from lab import node
from lab.context import Lab
from lab.errors import LabError
from lab.host import wait_for
from lab.topology import Node

EXPORT = "/srv/mysql"
PORT = 2049
# Seconds. The kernel takes 10 at the least; 90 is its default.
LEASE = GRACE = 10

# sync: what a client has been told is stable, is. no_wdelay: a commit does not wait for others to come along.
SETUP = f"""\
set -eu
[ ! -e /var/lib/lab-nas ] || exit 0
mkdir -p {EXPORT} /etc/nfs.conf.d /etc/exports.d
cat >/etc/nfs.conf.d/lab.conf <<END
[nfsd]
vers3 = no
vers4.0 = no
threads = 4
lease-time = {LEASE}
grace-time = {GRACE}
END
echo '{EXPORT} {{clients}}(rw,sync,no_wdelay,no_root_squash,no_subtree_check)' >/etc/exports.d/lab.exports
grep -q '{EXPORT}' /etc/fstab || echo '/dev/ubdb {EXPORT} ext4 defaults 0 0' >>/etc/fstab
mountpoint -q {EXPORT} || mount {EXPORT}
# NFS 4 needs none of these.
systemctl -q mask rpcbind.service rpcbind.socket rpc-statd.service rpc-statd-notify.service
echo 'deb [trusted=yes] file:/srv/repo/main bookworm main' >/etc/apt/sources.list.d/lab.list
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends nfs-kernel-server
: >/var/lib/lab-nas
"""
LISTENING = f"ss -Hltn '( sport = :{PORT} )'"


def start(lab: Lab, server: Node) -> None:
    """Wait until the file server serves; one with a new disk is set up first."""

    def reachable() -> bool:
        return node.ssh(lab, server, "true", check=False).returncode == 0

    wait_for(reachable, f"{server.name}'s ssh to answer", timeout=120)
    clients = f"{lab.topology.networks[1].prefix}.0/{lab.topology.networks[1].length}"
    done = node.ssh(lab, server, "sh", stdin=SETUP.format(clients=clients), check=False, timeout=300)
    (lab.logs / "nas.log").write_text(done.stdout + done.stderr)
    if done.returncode:
        tail = " ".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-4:])
        raise LabError(f"{server.name} could not be set up (all of it: {lab.logs / 'nas.log'}): {tail}")
    wait_for(lambda: node.ssh(lab, server, LISTENING).stdout, f"{server.name} to serve NFS", timeout=60)


def cut(lab: Lab, server: Node, peers: Sequence[str]) -> None:
    """Drop the NFS traffic with these addresses, in both directions, and nothing else."""
    heal(lab, server)
    rules = [f"iptables -A LAB-IN -s {peer} -p tcp --dport {PORT} -j DROP" for peer in peers]
    rules += [f"iptables -A LAB-OUT -d {peer} -p tcp --sport {PORT} -j DROP" for peer in peers]
    jumps = ["iptables -I INPUT -j LAB-IN", "iptables -I OUTPUT -j LAB-OUT"]
    chains = ["iptables -N LAB-IN", "iptables -N LAB-OUT"]
    node.ssh(lab, server, "; ".join(["set -e", *chains, *rules, *jumps]))


def heal(lab: Lab, server: Node) -> None:
    """Let the traffic pass again."""
    undo = [
        f"iptables -D {hook} -j {chain}; iptables -F {chain}; iptables -X {chain}"
        for hook, chain in (("INPUT", "LAB-IN"), ("OUTPUT", "LAB-OUT"))
    ]
    node.ssh(lab, server, f"exec 2>/dev/null; {'; '.join(undo)}", check=False)
