"""The client that writes: a program of its own, which outlives the job that has started it. It needs Python's own modules only.

It reads one JSON object (:class:`Task`) from standard input. It waits for the file ``go``, then writes a number, one write after
the other, and notes what was acknowledged in the file ``seen``. It ends with SIGTERM. Where nobody ends it, it ends itself, and
cleans up.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TypedDict

INTERVAL = 0.1  # seconds between two writes
PATIENCE = 2.0  # seconds for an answer, then it connects anew
NOTED = 0.5  # seconds between two notes
TABLE = "hamysql.tracer"


class Task(TypedDict):
    """What is to be done. ``clean`` is a client's command line as root; it is fed ``sql`` where nobody ends the writer."""

    argv: list[str]
    password: str
    node: str
    limit: float
    folder: str
    clean: list[str]
    sql: list[str]


class Seen(TypedDict):
    """What was seen: writes that were acknowledged, those that failed, and the longest time without an acknowledged write.

    ``gap`` is in seconds; ``at`` is when it began, in seconds since 1970, as ``began`` is. ``last`` is the last error's text.
    """

    acknowledged: int
    number: int
    failed: int
    gap: float
    at: float
    began: float
    last: str


class Client:
    """One connection: the database's own client, fed through a pipe."""

    def __init__(self, task: Task) -> None:
        self.errors = open(Path(task["folder"]) / "errors", "w+b")  # noqa: SIM115
        self.process = subprocess.Popen(
            task["argv"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env={**os.environ, "LC_ALL": "C", "MYSQL_PWD": task["password"]},
        )

    def write(self, node: str, number: int, patience: float = PATIENCE) -> bool:
        """Whether the server has acknowledged a write."""
        assert self.process.stdin
        assert self.process.stdout
        try:
            statement = f"REPLACE INTO {TABLE} VALUES ('{node}', {number}); SELECT {number};\n"
            self.process.stdin.write(statement.encode())
            self.process.stdin.flush()
        except OSError:
            return False
        deadline, said, pipe = time.monotonic() + patience, b"", self.process.stdout.fileno()
        while not said.endswith(b"\n"):
            if not select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
                return False
            read = os.read(pipe, 1024)
            if not read:
                return False
            said += read
        return said.strip() == str(number).encode()

    def end(self) -> str:
        """Let go of the connection; returns what the client has said of an error."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                if pipe:
                    pipe.close()
            except OSError:
                pass
        self.errors.seek(0)
        said = self.errors.read().decode(errors="replace").strip()
        self.errors.close()
        return said


class Writer:
    """All writes of one operation."""

    def __init__(self, task: Task) -> None:
        self.task, self.folder = task, Path(task["folder"])
        self.stopped, self.client = False, None  # type: bool, Client | None
        self.acknowledged, self.number, self.failed, self.last = 0, 0, 0, ""
        self.gap, self.at, self.began, self.noted = 0.0, 0.0, 0.0, 0.0
        self.before = 0.0  # when the last write was acknowledged

    def run(self) -> bool:
        """Write until somebody ends it; whether nobody has."""
        end = time.monotonic() + self.task["limit"]
        while not self.stopped and time.monotonic() < end:
            if self.began or (self.folder / "go").exists():
                self.once()
            time.sleep(INTERVAL)
        self.gone(time.monotonic())
        self.note()
        if self.client:
            self.client.end()
        return not self.stopped

    def once(self) -> None:
        """One write, and what follows from it."""
        if not self.began:
            self.began = time.time()
        self.client = self.client or Client(self.task)
        number = self.number + 1
        if self.client.write(self.task["node"], number):
            self.gone(time.monotonic())
            self.before, self.number = time.monotonic(), number
            self.acknowledged += 1
        else:
            self.last = self.client.end() or f"no answer within {PATIENCE:g} s"
            self.client = None
            self.failed += 1
        if time.monotonic() - self.noted >= NOTED:
            self.note()

    def gone(self, now: float) -> None:
        """Look at the time since the last acknowledged write."""
        if self.before and now - self.before > self.gap:
            self.gap, self.at = now - self.before, time.time() - (now - self.before)

    def note(self) -> None:
        """Write down what was seen so far."""
        seen: Seen = {
            "acknowledged": self.acknowledged,
            "number": self.number,
            "failed": self.failed,
            "gap": self.gap,
            "at": self.at,
            "began": self.began,
            "last": self.last,
        }
        (self.folder / "seen.new").write_text(json.dumps(seen))
        (self.folder / "seen.new").replace(self.folder / "seen")
        self.noted = time.monotonic()


def clean(task: Task) -> None:
    """Nobody has asked for the result: the table and the accounts go, where this node has the server."""
    for sql in task["sql"]:
        subprocess.run(task["clean"], input=sql.encode(), capture_output=True, timeout=60, check=False)


def main() -> None:
    """Read the task, and do it under a lock by which others know that it is still at work."""
    task: Task = json.load(sys.stdin)
    lock = os.open(Path(task["folder"]) / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    writer = Writer(task)

    def stop(*_: object) -> None:
        writer.stopped = True

    signal.signal(signal.SIGTERM, stop)
    (Path(task["folder"]) / "ready").touch()
    if writer.run():
        clean(task)


if __name__ == "__main__":
    main()
