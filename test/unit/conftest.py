"""What unit tests share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hamysql import config
from support import load_pillar, parameters


@pytest.fixture
def pillar() -> Callable[[str], Any]:
    """A fresh copy of the pillar ``hamysql`` of a file in test/pillar."""
    return load_pillar


@pytest.fixture
def resolve() -> Callable[..., dict[str, Any]]:
    """Resolve a pillar as the minion db1 of an operating system family would."""

    def call(given: Any, minion_id: str = "db1", nodename: str = "db1", family: str = "Debian") -> dict[str, Any]:
        merged = config.layered(parameters(family), given)
        return config.resolve(merged, minion_id=minion_id, nodename=nodename)

    return call
