"""What each kind of firewall does for hamysql; :mod:`hamysql.firewall.backends` lists them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from hamysql.ports import Access
from hamysql.system.command import Run


class Seen(Protocol):
    """What the kernel holds of hamysql's rules in one family."""

    @property
    def exists(self) -> bool:
        """Whether there is anything of ours."""

    @property
    def lines(self) -> list[str]:
        """The state as a reader of ``changes`` wants it."""

    def plain(self) -> dict[str, Any]:
        """The same for Salt; :meth:`Firewall.seen` reads it."""


S = TypeVar("S", bound=Seen)

NO_PROGRAM = 127  # the exit code of a program that is not installed


class Firewall(ABC, Generic[S]):
    """One kind of firewall: neutral rules in its own language, and the way into the kernel.

    ``name`` is its name in the pillar (``firewall:backend``), and its SLS file is hamysql/firewall/NAME.sls. ``what`` is what
    hamysql has there, in words. Everything else in the kernel is somebody else's, and stays. ``files`` are those of its SLS file.
    """

    name: str
    what: str
    files: tuple[str, ...] = ()

    @abstractmethod
    def derive(self, wanted: Mapping[str, Sequence[Access]]) -> dict[str, Any]:
        """What the resolved configuration's ``firewall`` gets: ``rules``, a list for each family, and all that its SLS reads.

        wanted
            Who may reach which port, for each family in use.
        """

    def obstacles(self, run: Run, wanted: Mapping[str, Sequence[Access]]) -> list[str]:
        """Rules of others that drop what is wanted, in spite of all that this firewall may load; none by default."""
        return []

    @abstractmethod
    def read(self, run: Run, family: str) -> S:
        """What the kernel holds; raises ``CommandFailed``, with 127 where its program is not installed."""

    @abstractmethod
    def seen(self, plain: Mapping[str, Any]) -> S:
        """What :meth:`Seen.plain` has returned."""

    @abstractmethod
    def loaded(self, rules: Sequence[str] | None) -> S:
        """What the kernel holds once these rules are loaded; nothing of ours with ``None``."""

    @abstractmethod
    def converged(self, seen: S, rules: Sequence[str]) -> bool:
        """Whether the kernel holds exactly these rules."""

    @abstractmethod
    def load(self, run: Run, family: str, rules: Sequence[str], seen: S) -> None:
        """Load the rules in place of what was seen, in one transaction."""

    @abstractmethod
    def remove(self, run: Run, family: str, seen: S) -> None:
        """Take away what was seen."""
