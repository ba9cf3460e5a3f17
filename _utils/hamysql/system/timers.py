"""A job that a node's timer runs without Salt: what its unit has to know of this minion, and how it says what it did."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypedDict

from hamysql.errors import HamysqlError


class Unit(TypedDict):
    """The program that runs the job, the folder of its modules, and its task as JSON."""

    python: str
    path: str
    task: str


def unit(task: Mapping[str, object], modules: str) -> Unit:
    """What a unit needs.

    modules
        Where the minion keeps what the master has synchronised: ``extension_modules``.
    """
    text = json.dumps(task, indent=2, sort_keys=True)
    return {"python": sys.executable, "path": str(Path(modules) / "utils"), "task": f"{text}\n"}


def main(job: Callable[[Path], str], failed: str) -> int:
    """Do a job, and say it to the journal; returns the exit code.

    job
        Takes the file of its task, the program's argument, and returns what was done, in words.
    failed
        What an error begins with.
    """
    try:
        print(job(Path(sys.argv[1])), flush=True)
    except (OSError, ValueError, HamysqlError) as exc:
        print(f"{failed}: {exc}", file=sys.stderr)
        return 1
    return 0
