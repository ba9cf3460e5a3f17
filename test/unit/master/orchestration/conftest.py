"""What the tests of the phases share."""

from __future__ import annotations

import pytest
from answering import Cluster


@pytest.fixture
def cluster():
    """A cluster at work; db1 is the controller, db2 is active."""
    return Cluster()


@pytest.fixture
def deploy(monkeypatch):
    """A deployment of a cluster, real but for Salt."""
    return lambda cluster, **options: cluster.deployment(monkeypatch, **options)
