"""A node that died for good, and the machine that takes its place: what the survivor notes, and how its corosync gets to know that.

While the note is there, what the pillar says of the other node is taken over in service: nobody else is there that would have to do
so at the same moment. Without it, another name or address is refused: the node that has it could be away for a moment only.

The new one has the id of the old one. ``corosync-cfgtool -R`` does not change the address of an id ("To reconfigure an interface it
must be deleted and recreated", ``exec/totemconfig.c``). So corosync forgets the old one first, and gets the new one by a second
reload. It has one node in its list in between, and stays quorate.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypedDict

from hamysql.corosync import conf
from hamysql.errors import NotReady, ParseError
from hamysql.resolved import Resolved
from hamysql.resolved.sections import Section
from hamysql.system import files, root
from hamysql.system.command import Run

FILE = Path("/var/lib/hamysql/replaced-node")
NODE = "nodelist.node."


class Note(TypedDict):
    """The names of the node that died and of the one in its place, and since when, as text."""

    old: str
    new: str
    since: str


class Looked(TypedDict):
    """What the node that serves knows of the one that died: ``hamysql_replace.look``."""

    noted: Note | None
    known: list[str]
    members: list[int]
    registered: bool
    left: list[str]


def noted() -> Note | None:
    """The note on this node; ``None`` where nobody is being replaced. Raises ``ParseError`` where it is damaged."""
    text = files.text_if_any(root.at(FILE))
    if text is None:
        return None
    try:
        found = json.loads(text)
        return {"old": str(found["old"]), "new": str(found["new"]), "since": str(found["since"])}
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise ParseError(f"{FILE} is damaged ({exc}): remove it, and run the replacement again") from exc


def note(old: str, new: str) -> bool:
    """Note who takes whose place, for good; whether it was not noted."""
    there = noted()
    if there is not None and (there["old"], there["new"]) == (old, new):
        return False
    path = root.at(FILE)
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    found: Note = {"old": old, "new": new, "since": time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())}
    made = path.with_name(f"{path.name}.new")
    files.create(made, json.dumps(found) + "\n")
    made.replace(path)
    files.synchronise(path.parent)
    return True


def forget() -> bool:
    """Take the note away; whether it was there."""
    path = root.at(FILE)
    there = path.exists()
    if there:
        path.unlink()
        files.synchronise(path.parent)
    return there


def peer(site: Resolved) -> bool:
    """Whether the other node of the pillar is one that takes a dead one's place, by this node's note."""
    there = noted()
    return there is not None and there["new"] == site["peer"]


def alone(running: str) -> bool:
    """Whether corosync has no other member, by what ``corosync-cmapctl`` prints."""
    joined = [line for line in running.splitlines() if line.startswith("runtime.members.") and ".status " in line]
    return sum(line.endswith("= joined") for line in joined) < 2


def keys_of(number: int, running: Mapping[str, str], wanted: Mapping[str, str]) -> set[str]:
    """The keys of corosync's map about another node than the one with this id, in service or wanted."""
    found: set[str] = set()
    for values in (running, wanted):
        places = {key.removesuffix(".nodeid"): value for key, value in values.items() if _is_id(key)}
        others = tuple(f"{place}." for place, value in places.items() if value != str(number))
        found |= {key for key in values if key.startswith(others)}
    return found


def _is_id(key: str) -> bool:
    return key.startswith(NODE) and key.endswith(".nodeid")


def stale(running: Mapping[str, str], sections: Sequence[Section], number: int) -> bool:
    """Whether corosync in service knows another node than the one with this id, and not as the file's sections have it."""
    theirs = {key: value for key, value in running.items() if key in keys_of(number, running, {})}
    return bool(theirs) and sorted(theirs.values()) != sorted(
        str(value) for _, entry in _entries(sections, number) for _, value in entry["options"]
    )


def _entries(sections: Sequence[Section], number: int) -> list[tuple[Section, Section]]:
    """The entries of the list of nodes about others, each with the list."""
    lists = [part for part in sections if part["name"] == "nodelist"]
    return [
        (part, entry) for part in lists for entry in part["sections"] if dict(entry["options"])["nodeid"] != str(number)
    ]


def alone_text(sections: Sequence[Section], number: int) -> str:
    """The text of a corosync.conf with no other node than the one with this id."""
    others = [entry for _, entry in _entries(sections, number)]
    return conf.export(
        {**part, "sections": [entry for entry in part["sections"] if entry not in others]}
        if part["name"] == "nodelist"
        else part
        for part in sections
    )


def let_go(
    run: Run, site: Resolved, running: Callable[[], Mapping[str, str]], pause: Callable[[], object], file: Path
) -> bool:
    """Have corosync on this node forget the other one, where it knows it otherwise than the pillar does; whether it was so.

    running
        The map of the corosync in service.
    pause
        Waits for a moment, in which corosync reads its file.
    file
        corosync.conf, which is the pillar's. It has one node for a moment, and is then as it was. A run that is killed in between
        is mended by the next one, which writes the file first.
    """
    number, sections = site["cluster"]["nodes"][site["self"]]["id"], site["corosync"]["sections"]
    if not stale(running(), sections, number):
        return False
    whole = files.text(file, links=True)
    try:
        _write(file, alone_text(sections, number))
        said = run(["corosync-cfgtool", "-R"], accept=range(256))
        for _ in range(10):
            if not keys_of(number, running(), {}):
                return True
            pause()
        raise NotReady(f"corosync does not forget the node that died: {(said.stderr or said.stdout).strip()}")
    finally:
        _write(file, whole)


def _write(path: Path, text: str) -> None:
    """Whole or not at all."""
    made = path.with_name(f"{path.name}.hamysql-new")
    files.create(made, text)
    made.replace(path)
    files.synchronise(path.parent)
