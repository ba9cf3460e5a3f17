"""What the tests of operations and of phases share: a healthy cluster's surveys, and a deployment of a cluster."""

from __future__ import annotations

import copy

import pytest
from answering import Cluster


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
        "shell": "crm",
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
def cluster():
    """A cluster at work; db1 is the controller, db2 is active."""
    return Cluster()


@pytest.fixture
def deploy(monkeypatch):
    """A deployment of a cluster, real but for Salt."""
    return lambda cluster, **options: cluster.deployment(monkeypatch, **options)
