"""What the tests of operations and phases share: a healthy cluster, its surveys, and a deployment of it."""

from __future__ import annotations

import pytest
from answering import Cluster
from orchestration import working

from hamysql.cib.status import Resource


def device(name, node):
    return Resource(f"p_fence_{name}", "stonith:fence_ipmilan", "Started", node, None, True, False, False)


DEVICES = (device("db1", "db2"), device("db2", "db1"))  # each runs on the node that would use it


@pytest.fixture
def surveys():
    """A healthy cluster whose first node serves."""
    return {name: working(name, active="db1", resources=DEVICES) for name in ("db1", "db2")}


@pytest.fixture
def cluster():
    """A cluster at work; db1 is the controller, db2 is active."""
    return Cluster()


@pytest.fixture
def deploy(monkeypatch):
    """A deployment of a cluster, real but for Salt."""
    return lambda cluster, **options: cluster.deployment(monkeypatch, **options)
