"""What each kind of firewall does for hamysql; :mod:`hamysql.firewall.backends` lists them."""

from __future__ import annotations

import ipaddress
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypedDict, TypeVar

from hamysql.ports import Access
from hamysql.system.command import Run


class _Rules(TypedDict):
    rules: dict[str, list[str]]  # of each family
    boot: list[str]  # lines of the unit that loads them
    manual: str  # the manual page that the unit names


class Derived(_Rules, total=False):
    """What the resolved configuration's ``firewall`` gets: of each firewall what its SLS file reads."""

    files: dict[str, str]  # iptables: the file of each family
    text: str  # nftables: the file
    reload: str  # nftables: the command that loads it
    policy: str  # firewalld: the policy as XML


class _Exists(TypedDict):
    exists: bool


class Plain(_Exists, total=False):
    """What :meth:`Seen.plain` returns: lists in the firewall's own words, with the keys that this kind has."""

    rules: list[str]
    jumps: list[int]
    content: list[str]


class Seen(Protocol):
    """What the kernel holds of hamysql's rules in one family."""

    @property
    def exists(self) -> bool:
        """Whether there is anything of ours."""

    @property
    def lines(self) -> list[str]:
        """The state as a reader of ``changes`` wants it."""

    def plain(self) -> Plain:
        """The same for Salt; :meth:`Firewall.seen` reads it."""


@dataclass(frozen=True)
class Listed:
    """Rules that the firewall lists in its own words, which say all of it; ``None`` where there is nothing of hamysql's."""

    content: tuple[str, ...] | None

    @property
    def exists(self) -> bool:
        return self.content is not None

    @property
    def lines(self) -> list[str]:
        return list(self.content or ())

    def plain(self) -> Plain:
        return {"exists": self.exists, "content": self.lines}


S = TypeVar("S", bound=Seen)

NO_PROGRAM = 127  # the exit code of a program that is not installed


def address(text: str) -> str:
    """An address or a network in one form: a single address has no length."""
    network = ipaddress.ip_network(text)
    return str(network if network.prefixlen < network.max_prefixlen else network.network_address)


class Firewall(ABC, Generic[S]):
    """One kind of firewall: neutral rules in its own language, and the way into the kernel.

    ``name`` is its name in the pillar (``firewall:backend``), and its SLS file is hamysql/firewall/NAME.sls. ``what`` is what
    hamysql has there, in words. Everything else in the kernel is somebody else's, and stays. ``files`` are those of its SLS file.
    ``units`` are services that its package may not start: only the administrator does.
    """

    name: str
    what: str
    files: tuple[str, ...] = ()
    units: tuple[str, ...] = ()

    @abstractmethod
    def derive(self, wanted: Mapping[str, Sequence[Access]]) -> Derived:
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
    def seen(self, plain: Plain) -> S:
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
