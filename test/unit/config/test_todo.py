"""A value that nobody has filled in yet is refused wherever it is, by its path, and by nothing else."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from hamysql.config import resolution
from hamysql.errors import ConfigError
from support import ROOT, load, parameters

EXAMPLE = load(ROOT / "pillar.example")["hamysql"]


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Each place of a pillar, inner ones as well."""
    if path:
        yield path
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def refused(path: tuple[Any, ...], value: str) -> list[str]:
    pillar = copy.deepcopy(EXAMPLE)
    below = pillar
    for key in path[:-1]:
        below = below[key]
    below[path[-1]] = value
    merged = resolution.layered(parameters(), pillar)
    try:
        resolution.resolve(merged, minion_id="db1.example.org", nodename="db1")
    except ConfigError as exc:
        return [problem.path for problem in exc.problems if "TODO" in problem.found]
    return []


@pytest.mark.parametrize("path", list(places(EXAMPLE)), ids=lambda path: ":".join(map(str, path)))
def test_a_todo_is_refused_at_each_place(path):
    assert ":".join(("hamysql", *map(str, path))) in refused(path, "TODO")


def test_it_may_stand_inside_of_a_text_and_a_secret_that_is_one_is_told():
    assert refused(("mysql", "config", "mysqld", "init_connect"), "SET @x = 'TODO'") == []
    assert refused(("corosync", "authkey"), " TODO ") == ["hamysql:corosync:authkey"]
