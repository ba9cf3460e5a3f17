"""The mark in an export's root, beside the data's folder: whose it is."""

from __future__ import annotations

import json
from pathlib import Path

from hamysql.system import files
from hamysql.system.files import Unreadable

# The folder of an export that the cluster mounts. The export's root keeps what is not the database's: our mark, snapshots that a
# server shows there, lost+found. A database server takes every folder in its datadir for a database.
NFS_FOLDER = "mysql"
# Beside the data's folder: whose it is.
NFS_MARK = ".hamysql.json"


def read(root: Path) -> dict[str, str]:
    """``{"cluster", "id"}``; empty without one. A damaged one is nobody's."""
    try:
        found = json.loads(files.text(root / NFS_MARK, 4096))
        return {key: str(found[key]) for key in ("cluster", "id")}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, RecursionError, Unreadable):
        return {"cluster": "(damaged)", "id": "(damaged)"}
