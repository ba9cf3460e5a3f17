"""What a lab is asked to be: the systems on its nodes, the database, and where the data is."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.basics.errors import LabError
from lab.basics.topology import STORAGES


@dataclass(frozen=True)
class Release:
    """A release of Debian: the version of its Python, and the database flavours that its nodes can have."""

    codename: str
    version: str
    python: str
    flavors: tuple[str, ...]


RELEASES = {
    "bookworm": Release("bookworm", "12", "3.11", ("mariadb",)),
    "trixie": Release("trixie", "13", "3.13", ("mariadb", "mysql")),
}
FLAVORS = ("mariadb", "mysql")


@dataclass(frozen=True)
class Setup:
    """One lab's setup, kept in a file from one `up` to the next."""

    storage: str = STORAGES[0]
    release: str = "bookworm"
    flavor: str = FLAVORS[0]

    @property
    def system(self) -> Release:
        """The release on its nodes."""
        return RELEASES[self.release]

    def changed(self, storage: str | None = None, release: str | None = None, flavor: str | None = None) -> Setup:
        """The same with something else; what is None stays. Raises ``LabError`` for a flavour that the release lacks."""
        made = Setup(storage or self.storage, release or self.release, flavor or self.flavor)
        if made.flavor not in made.system.flavors:
            having = ", ".join(name for name, item in RELEASES.items() if made.flavor in item.flavors)
            raise LabError(f"--flavor {made.flavor} is not there on {made.release}: add --release {having}")
        return made

    def text(self) -> str:
        """As it is kept."""
        return json.dumps(asdict(self))


def read(path: Path) -> Setup:
    """The setup in a file; the first of everything where there is none."""
    try:
        return Setup(**json.loads(path.read_text()))
    except OSError:
        return Setup()
