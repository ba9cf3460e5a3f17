"""What the tests of operations share: a healthy cluster's surveys, and a node that came back alone."""

from __future__ import annotations

import copy

import pytest

from hamysql.storage.drbd import status as drbd_status

# in the form of `drbdadm get-gi`; `drbdadm show-gi` names the flags. A standby that was connected to the last
STANDBY = "E1F8AB0F4D3F5F56:0000000000000000:5D0A2F6A0C7B2D14:5D092F6A0C7B2D15:1:1:0:1:0:0:0\n"


def node_state(**flags):
    names = ("standby", "maintenance", "pending", "unclean", "shutdown")
    return {"online": True, **dict.fromkeys(names, False), **flags}


def survey(database, levels):
    resources = [
        {"id": "p_fence_db1", "role": "Started", "failed": False, "node": "db2"},
        {"id": "p_fence_db2", "role": "Started", "failed": False, "node": "db1"},
    ]
    cluster = {
        "running": True,
        "quorum": True,
        "maintenance": False,
        "dc": "db1",
        "resources": resources,
        "failures": [],
    }
    cluster["nodes"] = {"db1": node_state(), "db2": node_state()}
    replica = {"up_to_date": True, "connection": "Connected", "disk": "UpToDate", "peer_disk": "UpToDate"}
    devices = [{"id": "p_fence_db1"}, {"id": "p_fence_db2"}]
    return {
        "cluster": cluster,
        "storage": {"status": replica},
        "database": database,
        "settings": {"fencing": {"devices": devices, "levels": levels, "delay": 2}},
    }


@pytest.fixture
def surveys():
    """A healthy cluster whose first node serves."""
    levels = {
        "db1": [{"level": 1, "devices": ["p_fence_db1"]}],
        "db2": [{"level": 1, "devices": ["p_fence_db2"]}],
    }
    return {"db1": survey(True, levels), "db2": survey(False, copy.deepcopy(levels))}


@pytest.fixture
def evidence():
    """A standby that came back alone; its peer is off."""
    flags = dict(drbd_status.parse_flags(STANDBY).__dict__)
    seen = {"node": "db2", "peer": "db1", "database": False, "members": 1, "initialised": True, "flags": flags}
    return {**seen, "power": {"p_fence_db1": "off"}, "votes": {"total": 1, "needed": 1}}
