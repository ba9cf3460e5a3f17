"""The settings of the procedure that hamysql replaces, for the lab: what `bench.failover` compares hamysql's defaults with.

Its token of 1 s, no fencing, no say of the quorum, pacemaker's own load threshold, the stock agent for the database, and one group:
address, file system, server, one after the other. Its ``lsb:mysqld`` has no counterpart on a system without init scripts.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

PROPERTIES = {
    "stonith-enabled": False,
    "no-quorum-policy": "ignore",
    "load-threshold": "80%",
    "node-action-limit": "0",  # pacemaker's own: two for each processor
    "transition-delay": "0s",  # pacemaker's own
    "dc-deadtime": "20s",  # pacemaker's own
}
SERVER = {
    "start": {"timeout": "120s"},
    "stop": {"timeout": "120s"},
    "monitor": {"interval": "20s", "timeout": "60s"},
}


def settings(pillar: dict[str, Any]) -> dict[str, Any]:
    """The pillar of the lab, changed to the settings of the 2013 procedure."""
    config = pillar["hamysql"]
    config["fencing"] = {"i_accept_data_loss_without_fencing": True}
    config["corosync"] |= {
        "token": 1000,
        "options": {
            "totem": {"consensus": 1200, "link_mode": "passive"},  # corosync's own, as the pings
            "interface": {"knet_ping_interval": 250, "knet_ping_timeout": 500},
        },
    }
    config["storage"]["drbd"]["options"] = {
        "net": {"ping-int": 10, "ping-timeout": 5, "timeout": 60, "ko-count": 7}
    }  # DRBD's own
    config["storage"]["drbd"]["link"] = 0  # one network for all
    config["storage"]["drbd"]["agent"] = "ocf:linbit:drbd"
    config["storage"]["filesystem"]["agent"] = "ocf:heartbeat:Filesystem"
    config["mysql"]["agent"] = "ocf:heartbeat:mysql"
    config["mysql"]["config"]["mysqld"]["innodb_max_dirty_pages_pct_lwm"] = 0  # MariaDB's own
    config["vip"]["agent"] = "ocf:heartbeat:IPaddr2"
    config["vip"]["watch"] = False
    operations = {"p_mysql": SERVER, "p_ip_mysql": {"monitor": {"interval": "30s", "timeout": "60s"}}}
    config["pacemaker"] = {"hand_over": False, "properties": PROPERTIES, "operations": operations}
    return pillar


def regrouped(cib: str) -> str:
    """The CIB of a deployed cluster with what no pillar asks for: the address first in the group, DRBD's clone notified."""
    root = ET.fromstring(cib)
    resources, constraints = root.find("configuration/resources"), root.find("configuration/constraints")
    assert resources is not None
    assert constraints is not None
    address, group = (resources.find(f"*[@id='{name}']") for name in ("p_ip_mysql", "g_mysql"))
    assert address is not None
    assert group is not None
    resources.remove(address)
    group.insert(0, address)
    notify = resources.find("clone[@id='ms_drbd_mysql']/meta_attributes/nvpair[@name='notify']")
    assert notify is not None
    notify.set("value", "true")
    for name in ("c_ip_with_mysql", "o_ip_before_mysql"):
        found = constraints.find(f"*[@id='{name}']")
        assert found is not None
        constraints.remove(found)
        for tag in root.iterfind("configuration/tags/tag"):
            for reference in tag.findall(f"obj_ref[@id='{name}']"):
                tag.remove(reference)
    return ET.tostring(root, "unicode")
