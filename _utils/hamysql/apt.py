"""The lines of apt's package sources (sources.list(5), one-line style). Pure."""

from __future__ import annotations

import re

_OPTIONS = re.compile(r"\[[^]]*\]")


def with_source(text: str, source: str, enabled: bool) -> str:
    """The text of a file with one line for ``source``, commented out unless ``enabled``; the same text where it has that already.

    Other lines of the same type, address and suite give way, since apt would warn of them.
    """
    wanted = source if enabled else f"# {source}"
    lines = text.splitlines()
    others = [line for line in lines if _place(line) != _place(source)]
    mine = [line for line in lines if _place(line) == _place(source)]
    if len(mine) == 1 and mine[0].startswith("#") is not enabled and _entry(mine[0]).split() == source.split():
        return text
    return "\n".join([*others, wanted, ""])


def _entry(line: str) -> str:
    """What a line says, or would say if it were not commented out."""
    return line.strip("# ").partition("#")[0]


def _place(line: str) -> list[str]:
    return _OPTIONS.sub("", _entry(line)).split()[:3]
