"""The errors of hamysql. They are caught by class, never by text.

All derive from Salt's ``CommandExecutionError``, whose message Salt shows without a traceback wherever a minion or a state
raises it, and from its ``NotImplemented``: the only class that a runner may raise so that ``salt-run`` prints the message alone
(``salt.client.mixins``, ``SyncClientMixin.low``; 3006 and 3008). It exits with 1, and the job is a failed one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from salt.exceptions import CommandExecutionError, NotImplemented

SaltError = CommandExecutionError  # what Salt itself raises, too: told without a traceback


class HamysqlError(CommandExecutionError, NotImplemented):
    """Root of every error that hamysql raises on purpose."""


@dataclass(frozen=True)
class Problem:
    """One defect of a pillar: where it is, what was found there, what belongs there."""

    path: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.path}: found {self.found}, expected {self.expected}"


class ConfigError(HamysqlError):
    """The pillar is wrong. Carries every problem found, not the first one only."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = f"the hamysql pillar has {count} error{'s' if count > 1 else ''}:"
        super().__init__("\n".join([head, *(f"  - {problem}" for problem in self.problems)]))


class CommandFailed(HamysqlError):
    """A command ended with an exit code that its caller does not accept, or not at all."""

    def __init__(self, argv: Sequence[str], returncode: int | None, output: str) -> None:
        self.argv = tuple(argv)
        self.returncode = returncode
        self.output = output
        ending = "did not end in time" if returncode is None else f"ended with exit code {returncode}"
        super().__init__(f"`{' '.join(argv)}` {ending}: {output.strip() or '(no output)'}")


class Refused(HamysqlError):
    """Doing what was asked could lose data or service; the message names the evidence."""


class NotReady(HamysqlError):
    """A condition was not met before its deadline; the message says what was seen last."""


class ParseError(HamysqlError):
    """A tool printed something that this version of hamysql does not understand."""
