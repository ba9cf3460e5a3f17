"""Backups in a repository of restic: encrypted, each part kept once, on a disk, by SFTP, with S3 or behind a REST server.

A backup is made in a folder of the node, and goes into the repository as one snapshot, which is there when all of it is. The
manifest and the proof are tags of the snapshot as well, so one question lists all backups.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path

from hamysql.backup import manifest, restic
from hamysql.backup.folder import Folder, checked
from hamysql.backup.logs import snapshots
from hamysql.backup.logs.snapshots import LogSnapshots
from hamysql.backup.logs.store import LogStore
from hamysql.backup.manifest import Glance, Kept, Manifest, Proof
from hamysql.backup.place import Place, must_be_mounted
from hamysql.backup.restic import NoRepository, Restic, Snapshot
from hamysql.errors import HamysqlError, ParseError, Refused
from hamysql.system.command import Run

TAG, PROOF = "hamysql-backup", "proof"
ROOM = 1.1  # times the data's size: what is written while the copy is made comes on top
LOOK = 10.0  # seconds for a glance


class Repository(Place):
    """The backups of one cluster in a repository.

    staging
        The folder of this node in which a backup is made; nothing of it stays.
    mounted
        Whether a repository that is a folder has to be on another file system than this node's root.
    """

    def __init__(self, program: Restic, staging: str, mounted: bool = False) -> None:
        self.restic, self.told = program, program.told
        self.staged = Folder(staging, program.host)
        self.mounted = mounted and self.told.startswith("/")

    def prepare(self) -> None:
        self._mounted()
        self.staged.target.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.restic.make()

    def _mounted(self) -> None:
        if self.mounted:
            path = Path(self.told)
            must_be_mounted(path if path.exists() else path.parent)

    def logs(self) -> LogStore:
        self._mounted()
        return LogSnapshots(self.restic, self.staged.target)

    def names(self) -> list[str]:
        return sorted(self._found(), reverse=True)

    def kept(self) -> list[Kept]:
        found = self._found()
        return [
            {"manifest": said, "proof": _proof(found[name])}
            for name in sorted(found, reverse=True)
            if (said := _manifest(found[name]))
        ]

    def glance(self, run: Run) -> Glance | None:
        try:
            listed = self.restic.snapshots(timeout=LOOK)
        except NoRepository:
            listed = []
        except HamysqlError:
            return None
        found = [(_manifest(item), _proof(item)) for item in listed]
        began = [said["began"] for said, _ in found if said]
        proofs = [proof["when"] for _, proof in found if proof]
        newest, proven = (max(times, default="").replace(" ", "T") or None for times in (began, proofs))
        return {"newest": newest, "proven": proven, "point": snapshots.point(listed)}

    @contextmanager
    def locked(self) -> Iterator[None]:
        self.prepare()
        with self.staged.locked():
            self._clear()
            self.restic.unlock()
            try:
                yield
            finally:
                self._clear()

    def room(self, size: Callable[[], int]) -> None:
        path = self.staged.target
        free, need = shutil.disk_usage(path).free, size() * ROOM
        if free < need:
            raise Refused(
                f"{path} has {free / 1e6:.0f} MB left, and a backup is made there before it goes to {self.told}, which needs "
                f"{need / 1e6:.0f} MB: make room, or set hamysql:backup:staging to a folder that has it"
            )

    def making(self, name: str) -> Path:
        return self.staged.making(name)

    def complete(self, said: Manifest, sums: Mapping[str, str]) -> None:
        self.staged.complete(said, sums)
        tags = [TAG, *(restic.tag(key, value) for key, value in said.items())]
        names = [manifest.FILE, manifest.SUMS, manifest.DATA]
        self.restic.keep(self.staged.path / said["name"], names, tags)

    def prove(self, name: str, proof: Proof) -> None:
        self.restic.add_tag(self._snapshot(name)["id"], restic.tag(PROOF, proof))

    def forget(self, keep: int) -> list[str]:
        names = manifest.gone(self.kept(), keep)
        found = self._found()
        self.restic.forget([found[name]["id"] for name in names])
        return names

    def fetch(self, run: Run, name: str, parent: Path) -> None:
        snapshot = self._snapshot(name)["id"]
        self.restic.restore(snapshot, [manifest.DATA], parent)
        checked(name, self.told, self.restic.text(snapshot, manifest.SUMS), parent / manifest.DATA)

    def _clear(self) -> None:
        """Take away what was made on this node: it is in the repository, or was cut off."""
        for name in self.staged.names():
            shutil.rmtree(self.staged.path / name)
        for path in self.staged.path.glob(".making-*"):
            shutil.rmtree(path)

    def _found(self) -> dict[str, Snapshot]:
        """The snapshots by the names of their backups."""
        try:
            listed = self.restic.snapshots(TAG)
        except NoRepository:
            self._mounted()
            return {}  # the first backup makes it
        found = ((restic.value_of(item, "name"), item) for item in listed)
        return {name: item for name, item in found if isinstance(name, str) and manifest.is_name(name)}

    def _snapshot(self, name: str) -> Snapshot:
        found = self._found().get(name)
        if found is None:
            raise Refused(f"there is no backup {name} in {self.told} any more: list them, `salt-run hamysql.status`")
        return found


def _manifest(snapshot: Snapshot) -> Manifest | None:
    found = {key: restic.value_of(snapshot, key) for key in Manifest.__annotations__ if key in snapshot["tags"]}
    with suppress(ParseError):
        return manifest.read(json.dumps(found))
    return None


def _proof(snapshot: Snapshot) -> Proof | None:
    found = restic.value_of(snapshot, PROOF)
    if not isinstance(found, dict) or set(Proof.__annotations__) - set(found):
        return None
    with suppress(ValueError):
        datetime.strptime(found["when"], "%Y-%m-%d %H:%M:%SZ").replace(tzinfo=timezone.utc)
        return found  # type: ignore[return-value]
    return None
