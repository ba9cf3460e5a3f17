"""The settings of the procedure that hamysql replaces, for the lab: what `bench.failover` compares hamysql's defaults with.

Its token of 1 s, no fencing, no say of the quorum, pacemaker's own load threshold, and the stock agent for the database. The
group is the same in both: address, file system, server. Its ``lsb:mysqld`` has no counterpart on a system without init scripts.
"""

from __future__ import annotations

from typing import Any

PROPERTIES = {
    "stonith-enabled": False,
    "no-quorum-policy": "ignore",
    "load-threshold": "80%",
}
SERVER = {
    "start": {"timeout": "120s"},
    "stop": {"timeout": "120s"},
    "monitor": {"interval": "20s", "timeout": "60s"},
}


def settings(pillar: dict[str, Any]) -> dict[str, Any]:
    """The pillar of the lab, changed to the article's settings."""
    config = pillar["hamysql"]
    config["fencing"] = {"i_accept_data_loss_without_fencing": True}
    config["corosync"]["token"] = 1000
    config["storage"]["drbd"]["options"] = {"net": {"ping-int": 10, "ping-timeout": 5, "timeout": 60}}  # DRBD's own
    config["mysql"]["agent"] = "ocf:heartbeat:mysql"
    config["pacemaker"] = {"properties": PROPERTIES, "operations": {"p_mysql": SERVER}}
    return pillar
