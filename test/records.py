"""What last passed, failed or was skipped: at which commit, when, and how long it took.

Each run of pytest keeps that in ``.lab/tested.json``, which git ignores. ``make tested`` merges it into ``test/tested.json``. There a test
of ``test/cluster`` has an entry of its own, and all other tests have one for their file. An entry is a line, so that merges are easy.
"""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

COMMITTED, LOCAL = "test/tested.json", ".lab/tested.json"
PAGE = "docs/tested.md"
CLUSTER = "test/cluster/"
# {"passed": {"commit", "time", "seconds", "tests": in a file}, "failed": {"commit", "time"}, "skipped": {..., "reason"}}
Entry = dict[str, dict[str, Any]]


def git(folder: Path, *words: str) -> str | None:
    """What git says, without white space around it; None if it cannot."""
    try:
        done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def commit(folder: Path) -> str | None:
    """The short hash of what is tested, with ``+changes`` if the tree differs from it; None outside of git."""
    found = git(folder, "rev-parse", "--short=8", "HEAD")
    # What was recorded is no part of what is tested.
    changed = git(folder, "status", "--porcelain", "--", ".", f":!{COMMITTED}", f":!{PAGE}")
    return found and found + ("+changes" if changed else "")


def now() -> str:
    """The time in UTC, of which texts compare as times do."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def newest(entry: Mapping[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """What happened last to a test, and its facts; two times nothing if nothing did."""
    return max(entry.items(), key=lambda item: item[1]["time"], default=("", {}))


def merged(*several: Mapping[str, Entry]) -> dict[str, Entry]:
    """Of each test the last pass, failure and skip in any of them; those before the last pass are no news."""
    found: dict[str, Entry] = {}
    for known in several:
        for key, entry in known.items():
            ours = found.setdefault(key, {})
            for state, facts in entry.items():
                if state not in ours or ours[state]["time"] <= facts["time"]:
                    ours[state] = facts
    for entry in found.values():
        since = entry.get("passed", {}).get("time", "")
        for state in [state for state, facts in entry.items() if facts["time"] < since]:
            del entry[state]
    return found


def text(known: Mapping[str, Entry]) -> str:
    """The file: a sorted line for each entry."""
    lines = (f"{json.dumps(key)}: {json.dumps(known[key], sort_keys=True)}" for key in sorted(known))
    return "{\n" + ",\n".join(lines) + "\n}\n"


def read(path: Path) -> dict[str, Entry]:
    """What a file has recorded; nothing without one."""
    return dict(json.loads(path.read_text())) if path.exists() else {}


def add(path: Path, found: Mapping[str, Entry]) -> None:
    """Merge into a file what other runs may write into at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        new = path.with_suffix(".new")
        new.write_text(text(merged(read(path), found)))
        new.replace(path)


def collected(folder: Path, marks: str = "") -> list[str]:
    """The node ids of all tests of ``test/cluster`` with these marks, in the order in which they run."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", marks, CLUSTER]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"`{' '.join(command)}` failed:\n{done.stdout}{done.stderr}")
    return [line for line in done.stdout.splitlines() if line.startswith(CLUSTER) and "::" in line]


class Recorder:
    """Listens to the reports of one run of pytest."""

    def __init__(self, at: str) -> None:
        self.commit = at
        self.tests: dict[str, dict[str, Any]] = {}  # those at work, or not written yet
        self.files: dict[str, dict[str, Any]] = {}

    def report(
        self, nodeid: str, outcome: str, seconds: float, reason: str = "", row: Mapping[str, Any] | None = None
    ) -> None:
        """What one of a test's three phases came to; the row of a table that a test is worth, where it is."""
        test = self.tests.setdefault(nodeid, {"state": "passed", "seconds": 0.0, "reason": ""})
        test["seconds"] += seconds
        if row:
            test["row"] = row
        if outcome == "failed" or (outcome == "skipped" and test["state"] == "passed"):
            test |= {"state": outcome, "reason": reason}

    def ended(self, nodeid: str) -> dict[str, Entry]:
        """The entry of a test of the cluster that is over; of another one its file takes note."""
        test = self.tests.pop(nodeid)
        if nodeid.startswith(CLUSTER):
            return {nodeid: self._entry(test)}
        file = self.files.setdefault(nodeid.partition("::")[0], {"state": "passed", "seconds": 0.0, "tests": 0})
        file["seconds"] += test["seconds"]
        file["tests"] += test["state"] == "passed"
        if test["state"] == "failed":
            file["state"] = "failed"
        return {}

    def over(self, whole: bool) -> dict[str, Entry]:
        """The entries of the files; a file has only passed if all of its tests were run (``whole``)."""
        return {name: self._entry(file) for name, file in self.files.items() if whole or file["state"] == "failed"}

    def _entry(self, found: Mapping[str, Any]) -> Entry:
        facts: dict[str, Any] = {"commit": self.commit, "time": now()}
        if found["state"] == "passed":
            facts["seconds"] = round(found["seconds"], 1)
            if "tests" in found:
                facts["tests"] = found["tests"]
            if "row" in found:
                facts["row"] = found["row"]
        if found["state"] == "skipped":
            facts["reason"] = found["reason"]
        return {str(found["state"]): facts}
