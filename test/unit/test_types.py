"""Strict type checking proves something only where values have types: a mapping of anything is for what nobody can know."""

from __future__ import annotations

import re

from support import ROOT

UNTYPED = re.compile(r"\b(Mapping|dict)\[str, Any\]")
MOST = 30  # lines: options of other programs, what Salt hands over, what has not been checked yet


def test_few_mappings_are_of_anything():
    lines = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sorted((ROOT / "_utils").rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if UNTYPED.search(line)
    ]
    assert lines, "they are not seen"
    assert len(lines) <= MOST, lines


def test_long_files_say_why():
    """A file should fit in a head. A longer one gives its reason in its first lines."""
    for folder in ("_utils", "_modules", "_states", "_runners"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            lines = path.read_text(encoding="utf-8").splitlines()
            said = re.search(r"\blong\b", " ".join(lines[:20]), re.IGNORECASE)
            assert len(lines) <= 300 or said, f"{path.relative_to(ROOT)} has {len(lines)} lines"
