"""What differs from one database flavour to another, as one object; :mod:`hamysql.mysql.flavours.registry` lists them. Pure."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hamysql.errors import Refused
from hamysql.mysql.flavours.allowed import Allowed
from hamysql.mysql.flavours.replication import Replication
from hamysql.mysql.flavours.tools import BackupTool, LogTool
from hamysql.mysql.grants import Grant, Privileges
from hamysql.mysql.sql import Account
from hamysql.resolved.software import Mysql


@dataclass(frozen=True)
class Terms:
    """What an account's client has to show, how much it may ask for, and its default role; with the pillar's keys.

    ``require`` has ``tls`` (``NONE``, ``SSL``, ``X509``), or what has to be in the certificate; a limit of 0 is none.
    """

    require: Mapping[str, str]
    limits: Mapping[str, float]
    default_role: str = ""


NO_TERMS = Terms({}, {})


@dataclass(frozen=True)
class Observed:
    """What the server has: databases with (character set, collation), accounts with (plugin, hash), their grants.

    ``ways`` are the plugins of accounts that have more than one. ``contents`` has the number of tables, views, routines and events
    in each database that is not empty. ``roles`` are all roles, and ``memberships`` those of an account or role, each with whether
    it may pass the role on. ``policy`` says whether the server takes a password in clear text only, to judge it. ``small`` says
    whether names of databases and tables are kept in small letters (``lower_case_table_names``).
    ``everything`` are the privileges that the server shows instead of ALL; empty where it shows ALL itself.
    """

    databases: Mapping[str, tuple[str, str]]
    accounts: Mapping[Account, tuple[str, str]]
    grants: Mapping[Account, Mapping[str, Grant]] = field(default_factory=dict)
    ways: Mapping[Account, frozenset[str]] = field(default_factory=dict)
    contents: Mapping[str, int] = field(default_factory=dict)
    roles: frozenset[str] = frozenset()
    memberships: Mapping[Account, Mapping[str, bool]] = field(default_factory=dict)
    terms: Mapping[Account, Terms] = field(default_factory=dict)
    policy: bool = False
    small: bool = False
    everything: frozenset[str] = frozenset()

    def stored(self, name: str) -> str:
        """The name of a database or table, or a pillar's ``db.table``, as this server keeps it."""
        return name.lower() if self.small else name


@dataclass(frozen=True)
class Hash:
    """What the hash of a password looks like."""

    pattern: re.Pattern[str]
    expected: str


@dataclass(frozen=True)
class Variable:
    """A global variable of the server; ``settable`` while it runs."""

    value: str
    type: str
    settable: bool


@dataclass(frozen=True)
class Names:
    """What is called after a flavour: its services, the one of its package first, and its folders.

    ``folders`` are patterns for what the names of such folders begin with; ``words`` say the same to people, and are such names
    themselves. ``option_folder`` has its option files.
    """

    services: Sequence[str]
    folders: Sequence[str]
    words: Sequence[str]
    option_folder: str


@dataclass(frozen=True)
class Options:
    """How the server reads its options, and what each may say. Names have ``_``, and are in small letters.

    ``read`` are the groups of an option file that it reads; any group that is not among ``clients`` is judged as if it did.
    ``off`` and ``on`` are what an option's name may begin with, to switch it off, or without another meaning. ``whole`` are names
    that others begin with, though they are whole. ``guarded`` and ``families`` say what an option, or all that begin so, may be.
    The value of an option is a path below the datadir, but for those that may lie ``elsewhere``, the ``logs`` beside the error log,
    and those that are ``no_paths``. ``binary_logs`` are set where the binary logs are shipped, and ``logged`` guards options then.
    """

    read: re.Pattern[str]
    clients: frozenset[str]
    off: Sequence[str]
    on: Sequence[str]
    whole: frozenset[str]
    guarded: Mapping[str, Allowed]
    families: Mapping[str, str]
    elsewhere: Mapping[str, tuple[str, ...]]
    logs: Sequence[str]
    no_paths: frozenset[str]
    lists_of_paths: Sequence[str]
    binary_logs: Mapping[str, str] = field(default_factory=dict)
    logged: Mapping[str, Allowed] = field(default_factory=dict)


class Flavour(ABC):
    """One kind of database server. ``name`` is its name in the pillar (``mysql:flavor``).

    ``accounts`` are the server's own, which are nobody else's. ``socket_plugin`` lets a system account in by the socket. The
    plugins of ``hashes`` let in whoever has the password, ``password_plugin`` where the pillar names none. ``beside_socket`` says
    whether an account may have one of them beside the socket's, and come in by either. ``roles_are_accounts`` says whether
    a role is shown as an account of the host ``%``, and none of that name can be beside it. ``limits`` are those of an account.
    ``persisted_query`` asks for the variables that the server keeps in its datadir, and prefers to its option files.
    """

    name: str
    names: Names
    options: Options
    privileges: Privileges
    accounts: Sequence[str]
    socket_plugin: str
    password_plugin: str
    hashes: Mapping[str, Hash]
    limits: Collection[str]
    beside_socket: bool = True
    roles_are_accounts: bool = False
    persisted_query: str = ""
    reload_tls: (
        str  # the SQL that has the server read its certificate again; sessions that are open keep what they have
    )
    accounts_query: str  # the SQL whose output `observed` reads

    backs_up = False  # whether `backup` knows the tools

    replicates = False  # whether `replication` knows how

    goes_back = True  # whether an older release of the same series starts on what a newer one has written

    # --- programs

    def upgrade(self, mysql: Mysql) -> tuple[Sequence[str], Sequence[str]] | None:
        """What brings the server's own tables to its release: a program that ends with 0 where that is needed, and the one for it.

        ``None`` where the server does so itself as it starts.
        """
        return None

    @abstractmethod
    def install(self, mysql: Mysql, directory: str) -> Sequence[str]:
        """The command line that makes the first, empty database in a folder, for root to enter by the socket.

        mysql
            The resolved configuration's ``mysql``, here and below.
        """

    def install_input(self) -> str:
        """What that program is given on standard input; nothing by default."""
        return ""

    @abstractmethod
    def client(self, mysql: Mysql) -> Sequence[str]:
        """The command line of the server's own client, as root on the local socket; SQL goes to its standard input."""

    @abstractmethod
    def knock(self, mysql: Mysql, address: str, timeout: int) -> Sequence[str]:
        """The command line of the client that only asks whether a server is there, over TCP, without any account's name."""

    def through(self, mysql: Mysql, address: str, timeout: int) -> Sequence[str]:
        """The command line of the client that logs in over TCP; the password is in its environment (``MYSQL_PWD``)."""
        return self.knock(mysql, address, timeout)

    def backup(self, mysql: Mysql, folder: str, throttle: int = 0) -> BackupTool:
        """The programs that copy the server into ``folder``, and that try such a copy out there.

        throttle
            Reads and writes a second, as the tool counts them; 0 for no limit.

        Raises ``Refused`` where hamysql knows no such tool for the flavour.
        """
        raise Refused(f"hamysql cannot back up {self.name} yet: its backups know MariaDB alone")

    def logging(self, mysql: Mysql) -> LogTool:
        """The programs of the server's binary logs. Raises ``Refused`` where hamysql cannot back up the flavour."""
        raise Refused(f"hamysql cannot back up {self.name} yet: its backups know MariaDB alone")

    def replication(self, mysql: Mysql) -> Replication:
        """How a server follows another one. Raises ``Refused`` where hamysql does not know that of the flavour."""
        raise Refused(f"hamysql cannot replicate {self.name} yet: its replicas know MariaDB alone")

    @abstractmethod
    def is_answer(self, output: str) -> bool:
        """Whether a client's error message, ``ERROR 1045 (28000): Access denied``, is a server's answer."""

    @property
    def validate(self) -> Sequence[str]:
        """What has the server read its options, tell what is wrong with them on standard error, and end."""
        return ("--verbose", "--help")

    @abstractmethod
    def not_taken(self, said: str, switches: bool = False) -> list[str]:
        """What a server says in answer to ``validate`` of values that it does not take; it may end with 0 all the same.

        switches
            Whether switches that it takes for off are told as well. A start fails for a value of InnoDB's, and not for a switch.
        """

    # --- accounts

    @abstractmethod
    def observed(self, output: str) -> Observed:
        """The output of ``accounts_query``, from the client with ``--batch --skip-column-names``; grants are asked for apart."""

    @abstractmethod
    def digest(self, password: str, plugin: str = "") -> str:
        """The hash that the server keeps of a password for one of ``hashes``, ``password_plugin`` by default."""

    def is_password(self, password: str, kept: str, plugin: str) -> bool:
        """Whether a hash that the server keeps is that of a password."""
        return self.digest(password, plugin) == kept

    def is_hash(self, given: str, kept: str) -> bool:
        """Whether a hash of the pillar is the one that the server keeps: there may be several ways to write it."""
        return given == kept

    @abstractmethod
    def identified(self, plugins: Collection[str], digest: str) -> str:
        """How ``CREATE USER`` and ``ALTER USER`` say by which plugins an account is let in: one, or the socket's and another."""

    @abstractmethod
    def in_clear(self, verb: str, to: str, plugins: Collection[str], password: str, more: str) -> Sequence[str]:
        """The same statements with a password in clear text, for a server with a policy, which keep it out of every log.

        verb
            ``CREATE USER`` or ``ALTER USER``; none where only the password changes.
        to
            The account, quoted.
        more
            What stands behind it in the statement.

        Where the last one is refused, a new account has a password that nobody knows.
        """

    @abstractmethod
    def set_default_role(self, role: str, to: str) -> str:
        """The statement that gives an account its default role, or several with commas, all quoted."""

    def revoke_admin(self, role: str, to: str) -> Sequence[str]:
        """The statements that leave an account a role, and take away that it may pass it on; both quoted."""
        return (f"REVOKE ADMIN OPTION FOR {role} FROM {to};",)

    @abstractmethod
    def drop_empty(self, database: str) -> str:
        """The statements that drop a database, and fail where anything is in it: looked at by the server, at that moment."""

    # --- variables

    @abstractmethod
    def variables_query(self, names: Iterable[str]) -> str:
        """The statements whose output :meth:`variables` reads. An error of one keeps the client from no other (``--force``)."""

    @abstractmethod
    def variables(self, output: str) -> dict[str, Variable]:
        """What the server says of some of its variables."""
