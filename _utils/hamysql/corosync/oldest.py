"""The corosync.conf of corosync 1, as the 2013 procedure that hamysql replaces has it (corosync.conf(5) of 1.4).

It is rendered for those who move away from such a cluster. hamysql deploys none.
"""

from __future__ import annotations

import ipaddress

from hamysql.resolved import Resolved
from hamysql.resolved.sections import Section
from hamysql.system.sections import section

REASON = (
    "corosync 1 and its system are rendered for migration's sake only: compare the files with those of the old cluster. hamysql "
    "deploys no such node. Deploy two nodes with a newer system, and move the data with a dump"
)


def build(config: Resolved) -> list[Section]:
    """The sections of the file. There is no list of nodes and no quorum: pacemaker alone counts."""
    settings = config["corosync"]
    totem = [("version", "2"), ("secauth", "off"), ("threads", "0"), ("token", str(settings["token"]))]
    interface = [
        ("ringnumber", "0"),
        ("bindnetaddr", _network(config)),
        ("mcastaddr", settings["mcastaddr"]),
        ("mcastport", str(settings["port"])),
        ("ttl", str(settings["ttl"])),
    ]
    log = {
        "fileline": "off",
        "to_stderr": "no",
        "to_logfile": "yes",
        "to_syslog": "yes",
        "logfile": settings["logfile"],
    }
    log |= {"debug": "off", "timestamp": "on", **settings["options"]["logging"]}
    return [
        section("totem", [*totem, *settings["options"]["totem"].items()], [section("interface", interface)]),
        section("logging", log.items(), [section("logger_subsys", [("subsys", "AMF"), ("debug", "off")])]),
        section("amf", [("mode", "disabled")]),
        # 1: pacemaker's own init script starts it, and corosync does not
        section("service", [("ver", "1"), ("name", "pacemaker")]),
        section("aisexec", [("user", "root"), ("group", "root")]),
    ]


def _network(config: Resolved) -> str:
    """The network of the node's address, or the address itself where the virtual IP's prefix says nothing of it."""
    (own,) = config["cluster"]["nodes"][config["self"]]["addresses"]
    vip = ipaddress.ip_interface(f"{config['vip']['address']}/{config['vip']['prefix']}")
    return str(vip.network.network_address) if ipaddress.ip_address(own) in vip.network else own
