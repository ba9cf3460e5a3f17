"""The one place where hamysql starts programs.

Whatever needs a program takes a ``run`` argument of type ``Run``; production passes :func:`run`, a unit test passes
a function of its own.
"""

from __future__ import annotations

import logging
import os
import pwd
import selectors
import signal
import subprocess
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from shutil import which
from typing import IO, Any, Protocol

from hamysql.errors import CommandFailed, HamysqlError
from hamysql.system import root

log = logging.getLogger(__name__)

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

QUIETLY = ("nice", "-n", "19", "ionice", "-c", "3")  # before a program that must not slow the database down

KEPT = 4 * 2**20  # bytes of a program's output that are kept, of its beginning and of its end each
TOLD = 16 * 2**10  # characters of them that an error tells: its text travels over Salt's bus
GRACE = 3  # seconds: for a program that was killed, and for what still has an ended program's pipes open
LOOK = 0.2  # seconds between two looks at whether the program has ended

# Descriptors of locks, which a program keeps: it may go on when this process is killed (:mod:`hamysql.storage.lock`).
kept: ContextVar[tuple[int, ...]] = ContextVar("kept", default=())

_actor: ContextVar[str] = ContextVar("_actor", default="")


def exists(program: str) -> bool:
    """Whether this node has a program, where :func:`run` looks for it."""
    return which(program, path=":".join(str(root.at(folder)) for folder in PATH.split(":"))) is not None


@contextmanager
def acting_as(account: str) -> Iterator[None]:
    """Run programs as another account inside of the ``with`` block: with its groups, without root's rights, and with the locks."""
    token = _actor.set(account)
    try:
        yield
    finally:
        _actor.reset(token)


def _identity() -> tuple[dict[str, str], dict[str, Any]]:
    """Variables and options of a program, by whoever runs it."""
    name = _actor.get()
    if not name:
        return {}, {}
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        raise HamysqlError(f"there is no account {name} on this node") from None
    variables = {"HOME": found.pw_dir, "USER": name, "LOGNAME": name}
    groups = os.getgrouplist(name, found.pw_gid)
    return variables, {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": groups, "cwd": "/"}


@dataclass(frozen=True)
class Result:
    """What a finished program left: its exit code, standard output and standard error."""

    returncode: int
    stdout: str
    stderr: str = ""


class Run(Protocol):
    """How code that needs a program asks for it; see :func:`run` for the parameters."""

    def __call__(
        self,
        argv: Sequence[str],
        *,
        stdin: str | None = None,
        timeout: float = 60,
        accept: Collection[int] = (0,),
        env: dict[str, str] | None = None,
    ) -> Result: ...


def run(
    argv: Sequence[str],
    *,
    stdin: str | None = None,
    timeout: float = 60,
    accept: Collection[int] = (0,),
    env: dict[str, str] | None = None,
) -> Result:
    """Run a program without a shell, in the C locale, and look at its exit code.

    argv
        Program and arguments. Never a place for a secret: everybody can read a process list.
    stdin
        Text for standard input (empty by default). Secrets go here; it is never logged.
    timeout
        Seconds until the program and its process group are killed, 60 by default. One that is beyond signals, as it waits for its
        disk, is left behind: it keeps its locks, and the caller goes on.
    accept
        Exit codes that are results, ``(0,)`` by default.
    env
        Further environment variables.

    Nobody waits for what a program has left running with its pipes open. Of an output of more than 8 MiB the middle is missing, and
    a line says so. Raises ``CommandFailed`` for any other exit code, for a program that is missing, and after ``timeout``.
    """
    # LVM's programs warn of a descriptor that they have been left, and close it.
    variables, options = _identity()
    environment = {
        **os.environ,
        "LC_ALL": "C",
        "PATH": PATH,
        "LVM_SUPPRESS_FD_WARNINGS": "1",
        **variables,
        **(env or {}),
    }
    log.debug("hamysql runs %s", list(argv))
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            pass_fds=kept.get(),
            start_new_session=True,  # what it starts is killed with it
            **options,
        )
    except OSError as exc:
        raise CommandFailed(argv, 127, str(exc)) from exc
    out, err = Kept(), Kept()
    try:
        code = _attend(process, (stdin or "").encode(errors="replace"), out, err, time.monotonic() + timeout)
        if code is None:
            said = f"killed after {timeout:g} s"
            if not _kill(process):
                said += f", but process {process.pid} is beyond signals, as one that waits for its disk is: it is left behind"
            raise CommandFailed(argv, None, _join(said, clipped(err.text()), clipped(out.text())))
    except BaseException:
        if process.returncode is None:
            _kill(process)
        raise
    finally:
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
    if code not in accept:
        raise CommandFailed(argv, code, clipped(err.text()) + clipped(out.text()))
    return Result(code, out.text(), err.text())


def _join(*parts: str) -> str:
    return "\n".join(filter(None, map(str.strip, parts)))


class Kept:
    """The beginning and the end of what a program prints."""

    def __init__(self, limit: int = KEPT) -> None:
        self._limit, self._head, self._tail, self._lost = limit, bytearray(), bytearray(), 0

    def add(self, data: bytes) -> None:
        room = self._limit - len(self._head)
        self._head += data[:room]
        self._tail += data[room:] if room < len(data) else b""
        if len(self._tail) > 2 * self._limit:
            self._lost += len(self._tail) - self._limit
            del self._tail[: -self._limit]

    def text(self) -> str:
        """As text with lines that end in ``\\n``."""
        tail, lost = self._tail, self._lost
        if len(tail) > self._limit:
            tail, lost = tail[-self._limit :], lost + len(tail) - self._limit
        parts = [bytes(self._head), bytes(tail)] if lost else [bytes(self._head + tail)]
        texts = [part.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n") for part in parts]
        return _without_middle(texts[0], texts[1], lost, "bytes") if lost else texts[0]


def clipped(text: str, limit: int = TOLD) -> str:
    """The beginning and the end of a long text."""
    if len(text) <= 2 * limit:
        return text
    return _without_middle(text[:limit], text[-limit:], len(text) - 2 * limit, "characters")


def _without_middle(head: str, tail: str, lost: int, unit: str) -> str:
    """Whole lines where there are any: half of a secret would not be found, and not be masked."""
    head, tail = head[: head.rfind("\n") + 1] or head, tail[tail.find("\n") + 1 :] or tail
    return f"{head}{'' if head.endswith(chr(10)) else chr(10)}[... about {lost} {unit} are left out ...]\n{tail}"


def _attend(process: subprocess.Popen[bytes], stdin: bytes, out: Kept, err: Kept, deadline: float) -> int | None:
    """Feed a program and read what it prints until it has ended; its exit code, or ``None`` at the deadline."""
    assert process.stdin
    assert process.stdout
    assert process.stderr
    rest, ended = memoryview(stdin), 0.0
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, out)
        selector.register(process.stderr, selectors.EVENT_READ, err)
        os.set_blocking(process.stdin.fileno(), False)
        selector.register(process.stdin, selectors.EVENT_WRITE)
        while selector.get_map():
            now = time.monotonic()
            if not ended and process.poll() is not None:
                ended = now
            if ended and now >= ended + GRACE:
                break  # somebody else has the pipes
            if not ended and now >= deadline:
                return None
            for key, _ in selector.select(LOOK if ended else max(0, min(LOOK, deadline - now))):
                if key.data is None:
                    rest = _feed(selector, process.stdin, rest)
                    continue
                data = os.read(key.fd, 2**16)
                key.data.add(data)
                if not data:
                    selector.unregister(key.fileobj)
    try:
        return process.wait(max(0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return None


def _feed(selector: selectors.BaseSelector, pipe: IO[bytes], rest: memoryview) -> memoryview:
    try:
        rest = rest[os.write(pipe.fileno(), rest[: 2**16]) :] if rest else rest
    except BlockingIOError:
        return rest
    except BrokenPipeError:
        rest = rest[:0]
    if not rest:
        selector.unregister(pipe)
        pipe.close()
    return rest


def _kill(process: subprocess.Popen[bytes]) -> bool:
    """Kill a program with its process group; whether it has ended then."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        return False
    return True
