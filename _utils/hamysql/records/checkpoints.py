"""Checkpoints: what the configuration of a node and of its cluster was before a change. The last 20 are kept.

A checkpoint is a folder of root's alone. It is made under another name and renamed when it is complete, so one that was cut off is
never taken for one. Secrets that an undo does not need are hidden in its files. The cluster's configuration is kept as it is:
passwords of fence devices are not in it, but a text of ``hamysql:pacemaker:configure`` may have brought some.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from hamysql.cib import model
from hamysql.errors import HamysqlError, ParseError, Refused
from hamysql.system import files

FOLDER = Path("/var/lib/hamysql/checkpoints")
KEEP = 20
FORM = "%Y%m%dT%H%M%SZ"  # of a name, for time.strftime
PRESENT = "now"  # in place of a name: what there is at present
CIB = "cib.xml"  # the cluster's configuration; all other files have the names that the caller gives
MANIFEST = "manifest.json"
_MAKING, _GOING = ".making-", ".going-"
_NAME = re.compile(r"\d{8}T\d{6}Z(?:-\d+)?")


class Manifest(TypedDict):
    """What a checkpoint says of itself. ``when`` is in seconds since 1970, ``files`` are paths by the names in the checkpoint."""

    name: str
    when: float
    job: str
    before: str
    files: dict[str, str]


@dataclass(frozen=True)
class Kept:
    """A checkpoint, and the texts of its files."""

    manifest: Manifest
    texts: Mapping[str, str]

    @property
    def cib(self) -> str:
        """The cluster's configuration. Raises ``Refused`` where the checkpoint has none."""
        if CIB not in self.texts:
            raise Refused(
                f"the checkpoint {self.manifest['name']} has no cluster configuration: there was none at that time"
            )
        return self.texts[CIB]


class Store:
    """The checkpoints of a node."""

    def __init__(self, folder: Path = FOLDER, keep: int = KEEP) -> None:
        self.folder, self._keep = folder, keep

    def names(self) -> list[str]:
        """The names of the complete checkpoints, the newest first."""
        found = self.folder.iterdir() if self.folder.is_dir() else ()
        return sorted((path.name for path in found if _NAME.fullmatch(path.name)), key=order, reverse=True)

    def manifests(self) -> list[Manifest]:
        """What each checkpoint says of itself, the newest first; one that cannot be read is passed over."""
        found: list[Manifest] = []
        for name in self.names():
            try:
                found.append(_manifest(self.folder / name))
            except (OSError, HamysqlError):
                continue
        return found

    def read(self, name: str) -> Kept:
        """A checkpoint. Raises ``Refused`` where there is none of this name, and ``ParseError`` where it is damaged."""
        if name not in self.names():
            there = ", ".join(self.names()[:3]) or "none"
            raise Refused(
                f"this node has no checkpoint {name!r}, the newest ones are: {there}. `salt-run hamysql.checkpoints` lists all"
            )
        path = self.folder / name
        try:
            said = _manifest(path)
            return Kept(said, {item: files.text(path / item, files.LARGE) for item in said["files"]})
        except OSError as exc:
            raise ParseError(f"the checkpoint {path} is damaged ({exc}): use another one") from exc

    def keep(
        self,
        texts: Mapping[str, str],
        paths: Mapping[str, str],
        job: str,
        before: str,
        cib_only: bool = False,
        name: str = "",
    ) -> str:
        """Keep some texts, unless the newest checkpoint has the same; returns the name of the checkpoint that has them.

        texts, paths
            Contents and paths of the files, by the names that they get. Without any there is nothing to keep: "" is returned.
        job, before
            Salt's job, and what is about to change the configuration.
        cib_only
            Whether the newest checkpoint will do where it has the same cluster configuration.
        name
            A time as the names have it; this moment by default. Raises ``Refused`` for another text.
        """
        if name and not _NAME.fullmatch(name):
            raise Refused(f"{name!r} is no name of a checkpoint: expected a time in UTC, such as 20260131T100000Z")
        if not texts or (cib_only and CIB not in texts):
            return ""
        with self._locked():
            if (newest := self._newest()) and _same(newest.texts, texts, cib_only):
                return newest.manifest["name"]
            name = self._free(name or time.strftime(FORM, time.gmtime()))
            said = Manifest(name=name, when=time.time(), job=job, before=before, files=dict(paths))
            making = self.folder / f"{_MAKING}{name}"
            making.mkdir(mode=0o700)
            for file, text in texts.items():
                files.create(making / file, text, 0o600)
            files.create(making / MANIFEST, json.dumps(said, indent=2) + "\n", 0o600)
            files.synchronise(making)
            making.rename(self.folder / name)
            files.synchronise(self.folder)
            for old in self.names()[self._keep :]:
                going = self.folder / f"{_GOING}{old}"
                (self.folder / old).rename(going)
                shutil.rmtree(going)
            return name

    def _newest(self) -> Kept | None:
        for name in self.names()[:1]:
            try:
                return self.read(name)
            except HamysqlError:
                return None
        return None

    def _free(self, name: str) -> str:
        """The name, or a later one where a checkpoint of the same second, or a clock that was set back, has made it old."""
        newest = next(iter(self.names()), "")
        if not newest or order(name) > order(newest):
            return name
        second, number = order(newest)
        return f"{second}-{number + 1}"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One at a time; what one that was killed has left goes first."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        handle = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)  # nobody holds it for longer than it takes to write some files
            for path in self.folder.iterdir():
                if path.name.startswith((_MAKING, _GOING)):
                    shutil.rmtree(path)
            yield
        finally:
            os.close(handle)


def order(name: str) -> tuple[str, int]:
    """What names are sorted by: the moment, and the number of those of the same one."""
    second, _, number = name.partition("-")
    return second, int(number or 1)


def _manifest(path: Path) -> Manifest:
    try:
        said: Manifest = json.loads(files.text(path / MANIFEST))
        if not {"name", "when", "job", "before", "files"} <= said.keys() or not isinstance(said["files"], dict):
            raise ValueError("keys are missing")
    except (ValueError, AttributeError) as exc:
        raise ParseError(f"{path / MANIFEST} is damaged: {exc}") from exc
    return said


def _same(one: Mapping[str, str], two: Mapping[str, str], cib_only: bool) -> bool:
    names = {CIB} if cib_only else {*one, *two}
    return all(_compared(name, one.get(name)) == _compared(name, two.get(name)) for name in names)


def _compared(name: str, text: str | None) -> str | None:
    """What counts of a file: of a CIB only what is configured, and not what pacemaker notes of nodes and operations."""
    if name != CIB or text is None:
        return text
    try:
        config = model.configuration(model.parse(text))
    except ParseError:
        return text
    for nodes in config.findall("nodes"):
        config.remove(nodes)
    return ET.canonicalize(ET.tostring(config, "unicode"), strip_text=True)
