"""The documentation's own steps, for tests that carry them out: commands and files as they stand in a page."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from support import ROOT

SAMPLE = """
import hashlib
import os
import time

from hamysql import sample

def key():
    return hashlib.sha256(__pillar__["hamysql"]["corosync"]["authkey"].encode()).hexdigest()

def version(until=""):
    deadline = time.monotonic() + 120
    while until and not os.path.exists(until) and time.monotonic() < deadline:
        time.sleep(0.1)
    return sample.VERSION
"""

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


def git(folder: Path, *words: str) -> None:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", "-C", folder, *identity, *words], check=True, capture_output=True)


class Formula:
    """A checkout of the formula, as it is committed and with a module that says its version; and the bare repository it is pushed to."""

    def __init__(self, folder: Path) -> None:
        self.checkout, self.bare = folder / "hamysql-formula", folder / "hamysql-formula.git"
        listed = subprocess.run(
            ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            check=True,
            capture_output=True,
            text=True,
        )
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).is_file() and not (ROOT / name).is_symlink():
                (self.checkout / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, self.checkout / name)
        subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", self.bare], check=True)
        git(self.checkout, "init", "--quiet", "--initial-branch=main")
        (self.checkout / "_modules/hamysql_sample.py").write_text(SAMPLE)
        self.release("1")

    def release(self, version: str) -> None:
        (self.checkout / "_utils/hamysql/sample.py").write_text(f'VERSION = "{version}"\n')
        git(self.checkout, "add", "--all")
        git(self.checkout, "commit", "--quiet", f"--message=Version {version}")
        git(self.checkout, "push", "--quiet", str(self.bare), "main")
