"""Where the data is: the section of each kind of storage, and the file system."""

from __future__ import annotations

from typing import TypedDict


class Verify(TypedDict):
    """How replicas are compared: by which digest, how often (days), when (UTC) and how fast.

    ``alg`` is ``None`` where they are not, ``every`` where nobody does it by the clock, ``rate`` where it is that of a
    resynchronisation.
    """

    alg: str | None
    every: int | None
    at: str
    rate: str | None


class Drbd(TypedDict):
    """``disk`` is this node's, ``link`` the index of the nodes' addresses, and ``link_from`` says where that is from.

    ``global_text`` and ``resource_texts`` are the finished files, the resource's for each kernel module that there is.
    """

    resource: str
    device: str
    agent: str
    disk: str | None
    link: int
    port: int
    protocol: str
    shared_secret: str | None
    cram_hmac_alg: str
    rate: str
    on_io_error: str
    wfc_timeout: int
    degr_wfc_timeout: int
    usage_count: str
    initial_sync: str
    verify: Verify
    wipe: dict[str, str]
    options: dict[str, dict[str, str]]
    link_from: str
    link_problem: str
    minor: int
    global_text: str
    resource_texts: dict[str, str]


class Iscsi(TypedDict, total=False):
    """The target that a LUN comes from; empty where it needs none. ``initiator`` is this node's name."""

    portal: str
    target: str
    username: str | None
    password: str | None
    initiators: dict[str, str]
    replacement_timeout: int
    unit: str
    initiator: str | None


class Lvm(TypedDict, total=False):
    """The volume on a LUN; empty where the data lies on the LUN itself."""

    volume_group: str
    logical_volume: str
    size: str


class Lun(TypedDict):
    """``wipe`` is the disk whose content may be destroyed."""

    device: str | None
    iscsi: Iscsi
    lvm: Lvm
    reservations: str
    wipe: str | None


class _Nfs(TypedDict):
    server: str | None
    export: str | None
    version: str
    options: str


class Nfs(_Nfs, total=False):
    """``source`` and ``mount_options`` are what ``mount`` gets, there where the data comes from the export."""

    source: str
    mount_options: str


class Filesystem(TypedDict):
    """``device`` is mounted at ``directory``."""

    type: str
    agent: str
    options: str
    mkfs_options: list[str]
    directory: str
    device: str


class DataReservations(TypedDict, total=False):
    """What reservations cut a node off from; empty without."""

    type: str
    device: str


class Storage(TypedDict):
    """``backend`` names the kind that is used, ``states`` the folder of its states, and each kind has a section.

    ``units`` run before pacemaker and end after it.
    """

    backend: str
    states: str
    drbd: Drbd
    shared: Lun
    nfs: Nfs
    filesystem: Filesystem
    units: list[str]
    reservations: DataReservations
