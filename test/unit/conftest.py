"""What unit tests share."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import machines
import pytest

from hamysql.config import resolution
from hamysql.storage import lock as storage_lock
from hamysql.storage.drbd import status as drbd_status
from support import load_pillar, parameters

# in the form of `drbdadm get-gi`; `drbdadm show-gi` names the flags. A standby that was connected to the last
STANDBY = "E1F8AB0F4D3F5F56:0000000000000000:5D0A2F6A0C7B2D14:5D092F6A0C7B2D15:1:1:0:1:0:0:0\n"


@pytest.fixture(scope="session", autouse=True)
def _lock_of_no_node(tmp_path_factory):
    """The verbs take a lock of the test's own, and nobody waits for it: what happens at the same time happens in one thread."""
    storage_lock.FOLDER, storage_lock.PATIENCE = tmp_path_factory.mktemp("run"), 0


@pytest.fixture(scope="session", autouse=True)
def _end_of_the_worlds():
    yield
    shutil.rmtree(machines.folder())


@pytest.fixture
def pillar() -> Callable[[str], Any]:
    """A fresh copy of the pillar ``hamysql`` of a file in test/pillar."""
    return load_pillar


@pytest.fixture
def resolve() -> Callable[..., dict[str, Any]]:
    """Resolve a pillar as the minion db1 of an operating system family would."""

    def call(given: Any, minion_id: str = "db1", nodename: str = "db1", family: str = "Debian") -> dict[str, Any]:
        merged = resolution.layered(parameters(family), given)
        return resolution.resolve(merged, minion_id=minion_id, nodename=nodename)

    return call


@pytest.fixture
def evidence():
    """A standby that came back alone; its peer is off."""
    flags = dict(drbd_status.parse_flags(STANDBY).__dict__)
    seen = {"node": "db2", "peer": "db1", "database": False, "members": 1, "initialised": True, "flags": flags}
    return {**seen, "power": {"p_fence_db1": "off"}, "votes": {"total": 1, "needed": 1}, "backend": "drbd"}
