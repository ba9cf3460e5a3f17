"""What a node says of a cluster that somebody else has built. Reads only, and tells no secret."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from hamysql.adoption import cluster as adoption_cluster
from hamysql.adoption.cluster import Cluster
from hamysql.cib import kept
from hamysql.corosync import conf as corosync_conf
from hamysql.corosync import node_ids
from hamysql.errors import CommandFailed, ParseError
from hamysql.fencing import devices
from hamysql.preflight import machine
from hamysql.resolved.sections import Section
from hamysql.schema.secretnames import is_databases_secret
from hamysql.storage import backends
from hamysql.survey import Interface
from hamysql.system import files, root
from hamysql.system.command import Run
from hamysql.system.files import Unreadable

KEY = Path("/etc/corosync/authkey")
_NONE, _TEXT, _BINARY = "none", "text", "binary"


class Found(TypedDict):
    """All of it. ``cluster`` is ``None`` where pacemaker never ran, and ``why`` has what could not be read, in sentences.

    ``key`` is none, text or binary; ``kind`` the kind of storage, "" where none is recognised, and ``storage`` what that kind says;
    ``server`` the options of the database's option files.
    """

    stale: bool
    nodename: str
    system: Mapping[str, str]
    interfaces: Mapping[str, Interface]
    corosync: Sequence[Section]
    key: str
    cluster: Cluster | None
    kind: str
    storage: Any
    server: dict[str, str]
    why: list[str]


class Secrets(TypedDict):
    """The secrets that a node has; ``storage`` has keys below the kind's section, each with its value."""

    authkey: str
    storage: list[tuple[list[str], str]]
    fences: dict[str, dict[str, str]]


def look(run: Run, nodename: str, system: Mapping[str, str]) -> Found:
    """All that is in :class:`Found`."""
    told: list[str] = []
    xml = kept.known(run)
    cluster: Cluster | None = adoption_cluster.read(xml) if xml else None
    kind, storage = "", None
    if xml:
        values = adoption_cluster.values(adoption_cluster.read(xml))
        kind = backends.recognised(values)
        storage = backends.KINDS[kind].written(run, values) if kind else None
    else:
        told.append("pacemaker has no configuration here")
    return {
        "stale": False,
        "nodename": nodename,
        "system": system,
        "interfaces": machine.interfaces(run),
        "corosync": _corosync(told),
        "key": _key(),
        "cluster": cluster,
        "kind": kind,
        "storage": storage,
        "server": _server(run, told),
        "why": told,
    }


def _corosync(told: list[str]) -> list[Section]:
    try:
        return corosync_conf.parse(files.text(root.at(node_ids.FILE), links=True))
    except (OSError, Unreadable, ParseError) as exc:
        told.append(f"{node_ids.FILE} cannot be read: {exc}")
        return []


def _key() -> str:
    """Of which sort corosync's key is. A pillar has a text of 128 characters or more."""
    try:
        key = files.read(root.at(KEY), links=True)
    except (OSError, Unreadable):
        return _NONE
    return _TEXT if _as_text(key) else _BINARY


def _as_text(key: bytes) -> str:
    """A key that a pillar can have; "" for any other."""
    plain = all(32 < byte < 127 and byte not in b'"\\' for byte in key)
    return key.decode("ascii") if plain and len(key) >= 128 else ""


def _server(run: Run, told: list[str]) -> dict[str, str]:
    """The options of the server's option files, the last of each, without secrets. The program comes with every flavour."""
    try:
        said = run(["my_print_defaults", "--mysqld"], accept=range(256)).stdout
    except CommandFailed:
        told.append("my_print_defaults is not installed, so the database's option files were not read")
        return {}
    pairs = (line[2:].partition("=") for line in said.splitlines() if line.startswith("--"))
    found = {name.replace("_", "-"): value for name, _, value in pairs}
    return {name: value for name, value in found.items() if not is_databases_secret(name)}


def secrets(run: Run) -> Secrets:
    """The secrets of the cluster that this node has: to be sealed, and never to be returned."""
    xml = kept.known(run)
    found: Secrets = {"authkey": "", "storage": [], "fences": {}}
    try:
        found["authkey"] = _as_text(files.read(root.at(KEY), links=True))
    except (OSError, Unreadable):
        pass
    if xml:
        values = adoption_cluster.values(adoption_cluster.read(xml))
        kind = backends.recognised(values)
        if kind:
            given = backends.KINDS[kind].written_secrets(run, values)
            found["storage"] = [(list(keys), value) for keys, value in given.items()]
        found["fences"] = {
            device: {name: _fence_secret(device, name, value) for name, value in given.items()}
            for device, given in adoption_cluster.secrets(xml).items()
        }
    return found


def _fence_secret(device: str, name: str, value: str) -> str:
    """A secret option of a fence device; "" where it is in a file that this node has not."""
    if value != devices.MAGIC:
        return value
    try:
        return files.text(root.at(f"{devices.SECRETS}/{device}/{name}")).rstrip("\n")
    except (OSError, Unreadable):
        return ""
