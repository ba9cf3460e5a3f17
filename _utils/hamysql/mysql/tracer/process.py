"""The writer's process on a node: started, waited for, and ended with what it has seen."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from hamysql.errors import HamysqlError, NotReady
from hamysql.mysql.tracer import writer
from hamysql.mysql.tracer.writer import Seen, Task
from hamysql.system import wait

FOLDER = Path("/run/hamysql/tracer")


def start(task: Task) -> None:
    """Start it; one of an earlier run that was cut off is ended first. It writes nothing until :func:`go`."""
    folder = Path(task["folder"])
    stop(folder)
    folder.mkdir(mode=0o700, parents=True)
    with open(folder / "errors.writer", "wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-I", writer.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,  # it outlives the job
            cwd="/",
        )
    assert process.stdin
    process.stdin.write(json.dumps(task).encode())
    process.stdin.close()

    def said() -> str:
        return (folder / "errors.writer").read_text(errors="replace").strip()

    try:
        wait.until(
            lambda: (folder / "ready").exists() or process.poll() is not None,
            bool,
            "the writer that measures the gap starts",
            timeout=30,
            interval=0.1,
        )
    except NotReady:
        process.kill()
        raise
    if process.poll() is not None:
        raise HamysqlError(f"the writer that measures the gap does not start: {said()}")


def go(timeout: float, folder: Path = FOLDER, *, again: bool = False) -> Seen:
    """Have it write, and wait for the first write that is acknowledged; raises ``NotReady`` with what the client has said.

    again
        It writes already: wait for the next one that is acknowledged.
    """
    if not _pid(folder):
        raise NotReady("the writer that measures the gap does not run on this node")
    before = _seen(folder)["acknowledged"] if again else 0
    (folder / "go").touch()
    return wait.until(
        lambda: _seen(folder),
        lambda seen: seen["acknowledged"] > before,
        "a write through the virtual IP is acknowledged",
        timeout=timeout,
        interval=0.2,
        describe=lambda seen: seen["last"] or "none yet",
    )


def stop(folder: Path = FOLDER) -> Seen | None:
    """End it, and return what it has seen; ``None`` where there is none. Nothing of it is left on the node."""
    if not folder.exists():
        return None
    if pid := _pid(folder):
        os.kill(pid, signal.SIGTERM)
        try:
            wait.until(lambda: _pid(folder), lambda found: not found, "the writer ends", timeout=15, interval=0.1)
        except NotReady:
            os.kill(pid, signal.SIGKILL)
    found = _seen(folder) if (folder / "seen").exists() else None
    shutil.rmtree(folder)
    return found


def _seen(folder: Path) -> Seen:
    try:
        found: Seen = json.loads((folder / "seen").read_text())
    except FileNotFoundError:
        return {"acknowledged": 0, "number": 0, "failed": 0, "gap": 0.0, "at": 0.0, "began": 0.0, "last": ""}
    return found


def _pid(folder: Path) -> int:
    """The process that has the lock; 0 where none has it."""
    try:
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return int(os.pread(handle, 20, 0) or 0)
    finally:
        os.close(handle)
    return 0
