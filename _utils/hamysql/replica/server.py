"""The database server of a replica's machine: how it is, and how it starts, stops and follows."""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, cast

from hamysql.backup import beside as backup_beside
from hamysql.backup.beside import STAYS, State
from hamysql.errors import CommandFailed, NotReady
from hamysql.mysql.flavours import registry
from hamysql.mysql.flavours.replication import Following, Replication
from hamysql.mysql.sql import unescape, without_statements
from hamysql.replica import record
from hamysql.replica.record import Record
from hamysql.replica.site import Task, datadir
from hamysql.resolved.software import Mysql
from hamysql.system import root, wait
from hamysql.system.command import Run

_SERVERS = ("mysql", "sys", "performance_schema", "information_schema")


class Looked(TypedDict):
    """A replica's machine, over Salt's bus.

    ``databases`` are those in its datadir that are not the server's own; ``following`` is ``None`` where no server answers.
    ``restore`` is how far a backup has come into the datadir. ``waits`` says whether the option file is newer than the server's
    start.
    """

    answers: bool
    databases: list[str]
    record: Record | None
    following: Following | None
    restore: State
    waits: bool


@dataclass(frozen=True)
class Server:
    """The server of a machine."""

    run: Run
    task: Task

    @property
    def mysql(self) -> Mysql:
        return cast(Mysql, self.task["backup"]["mysql"])

    @property
    def replication(self) -> Replication:
        return registry.of(self.mysql).replication(self.mysql)

    def sql(self, statements: str, *more: str, timeout: float = 60) -> str:
        """What the server answers. Raises ``NotReady`` with its words; a statement with a password is not among them."""
        try:
            return self.run(
                [*registry.of(self.mysql).client(self.mysql), *more], stdin=statements, timeout=timeout
            ).stdout
        except CommandFailed as exc:
            raise NotReady(
                f"the server of {self.task['name']} does not do it: {without_statements(exc.output).strip()}"
            ) from None

    def answers(self) -> bool:
        try:
            return self.sql("SELECT 1;").strip() == "1"
        except NotReady:
            return False

    def following(self) -> Following:
        """How it follows."""
        return self.replication.following(self.sql(self.replication.state_query, *self.replication.ask))

    def stop(self) -> None:
        """Stop it; it has written all down then. Raises ``NotReady`` where one answers all the same."""
        self.run(["systemctl", "stop", self.task["service"]], timeout=900)
        if self.answers():
            raise NotReady(
                f"a database server answers on {self.task['name']} though {self.task['service']} is stopped: somebody has started "
                "it by hand. Stop it"
            )

    def start(self, timeout: float) -> None:
        """Start it, and wait until it answers; a crash recovery may be part of it. Nothing where it does."""
        if self.answers():
            return
        self.run(["systemctl", "reset-failed", self.task["service"]], accept=range(256))
        try:
            self.run(["systemctl", "start", self.task["service"]], timeout=timeout)
        except CommandFailed as exc:
            raise NotReady(
                f"the database of {self.task['name']} does not start: {exc.output.strip()}. `journalctl -u "
                f"{self.task['service']}` on it says why"
            ) from None
        wait.until(self.answers, bool, f"the database of {self.task['name']} answers", timeout=timeout)

    def waits(self) -> bool:
        """Whether its option file is newer than its start."""
        answer = self.sql("SHOW GLOBAL STATUS LIKE 'Uptime';").split()
        try:
            changed = os.stat(root.at(self.task["options"])).st_mtime
        except FileNotFoundError:
            return False
        return changed > time.time() - float(answer[1])


def look(server: Server) -> Looked:
    """How the machine is. Reads only."""
    answers = server.answers()
    folder = datadir(server.task)
    empty = backup_beside.state(None, None)
    restore = empty
    if folder.is_dir():
        with backup_beside.opened(folder) as beside:
            restore = backup_beside.state(beside, beside.intent()) if beside else empty
    return {
        "answers": answers,
        "databases": databases(folder),
        "record": record.read(),
        "following": server.following() if answers else None,
        "restore": restore,
        "waits": answers and server.waits(),
    }


def databases(path: str | os.PathLike[str]) -> list[str]:
    """The databases in a folder of data, whether a server runs or not: each is a folder there."""
    folder = Path(path)
    names = sorted(os.listdir(folder)) if folder.is_dir() else []
    return [
        name
        for name in names
        if name not in (*_SERVERS, *STAYS)
        and not name.startswith("#")
        and stat.S_ISDIR(os.lstat(folder / name).st_mode)
    ]


def said(following: Following) -> str:
    """The last words of a server's replication, on one line."""
    return " ".join(unescape(following["error"]).split()) or "it says nothing"
