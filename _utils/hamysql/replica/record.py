"""What a replica's machine notes of itself: which backup it began with, and whether it follows or has been promoted."""

from __future__ import annotations

import json
import os
import secrets
from typing import Final, Literal, TypedDict

from hamysql.errors import ParseError
from hamysql.system import files, root

FOLDER = "/var/lib/hamysql"
FILE = f"{FOLDER}/replica.json"
SECRET = "/etc/hamysql/replica.password"
# A backup is about to replace the data; the data is a copy that follows; it is a server of its own.
SEEDING: Final = "seeding"
FOLLOWING: Final = "following"
PROMOTED: Final = "promoted"
Stage = Literal["seeding", "following", "promoted"]


class Record(TypedDict):
    """The note: ``backup`` is the one that it began with, ``position`` where that stands, ``when`` a time in UTC."""

    stage: Stage
    cluster: str
    backup: str
    position: str
    when: str


def read() -> Record | None:
    """The note; ``None`` where this machine was never a replica."""
    text = files.text_if_any(root.at(FILE), links=True)
    if text is None:
        return None
    try:
        found: Record = json.loads(text)
        if set(Record.__annotations__) - set(found):
            raise ValueError("keys are missing")
    except (ValueError, TypeError) as exc:
        raise ParseError(
            f"{FILE} is damaged ({exc}): look whether the data of this machine may be lost. If so, remove the file, and run "
            "hamysql.orch.replica again"
        ) from exc
    return found


def write(note: Record) -> Record:
    """Write it down, for good."""
    path = root.at(FILE)
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    files.create(new, json.dumps(note, indent=2) + "\n")
    os.replace(new, path)
    files.synchronise(path.parent)
    return note


def password() -> str:
    """The password by which this machine follows, which it makes for itself: nobody else has it."""
    path = root.at(SECRET)
    text = files.text_if_any(path, links=True)
    if text and text.strip():
        return text.strip()
    made = secrets.token_hex(20)
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    files.create(new, f"{made}\n", 0o600)
    os.replace(new, path)
    files.synchronise(path.parent)
    return made
