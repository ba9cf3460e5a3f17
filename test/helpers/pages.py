"""The documentation's own steps, for tests that carry them out: commands and files as they stand in a page."""

from __future__ import annotations

import re
from pathlib import Path

from support import ROOT

_FILE = re.compile(r"^```yaml\n# (/\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^ {4,}(salt(?:-run)? .*)$", re.MULTILINE)


def commands(page: str) -> list[str]:
    """The command lines of ``salt`` and ``salt-run`` in the page's blocks, in their order."""
    return _COMMAND.findall((ROOT / page).read_text(encoding="utf-8"))


def files(page: str) -> list[tuple[str, str]]:
    """The files that the page shows: path and content, in their order."""
    return _FILE.findall((ROOT / page).read_text(encoding="utf-8"))


class Machine:
    """Where what the pages name lies in a test: ``places`` has a folder or an address for each beginning."""

    def __init__(self, places: dict[str, Path | str]) -> None:
        self.places = places

    def here(self, text: str) -> str:
        """A command or a file as it is said in the test."""
        names = "|".join(map(re.escape, self.places))
        return re.sub(names, lambda match: str(self.places[match[0]]), text)

    def lay(self, path: str, text: str) -> None:
        """Write a file of a page."""
        target = Path(self.here(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(self.here(text))
