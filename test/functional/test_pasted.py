"""What people paste from tutorials: read by the real programs as it was meant, or refused where it is wrong, with what belongs there."""

from __future__ import annotations

import copy
import os
from typing import Any

import generated
import pytest
import yaml

from hamysql.config import resolution
from hamysql.errors import ConfigError
from support import ROOT, load_pillar, parameters

ROWS = yaml.safe_load((ROOT / "test/functional/pasted.txt").read_text(encoding="utf-8"))
TAKEN = [row["paste"] for row in ROWS if "refused" not in row]
REFUSED = [(row["paste"], row["refused"]) for row in ROWS if "refused" in row]
LAYERS = parameters()


def laid(paste: Any) -> Any:
    """A pillar with fencing, and the paste over it."""
    pillar = load_pillar("fenced")
    if "backend" in paste.get("storage", {}):
        pillar["storage"] = {}
    merge(pillar, copy.deepcopy(paste))
    return pillar


def merge(below: dict[str, Any], above: dict[str, Any]) -> None:
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            merge(below[key], value)
        else:
            below[key] = value


def resolved(paste: Any) -> dict[str, Any]:
    return resolution.resolve(resolution.layered(LAYERS, laid(paste)), minion_id="db1", nodename="db1")


@pytest.mark.parametrize(("paste", "paths"), REFUSED, ids=[str(paths[0]) for _, paths in REFUSED])
def test_what_is_wrong_is_refused_where_it_stands_with_what_belongs_there(paste, paths):
    with pytest.raises(ConfigError) as caught:
        resolved(paste)
    assert sorted({problem.path.removeprefix("hamysql:") for problem in caught.value.problems}) == paths
    assert all(len(problem.expected) > 5 for problem in caught.value.problems)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: corosync is asked in a namespace with the node's name")
@pytest.mark.skipif(bool(generated.MISSING), reason=f"not installed: {', '.join(generated.MISSING)}")
@pytest.mark.parametrize("paste", TAKEN, ids=[str(number) for number in range(len(TAKEN))])
def test_what_is_taken_the_real_programs_read_as_it_was_meant(paste, tmp_path):
    readers = generated.Readers(tmp_path)
    try:
        readers.read(resolved(paste))
    finally:
        readers.agents.close()
