"""The one place where hamysql starts programs.

Whatever needs a program takes a ``run`` argument of type ``Run``; production passes :func:`run`, a unit test passes
a function of its own.
"""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Collection, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

from hamysql.errors import CommandFailed

log = logging.getLogger(__name__)

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Descriptors of locks, which a program keeps: it may go on when this process is killed (:mod:`hamysql.nodelock`).
kept: ContextVar[tuple[int, ...]] = ContextVar("kept", default=())


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
        Seconds until the program is killed, 60 by default.
    accept
        Exit codes that are results, ``(0,)`` by default.
    env
        Further environment variables.

    Raises ``CommandFailed`` for any other exit code, for a program that is missing, and after ``timeout``.
    """
    # LVM's programs warn of a descriptor that they have been left, and close it.
    environment = {**os.environ, "LC_ALL": "C", "PATH": PATH, "LVM_SUPPRESS_FD_WARNINGS": "1", **(env or {})}
    log.debug("hamysql runs %s", list(argv))
    try:
        done = subprocess.run(
            list(argv),
            input=stdin or "",
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env=environment,
            pass_fds=kept.get(),
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise CommandFailed(argv, None, f"killed after {timeout:g} s") from exc
    except OSError as exc:
        raise CommandFailed(argv, 127, str(exc)) from exc
    if done.returncode not in accept:
        raise CommandFailed(argv, done.returncode, done.stderr + done.stdout)
    return Result(done.returncode, done.stdout, done.stderr)
