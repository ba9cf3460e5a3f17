"""The program restic: its repository keeps backups encrypted, on a disk or with whoever stores them, and each part once.

Secrets are in its environment, which only root can read, and never on a command line. What it says is told without them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, TypedDict
from urllib.parse import quote, unquote

from hamysql.errors import CommandFailed, HamysqlError, ParseError
from hamysql.schema.secretnames import HIDDEN
from hamysql.system import root
from hamysql.system.command import QUIETLY, Run

REPOSITORY = "RESTIC_REPOSITORY"
CACHE = "/var/lib/hamysql/restic"
LIMIT = 86400.0  # seconds for a copy; a day is for a slow line
ASKED = 300.0  # seconds for a question
# What it says where another restic has the repository. Taking a backup, shipping binary logs and a test may meet.
_LOCKED = "unable to create lock"
_PATIENCE, _AGAIN = 300.0, 2.0  # seconds to wait for the other one, and between two attempts
# What it says of a repository that nobody has made: the version says so by its exit code from 0.17 on.
_MISSING, _ABSENT = 10, ("no such file", "not exist", "not found", "404")


class NoRepository(HamysqlError):
    """Nobody has made the repository yet, or what it is on is missing."""


class Snapshot(TypedDict):
    """A snapshot, and its tags that are called NAME=VALUE; those without a value are left out."""

    id: str
    tags: dict[str, str]


@dataclass(frozen=True)
class Restic:
    """restic on one repository.

    environment
        ``RESTIC_REPOSITORY``, ``RESTIC_PASSWORD``, and what the repository's protocol needs, such as ``AWS_ACCESS_KEY_ID``.
    host
        Under which name snapshots are kept and found: a repository may have those of others.
    patience
        Seconds to wait for another restic that has the repository.
    """

    run: Run = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)
    host: str
    patience: float = _PATIENCE

    @property
    def told(self) -> str:
        """The repository, without a password."""
        return without_password(self.environment[REPOSITORY])

    def call(self, *argv: str, timeout: float = ASKED, cwd: Path | None = None) -> str:
        """What restic prints. Raises ``CommandFailed`` with its last words, without secrets.

        cwd
            Where it is started: names of files are kept as they are given.
        """
        until = time.monotonic() + self.patience
        while True:
            try:
                return self._call(*argv, timeout=timeout, cwd=cwd)
            except CommandFailed as exc:
                if _LOCKED not in exc.output or time.monotonic() > until:
                    raise
            self._call("unlock")  # what a killed one has left
            time.sleep(_AGAIN)

    def _call(self, *argv: str, timeout: float = ASKED, cwd: Path | None = None) -> str:
        started = ["env", f"--chdir={cwd}"] if cwd else []
        variables = {**self.environment, "RESTIC_CACHE_DIR": str(root.at(CACHE))}
        try:
            return self.run([*QUIETLY, *started, "restic", *argv], timeout=timeout, env=variables).stdout
        except CommandFailed as exc:
            said = "\n".join(exc.output.strip().splitlines()[-10:])
            raise CommandFailed(["restic", *argv], exc.returncode, self.masked(said)) from None

    def masked(self, text: str) -> str:
        """A text without the values of the environment, and without a password in an address."""
        text = text.replace(self.environment[REPOSITORY], self.told)
        for name, value in self.environment.items():
            if name != REPOSITORY and value:
                text = text.replace(value, HIDDEN)
        return text

    def make(self) -> None:
        """Make the repository where there is none. What is wrong with one that is there is told."""
        try:
            self.call("cat", "config")
        except CommandFailed as first:
            try:
                self.call("init")
            except CommandFailed:
                self._out_of_reach(first)

    def snapshots(self, *tags: str, timeout: float = ASKED) -> list[Snapshot]:
        """The snapshots that have all of these tags, the oldest first. Raises ``HamysqlError`` where none can be read."""
        wanted = ["--tag", ",".join(tags)] if tags else []
        try:
            said = self.call("snapshots", "--json", "--no-lock", "--host", self.host, *wanted, timeout=timeout)
        except CommandFailed as exc:
            if exc.returncode == _MISSING or any(word in exc.output for word in _ABSENT):
                raise NoRepository(f"nobody has made the repository {self.told} yet") from None
            self._out_of_reach(exc)
        try:
            found = sorted(json.loads(said) or [], key=lambda item: str(item["time"]))
            return [{"id": str(item["id"]), "tags": _tags(item.get("tags") or ())} for item in found]
        except (ValueError, KeyError, TypeError) as exc:
            raise ParseError(f"restic has printed {said[:100]!r} for its snapshots") from exc

    def keep(self, folder: Path, names: Sequence[str], tags: Sequence[str], parent: str = "") -> None:
        """Take files of a folder, under their names there, into a new snapshot; it is there when all of them are.

        parent
            A snapshot that has some of them, which are not read again.
        """
        given = [word for tag in tags for word in ("--tag", tag)] + (["--parent", parent] if parent else [])
        self.call("backup", "--quiet", "--host", self.host, *given, *names, timeout=LIMIT, cwd=folder)

    def add_tag(self, snapshot: str, tag: str) -> None:
        self.call("tag", "--add", tag, snapshot)

    def text(self, snapshot: str, name: str) -> str:
        """A file of a snapshot."""
        return self.call("dump", snapshot, f"/{name}")

    def restore(self, snapshot: str, names: Sequence[str], target: Path) -> None:
        """Bring files or folders of a snapshot into the folder ``target``."""
        wanted = [word for name in names for word in ("--include", f"/{name}")]
        self.call("restore", snapshot, "--target", str(target), *wanted, timeout=LIMIT)

    def forget(self, snapshots: Sequence[str], prune: bool = True) -> None:
        """Take snapshots away, and what nobody else needs of them.

        prune
            Whether the room is given back now; that takes time.
        """
        if snapshots:
            self.call("forget", *(["--prune"] if prune else []), *snapshots, timeout=LIMIT)

    def unlock(self) -> None:
        """Take away locks of processes that have ended; restic keeps those that may be at work."""
        self.call("unlock")

    def _out_of_reach(self, exc: CommandFailed) -> NoReturn:
        raise HamysqlError(
            f"the repository {self.told} cannot be read, or nobody has made it yet; the first backup does. restic says: "
            f"{exc.output.strip()}"
        ) from None


def tag(name: str, value: object) -> str:
    """A tag; restic takes a comma for the end of one."""
    return f"{name}={quote(json.dumps(value, separators=(',', ':')), safe=' :./-')}"


def value(text: str) -> object:
    """The value of a tag. Raises ``ValueError`` where it is none of :func:`tag`."""
    return json.loads(unquote(text))


def value_of(snapshot: Snapshot, name: str) -> object:
    """The value of a snapshot's tag; ``None`` where it has none."""
    with suppress(KeyError, ValueError):
        return value(snapshot["tags"][name])
    return None


def _tags(listed: Sequence[str]) -> dict[str, str]:
    pairs = (item.partition("=") for item in listed)
    return {name: rest for name, sign, rest in pairs if sign}


def without_password(repository: str) -> str:
    """A repository's address without the name and the password in it: ``rest:https://me:x@host/`` is ``rest:https://host/``."""
    scheme, sign, rest = repository.partition("://")
    login, at, _ = rest.partition("/")[0].rpartition("@")
    return f"{scheme}{sign}{rest.removeprefix(login + at)}" if at and ":" in login else repository
