"""``make tested``: what the runs of the tests have recorded goes into ``test/tested.json``, and ``docs/tested.md`` is written from it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import parts
import records

FOLDERS = ("test/functional", "test/unit")
HEAD = """\
# What was tested, and when

`make tested` writes this page. Each run of the tests records what passed, failed or was skipped; `test/tested.json` keeps that.
A commit with `+changes` was tested with changes that were not committed. The days are UTC's. A scenario's seconds include the
deployment for the first one that needs it.

CI tests a fresh clone and cannot record anything here: what it has seen may be newer.

"""
COMBINATIONS = """\
## Combinations

Each row is one run of `test_combinations.py` from bare nodes in the lab. A gap is the longest time without an acknowledged write.
Starting a process is ten times as slow in the lab as on a server, so the seconds compare with each other only.

"""


def scenario(nodeid: str) -> str:
    """A test's name as a sentence, with its parameter: ``test_a_node_s_power_cut[nfs]`` is "A node's power cut (nfs)"."""
    name, _, param = nodeid.rpartition("::")[2].removesuffix("]").partition("[")
    words = re.sub(r"_s(?=_|$)", "'s", name.removeprefix("test_")).replace("_", " ")
    return words[:1].upper() + words[1:] + (f" ({param})" if param else "")


def part(nodeid: str) -> str:
    """What runs it: a part of the long tests, or else `make test`."""
    return ", ".join(f"part {place}" for place in parts.parts_of(nodeid)) or "make test"


def _last(entry: records.Entry) -> str:
    state, facts = records.newest(entry)
    passed = ""
    if "passed" in entry:
        ours = entry["passed"]
        passed = f"{ours['commit']}, {ours['time'][:10]}, {ours['seconds']:.0f} s"
    if state == "failed":
        return f"**failed** at {facts['commit']}, {facts['time'][:10]}; passed: {passed or 'never'}"
    return f"skipped: {facts['reason']}" if state == "skipped" else passed or "never recorded"


def scenarios(known: Mapping[str, records.Entry], tests: Sequence[str]) -> str:
    """The tests of the cluster, a row for each, in the order in which they run."""
    rows = [
        f"| {Path(nodeid.partition('::')[0]).name} | {scenario(nodeid)} | {part(nodeid)} | {_last(known.get(nodeid, {}))} |"
        for nodeid in tests
    ]
    return "\n".join(["| file | scenario | run by | last passed |", "|---|---|---|---|", *rows, ""])


COLUMNS = {
    "system": "system",
    "database": "database",
    "storage": "storage",
    "special": "network and tools",
    "salt": "Salt",
    "deployed": "deployed in, s",
    "again": "again with 0 changes in, s",
    "moved": "moved, gap in s",
    "cut": "power cut, gap in s",
    "rebooted": "reboot, gap in s",
    "acknowledged": "acknowledged",
    "lost": "lost",
}


def combinations(known: Mapping[str, records.Entry], tests: Iterable[str]) -> str:
    """A row for each combination of platform, database, storage and network that has passed, with what it took."""
    passes = [entry["passed"] for nodeid in tests if "row" in (entry := known.get(nodeid, {})).get("passed", {})]
    rows = [[*(str(facts["row"][key]) for key in COLUMNS), facts["commit"], facts["time"][:10]] for facts in passes]
    head = [*COLUMNS.values(), "commit", "day"]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *rows]) + "\n"


def folders(known: Mapping[str, records.Entry], files: Iterable[str]) -> str:
    """All other tests: a row for each folder, and each file that failed."""
    rows = ["| folder | files that passed | tests | oldest pass | newest pass |", "|---|---|---|---|---|"]
    failed = []
    for folder in FOLDERS:
        ours = [file for file in files if file.startswith(f"{folder}/")]
        entries = {file: known.get(file, {}) for file in ours}
        passes = sorted(
            (entry["passed"] for entry in entries.values() if records.newest(entry)[0] == "passed"),
            key=lambda facts: facts["time"],
        )
        days = [f"{facts['commit']}, {facts['time'][:10]}" for facts in passes]
        count = sum(facts["tests"] for facts in passes)
        first, last = (days[0], days[-1]) if days else ("", "")
        rows.append(f"| {folder} | {len(passes)} of {len(ours)} | {count} | {first} | {last} |")
        failed += [
            f"- {file}: {_last(entry)}" for file, entry in entries.items() if records.newest(entry)[0] == "failed"
        ]
    return "\n".join([*rows, *(["", *failed] if failed else []), ""])


def page(known: Mapping[str, records.Entry], tests: Sequence[str], files: Sequence[str]) -> str:
    """The page. What is not among the tests and files any more is left out."""
    states = [records.newest(known.get(nodeid, {}))[0] for nodeid in tests]
    count = f"{states.count('passed')} passed when they ran last, {states.count('failed')} failed"
    more = f"{states.count('skipped')} were skipped, {states.count('')} were never recorded"
    lab = f"## In the lab\n\nOf {len(tests)} scenarios {count}, {more}.\n\n"
    return f"{HEAD}{COMBINATIONS}{combinations(known, tests)}\n{lab}{scenarios(known, tests)}\n## Without a lab\n\n{folders(known, files)}"


def update(root: Path, tests: Sequence[str], files: Sequence[str]) -> str:
    """Merge what was recorded here into the committed file and write the page; returns the page."""
    found = records.merged(records.read(root / records.COMMITTED), records.read(root / records.LOCAL))
    there = {*tests, *files}
    known = {key: entry for key, entry in found.items() if key in there}
    (root / records.COMMITTED).write_text(records.text(known))
    written = page(known, tests, files)
    (root / records.PAGE).write_text(written)
    return written


def tested_files(root: Path) -> list[str]:
    """The files of tests outside of ``test/cluster``."""
    return sorted(str(path.relative_to(root)) for folder in FOLDERS for path in (root / folder).rglob("test_*.py"))


def main() -> int:
    """What the Makefile calls."""
    update(parts.ROOT, records.collected(parts.ROOT), tested_files(parts.ROOT))
    print(f"{records.PAGE} and {records.COMMITTED} are written; commit both")
    return 0


if __name__ == "__main__":
    sys.exit(main())
