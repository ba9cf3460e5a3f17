"""Packages, where they are from, and the database server."""

from __future__ import annotations

from typing import Any, TypedDict

from hamysql.resolved.options import Options


class Repository(TypedDict):
    """``options`` are those of Salt's ``pkgrepo.managed``; ``packages`` are borrowed from it."""

    options: Options
    packages: list[str | dict[str, str]]
    disable_after_install: bool


class Repo(TypedDict):
    """The repositories by name."""

    repositories: dict[str, Repository]


class FencingPackages(TypedDict):
    """Packages of fence agents in general, of what IPMI needs, and of sbd."""

    agents: list[str]
    ipmi: list[str]
    sbd: list[str]


class QuorumPackages(TypedDict):
    """Packages of the nodes, and of the third machine."""

    device: list[str]
    server: list[str | dict[str, str]]


class Package(TypedDict):
    """Packages by what they are for. ``names`` are those of this site, ``pkgs`` the same with their versions.

    ``owned`` are those that are updated by ``hamysql.orch.update`` alone, ``attended`` what the names of such packages begin with,
    kernels among them where the storage needs a module of theirs.
    """

    cluster: list[str]
    crm: list[str]
    lock: list[str]
    streams: list[str]
    selinux: list[str]
    fencing: FencingPackages
    quorum: QuorumPackages
    drbd: list[str]
    iscsi: list[str]
    lvm: list[str]
    multipath: list[str]
    reservations: list[str]
    nfs: list[str]
    copy: list[str]
    filesystem: dict[str, list[str]]
    firewall: dict[str, list[str]]  # of each backend
    database: list[str]
    tls: list[str]
    backup: list[str]
    restic: list[str]
    further: list[str]
    versions: dict[str, str]
    hold: bool
    masked_units: list[str]
    names: list[str]
    owned: list[str]
    attended: list[str]
    pkgs: list[str | dict[str, str]]


class Tls(TypedDict):
    """The texts of the files as they are laid down; ``enabled`` where there is a certificate."""

    cert: str | None
    key: str | None
    ca: str | None
    required: bool
    enabled: bool


class Mysql(TypedDict):
    """The database server.

    ``config`` is its option file; ``options`` has those of each group in that file, and ``option_lines`` the same as lines.
    ``addresses`` is where it listens instead of the virtual IP.
    """

    flavor: str
    datadir: str
    socket: str
    pid_file: str
    port: int
    user: str
    group: str
    log_group: str
    binary: str
    client: str
    admin: str
    agent: str
    ping_timeout: int
    frozen_timeout: int
    storage_timeout: int
    install_db: str
    config: str
    config_fragment: str
    error_log: str
    log_folder: str
    tls: Tls
    databases: list[Any]  # :class:`hamysql.mysql.databases.Database`
    roles: list[Any]  # :class:`hamysql.mysql.accounts.Role`
    users: list[Any]  # :class:`hamysql.mysql.accounts.User`
    addresses: list[str]
    ports: list[int]
    options: dict[str, dict[str, str | list[str] | None]]
    option_lines: dict[str, list[str]]


class Backup(TypedDict):
    """Where backups go, when (UTC), and how many are kept; ``enabled`` where there is a place for them, and ``told`` says which.

    The newest one is tried out at ``test_at`` (UTC) each ``test_every`` days, 0 for never. ``repository`` is one of restic, with
    its ``password`` and the ``environment`` that its protocol needs.
    """

    directory: str | None
    mounted: bool
    repository: str | None
    password: str | None
    environment: dict[str, str]
    variables: dict[str, str]  # what restic is started with
    staging: str
    told: str
    at: str
    keep: int
    test_at: str
    test_every: int
    binary_logs: bool  # whether they are shipped
    throttle: int
    enabled: bool


class Replica(TypedDict):
    """A server that follows the virtual IP; ``option_lines`` is its option file, ``lag`` the seconds that it may be behind."""

    minion_id: str
    address: str
    server_id: int
    lag: int
    option_lines: list[str]
