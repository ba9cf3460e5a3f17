"""The folder that has the backups of a cluster: what is complete, what is in the making, and the sums of the files.

A backup is made under another name and is renamed when it is complete, so one that was cut off is never taken for a backup.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from hamysql.backup import manifest
from hamysql.backup.logs import directory
from hamysql.backup.logs.directory import LogFolder
from hamysql.backup.logs.store import LogStore
from hamysql.backup.manifest import Glance, Kept, Manifest, Proof
from hamysql.backup.place import Place, must_be_mounted
from hamysql.errors import CommandFailed, HamysqlError, NotReady, ParseError, Refused
from hamysql.system import files, wait
from hamysql.system.command import QUIETLY, Run

MAKING, GOING = ".making-", ".going-"
LIMIT = 86400.0  # seconds for a copy
PATIENCE = 60.0  # seconds for another backup to end: one whose orchestration was killed goes on to its end


class Folder(Place):
    """The backups of one cluster in a folder.

    target
        The pillar's ``hamysql:backup:directory``; there is a folder below it for each cluster.
    mounted
        Whether the target has to be on another file system than this node's root.
    """

    def __init__(self, target: str, cluster: str, mounted: bool = False) -> None:
        self.target, self.path, self.mounted = Path(target), Path(target) / cluster, mounted
        self.told = str(self.path)

    def prepare(self) -> None:
        """Make the cluster's folder, which only root can enter. The target has to be there: it may be a mount that is missing."""
        if self.mounted:
            must_be_mounted(self.target)
        if not self.target.is_dir():
            raise Refused(
                f"there is no folder {self.target} for the backups on this node: make it, or mount what is to be there"
            )
        self.path.mkdir(mode=0o700, exist_ok=True)

    def names(self) -> list[str]:
        """The names of the complete backups, the newest first."""
        found = self.path.iterdir() if self.path.is_dir() else ()
        return sorted((item.name for item in found if manifest.is_name(item.name)), reverse=True)

    def kept(self) -> list[Kept]:
        """All complete backups, the newest first; one whose manifest cannot be read is none."""
        found: list[Kept] = []
        for name in self.names():
            try:
                said = manifest.read((self.path / name / manifest.FILE).read_text(encoding="utf-8"))
            except (OSError, ParseError):
                continue
            found.append({"manifest": said, "proof": self._proof(name)})
        return found

    def glance(self, run: Run) -> Glance | None:
        """The newest backup and proof; ``None`` where the folder is out of reach: a program looks, which may be left behind."""
        names = [
            "(",
            "-name",
            manifest.FILE,
            "-o",
            "-name",
            manifest.PROOF,
            "-o",
            "-path",
            f"*/{directory.FOLDER}/{manifest.POINT}",
            ")",
        ]
        try:
            found = run(
                ["find", str(self.path), "-mindepth", "2", "-maxdepth", "2", *names, "-printf", "%P %T@\\n"], timeout=5
            )
        except CommandFailed:
            return None
        return manifest.glance(found.stdout)

    def logs(self) -> LogStore:
        self.prepare()
        return LogFolder(self.path)

    def _proof(self, name: str) -> Proof | None:
        try:
            found: Proof = json.loads((self.path / name / manifest.PROOF).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One at a time makes or takes away something; over NFS as well. What others have left half done goes first."""
        self.prepare()
        handle = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                wait.until(lambda: _taken(handle), bool, "", timeout=PATIENCE)
            except NotReady:
                raise Refused(f"another backup is at work in {self.path}: wait for it to end") from None
            for item in self.path.iterdir():
                if item.name.startswith((MAKING, GOING)):
                    shutil.rmtree(item)
            yield
        finally:
            os.close(handle)

    def room(self, size: Callable[[], int]) -> None:
        """It may be a file system whose room nobody can tell, and a copy that does not fit leaves nothing."""

    def making(self, name: str) -> Path:
        """The folder in which a backup is made."""
        path = self.path / f"{MAKING}{name}"
        path.mkdir(mode=0o700)
        return path

    def complete(self, said: Manifest, sums: Mapping[str, str]) -> None:
        """Write down the sums and the manifest, and make the backup one of the folder."""
        path = self.path / f"{MAKING}{said['name']}"
        lines = [f"{digest}  {name}\n" for name, digest in sorted(sums.items())]
        _write(path / manifest.SUMS, "".join(lines))
        _write(path / manifest.FILE, json.dumps(said, indent=2) + "\n")
        os.rename(path, self.path / said["name"])
        files.synchronise(self.path)

    def prove(self, name: str, proof: Proof) -> None:
        """Write down that a backup was restored."""
        path = self.path / name
        _write(path / f"{manifest.PROOF}.new", json.dumps(proof, indent=2) + "\n")
        os.rename(path / f"{manifest.PROOF}.new", path / manifest.PROOF)

    def forget(self, keep: int) -> list[str]:
        """Take old backups away; returns their names."""
        names = manifest.gone(self.kept(), keep)
        for name in names:
            going = self.path / f"{GOING}{name}"
            os.rename(self.path / name, going)
            shutil.rmtree(going)
        return names

    def fetch(self, run: Run, name: str, parent: Path) -> None:
        path = self.path / name
        source, target = path / manifest.DATA, parent / manifest.DATA
        run([*QUIETLY, "cp", "--recursive", "--no-dereference", str(source), str(target)], timeout=LIMIT)
        checked(name, self.told, (path / manifest.SUMS).read_text(encoding="utf-8"), target)


def checked(name: str, told: str, listed: str, copy: Path) -> None:
    """Raise ``HamysqlError`` where the files of a backup's copy are not those that were written.

    told
        Where the backup is.
    listed
        The lines of its sums.
    """
    wanted = {}
    for line in listed.splitlines():
        digest, _, file = line.partition("  ")
        wanted[file] = digest
    found = sums(copy)
    wrong = sorted(file for file in {*wanted, *found} if wanted.get(file) != found.get(file))
    if wrong:
        raise HamysqlError(
            f"the backup {name} in {told} is damaged: {len(wrong)} of {len(wanted)} files are not as they were written, "
            f"the first one is {wrong[0]}. Take a new backup, and look at the disk"
        )


def sums(path: Path) -> dict[str, str]:
    """The SHA-256 of each file below a folder, by its path there."""
    return {item.relative_to(path).as_posix(): _sum(item) for item in sorted(path.rglob("*")) if item.is_file()}


def size(path: Path) -> int:
    """The bytes of all files below a folder."""
    return sum(item.stat().st_size for item in path.rglob("*") if item.is_file())


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sum(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def _write(path: Path, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
