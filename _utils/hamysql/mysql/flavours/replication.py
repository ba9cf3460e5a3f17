"""What differs from one flavour to another where a server follows another one. Pure: SQL comes out, what it prints goes in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TypedDict

from hamysql.mysql.flavours.allowed import Allowed


@dataclass(frozen=True)
class Source:
    """The server that is followed, and how: ``ca`` is a file that vouches for it, "" for none.

    ``tls`` says whether the connection is encrypted, ``verify`` whether the certificate has to have the address.
    """

    address: str
    port: int
    user: str
    password: str = field(repr=False)
    tls: bool = False
    ca: str = ""
    verify: bool = False


class Following(TypedDict):
    """How a server follows another one, over Salt's bus.

    ``source`` is whom it follows, "" for nobody. ``receives`` and ``applies`` are what its two threads say of themselves. ``ended``
    says whether one has ended with an error, ``error`` is what they say last. ``lag`` is in seconds, ``None`` where nobody knows.
    ``position`` is what it has applied, ``received`` what it has got. ``own`` is what was written to it by others than its source.
    """

    source: str
    receives: str
    applies: str
    ended: bool
    error: str
    lag: int | None
    position: str
    received: str
    own: str
    read_only: bool


class Replication(ABC):
    """How a flavour replicates.

    ``options`` are those of a replica's server, and ``own`` their names, which only hamysql sets. Of the cluster's options a
    replica does not take those that begin with ``apart``. ``guarded`` are options of the cluster's server that it depends on.
    ``privilege`` is what its account needs. ``ask`` is for behind the client's command line: columns get their names.
    """

    options: Mapping[str, str]
    own: Collection[str]
    apart: tuple[str, ...]
    guarded: Mapping[str, Allowed]
    privilege: str
    ask: tuple[str, ...]
    source_query: str  # the SQL whose output `unfit` reads, on the cluster's server
    state_query: str  # the SQL whose output `following` reads, on the replica, with `ask`
    start: str
    stop: str
    receive_no_more: str
    forget: str  # the SQL after which the server follows nobody, and does not know whom it has followed
    writable: str

    @abstractmethod
    def unfit(self, output: str) -> tuple[str, list[str]]:
        """Where the cluster's server is, and why a replica cannot follow it, as sentences."""

    @abstractmethod
    def following(self, output: str) -> Following:
        """How a server follows another one."""

    @abstractmethod
    def position(self, noted: str) -> str:
        """The position in what the backup's tool has noted of the binary logs. Raises ``Refused`` where it has none."""

    @abstractmethod
    def begin_at(self, position: str, source: Source) -> str:
        """The SQL with which a server that follows nobody knows whom it follows, and from where on. It does not start."""

    @abstractmethod
    def renumbered(self, position: str, moment: float) -> str:
        """The SQL that gives later transactions of the cluster's server numbers that none had before; "" where they have such.

        moment
            Seconds since 1970.
        """

    @abstractmethod
    def reached(self, position: str) -> str:
        """The SQL that prints 0 where a server has applied all up to a position, at once."""
