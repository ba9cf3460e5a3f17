"""The types of the resolved configuration say what the resolution returns, for every pillar of the tests."""

from __future__ import annotations

import types
import typing

import pytest

from hamysql import resolved
from support import ROOT

PILLARS = sorted(path.stem for path in (ROOT / "test" / "pillar").glob("*.sls"))


def wrong(value, kind, path):
    """Where a value is not of a type, as lines."""
    if typing.is_typeddict(kind):
        return _wrong_keys(value, kind, path)
    if kind is typing.Any:
        return []
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        return [] if any(not wrong(value, part, path) for part in parts) else [f"{path}: {value!r}"]
    if not isinstance(value, origin or kind):
        return [f"{path}: {value!r}"]
    if origin is list:
        return [line for number, one in enumerate(value) for line in wrong(one, parts[0], f"{path}:{number}")]
    if origin is dict:
        return [line for key, one in value.items() for line in wrong(one, parts[1], f"{path}:{key}")]
    return []


def _wrong_keys(value, kind, path):
    hints = typing.get_type_hints(kind)
    differing = sorted((set(hints) ^ set(value)) - kind.__optional_keys__)
    there = [(key, hint) for key, hint in hints.items() if key in value]
    return [f"{path}: {key}" for key in differing] + [
        line for key, hint in there for line in wrong(value[key], hint, f"{path}:{key}")
    ]


@pytest.mark.parametrize("name", PILLARS)
def test_the_types_are_those_of_the_values(resolve, pillar, name):
    assert wrong(resolve(pillar(name)), resolved.Resolved, "hamysql") == []


def test_what_is_not_of_its_type_is_seen(resolve, pillar):
    config = resolve(pillar("fenced"))
    config["vip"]["prefix"] = "24"
    config["cluster"]["nodes"]["db2"]["id"] = None
    del config["fencing"]["levels"]["db1"][0]["devices"]
    config["further"] = {}
    assert wrong(config, resolved.Resolved, "hamysql") == [
        "hamysql: further",
        "hamysql:cluster:nodes:db2:id: None",
        "hamysql:vip:prefix: '24'",
        "hamysql:fencing:levels:db1:0: devices",
    ]
