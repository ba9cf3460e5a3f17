"""pillar.example: it resolves, it shows every option, and what it calls a default is one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from hamysql.config import resolution
from hamysql.config.rules import schema
from hamysql.schema.language import Items, Names, Section
from support import ROOT, load, parameters

TEXT = (ROOT / "pillar.example").read_text()
EXAMPLE = load(ROOT / "pillar.example")["hamysql"]


def keys(node: Any) -> Iterator[str]:
    if isinstance(node, Section):
        for key, child in node.keys.items():
            yield key
            yield from keys(child)
    elif isinstance(node, (Names, Items)):
        yield from keys(node.item)


def test_it_resolves_on_both_nodes(resolve):
    for name in ("db1", "db2"):
        found = resolve(EXAMPLE, minion_id=f"{name}.example.org", nodename=name)
        assert found["self"] == name


@pytest.mark.parametrize("key", sorted(set(keys(schema()))))
def test_it_shows_every_option(key):
    assert re.search(rf"(^|[\s{{,#']){key}('?:|,|$)", TEXT, re.MULTILINE)


def walk(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(node, dict):
        for key, item in node.items():
            yield from walk(item, (*path, key))
    else:
        yield path, node


def test_what_the_parameters_set_by_default_is_what_it_shows():
    base = resolution.layered(parameters(), {})
    shown = dict(walk(EXAMPLE))
    different = {":".join(path): (value, shown.get(path)) for path, value in walk(base) if shown.get(path) != value}
    assert different == {}
