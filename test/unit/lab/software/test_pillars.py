"""The pillars that the lab brings are valid for the formula."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lab.basics.setup import Setup
from lab.basics.topology import STORAGES
from lab.software import pillar

Resolve = Callable[..., dict[str, Any]]
BACKENDS = {"drbd": "drbd", "iscsi": "shared", "nfs": "nfs"}


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("name", ["db1", "db2"])
def test_each_of_the_labs_pillars_resolves_on_both_nodes(resolve: Resolve, storage: str, name: str) -> None:
    found = resolve(pillar.compose(Setup(storage))["hamysql"], minion_id=name, nodename=name)
    assert found["self"] == name
    assert found["storage"]["backend"] == BACKENDS[storage]
    assert found["fencing"]["enabled"]


def test_the_lab_logs_in_to_its_target(resolve: Resolve) -> None:
    shared = resolve(pillar.compose(Setup("iscsi"))["hamysql"])["storage"]["shared"]
    given = pillar.compose(Setup("iscsi"))["hamysql"]["storage"]["shared"]
    assert {key: shared["iscsi"][key] for key in given["iscsi"]} == given["iscsi"]
    assert shared["device"] == given["device"]


def test_the_lab_mounts_its_export(resolve: Resolve) -> None:
    storage = resolve(pillar.compose(Setup("nfs"))["hamysql"])["storage"]
    assert storage["filesystem"]["device"] == "10.77.2.15:/srv/mysql/mysql"
