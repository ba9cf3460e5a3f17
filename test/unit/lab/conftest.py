"""A developer's own lab is no part of these tests."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _no_lab_of_the_developers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HAMYSQL_LAB_DIR", "HAMYSQL_LAB_CACHE", "HAMYSQL_LAB_LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)
