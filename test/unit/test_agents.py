"""What the shell agents have in common is one file that they source. No agent ever runs with the file of another version."""

from __future__ import annotations

import hashlib
import re

import pytest

from support import ROOT

FILES = ROOT / "hamysql"
NAME = re.compile(r"lib/hamysql/(agents-\d+\.sh)")
# The content of each version. A change of the file gets the next number, in its name, in all who source it, and here.
DIGESTS = {"agents-1.sh": "c85f646fc3320a78aaf50bfc4260676beed30f9917e706e4b28f4630b4766b69"}
AGENTS = sorted(FILES.rglob("*-agent.sh"))


def common():
    (found,) = FILES.rglob("agents-*.sh")
    return found


def test_a_changed_file_has_another_name():
    assert hashlib.sha256(common().read_bytes()).hexdigest() == DIGESTS[common().name], "the next number is due"


def test_all_who_source_it_and_the_state_that_lays_it_down_mean_the_same_file():
    texts = {path: path.read_text(encoding="utf-8") for path in FILES.rglob("*.s[hl]*") if path != common()}
    named = {path.name: set(NAME.findall(text)) for path, text in texts.items() if NAME.search(text)}
    assert named.keys() >= {"agents.sls", "fence-peer.sh", *(agent.name for agent in AGENTS)}
    assert {name for names in named.values() for name in names} == {common().name}


@pytest.mark.parametrize(
    "path", [*AGENTS, FILES / "storage" / "drbd" / "files" / "fence-peer.sh"], ids=lambda path: path.name
)
def test_nothing_of_it_stands_anywhere_else(path):
    functions = re.compile(r"^(\w+)\(\) \{", re.MULTILINE)
    shared = set(functions.findall(common().read_text(encoding="utf-8")))
    assert shared == {"parameter", "fail", "clock"}
    assert not shared & set(functions.findall(path.read_text(encoding="utf-8")))


def test_sourcing_it_starts_no_process_and_says_nothing():
    for line in common().read_text(encoding="utf-8").splitlines():
        assert re.match(r"(#.*|[A-Z_]+=\d.*|\w+\(\) \{|\t.*|\}|)$", line), line
