"""The mark in an export's root, beside the data's folder: whose it is."""

from __future__ import annotations

import json
from pathlib import Path

from hamysql import files
from hamysql.files import Unreadable
from hamysql.storage_config import NFS_MARK


def read(root: Path) -> dict[str, str]:
    """``{"cluster", "id"}``; empty without one. A damaged one is nobody's."""
    try:
        found = json.loads(files.text(root / NFS_MARK, 4096))
        return {key: str(found[key]) for key in ("cluster", "id")}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, RecursionError, Unreadable):
        return {"cluster": "(damaged)", "id": "(damaged)"}
