"""What a database server that somebody else has started runs with, noted before hamysql's option file is there."""

from __future__ import annotations

from pathlib import Path

from hamysql.cib import names
from hamysql.errors import CommandFailed
from hamysql.mysql import pending, process
from hamysql.resolved.software import Mysql
from hamysql.system import files, root
from hamysql.system.command import Run

NOTES = Path(f"/run/resource-agents/hamysql/{names.SERVER}.pid")  # our agent's
RECORD = Path("/run/hamysql/mysqld.json")


def note(run: Run, config: Mysql) -> bool:
    """Note which of the pillar's options the server was started with; ``False`` where none runs here, or that is noted already.

    Without the note nobody could tell any more, and the server would be started anew for all of them.
    """
    known = process.found(config, NOTES)
    if known is None or pending.recorded(files.text_if_any(root.at(RECORD)) or "", known) is not None:
        return False
    want = pending.wanted(config)
    given = _given(run, known.pid)
    process.note(known, {name: given[name] for name in want if name in given}, root.at(RECORD))
    return True


def _given(run: Run, pid: int) -> dict[str, list[str]]:
    """The options of all option files, and those of the command line, which overrule them."""
    try:
        said = run(["my_print_defaults", "--mysqld"], accept=range(256)).stdout.splitlines()
    except CommandFailed:
        said = []
    said += root.at(process.PROC / str(pid) / "cmdline").read_text(errors="replace").split("\0")[1:]
    found = {}
    for line in said:
        if line.startswith("--"):
            name, equals, value = line[2:].partition("=")
            found[pending.plain(name)] = [value if equals else ""]
    return found
