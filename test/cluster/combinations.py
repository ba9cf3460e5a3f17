"""The combinations of system, database, storage, transport and addresses that are deployed for real, each as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lab import api
from lab.basics.setup import Setup

Pillar = dict[str, Any]  # the section `hamysql`
ADMIN6, VLAN = "fd77:1::1", 30

# Commands of `ip` that a node runs at each boot, before corosync; HOST is the last part of its address.
UNIT = """\
set -eu
cat >/etc/systemd/system/site-network.service <<'END'
[Unit]
Description=What this site has set up besides the nodes' addresses
DefaultDependencies=no
After=lab-init.service
Before=network-pre.target corosync.service
[Service]
Type=oneshot
RemainAfterExit=yes
{lines}
[Install]
WantedBy=sysinit.target
END
systemctl -q daemon-reload
systemctl -q enable --now site-network.service
"""


@dataclass(frozen=True)
class Combination:
    """One combination.

    words
        What is special about it, for the table.
    pillar
        Makes the lab's pillar that of this combination.
    nodes
        Commands of ``ip`` for each node by name, ``""`` for all; HOST stands for the last part of its address.
    site
        Commands of ``ip`` on the administrator's side, where the client is.
    six
        Its fence devices have to answer on IPv6.
    """

    words: str
    setup: Setup = field(default_factory=Setup)
    pillar: Callable[[Pillar], object] = lambda config: None
    nodes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    site: tuple[str, ...] = ()
    six: bool = False

    def prepare(self, lab: api.Lab) -> None:
        """Set up what this combination's site has: the nodes' further networks and the client's way to them."""
        for line in self.site:
            api.run(["ip", "-n", lab.namespace, *line.split()])
        for node in lab.topology.data_nodes:
            lines = [*self.nodes.get("", ()), *self.nodes.get(node.name, ())]
            if lines:
                starts = "\n".join(f"ExecStart=ip {line.replace('HOST', str(node.host))}" for line in lines)
                api.ssh(lab, node.name, "sh", stdin=UNIT.format(lines=starts))
        if self.six:
            api.bmc_listen(lab, {node.name: f"fd77:1::{node.bmc}" for node in lab.topology.data_nodes})


def _one_link(transport: str) -> Callable[[Pillar], None]:
    """DRBD and corosync on the first network alone, which is all that the transports before knet know."""

    def change(config: Pillar) -> None:
        config["corosync"]["transport"] = transport
        config["storage"]["drbd"]["link"] = 0
        for node in config["cluster"]["nodes"].values():
            del node["addresses"][1:]

    return change


def _three_links(config: Pillar) -> None:
    for name, node in config["cluster"]["nodes"].items():
        node["addresses"].append({"db1": "10.77.3.11", "db2": "10.77.3.12"}[name])


def _six(config: Pillar) -> None:
    hosts = {"db1": 11, "db2": 12}
    for name, node in config["cluster"]["nodes"].items():
        node["addresses"] = [f"fd77:1::{hosts[name]}", f"fd77:2::{hosts[name]}"]
        config["fencing"]["devices"][name][0]["options"]["ip"] = f"fd77:1::{hosts[name] + 100}"
    config["vip"] |= {"address": "fd77:1::100", "prefix": 64}
    config["firewall"]["client_networks"] = ["fd77:1::/64"]


def _another_subnet(config: Pillar) -> None:
    config["vip"] |= {"address": "10.99.0.100", "prefix": 24}
    config["firewall"]["client_networks"].append("10.99.0.0/24")


def _host_route(config: Pillar) -> None:
    config["vip"] |= {"address": "10.99.0.100", "prefix": 32}


# The passive node asks the VIP as well, and has no other way to its subnet.
GATEWAY = {"": ("route add default via 10.77.1.1",)}
TRIXIE, MYSQL = Setup(release="trixie"), Setup(release="trixie", flavor="mysql")
COMBINATIONS = {
    "bookworm": Combination("knet with two links"),
    "trixie": Combination("knet with two links", TRIXIE),
    "mysql": Combination("knet with two links", MYSQL),
    "one-link": Combination("knet with one link", pillar=_one_link("knet")),
    "three-links": Combination(
        "knet with three links",
        pillar=_three_links,
        nodes={
            "": (
                f"link add link eth1 name third type vlan id {VLAN}",
                "address add 10.77.3.HOST/24 dev third",
                "link set third up",
            )
        },
    ),
    "udpu": Combination("udpu", pillar=_one_link("udpu")),
    "multicast": Combination("udp, multicast", pillar=_one_link("udp")),
    "ipv6": Combination(
        "IPv6 in all of the pillar",
        pillar=_six,
        site=(f"address replace {ADMIN6}/64 dev br0 nodad",),
        nodes={"": ("address add fd77:1::HOST/64 dev eth0 nodad", "address add fd77:2::HOST/64 dev eth1 nodad")},
        six=True,
    ),
    "another-subnet": Combination(
        "the VIP on a subnet in which the nodes have no address",
        pillar=_another_subnet,
        nodes=GATEWAY,
        site=("address replace 10.99.0.1/24 dev br0",),
    ),
    "host-route": Combination(
        "the VIP a /32", pillar=_host_route, nodes=GATEWAY, site=("route replace 10.99.0.100/32 dev br0 src 10.77.1.1",)
    ),
    "trixie-iscsi": Combination("a LUN over iSCSI", Setup("iscsi", "trixie")),
    "mysql-nfs": Combination("NFS 4.1", Setup("nfs", "trixie", "mysql")),
}
